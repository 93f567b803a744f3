"""The handler's side: requests and their replies, ids, epochs, keys, what is published, and bad input from nng peers."""
import os
import signal
import socket
import struct
import time

import msgpack
import pynng
import pytest

from kit.broker import ROOT, wait_until
from kit.calls import Calls, Events
from kit.client import MSGPACK, Client

# Peers that hang up at once make nng 1.5.2's listeners die, and it never frees what those had accepted (nng issue #1518).
DEAD_LISTENER = pytest.mark.options(
    env={"LSAN_OPTIONS": f"suppressions={ROOT}/tests/support/nng-dead-listener.lsan:print_suppressions=0"}
)
KEY = "a secret of 16 bytes or more"


def refusal(reply, code):
    """A reply to a request that was refused as a whole."""
    assert reply["v"] == 1 and reply["ok"] is False and reply["code"] == code and reply["message"], reply
    assert "results" not in reply and reply["epoch"]
    return reply


# --- requests and replies


def test_a_reply_has_the_id_and_the_epoch_and_a_result_for_each_operation(ws, calls):
    ann = ws()
    reply = calls.request(
        {"op": "update", "conn": ann.conn, "update": {"$set": {"n": 1}}},
        {"op": "nonsense"},
        {"op": "get", "conn": ann.conn},
        id=812,
    )
    assert reply["id"] == 812 and reply["epoch"] == ann.conn.split(".")[0]
    done, failed, got = reply["results"]
    assert done["ok"] and done["matched"] == done["modified"] == 1
    assert failed["code"] == "unknown_op" and failed["at"] == "ops[1].op"
    assert got["ok"] and got["session"] == {"n": 1} and got["version"] == done["version"]


def test_a_request_without_operations_is_fine(calls):
    assert calls.request()["results"] == []


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\xc1", b"\x80\x80", b"\x93\x01\x02", b"\xdd\xff\xff\xff\xff", b"\x81\xa1v", b"\xc0", b"{}", b"\x91" * 4000,
     msgpack.packb([1]), msgpack.packb("x"), msgpack.packb({"v": 1, "x": msgpack.ExtType(1, b"")})],
    ids=lambda data: data[:12].hex() or "empty",
)
def test_garbage_gets_an_error_and_never_silence(calls, data):
    reply = calls.raw(data)
    assert reply["ok"] is False and reply["code"] in ("bad_request", "bad_argument") and reply["message"], reply
    assert calls("count")["count"] == 0


@pytest.mark.parametrize(
    "change, code",
    [
        ({"v": 2}, "bad_version"),
        ({"v": None}, "bad_argument"),
        ({"client": None}, "bad_argument"),
        ({"client": "short"}, "bad_argument"),
        ({"client": "x" * 65}, "bad_argument"),
        ({"client": 16}, "bad_argument"),
        ({"id": None}, "bad_argument"),
        ({"id": "7"}, "bad_argument"),
        ({"id": -1}, "bad_argument"),
        ({"ops": None}, "bad_argument"),
        ({"ops": {}}, "bad_argument"),
        ({"op": []}, "unknown_key"),
        ({"epoch": "anotherone"}, "new_epoch"),
    ],
    ids=str,
)
def test_a_request_with_a_wrong_head_is_refused(calls, change, code):
    request = {**calls.envelope([{"op": "count"}]), **change}
    reply = refusal(calls.raw(msgpack.packb({key: value for key, value in request.items() if value is not None})), code)
    if isinstance(change.get("id", 0), int) and change.get("id") != -1:
        assert reply["id"] == request["id"]


def test_an_unknown_key_of_a_request_is_refused_with_the_nearest_known_one(calls):
    reply = refusal(calls.request({"op": "count"}, clinet="x"), "unknown_key")
    assert "client" in reply["message"]


