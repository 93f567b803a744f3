"""The chat handlers of examples/: members in C and in Python and a subscriber do the same."""
import signal
import subprocess
import sys
import time

import pytest

from kit.broker import BUILD, ROOT, wait_until
from kit.client import MSGPACK, Client
from kit.member import group, is_listening

HANDLERS = {
    "c": lambda address: [str(BUILD / "sluice-chat"), "--broker", address],
    "python": lambda address: [sys.executable, str(ROOT / "examples" / "python" / "chat.py"), address],
    "python-group": lambda address: [sys.executable, str(ROOT / "examples" / "python" / "chat_group.py"), address],
}
MEMBERS = ["c", "python-group"]


class Chat:
    def __init__(self, kind, broker):
        self.is_member = kind in MEMBERS
        self.log = open(broker.folder / f"chat-{kind}.log", "w+")
        self.process = subprocess.Popen(HANDLERS[kind](broker.calls), stdout=self.log, stderr=self.log)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        print(self.said())
        self.log.close()


@pytest.fixture(params=list(HANDLERS))
def chat(request, broker, calls, open_things):
    started = Chat(request.param, broker)
    open_things.append(started.stop)
    wait_until(lambda: is_listening(calls, "chat"), "the handler to be there")
    return started


def join(client, room, name):
    answer = client.ask("chat:join", {"room": room, "name": name})
    assert answer["e"] == "chat:join" and answer["p"] == {"room": room, "name": name}, answer
    return client


def heard(client, event):
    """The next payload of this event; others are skipped, batches opened."""
    while True:
        message = client.receive()
        if message["e"] == event:
            return message["p"]
        if message["e"] == f"batch_{event}":
            first, *rest = message["p"]["d"]
            client.kept[:0] = [{"e": event, "p": payload} for payload in rest]
            return first


def test_a_room_hears_what_is_said_in_it(chat, ws):
    ann, bob, eve = join(ws(), "lobby", "Ann"), join(ws(MSGPACK), "lobby", "Bob"), join(ws(), "cellar", "Eve")
    begin = time.time() * 1000
    assert ann.ask("chat:say", {"text": "hello"})["e"] == "chat:say"
    for client in ann, bob:
        message = heard(client, "chat:message")
        assert abs(message.pop("time_ms") - begin) < 60000
        assert message == {"room": "lobby", "name": "Ann", "text": "hello"}
    assert heard(eve, "chat:presence") == {"room": "cellar", "online": 1}
    eve.nothing()


def test_presence_follows_who_comes_and_goes(chat, ws):
    ann = join(ws(), "lobby", "Ann")
    assert heard(ann, "chat:presence") == {"room": "lobby", "online": 1}
    bob = join(ws(), "lobby", "Bob")
    assert heard(ann, "chat:presence") == {"room": "lobby", "online": 2}
    eve = join(ws(), "lobby", "Eve")
    assert heard(ann, "chat:presence")["online"] == 3
    assert bob.ask("chat:leave")["e"] == "chat:leave"
    assert heard(ann, "chat:presence")["online"] == 2
    eve.close()
    assert heard(ann, "chat:presence")["online"] == 1
    join(ann, "cellar", "Ann")
    assert heard(ann, "chat:presence") == {"room": "cellar", "online": 1}


@pytest.mark.parametrize("payload", [None, 5, "text", [1], {}, {"room": 1, "name": {}}, {"room": "x" * 65, "name": "a"}, {"text": "x"}], ids=str)
def test_payloads_of_every_kind_are_refused_and_survived(chat, ws, payload):
    ann = ws()
    for event in "chat:join", "chat:say":
        answer = ann.ask(event, payload)
        assert answer["e"] == "@error" and answer["p"]["code"] in ("bad_join", "not_in_a_room"), answer
        ann.send(event, payload)
    ann.send("chat:leave", payload)
    join(ann, "lobby", "Ann")
    assert ann.ask("chat:say", payload if payload != {"text": "x"} else {"text": ""})["p"]["code"] == "bad_text"
    assert chat.process.poll() is None


def test_a_flood_is_taken_in_batches_and_loses_nothing(chat, ws):
    """A subscriber that is slow loses what comes behind the 256 messages that the broker keeps for it."""
    ann, bob = join(ws(), "lobby", "Ann"), join(ws(), "lobby", "Bob")
    at_once = 3000 if chat.is_member else 250
    for begin in range(0, 3000, at_once):
        texts = [str(n) for n in range(begin, begin + at_once)]
        for text in texts:
            ann.send("chat:say", {"text": text})
        assert [heard(bob, "chat:message")["text"] for _ in texts] == texts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_soon(chat, number):
    """A member when its turn is over, and with 0: it has left."""
    begin = time.monotonic()
    chat.process.send_signal(number)
    assert chat.process.wait(20) in ((0,) if chat.is_member else (0, -number))
    assert time.monotonic() - begin < 5


@pytest.mark.options(alive_ms=200)
def test_it_goes_on_with_a_broker_that_has_started_anew(chat, broker, open_things):
    broker.restart()
    ann = Client(broker.url)
    open_things.append(ann.close)

    def joined():
        try:
            return ann.ask("chat:join", {"room": "lobby", "name": "Ann"}, timeout=2)["e"] == "chat:join"
        except TimeoutError:
            return False  # published while a subscriber's link was half made

    wait_until(joined, "the handler to find the broker")
    ann.send("chat:say", {"text": "still here"})
    assert heard(ann, "chat:message")["text"] == "still here"

    def is_refused():
        ann.send("other:event")
        try:
            return ann.receive(0.3)["e"] == "@error"
        except TimeoutError:
            return False

    wait_until(is_refused, "the announcement to count again: nobody listens to this event")


def test_while_it_is_stopped_nobody_hears_anything(chat, ws):
    ann, bob = join(ws(), "lobby", "Ann"), join(ws(), "lobby", "Bob")
    ann.sync(), bob.sync()
    while bob.kept:
        bob.receive()
    chat.process.send_signal(signal.SIGSTOP)
    ann.send("chat:say", {"text": "anybody?"})
    try:
        bob.nothing(0.7)
    finally:
        chat.process.send_signal(signal.SIGCONT)
    assert heard(bob, "chat:message")["text"] == "anybody?"


@pytest.mark.parametrize("chat", MEMBERS, indirect=True)
def test_members_share_and_those_that_stop_lose_nothing(chat, broker, calls, ws, open_things):
    clients = [join(ws(), "lobby", f"client {n}") for n in range(20)]
    more = [Chat(kind, broker) for kind in ("python-group", "c", "c")]
    open_things.extend(other.stop for other in more)
    wait_until(lambda: len(group(calls, "chat")["members"]) == 4, "the members")
    for n in range(200):
        for client in clients:
            client.send("chat:say", {"text": str(n)})
        if n == 50:
            more[0].process.send_signal(signal.SIGTERM)
        if n == 100:
            more[1].process.send_signal(signal.SIGSTOP)
    assert more[0].process.wait(20) == 0
    more[1].process.kill()
    heard_by_name = {f"client {n}": [] for n in range(20)}
    for _ in range(200 * 20):
        said = heard(clients[0], "chat:message")
        heard_by_name[said["name"]].append(said["text"])
    assert all(texts == [str(n) for n in range(200)] for texts in heard_by_name.values())
    assert wait_until(lambda: group(calls, "chat")["backlog"] == 0, "all to be done")
    assert calls("dead", group="chat")["events"] == []
