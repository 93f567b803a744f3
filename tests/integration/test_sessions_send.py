"""send and batches over the wire: slow readers, batches of the config, and what many connections share."""
import itertools

import msgpack
import pytest

from kit.broker import wait_until
from kit.client import JSON, MSGPACK
from test_sessions import everything

# --- send


@pytest.mark.options(queue_bytes=65536, stall_ms=600000)
def test_a_send_tells_how_many_queues_refused_it(raw, ws, calls):
    slow = [raw(receive_buffer=4096) for _ in range(4)]
    conns = [client.receive()["p"]["conn"] for client in slow]
    quick, eve = [ws(), ws(MSGPACK)], ws()
    for conn in conns + [client.conn for client in quick]:
        calls.set(conn, room="lobby")
    results = []
    while len(results) < 3000 and calls("count", filter={"room": "lobby"})["count"] > 2:
        payload = {"n": len(results), "fat": "y" * 4000}
        results.append(calls("send", filter={"room": "lobby"}, event="x", payload=payload))
    first = next(result for result in results if result["refused"])
    assert first["matched"] == 6 and 1 <= first["refused"] <= 4
    for result in results:  # those who are refused leave the filters a moment later
        assert result["matched"] - result["refused"] >= 2 and (result["refused"] == 0 or result["matched"] > 2)
    refused = sum(result["refused"] for result in results)
    assert refused >= 4 and calls.counter("deliveries_refused") == refused
    wait_until(lambda: calls.counter("closed_slow") == 4, "them to be closed")
    assert calls("send", filter={"room": "lobby"}, event="x", payload={"n": len(results)}) == {
        "ok": True, "matched": 2, "refused": 0,
    }  # fmt: skip
    for client in quick:
        assert [client.receive()["p"]["n"] for _ in range(len(results) + 1)] == list(range(len(results) + 1))
    assert everything(eve) == []