def test_unknown_operations_and_keys_name_the_nearest_known_one(calls):
    (result,) = calls.results({"op": "cuont"})
    assert result["code"] == "unknown_op" and "count" in result["message"] and result["at"] == "ops[0].op"
    result = calls.refused("count", fliter={})
    assert result["code"] == "unknown_key" and "filter" in result["message"] and result["at"] == "ops[0].fliter"


def test_operations_that_are_no_maps_are_errors_of_their_own(calls):
    reply = calls.request(7, {"op": "count"}, [], {"op": 3}, {})
    assert [result.get("code") for result in reply["results"]] == ["bad_argument", None] + ["bad_argument"] * 3


def test_an_argument_that_is_nil_counts_as_absent(ws, calls):
    ann = ws()
    calls.set(ann.conn, room="lobby")
    assert calls("count", filter=None, args=None, distinct=None)["count"] == 1
    assert calls("get", conn=ann.conn, keys=None)["session"] == {"room": "lobby"}
    assert calls.refused("send", conn=None, filter=None, event="x")["code"] == "bad_argument"


@pytest.mark.options(max_ops=3)
def test_a_request_has_at_most_so_many_operations(calls):
    assert len(calls.results(*[{"op": "count"}] * 3)) == 3
    refusal(calls.request(*[{"op": "count"}] * 4), "request_too_large")


def test_a_request_that_is_too_long_ends_the_link_and_nothing_else(broker, calls, new_calls):
    large = new_calls()
    large.socket.recv_timeout = 1000
    large.socket.send(msgpack.packb(large.envelope([{"op": "send", "filter": {}, "event": "x", "payload": "y" * 2**20}])))
    with pytest.raises(pynng.Timeout):
        large.socket.recv()
    large.close()
    assert calls("count")["count"] == 0


def test_a_reply_that_would_be_too_large_is_refused_operation_by_operation(ws, calls):
    ann = ws()
    calls.set(ann.conn, fat="x" * 60000)
    results = calls.results(*[{"op": "get", "conn": ann.conn}] * 40)
    codes = [result.get("code") for result in results]
    good = codes.index("reply_too_large")
    assert good >= 15 and codes[:good] == [None] * good
    assert calls.results({"op": "count"})[0]["ok"]


def test_payloads_that_no_client_could_read_are_refused(ws, calls):
    ann = ws()
    for payload in (
        float("nan"), float("inf"), {"x": [float("-inf")]}, msgpack.ExtType(5, b"x"), {1: 2}, {b"k": 1}, {None: 1},
    ):
        reply = calls.request({"op": "send", "conn": ann.conn, "event": "x", "payload": payload})
        result = reply["results"][0] if "results" in reply else reply
        assert result["ok"] is False and result["code"] in ("bad_value", "bad_request"), (payload, reply)
        assert result.get("at"), (payload, result)
    for raw in b"\xa1\xff", b"\xa3\xed\xa0\x80":  # text that is not UTF-8
        packed = msgpack.packb(calls.envelope([{"op": "send", "conn": ann.conn, "event": "x", "payload": "@@"}]))
        reply = calls.raw(packed.replace(b"\xa2@@", raw))
        result = reply["results"][0] if "results" in reply else reply
        assert result["ok"] is False, reply
    ann.nothing()


# --- request ids


