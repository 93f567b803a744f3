"""Connections that a full group leaves unread: what they get, how they end, what is told of them."""
import signal
import time

import pytest

from kit.broker import wait_until
from kit.member import done, group

FULL = {"groups": {"full": {"events": ["x", "@disconnect"], "backlog": 10}}, "group_pause_max_ms": 60000}


def fill(client, calls, count=40):
    """Send until the broker reads no more of this client. What is beyond the backlog waits."""
    for n in range(count):
        client.send("x", n)
    wait_until(lambda: calls.counter("connections_paused") == 1, "the connection to be paused")


@pytest.mark.options(**FULL)
def test_what_is_sent_to_a_paused_connection_arrives(calls, ws):
    ann = ws()
    fill(ann, calls)
    calls.set(ann.conn, room="lobby")
    assert calls("send", filter={"room": "lobby"}, event="news", payload=1)["matched"] == 1
    ann.expect("news", 1)
    assert calls("batch", event="tick", interval_ms=50)["ok"]
    calls("send", conn=ann.conn, event="tick", payload=2)
    ann.expect("batch_tick", {"d": [2]})
    assert group(calls, "full")["paused_connections"] == 1


@pytest.mark.options(**FULL)
def test_a_paused_connection_can_be_closed(member, calls, ws):
    """What it sent and was not read is gone with it; what was accepted is handled, and its end is the last."""
    ann = ws()
    fill(ann, calls)
    accepted = group(calls, "full")["received"]
    calls("close", conn=ann.conn, code=4000, reason="enough")
    assert ann.closed() == (4000, "enough")
    assert calls.counter("connections_paused") == 0
    mem, names = member("full", ["x", "@disconnect"]), []
    while names[-1:] != ["@disconnect"]:
        event = mem.take()
        names.append(event["event"])
        assert mem.finish(event) == []
    assert names == ["x"] * accepted + ["@disconnect"]
    assert event["code"] == 4000


@pytest.mark.options(**FULL)
def test_a_client_that_closes_while_it_is_paused_loses_no_message(member, calls, ws, raw):
    bob = raw()
    bob.send_frames([b'{"e":"x","p":%d,"t":"%s"}' % (n, b"t" * 2000) for n in range(100)])
    wait_until(lambda: calls.counter("connections_paused") == 1, "the connection to be paused")
    bob.send_frame(8, b"\x03\xe8")
    time.sleep(1.2)
    assert calls("count")["count"] == 1, "its end is behind its messages"
    mem, seen, entries = member("full", ["x", "@disconnect"]), [], []
    while not seen or seen[-1] != "@disconnect":
        (event,) = mem.turn(entries, max=1, wait_ms=5000)["events"]
        seen.append(event["payload"] if event["event"] == "x" else event["event"])
        entries = [done(event)]
    assert seen == [*range(100), "@disconnect"]
    assert event["code"] == 1000


@pytest.mark.options(**FULL, drain_ms=100)
def test_the_broker_stops_with_paused_connections(broker, calls, ws):
    ann = ws()
    fill(ann, calls)
    broker.signal(signal.SIGTERM)
    assert ann.closed()[0] == 1001
    assert broker.wait(5) == 0


@pytest.mark.options(**FULL, timeout_ms=400, ping_ms=100)
def test_after_a_pause_silence_counts_again(member, calls, ws, raw):
    bob = raw()  # answers no ping
    bob.send_frames([b'{"e":"x"}'] * 12)
    wait_until(lambda: calls.counter("connections_paused") == 1, "the connection to be paused")
    time.sleep(1)
    assert calls("count")["count"] == 1
    mem, entries = member("full", ["x"]), []
    for _ in range(6):
        entries = [done(mem.take(done=entries))]
    mem.turn(entries, max=0)
    assert calls.counter("connections_paused") == 0
    wait_until(lambda: calls.counter("closed_timeout") == 1, "the silent client to be closed", seconds=3)


@pytest.mark.options(groups={"a": {"events": ["a"], "backlog": 10}, "b": {"events": ["b"], "backlog": 10}}, group_pause_max_ms=60000)
def test_a_connection_that_two_full_groups_hold_up_is_read_when_both_are_open(member, calls, raw):
    bob = raw()
    bob.send_frames([b'{"e":"%s","p":%d}' % (name, n) for n in range(100) for name in (b"a", b"b")])
    wait_until(lambda: calls.counter("connections_paused") == 1, "the connection to be paused")
    one, two = member("a", ["a"]), member("b", ["b"])
    for n in range(100):
        for mem in one, two:
            event = mem.take()
            assert event["payload"] == n
            assert mem.finish(event) == []
    assert calls.counter("connections_paused") == 0
    assert group(calls, "a")["backlog"] == group(calls, "b")["backlog"] == 0


def test_more_groups_than_there_may_be_are_told_with_their_place(start_broker, tmp_path):
    with pytest.raises(AssertionError, match=r'config.json:\d+:\d+: groups: b: there are 1 groups already'):
        start_broker(max_groups=1, groups={"a": {}, "b": {}})
