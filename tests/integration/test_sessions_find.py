"""find: cursors while sessions come and go, and pages."""
import random
import threading

import msgpack
import pytest

from kit.broker import wait_until
from kit.calls import Calls
from kit.client import JSON, MSGPACK, Client

PAGE_BYTES = 256 * 1024


class Crowd(threading.Thread):
    """Connections that come and go, beside what the test does."""

    def __init__(self, broker, session):
        super().__init__(daemon=True)
        self.broker, self.session, self.ends, self.count = broker, session, threading.Event(), 0
        self.calls = Calls(broker.calls)
        self.fault = None
        self.start()

    def run(self):
        try:
            clients = []
            while not self.ends.is_set():
                clients.append(Client(self.broker.url, JSON if self.count % 2 else MSGPACK))
                self.calls.set(clients[-1].conn, **self.session)
                self.count += 1
                if len(clients) > 6:
                    clients.pop(self.count % 5).close()
            for client in clients:
                client.close()
        except Exception as error:  # noqa: BLE001 - told by end()
            self.fault = error

    def end(self):
        self.ends.set()
        self.join(30)
        self.calls.close()
        assert self.fault is None and not self.is_alive(), self.fault


@pytest.mark.parametrize(
    "filter", [{"room": "lobby"}, {"tags": {"$all": ["a", "b"]}}, {"level": {"$gte": 0}}, {}], ids=str
)
def test_a_cursor_is_stable_while_sessions_come_and_go(broker, ws, calls, filter):
    stay, go, seen = [], [], []
    for n in range(60):
        client = ws()
        calls.set(client.conn, room="lobby", tags=["a", "b", n], level=n)
        (go if n % 3 == 2 else stay).append(client)
    crowd = Crowd(broker, {"room": "lobby", "tags": ["a", "b"], "level": 1})
    after, pages = None, 0
    try:
        while True:
            page = calls("find", filter=filter, limit=4, after=after, keys=["level"])
            seen += [entry["conn"] for entry in page["sessions"]]
            pages += 1
            assert pages == 1 or int(page["sessions"][0]["conn"].split(".")[1]) > int(after.split(".")[1])
            after = page.get("after")
            if after is None or (pages > 15 and set(client.conn for client in stay) <= set(seen)):
                break
            assert len(page["sessions"]) == 4
            wait_until(lambda: crowd.fault or crowd.count > pages, "somebody to come")
            if go:
                go.pop(random.Random(pages).randrange(len(go))).close()
            # Those who stay change: in the index they are taken out and put in again, elsewhere.
            calls("update", filter={"level": {"$gte": 0}}, update={"$set": {"tags": ["b", "a", pages]}})
            calls("update", filter={"level": pages * 3}, update={"$set": {"room": "hall"}})
            calls("update", filter={"room": "hall"}, update={"$set": {"room": "lobby"}})
    finally:
        crowd.end()
    assert len(seen) == len(set(seen)), "nobody is seen twice"
    assert {client.conn for client in stay} <= set(seen), "nobody who stayed is missed"
    numbers = [int(conn.split(".")[1]) for conn in seen]
    assert numbers == sorted(numbers)


def test_an_abandoned_cursor_is_nothing_and_an_old_one_still_good(ws, calls):
    clients = [ws() for _ in range(5)]
    calls("update", filter={}, update={"$set": {"room": "lobby"}})
    cursors = [calls("find", filter={"room": "lobby"}, limit=2)["after"] for _ in range(200)]
    assert set(cursors) == {clients[1].conn}
    for client in clients[:4]:
        client.close()
    wait_until(lambda: calls("count")["count"] == 1, "them to be gone")
    page = calls("find", filter={"room": "lobby"}, after=cursors[0])
    assert [entry["conn"] for entry in page["sessions"]] == [clients[4].conn] and "after" not in page
    page = calls("find", filter={"room": "cellar"}, after=cursors[0])
    assert page["sessions"] == [] and "after" not in page


@pytest.mark.parametrize("filter", [{}, {"room": "lobby"}], ids=["everybody", "index"])
def test_pages_end_at_256_kib(ws, calls, filter):
    sizes = [30000, 61000, 61000, 61000, 45000, 64000, 1000, 64000, 64000, 64000, 500, 64000]
    for size in sizes:
        calls.set(ws().conn, room="lobby", fat="x" * size)
    entries, after, pages = [], None, []
    while True:
        page = calls("find", filter=filter, limit=1000, after=after)
        pages.append(page["sessions"])
        entries += page["sessions"]
        if (after := page.get("after")) is None:
            break
        assert after == page["sessions"][-1]["conn"]
    assert [len(entry["session"]["fat"]) for entry in entries] == sizes
    assert len(pages) >= 3
    for page, following in zip(pages, pages[1:] + [[]]):
        # The broker's list has a header of up to five bytes and maps that msgpack would write as long.
        size = len(msgpack.packb(page))
        assert size <= PAGE_BYTES
        if following:
            assert size + len(msgpack.packb(following[0])) > PAGE_BYTES - 16, "the next one had no room"
    (page,) = [calls("find", filter=filter, keys=["room"])]
    assert len(page["sessions"]) == len(sizes) and "after" not in page, "it is what is sent that counts"


@pytest.mark.options(max_session_bytes=240 * 1024)
def test_a_session_as_large_as_may_be_is_a_page(ws, calls):
    for _ in range(3):
        calls.set(ws().conn, fat="x" * (240 * 1024 - 20))
    page, count = calls("find"), 0
    while True:
        assert len(page["sessions"]) == 1
        count += 1
        if "after" not in page:
            break
        page = calls("find", after=page["after"])
    assert count == 3