def test_a_repeated_request_gets_its_stored_reply_and_changes_nothing(ws, calls, new_calls):
    ann = ws()
    request = calls.envelope([{"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 1}}}])
    packed = msgpack.packb(request)
    first = calls.raw(packed)
    assert first["results"][0]["modified"] == 1
    assert calls.raw(packed) == first
    assert new_calls().raw(packed) == first, "nothing depends on the link"
    assert calls.session(ann.conn) == {"n": 1}


def test_the_same_id_with_other_bytes_is_refused(ws, calls):
    ann = ws()
    calls.request({"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 1}}}, id=5)
    refusal(calls.request({"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 2}}}, id=5), "id_reused")
    assert calls.session(ann.conn) == {"n": 1}


def test_ids_belong_to_their_client(ws, calls, new_calls):
    ann = ws()
    for one in calls, new_calls():
        reply = one.request({"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 1}}}, id=1)
        assert reply["results"][0]["ok"]
    assert calls.session(ann.conn) == {"n": 2}


def test_a_repeat_beyond_what_is_stored_is_too_old(ws, calls):
    ann = ws()
    step = {"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 1}}}
    for id in range(1, 301):
        calls.request(step, id=id)
    refusal(calls.request(step, id=1), "id_too_old")
    assert calls.request(step, id=45)["results"][0]["version"] == 45 + calls("get", conn=ann.conn)["version"] - 300
    assert calls.session(ann.conn) == {"n": 300}


@pytest.mark.options(stored_ms=200)
def test_a_repeat_after_its_time_is_too_old(ws, calls):
    ann = ws()
    step = {"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 1}}}
    calls.request(step, id=1)
    wait_until(lambda: calls.request(step, id=1).get("code") == "id_too_old", "the reply to be forgotten", 5)
    assert calls.session(ann.conn) == {"n": 1}


def test_requests_that_only_read_run_again(ws, calls):
    packed = msgpack.packb(calls.envelope([{"op": "count"}]))
    assert calls.raw(packed)["results"] == [{"ok": True, "count": 0}]
    ann = ws()
    assert calls.raw(packed)["results"] == [{"ok": True, "count": 1}]
    ann.close()


@pytest.mark.slow
def test_the_200th_last_request_of_each_of_50_clients_gets_its_stored_reply(ws, new_calls):
    count, requests = 50, 260
    conns = [ws().conn for _ in range(count)]
    clients = [new_calls() for _ in range(count)]
    replies = {}
    for id in range(1, requests + 1):
        for client, conn in zip(clients, conns):
            packed = msgpack.packb(client.envelope([{"op": "update", "conn": conn, "update": {"$inc": {"n": 1}}}], id=id))
            replies[client, id] = packed, client.raw(packed)
    before = [clients[0]("get", conn=conn) for conn in conns]
    for client in clients:
        packed, reply = replies[client, requests - 199]
        assert client.raw(packed) == reply and reply["results"][0]["modified"] == 1
    assert [clients[0]("get", conn=conn) for conn in conns] == before
    assert all(result["session"] == {"n": requests} for result in before)
    assert clients[0].counter("requests_repeated") == count


# --- epochs, keys, addresses


def test_a_request_for_another_epoch_is_refused(broker, calls):
    epoch = calls("hello")["epoch"]
    assert calls.request({"op": "count"}, epoch=epoch)["results"][0]["ok"]
    reply = refusal(calls.request({"op": "count"}, epoch="0" * len(epoch)), "new_epoch")
    assert reply["epoch"] == epoch
    broker.restart()
    reply = refusal(calls.request({"op": "count"}, epoch=epoch), "new_epoch")
    assert reply["epoch"] != epoch and 8 <= len(reply["epoch"]) <= 16


def test_hello_tells_what_a_handler_needs(broker, calls, ws):
    hello = calls("hello", name="tests", language="python", version="1", speaks=[1])
    assert hello["v"] == 1 and hello["features"] == ["groups"]
    assert hello["addresses"] == {"calls": [broker.calls], "events": [broker.events]}
    assert ws().conn.split(".")[0] == hello["epoch"]
    assert hello["limits"]["max_message_bytes"] == 65536 and all(isinstance(n, int) for n in hello["limits"].values())
    assert isinstance(hello["broker"], str) and hello["version"]


def tcp_calls(broker):
    return next(address for address in Calls(broker.calls)("hello")["addresses"]["calls"] if "tcp" in address)


@pytest.fixture
def tcp_broker(start_broker):
    """A broker with IPC and TCP endpoints; its TCP addresses as `calls_tcp` and `events_tcp`."""

    def start(**options):
        ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as server:
                ports.append(server.getsockname()[1])
        calls, events = (f"tcp://127.0.0.1:{port}" for port in ports)
        broker = start_broker("--calls", calls, "--events", events, **options)
        broker.calls_tcp, broker.events_tcp = calls, events
        return broker

    return start


def test_tcp_and_ipc_are_served_at_the_same_time(tcp_broker, open_things):
    broker = tcp_broker()
    over_ipc, over_tcp = Calls(broker.calls), Calls(broker.calls_tcp)
    open_things += [over_ipc.close, over_tcp.close]
    assert over_ipc("hello")["addresses"] == {"calls": [broker.calls], "events": [broker.events]}
    assert over_tcp("hello")["addresses"] == {"calls": [broker.calls_tcp], "events": [broker.events_tcp]}
    subscribers = [Events(broker.events, over_ipc), Events(broker.events_tcp, over_ipc)]
    ann = Client(broker.url)
    open_things += [subscriber.close for subscriber in subscribers] + [ann.close]
    ann.send("x", 1)
    assert [subscriber.next("x")["conn"] for subscriber in subscribers] == [ann.conn] * 2


def test_over_tcp_each_request_must_carry_the_key(tcp_broker, open_things):
    broker = tcp_broker(key=KEY)
    good, bad, none, local = (
        Calls(broker.calls_tcp, key=KEY), Calls(broker.calls_tcp, key=KEY[:-1] + "?"),
        Calls(broker.calls_tcp), Calls(broker.calls),
    )
    open_things += [calls.close for calls in (good, bad, none, local)]
    assert good("count")["count"] == 0
    refusal(bad.request({"op": "count"}), "unauthorized")
    refusal(none.request({"op": "count"}), "unauthorized")
    assert local("count")["count"] == 0, "who may open the IPC file needs no key"


# --- what is published


def test_an_event_tells_who_what_and_when(ws, events, calls):
    ann = ws(MSGPACK)
    begin = int(time.time() * 1000)
    version = calls.set(ann.conn, user="ann")["version"]
    ann.send("chat:say", {"text": "hi"}, i=3, t="trace")
    event = events.next("chat:say")
    assert begin - 1000 <= event.pop("time_ms") <= time.time() * 1000 + 1000
    assert event == {
        "event": "chat:say", "conn": ann.conn, "payload": {"text": "hi"}, "session": {"user": "ann"},
        "version": version, "i": 3, "seq": 1, "trace": "trace",
    }


@pytest.mark.options(headers=["user-agent", "x-tenant"])
def test_connect_and_disconnect_tell_the_handshake_and_the_end(ws, events):
    ann = ws(MSGPACK, path="?token=a%20b", additional_headers={"X-Tenant": "blue", "X-Other": "no"}, user_agent_header="tests")
    event = events.next("@connect")
    assert event["conn"] == ann.conn and event["path"] == "/ws" and event["query"] == "token=a%20b"
    assert {name.lower(): value for name, value in event["headers"].items()} == {"user-agent": "tests", "x-tenant": "blue"}
    assert event["remote"] == "127.0.0.1" and event["subprotocol"] == MSGPACK
    assert event["session"] == {} and event["seq"] == 1 and "payload" not in event
    ann.close(4001, "done")
    event = events.next("@disconnect")
    assert (event["conn"], event["code"], event["reason"], event["seq"]) == (ann.conn, 4001, "done", 1)
    assert event["duration_ms"] >= 0


def test_a_connection_is_in_the_filters_from_its_connect_to_its_disconnect(ws, events, calls):
    ann = ws()
    events.next("@connect")
    assert calls("count")["count"] == 1
    ann.close()
    events.next("@disconnect")
    assert calls("count")["count"] == 0
    assert calls("get", conn=ann.conn)["found"] is False
    assert calls("send", conn=ann.conn, event="x") == {"ok": True, "matched": 0, "refused": 0}


def test_seq_counts_per_event_name(ws, events):
    ann, bob = ws(), ws()
    for client, name in (ann, "a"), (ann, "b"), (bob, "a"), (ann, "a"):
        client.send(name)
        client.sync()
    seen = [(event["event"], event["seq"]) for event in (events.next() for _ in range(6))]
    assert seen == [("@connect", 1), ("@connect", 2), ("a", 1), ("b", 1), ("a", 2), ("a", 3)]


def test_events_of_a_connection_keep_their_order_whatever_their_names(ws, events):
    ann = ws()
    events.next("@connect")
    sent = [("abc"[n * 7 % 3], n) for n in range(200)]  # each its own nng message, of which 256 may wait
    for name, n in sent:
        ann.send(name, n)
    assert [(event["event"], event["payload"]) for event in (events.next() for _ in sent)] == sent


@pytest.mark.options(alive_ms=100)
def test_alive_carries_the_seq_reached_by_each_name(ws, events, calls):
    ann = ws()
    for name in "a", "b", "a":
        ann.send(name)
    wait_until(
        lambda: events.next("@alive")["payload"]["seq"] == {"@connect": 1, "a": 2, "b": 1}, "the seqs in @alive", 5
    )


def test_topics_select_what_a_subscriber_gets(ws, new_events):
    exact, prefix, own = new_events([b"a:b\0"]), new_events([b"a:"]), new_events([b"@"])
    ann = ws()
    for name in "a", "a:b", "a:b:c", "a:bc", "b":
        ann.send(name)
    ann.close()
    assert exact.next()["event"] == "a:b"
    assert [prefix.next()["event"] for _ in range(3)] == ["a:b", "a:b:c", "a:bc"]
    assert [own.next()["event"] for _ in range(2)] == ["@connect", "@disconnect"]
    exact.nothing(0.1)


def test_many_events_travel_in_one_message(broker, ws, events):
    clients = [ws() for _ in range(4)]
    broker.signal(signal.SIGSTOP)  # so that its loop finds all of them in a few turns
    for client in clients:
        for n in range(250):
            client.send("x", n)
    broker.signal(signal.SIGCONT)
    seen, messages, end = 0, 0, time.monotonic() + 20
    while seen < 1000 and time.monotonic() < end:  # @alive comes all the time
        topic, message = events.message()
        if topic == "x":
            seen, messages = seen + len(message["events"]), messages + 1
    assert seen == 1000 and messages < 100


# --- announcements


def test_an_announcement_makes_the_difference(ws, calls, new_events):
    ann = ws()
    new_events([b"q\0"])
    calls("subscribe", events=["q", "chat:*"])
    ann.send("x")
    ann.expect_error("no_handler", event="x")
    ann.send("q")
    ann.send("chat:say")
    ann.sync()
    calls("subscribe", events=["*"])
    ann.send("x")
    ann.nothing()
    calls("subscribe", events=["other"])
    ann.send("q")
    ann.expect_error("no_handler", event="q")


def test_more_subscribers_than_announcements_may_listen_to_anything(ws, calls, new_events):
    ann = ws()
    calls("subscribe", events=["q"])
    ann.send("x")
    ann.expect_error("no_handler", event="x")
    new_events([b"?"])
    ann.send("x")
    ann.expect_error("no_handler", event="x")
    new_events([b"?"])
    ann.send("x")
    ann.nothing()


def test_an_announcement_of_nothing_takes_back_the_one_before(ws, calls):
    ann = ws()
    calls("subscribe", events=["q"])
    calls("subscribe", events=[])
    ann.send("q")
    ann.expect_error("no_handler", event="q")


@pytest.mark.options(announce_ms=300)
def test_an_announcement_ends_after_its_time(ws, calls, new_events):
    ann = ws()
    calls("subscribe", events=["q"])
    ann.send("q")
    ann.sync()
    time.sleep(0.5)
    ann.send("q")
    ann.expect_error("no_handler", event="q")


def test_an_announcement_ends_with_its_link(ws, calls, new_calls):
    ann = ws()
    other = new_calls()
    other("subscribe", events=["q"])
    ann.send("q")
    ann.sync()
    other.close()
    wait_until(lambda: calls.counter("call_links") == 1, "the link to end")
    ann.send("q")
    ann.expect_error("no_handler", event="q")


@pytest.mark.parametrize("pattern", ["", "a b", "chat:**", "*chat", "a::*", "x" * 129])
def test_an_announcement_of_no_pattern_is_refused(calls, pattern):
    result = calls.refused("subscribe", events=["ok", pattern])
    assert result["code"] == "bad_argument" and result["at"] == "ops[0].events[1]"


# --- peers that misbehave


@DEAD_LISTENER
def test_peers_that_connect_and_close_at_once_or_send_garbage(broker, calls, ws):
    ann = ws()
    for path in broker.calls, broker.events:
        for garbage in b"", b"x", b"\0SP\0\0\x30\0\0", b"\0SP\0\0\x31\0\0" + b"\xff" * 8, os.urandom(100):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(path.removeprefix("ipc://"))
                try:
                    peer.sendall(garbage)
                except OSError:
                    pass  # hung up on already
    ann.send("@ping")
    ann.expect("@pong")
    assert wait_until(lambda: Calls(broker.calls)("count")["count"] == 1, "the broker to answer")


@DEAD_LISTENER
def test_a_listener_that_died_listens_again(broker, calls):
    for _ in range(300):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                peer.connect(broker.calls.removeprefix("ipc://"))
            except ConnectionRefusedError:
                time.sleep(0.05)  # being replaced at this moment
    fresh = Calls(broker.calls)
    assert fresh("count")["count"] == 0
    fresh.close()


def test_hundreds_of_requests_are_under_way_at_once(broker, ws):
    ann = ws()
    contexts = 300
    with pynng.Req0(recv_timeout=20000, send_timeout=20000) as one:
        one.dial(broker.calls, block=True)
        links = [Calls(broker.calls) for _ in range(contexts // 10)]
        for link in links:
            link.socket.send(msgpack.packb(link.envelope([{"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 1}}}])))
        for link in links:
            assert msgpack.unpackb(link.socket.recv())["results"][0]["ok"]
            link.close()


def test_a_stopped_subscriber_holds_up_nobody(broker, ws, handler, events):
    slow = handler({"on": "*"})
    slow.pause()
    ann = ws()
    for first in range(0, 2000, 200):  # each may be its own nng message, of which 256 may wait for us
        for n in range(first, first + 200):
            ann.send("x", n)
        assert [events.next("x")["payload"] for _ in range(200)] == list(range(first, first + 200))
    slow.go_on()


@pytest.mark.options(max_subscribers=2)
def test_subscribers_beyond_the_limit_are_refused(broker, calls, new_events):
    new_events(), new_events()
    with pynng.Sub0() as third:
        third.subscribe(b"")
        third.dial(broker.events, block=True)
        wait_until(lambda: calls.counter("subscriber_links_refused") > 0, "the link to be refused")
    assert calls.counter("subscriber_links") == 2


def test_a_second_broker_on_the_same_addresses_does_not_start(broker, start_broker, calls):
    with pytest.raises(AssertionError, match="the broker ended with 1"):
        start_broker(folder=broker.folder / ".." / broker.folder.name)
    assert calls("count")["count"] == 0


def test_ipc_files_are_for_their_owner_only_and_go_with_the_broker(broker):
    paths = [address.removeprefix("ipc://") for address in (broker.calls, broker.events)]
    assert [oct(os.stat(path).st_mode & 0o077) for path in paths] == ["0o0", "0o0"]
    broker.stop()
    assert not any(os.path.exists(path) for path in paths)


def test_a_killed_broker_leaves_files_that_the_next_one_takes_over(broker, calls):
    broker.signal(signal.SIGKILL)
    broker.wait()
    broker.start()
    assert calls("count")["count"] == 0