@pytest.mark.options(queue_bytes=65536, stall_ms=600000)
def test_a_batch_that_a_queue_refuses_is_told_where_it_is_full(raw, ws, calls):
    slow, quick = raw(receive_buffer=4096), ws()
    slow.receive()
    calls("batch", event="x", interval_ms=60000, max_items=2)
    refused = 0
    for n in range(3000):
        result = calls("send", filter={}, event="x", payload="y" * 4000)
        assert result["matched"] == 2 or refused
        refused += result["refused"]
        if refused:
            break
    assert refused == 1 and n % 2 == 1, "when the batch was flushed, not when it was filled"
    calls("send", filter={}, event="x", payload="last", unbatched=True)
    received = sum(len(quick.expect("batch_x")["d"]) for _ in range((n + 1) // 2))
    assert received == n + 1
    quick.expect("x", "last")


# --- batches


CONFIGURED = [
    {"event": "cursor", "interval_ms": 100, "latest_by": "user"},
    {"event": "log", "interval_ms": 60000, "max_items": 3},
    {"event": "state", "interval_ms": 100, "keep": "latest"},
    {"event": "big", "interval_ms": 60000, "max_bytes": 2000},
]


@pytest.mark.options(batches=CONFIGURED)
def test_batches_of_the_config(room, calls):
    ann, eve = room["ann"], room["eve"]
    lobby = {"filter": {"room": "lobby"}}
    calls.results(
        *({"op": "send", "event": "cursor", "payload": {"user": user, "x": x}, **lobby}
          for user, x in [("ann", 1), ("bob", 2), ("ann", 3), ("bob", 4), ("ann", 5)]),
    )  # fmt: skip
    for client in ann, room["bob"]:
        client.expect("batch_cursor", {"d": [{"user": "bob", "x": 4}, {"user": "ann", "x": 5}]})
    calls.results(*({"op": "send", "event": "log", "payload": n, **lobby} for n in range(7)))
    for client in ann, room["bob"]:
        client.expect("batch_log", {"d": [0, 1, 2]})
        client.expect("batch_log", {"d": [3, 4, 5]})
    calls.results(*({"op": "send", "event": "state", "payload": n, **lobby} for n in range(5)))
    for client in ann, room["bob"]:
        client.expect("batch_state", {"d": [4]})
    calls.results(*({"op": "send", "event": "big", "payload": str(n) * 900, **lobby} for n in range(3)))
    for client in ann, room["bob"]:
        client.expect("batch_big", {"d": ["0" * 900, "1" * 900]})
    # A handler may change them, and what waits stays: the log's seventh, and the third that is big.
    calls("batch", event="log", interval_ms=50)
    calls("batch", event="big", interval_ms=0)
    for client in ann, room["bob"]:
        client.expect("batch_big", {"d": ["2" * 900]})
        client.expect("batch_log", {"d": [6]})
    calls("send", event="big", payload=1, **lobby)
    ann.expect("big", 1)
    assert everything(eve) == []


@pytest.mark.options(batches=CONFIGURED)
def test_what_waits_goes_out_when_the_broker_closes_a_connection_or_ends(broker, room, calls):
    for event in "log", "big":
        calls("send", filter={"room": "lobby"}, event=event, payload=event)
    calls("close", conn=room["ann"].conn, code=4000)
    assert {room["ann"].receive()["e"], room["ann"].receive()["e"]} == {"batch_log", "batch_big"}
    assert room["ann"].closed()[0] == 4000
    room["bob"].nothing(0.1)
    broker.stop()
    assert {room["bob"].receive()["e"], room["bob"].receive()["e"]} == {"batch_log", "batch_big"}
    assert room["bob"].closed()[0] == 1001
    assert room["eve"].closed()[0] == 1001


def resident_bytes(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


READERS, BATCHES, ITEMS = 60, 40, 15


def send_alone(calls, everybody_but_eve, n):
    calls("send", event="x", payload=[f"{n:04}" * 1000] * ITEMS, **everybody_but_eve)


def send_until_the_interval_ends(calls, everybody_but_eve, n):
    calls("batch", event="x", interval_ms=60000)
    for _ in range(ITEMS):
        calls("send", event="x", payload=f"{n:04}" * 1000, **everybody_but_eve)
    calls("batch", event="x", interval_ms=0)


def send_until_it_is_full(calls, everybody_but_eve, n):
    calls("batch", event="x", interval_ms=60000, max_items=ITEMS)
    for _ in range(ITEMS):
        calls("send", event="x", payload=f"{n:04}" * 1000, **everybody_but_eve)


@pytest.mark.parametrize(
    "send, subprotocol",
    [
        (send_alone, JSON),
        (send_alone, MSGPACK),
        (send_until_the_interval_ends, JSON),
        (send_until_the_interval_ends, MSGPACK),
        (send_until_it_is_full, JSON),
    ],
)
@pytest.mark.options(queue_bytes=16 * 1024 * 1024, stall_ms=600000, batch_bytes=262144)
def test_what_is_sent_to_many_is_encoded_once_and_shared(broker, raw, ws, calls, send, subprotocol):
    """The clients read nothing, so what they have in their queues stays in memory: once, and not for each."""
    slow = [raw(subprotocol, receive_buffer=4096) for _ in range(READERS)]
    for client in slow:
        assert b"@welcome" in client.receive_frame()[1]
    eve = ws()
    calls.set(eve.conn, room="cellar")
    names = ("batch_items", "batches_out", "deliveries", "batch_items_replaced", "closed_slow")
    before = {name: calls.counter(name) for name in names}
    resident = resident_bytes(broker.pid)
    for n in range(BATCHES):
        send(calls, {"filter": {"room": {"$exists": False}}}, n)
    waiting = READERS * BATCHES * ITEMS * 4000
    risen = resident_bytes(broker.pid) - resident
    is_batched = send is not send_alone
    assert {name: calls.counter(name) - value for name, value in before.items()} == {
        "batch_items": READERS * BATCHES * ITEMS * is_batched,
        "batches_out": READERS * BATCHES * is_batched,
        "deliveries": READERS * BATCHES,
        "batch_items_replaced": 0,
        "closed_slow": 0,
    }
    # Each kernel takes what fits its buffers, a megabyte at most; the rest waits here.
    assert risen < waiting / 3, f"{risen} bytes for {waiting} that wait"
    assert everything(eve) == []
    if subprotocol == JSON:
        first, payload = slow[0].receive(), ["0000" * 1000] * ITEMS
        assert first == {"e": "batch_x", "p": {"d": payload}} if is_batched else {"e": "x", "p": payload}


def test_the_latest_by_a_number_is_one_however_it_was_written(room, calls):
    ann, marker = room["ann"], msgpack.packb("HERE")
    calls("batch", event="x", interval_ms=150, latest_by="id")
    for n, seven in enumerate((b"\x07", b"\xcc\x07", b"\xcd\x00\x07", b"\xcb\x40\x1c" + bytes(6))):
        op = {"op": "send", "conn": ann.conn, "event": "x", "payload": {"n": n, "id": "HERE"}}
        reply = calls.raw(msgpack.packb(calls.envelope([op])).replace(marker, seven))
        assert reply["results"][0]["matched"] == 1
    ann.expect("batch_x", {"d": [{"n": 3, "id": 7}]})


def test_batches_that_differ_are_told_apart(room, calls):
    calls("batch", event="x", interval_ms=150)
    order = list(itertools.product(("lobby", "cellar"), range(3)))
    calls.results(
        *({"op": "send", "filter": {"room": where}, "event": "x", "payload": [where, n]} for where, n in order),
        {"op": "send", "conn": room["bob"].conn, "event": "x", "payload": "bob's own"},
    )
    lobby, cellar = ([[where, n] for where, n in order if where == there] for there in ("lobby", "cellar"))
    room["ann"].expect("batch_x", {"d": lobby})
    room["bob"].expect("batch_x", {"d": [*lobby, "bob's own"]})
    room["eve"].expect("batch_x", {"d": cellar})


def test_many_batches_of_one_size_are_told_apart(ws, calls):
    clients = [ws() for _ in range(100)]
    calls("batch", event="x", interval_ms=60000)
    calls.results(
        *({"op": "send", "conn": client.conn, "event": "x", "payload": [n, part]}
          for part in range(2) for n, client in enumerate(clients)),
        {"op": "batch", "event": "x", "interval_ms": 0},
    )  # fmt: skip
    for n, client in enumerate(clients):
        client.expect("batch_x", {"d": [[n, 0], [n, 1]]})
