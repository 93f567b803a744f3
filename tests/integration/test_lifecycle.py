"""From @connect to @disconnect: exactly one of each, whatever way a connection ends; and the end of the broker."""
import signal
import time

import pytest

from kit.broker import wait_until
from kit.client import Client, RawClient


class Once:
    """A subscriber that sees how a connection ended, and that it ended once."""

    def __init__(self, events):
        self.events = events

    def connected(self):
        event = self.events.next("@connect")
        return event["conn"]

    def ended(self, conn, codes):
        event = self.events.next("@disconnect")
        assert event["conn"] == conn
        assert event["code"] in codes, event
        assert event["duration_ms"] >= 0 and isinstance(event["reason"], str)
        self.events.nothing(0.3)
        return event


@pytest.fixture
def once(events):
    return Once(events)


def test_a_close_frame(ws, once):
    ann = ws()
    conn = once.connected()
    ann.close(4444, "my own reason")
    assert once.ended(conn, [4444])["reason"] == "my own reason"


def test_a_close_frame_without_a_code(raw, once):
    client = raw()
    conn = once.connected()
    client.send_frame(8)
    once.ended(conn, [1005])


def test_fin(raw, once):
    client = raw()
    conn = once.connected()
    client.finish()
    once.ended(conn, [1006])


def test_rst(raw, once):
    client = raw()
    conn = once.connected()
    client.reset()
    once.ended(conn, [1006])


@pytest.mark.options(timeout_ms=400, ping_ms=100)
def test_silence(raw, ws, once):
    client = raw()
    conn = once.connected()
    assert client.closed() == 3010
    once.ended(conn, [3010])


@pytest.mark.options(timeout_ms=600, ping_ms=150)
def test_who_answers_pings_stays(ws, once):
    ann = ws()
    once.connected()
    time.sleep(1.5)
    ann.send("@ping")
    ann.expect("@pong")


def test_the_operation_close(ws, calls, once):
    ann = ws()
    conn = once.connected()
    calls("close", conn=conn, code=4100, reason="out")
    assert ann.closed() == (4100, "out")
    assert once.ended(conn, [4100])["reason"] == "out"


def test_the_operation_close_on_a_client_that_is_gone_at_the_same_moment(raw, calls, once):
    client = raw()
    conn = once.connected()
    client.reset()
    calls("close", conn=conn, code=4100)
    once.ended(conn, [4100, 1006])


@pytest.mark.options(max_message_bytes=1024)
def test_the_size_limit(ws, once):
    ann = ws()
    conn = once.connected()
    ann.send("x", "y" * 2000)
    assert ann.closed()[0] == 1009
    once.ended(conn, [1009])


def test_bad_utf8(ws, once):
    ann = ws()
    conn = once.connected()
    ann.send_raw(b'{"e":"\xff"}', text=True)
    assert ann.closed()[0] == 1007
    once.ended(conn, [1007])


@pytest.mark.parametrize("opcode, payload", [(3, b""), (11, b""), (0, b"x")], ids=["3", "11", "continuation"])
def test_a_frame_that_the_rfc_forbids(raw, once, opcode, payload):
    client = raw()
    conn = once.connected()
    client.send_frame(opcode, payload)
    assert client.closed() == 1002
    once.ended(conn, [1002])


@pytest.mark.options(queue_bytes=65536)
def test_a_slow_consumer(raw, calls, once):
    slow = raw(receive_buffer=4096)
    conn = once.connected()
    while calls("send", conn=conn, event="x", payload="y" * 4000)["matched"]:
        pass
    once.ended(conn, [3012])
    assert slow.closed() in (3012, 1006)


@pytest.mark.options(stall_ms=300, queue_bytes=2**22)
def test_a_consumer_that_stalls(raw, calls, once):
    slow = raw(receive_buffer=4096)
    conn = once.connected()
    for _ in range(100):
        calls("send", conn=conn, event="x", payload="y" * 20000)
    once.ended(conn, [3012])
    assert calls.counter("closed_slow") == 1
    slow.close()


def test_shutdown(broker, ws, once):
    ann = ws()
    conn = once.connected()
    broker.stop()
    assert ann.closed()[0] == 1001
    assert once.events.next("@disconnect")["conn"] == conn


def test_a_handshake_that_never_ends_is_no_connection(broker, calls, events, raw):
    import socket

    with socket.create_connection(broker.address) as half:
        half.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
        events.nothing(0.3)
        assert calls("count")["count"] == 0


def test_many_that_come_and_go_are_each_told_once(broker, ws, raw, events, calls):
    for round_ in range(40):
        client = raw() if round_ % 2 else ws()
        (client.reset if round_ % 4 == 1 else client.close)()
    seen = [events.next() for _ in range(80)]
    begun = [event["conn"] for event in seen if event["event"] == "@connect"]
    ended = [event["conn"] for event in seen if event["event"] == "@disconnect"]
    assert len(set(begun)) == 40 and sorted(begun) == sorted(ended)
    events.nothing(0.3)
    stats = calls("stats")["counters"]
    assert stats["connections_opened"] == stats["connections_closed"] == 40 and stats["connections"] == 0


# --- the end of the broker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_broker_with_0(broker, ws, number):
    ann = ws()
    broker.signal(number)
    assert ann.closed()[0] == 1001
    assert broker.wait() == 0


@pytest.mark.options(drain_ms=3000)
def test_closing_is_spread_over_the_drain_time(broker, ws):
    clients = [ws() for _ in range(30)]
    begin = time.monotonic()
    broker.signal(signal.SIGTERM)
    ends = []
    for client in clients:
        assert client.closed()[0] == 1001
        ends.append(time.monotonic() - begin)
    assert broker.wait() == 0
    assert 1.0 < max(ends) < 8, ends


@pytest.mark.options(drain_ms=60000)
def test_while_it_drains_nobody_new_comes_in_and_a_second_signal_ends_it_at_once(broker, ws):
    for _ in range(20):
        ws()
    broker.signal(signal.SIGTERM)

    def is_shut():
        try:
            RawClient(broker.address).close()
        except (OSError, AssertionError):
            return True
        return False

    wait_until(is_shut, "the broker to stop accepting")
    assert broker.is_running()
    broker.signal(signal.SIGTERM)
    broker.wait(5)
    broker.ended_well = True  # by request, and not well


def test_what_waits_in_batches_is_flushed_at_shutdown(broker, ws, calls):
    ann = ws()
    calls("batch", event="x", interval_ms=60000)
    calls("send", conn=ann.conn, event="x", payload=1)
    broker.stop()
    assert ann.receive() == {"e": "batch_x", "p": {"d": [1]}}
    assert ann.closed()[0] == 1001


def test_clients_see_1001_with_a_full_queue_too(broker, ws, calls):
    ann = ws()
    for n in range(200):
        calls("send", conn=ann.conn, event="x", payload="y" * 4000)
    broker.stop()
    assert ann.closed()[0] == 1001


def test_after_a_restart_clients_and_handlers_find_it_again(broker, ws, calls, handler):
    from kit.handler import ECHO

    ann = ws()
    handler({"on": "q", "ops": [ECHO]})
    assert ann.ask("q", 1)["p"] == 1
    broker.restart()
    assert ann.closed()[0] == 1001
    with_new = Client(broker.url)
    assert with_new.conn.split(".")[0] != ann.conn.split(".")[0]
    assert calls("count")["count"] == 1
    with_new.close()
