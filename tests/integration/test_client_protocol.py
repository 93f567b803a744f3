"""The client's side of the protocol: what docs/protocol-websocket.md promises to whoever opens a WebSocket."""
import contextlib
import re

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kit.broker import wait_until
from kit.client import JSON, MSGPACK, NONE
from kit.handler import ECHO

BIG = [2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 9007199254740993]


# --- opening


@pytest.mark.options(ping_ms=12000, max_message_bytes=2048)
def test_welcome_comes_first_and_tells_the_limits(ws):
    ann = ws()
    assert re.fullmatch(r"[a-z0-9]{8,16}\.[0-9]+", ann.conn) and len(ann.conn) <= 40
    assert ann.welcome == {
        "conn": ann.conn,
        "ping_ms": 12000,
        "max_bytes": 2048,
        "batch_prefix": "batch_",
        "features": [],
    }


def test_conn_ids_are_never_reused(ws):
    seen = set()
    for _ in range(5):
        client = ws()
        seen.add(client.conn)
        client.close()
    assert len(seen) == 5 and len({conn.split(".")[0] for conn in seen}) == 1


def test_without_a_subprotocol_it_is_json_and_no_welcome_comes(ws):
    ann = ws(None)
    assert ann.ws.subprotocol is None
    ann.nothing()
    ann.send("@ping")
    assert ann.receive() == {"e": "@pong"}


@pytest.mark.parametrize(
    "offered, chosen",
    [([JSON], JSON), ([MSGPACK], MSGPACK), (["graphql-ws", MSGPACK], MSGPACK), (["x", JSON, "y"], JSON)],
)
def test_a_known_subprotocol_is_chosen_among_unknown_ones(ws, offered, chosen):
    ann = ws(offered)
    assert ann.ws.subprotocol == chosen
    assert ann.welcome


def test_only_unknown_subprotocols_are_refused(broker, ws):
    with pytest.raises(InvalidStatus) as refusal:
        ws(["graphql-ws"])
    assert refusal.value.response.status_code == 400


@pytest.mark.options(path="/socket")
def test_the_path_is_configurable_and_others_are_refused(broker, raw):
    assert raw(path="/socket?token=x").status == 101
    assert raw(path="/ws").status == 404


def test_node_ws_gets_the_same_welcome(node_ws):
    client = node_ws()
    assert client.subprotocol == JSON and client.conn
    client.send("@ping", i=1)
    assert client.receive() == {"e": "@pong", "i": 1}


# --- messages


@pytest.mark.parametrize("kind", [JSON, MSGPACK])
@pytest.mark.parametrize(
    "payload",
    [NONE, None, True, False, 0, -1, 1.5, "", "text", "\u00e4\u20ac\U0001f600", "a\0b", [], {}, [1, [2, {"x": None}]], {"": 1}],
    ids=repr,
)
def test_a_payload_may_be_any_value_and_may_be_absent(ws, events, calls, kind, payload):
    ann = ws(kind)
    ann.send("chat:say", payload)
    event = events.next("chat:say")
    assert event.get("payload", NONE) == payload if payload is not NONE else "payload" not in event
    arguments = {} if payload is NONE else {"payload": payload}
    calls("send", conn=ann.conn, event="back", **arguments)
    message = ann.receive()
    if payload is not None:  # an argument that is nil counts as absent
        assert message == ({"e": "back"} if payload is NONE else {"e": "back", "p": payload})
        assert type(message.get("p")) is type(None if payload is NONE else payload)


@pytest.mark.parametrize("number", BIG)
@pytest.mark.parametrize("kind", [JSON, MSGPACK])
def test_integers_of_64_bits_are_exact_both_ways(ws, events, calls, kind, number):
    ann = ws(kind)
    ann.send("n", {"n": number})
    event = events.next("n")
    assert event["payload"]["n"] == number and isinstance(event["payload"]["n"], int)
    calls("send", conn=ann.conn, event="n", payload={"n": number})
    assert ann.expect("n")["n"] == number


@pytest.mark.parametrize("text, value", [("18446744073709551616", 2.0**64), ("-9223372036854775809", -(2.0**63))])
def test_larger_integers_become_doubles(ws, events, text, value):
    ws().send_raw('{"e":"n","p":%s}' % text)
    payload = events.next("n")["payload"]
    assert isinstance(payload, float) and payload == value


def test_a_lone_surrogate_becomes_the_replacement_character(ws, events):
    ann = ws()
    ann.send_raw(r'{"e":"s","p":"a\ud800b"}')
    ann.send_raw(r'{"e":"s","p":"\ud83d\ude00"}')
    assert events.next("s")["payload"] == "a\ufffdb"
    assert events.next("s")["payload"] == "\U0001f600"


def test_bin_of_a_msgpack_client_reaches_json_clients_as_base64(ws, calls):
    ann, bob = ws(JSON), ws(MSGPACK)
    calls("send", filter={}, event="blob", payload=b"\0\xff!")
    assert ann.expect("blob") == "AP8h"
    assert bob.expect("blob") == b"\0\xff!"


def test_unknown_keys_are_ignored(ws, events):
    ann = ws()
    ann.send_raw('{"future":[1],"e":"x","s":{"resume":1},"p":1,"more":null}')
    event = events.next("x")
    assert event["payload"] == 1 and "future" not in event and "s" not in event


@pytest.mark.parametrize("kind", [JSON, MSGPACK])
def test_the_trace_is_passed_through(ws, events, kind):
    ann = ws(kind)
    ann.send("x", t={"id": "00-abc-01"})
    ann.send("x")
    assert events.next("x")["trace"] == {"id": "00-abc-01"}
    assert "trace" not in events.next("x")


@pytest.mark.parametrize(
    "name", ["a", "A-Z_0.9/b", "chat:message", "a:b:c:d", "x" * 128, ":".join("ab" * 21)], ids=lambda name: name[:20]
)
def test_event_names_that_are_good(ws, events, name):
    ws().send(name)
    assert events.next()["event"] == "@connect" or True
    assert events.next(name)["event"] == name


@pytest.mark.parametrize(
    "name", ["", ":", "a:", ":a", "a::b", "a b", "a*", "chat:*", "\u00e4", "x" * 129, "a\0b", "a\n"], ids=repr
)
def test_event_names_that_are_bad(ws, name):
    ann = ws()
    ann.send(name, i=1)
    ann.expect_error("bad_event", i=1)
    ann.send("@ping")
    ann.expect("@pong")


@pytest.mark.parametrize("name", ["@connect", "@disconnect", "@welcome", "@error", "@ok", "@alive", "@x:y", "@"])
def test_reserved_names_are_refused(ws, events, name):
    ann = ws()
    events.next("@connect")
    ann.send(name, {"forged": True})
    error = ann.expect_error("reserved_event")
    assert error["event"] == name and not error["temporary"]
    events.nothing()


# --- messages that cannot be read


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "hello", "[]", "7", '"e"', "null", "{}", '{"p":1}', '{"e":1}', '{"e":null}', '{"e":["x"]}',
        '{"e":"x"', '{"e":"x",}', "{'e':'x'}", '{"e":"x","p":01}', '{"e":"x","p":1.}', '{"e":"x","p":.5}',
        '{"e":"x","p":+1}', '{"e":"x","p":NaN}', '{"e":"x","p":Infinity}', '{"e":"x","p":"\t"}',
        '{"e":"x","p":"\\x"}', '{"e":"x","p":"\\u12"}', '{"e":"x"} x', '{"e":"x"}{"e":"y"}', '\ufeff{"e":"x"}',
        '{"e":"x","p":tru}', '{"E":"x"}', '{"e":"x","p":%s1%s}' % ("[" * 65, "]" * 65), '{"e":"x","p":1e999}',
    ],
    ids=lambda text: text[:24] or "empty",
)
def test_json_that_cannot_be_read(ws, events, text):
    ann = ws()
    events.next("@connect")
    ann.send_raw(text)
    ann.expect_error("bad_message")
    ann.send("@ping")
    ann.expect("@pong")
    events.nothing(0.1)


def test_json_as_deep_as_allowed(ws, events):
    ws().send_raw('{"e":"x","p":%s1%s}' % ("[" * 63, "]" * 63))
    assert events.next("x")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xc0", b"\x80", b"\x81\xa1e", b"\x81\xa1e\x01", b"\x81\xa1e\xa1x\x00", b"\xdf\xff\xff\xff\xff",
        b"\x82\xa1e\xa1x\xa1p\xa1\xff", b"\x82\xa1e\xa1x\xa1p\xc1", b"\x82\xa1e\xa1x\xa1p" + b"\x91" * 65 + b"\x01",
        b"\x82\xa1e\xa1x\xa1p\xdd\xff\xff\xff\xff", b"\x82\xa1e\xa1x\x01\x02\x03",
    ],
    ids=lambda data: data[:16].hex() or "empty",
)
def test_messagepack_that_cannot_be_read(ws, events, data):
    ann = ws(MSGPACK)
    events.next("@connect")
    ann.send_raw(data)
    ann.expect_error("bad_message")
    ann.send("@ping")
    ann.expect("@pong")
    events.nothing(0.1)


def test_a_frame_of_the_other_kind_is_a_bad_message(ws):
    ann, bob = ws(JSON), ws(MSGPACK)
    ann.send_raw(msgpack.packb({"e": "x"}))
    ann.expect_error("bad_message")
    bob.send_raw('{"e":"x"}')
    bob.expect_error("bad_message")
    for client in ann, bob:
        client.send("@ping")
        client.expect("@pong")


def test_an_unreadable_question_gets_its_answer_where_the_id_can_be_read(ws):
    ann = ws()
    ann.send_raw('{"e":5,"i":9}')
    ann.expect_error("bad_message", i=9)


@pytest.mark.parametrize("parts", [2, 3, 40])
@pytest.mark.parametrize("kind", [JSON, MSGPACK])
def test_fragmented_messages_are_put_together(ws, events, kind, parts):
    ann = ws(kind)
    data = ann.encode({"e": "x", "p": "\u20ac" * 2000})
    data = data if isinstance(data, bytes) else data.encode()
    size = -(-len(data) // parts)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    ann.send_raw(pieces, text=kind == JSON)  # cuts characters in two
    assert events.next("x")["payload"] == "\u20ac" * 2000


def test_a_ping_may_come_between_fragments(raw, events):
    client = raw()
    client.receive()
    client.send_frame(1, b'{"e":"x",', final=False)
    client.send_frame(9, b"in between")
    client.send_frame(0, b'"p":[1,2]}', final=True)
    assert client.receive_frame() == (10, b"in between")
    assert events.next("x")["payload"] == [1, 2]


# --- questions


def test_a_question_gets_the_first_answer_and_no_other(ws, handler):
    first = handler({"on": "q", "ops": [ECHO, {**ECHO, "payload": "late"}]})
    ann = ws()
    assert ann.ask("q", "mine", i="a") == {"e": "q", "p": "mine", "i": "a"}
    ann.nothing()
    assert [result["first"] for result in first.results()] == [True, False]


@pytest.mark.parametrize("i", [0, 1, 2**53 - 1, "a", "x" * 64, "\u20ac" * 21])
@pytest.mark.parametrize("kind", [JSON, MSGPACK])
def test_ids_that_are_good(ws, events, calls, kind, i):
    ann = ws(kind)
    ann.send("q", i=i)
    event = events.next("q")
    assert event["i"] == i
    assert calls("answer", conn=ann.conn, i=i)["first"] is True
    assert ann.receive() == {"e": "q", "i": i}


@pytest.mark.parametrize("i", [-1, 2**53, 2**64 - 1, 1.5, "", "x" * 65, True, [], {}], ids=repr)
@pytest.mark.parametrize("kind", [JSON, MSGPACK])
def test_ids_that_are_bad(ws, kind, i):
    ann = ws(kind)
    ann.send("q", i=i)
    ann.expect_error("bad_id", event="q")


def test_an_open_id_is_refused_and_free_again_after_the_answer(ws, events, calls):
    ann, bob = ws(), ws()
    ann.send("q", 1, i=5)
    ann.send("q", 2, i=5)
    bob.send("q", 3, i=5)  # another connection's ids are its own
    ann.expect_error("id_in_use", event="q")  # with an `i`, two messages would bear that of one question
    calls("answer", conn=ann.conn, i=5, payload="one")
    ann.expect("q", "one", i=5)
    ann.send("q", 4, i=5)
    assert sorted(events.next("q")["payload"] for _ in range(3)) == [1, 3, 4]
    assert calls("answer", conn=ann.conn, i=5, payload="two")["first"]
    ann.expect("q", "two", i=5)


def test_a_number_and_a_text_are_different_ids(ws, events, calls):
    ann = ws()
    ann.send("q", i=1)
    ann.send("q", i="1")
    assert [events.next("q")["i"] for _ in range(2)] == [1, "1"]
    assert calls("answer", conn=ann.conn, i="1", payload="text")["first"]
    ann.expect("q", "text", i="1")
    assert calls("answer", conn=ann.conn, i=1, payload="number")["first"]
    ann.expect("q", "number", i=1)


@pytest.mark.options(max_questions=64)
def test_at_most_64_questions_are_open(ws, events, calls):
    ann = ws()
    for i in range(65):
        ann.send("q", i=i)
    error = ann.expect_error("too_many_questions", event="q", i=64)
    assert error["temporary"]
    calls("answer", conn=ann.conn, i=0)
    ann.expect("q", i=0)
    ann.send("q", i=64)
    assert [events.next("q")["i"] for _ in range(65)] == list(range(65))


def test_a_refusal_of_a_handler_is_the_answer(ws, events, calls):
    ann = ws()
    ann.send("buy", i=1)
    event = events.next("buy")
    error = {"code": "sold_out", "message": "none left", "temporary": True, "data": {"next": "monday"}}
    assert calls("answer", conn=ann.conn, i=event["i"], error=error)["first"]
    message = ann.receive()
    assert message["e"] == "@error" and message["i"] == 1
    assert message["p"] == {**error, "event": "buy"}


@pytest.mark.options(question_ms=200)
def test_a_question_that_nobody_answers_times_out(ws, events, calls):
    ann = ws()
    ann.send("q", i=1)
    error = ann.expect_error("timeout", event="q", i=1)
    assert error["temporary"]
    assert calls("answer", conn=ann.conn, i=1, payload="late")["first"] is False
    ann.nothing()


@pytest.mark.options(question_ms=1000)
def test_no_handler_where_nobody_can_be_listening(ws, handler):
    ann = ws()
    ann.send("q", i=1)
    assert ann.expect_error("no_handler", event="q", i=1)["temporary"]
    ann.send("q")
    ann.expect_error("no_handler", event="q")
    listener = handler({"on": "chat:*", "ops": [ECHO]})
    ann.send("q", i=2)
    ann.expect_error("no_handler", event="q", i=2)
    assert ann.ask("chat:q")["e"] == "chat:q"
    listener.stop()
    # What is asked before the broker knows that the link has ended waits for its time.
    wait_until(lambda: ann.ask("chat:q")["p"]["code"] == "no_handler", "the handler to be missed")


@pytest.mark.options(question_ms=300)
def test_no_error_while_somebody_listens_who_announced_nothing(ws, events):
    ann = ws()
    ann.send("q", i=1)
    ann.expect_error("timeout", event="q", i=1)
    ann.send("q")
    ann.nothing()


def test_the_answer_comes_also_after_the_handler_restarted(ws, calls, handler):
    ann = ws()
    first = handler({"on": "q", "ops": [ECHO]})
    assert ann.ask("q", 1)["p"] == 1
    first.kill()
    wait_until(lambda: calls.counter("subscriber_links") == 0, "the broker to miss it")
    handler({"on": "q", "ops": [ECHO]})
    assert ann.ask("q", 2)["p"] == 2


@pytest.mark.options(question_ms=60000)
def test_while_the_handler_is_stopped_no_answer_comes(ws, handler):
    echo = handler({"on": "q", "ops": [ECHO]})
    ann = ws()
    echo.pause()
    ann.send("q", "hello", i=1)
    ann.nothing(0.7)
    echo.go_on()
    ann.expect("q", "hello", i=1)


# --- what closes a connection


@pytest.mark.options(max_message_bytes=1024)
@pytest.mark.parametrize("kind", [JSON, MSGPACK])
def test_a_message_of_the_largest_size_passes_and_one_byte_more_closes(ws, events, kind):
    ann = ws(kind)
    room = 1024 - len(ann.encode({"e": "x", "p": "y" * 500})) + 500
    ann.send("x", "y" * room)
    assert len(events.next("x")["payload"]) == room
    ann.send("x", "y" * (room + 1))
    assert ann.closed()[0] == 1009
    assert events.next("@disconnect")["code"] == 1009


@pytest.mark.options(max_message_bytes=1024)
def test_fragments_count_together(ws, events):
    ann = ws()
    with contextlib.suppress(ConnectionClosed):  # perhaps before the last fragment is out
        ann.send_raw([b'{"e":"x","p":"', b"y" * 600, b"y" * 600, b'"}'], text=True)
    assert ann.closed()[0] == 1009


@pytest.mark.parametrize(
    "pieces",
    [[b'{"e":"x","p":"\xff"}'], [b'{"e":"x","p":"\xc3', b'"}'], [b'{"e":"x"}\xe2\x82', b""], [b"\xed\xa0\x80"]],
    ids=["byte", "cut by a fragment", "cut by the end", "surrogate"],
)
def test_bad_utf8_closes_with_1007(ws, events, pieces):
    ann = ws()
    with contextlib.suppress(ConnectionClosed):  # perhaps before the last fragment is out
        ann.send_raw(pieces if len(pieces) > 1 else pieces[0], text=True)
    assert ann.closed()[0] == 1007
    assert events.next("@disconnect")["code"] == 1007


def test_a_handlers_message_that_is_too_large_is_refused(ws, calls):
    ann = ws()
    assert calls.refused("send", conn=ann.conn, event="x", payload="y" * 65536)["code"] == "message_too_large"
    calls("send", conn=ann.conn, event="x", payload="y" * 60000)
    assert len(ann.expect("x")) == 60000


@pytest.mark.parametrize("reason", ["", "r\u00e4son", "x" * 123])
@pytest.mark.parametrize("code", [1000, 3000, 3499, 3500, 4000, 4499, 4500, 4999])
def test_close_codes_of_handlers_reach_websockets(ws, calls, code, reason):
    ann = ws()
    assert calls("close", conn=ann.conn, code=code, reason=reason)["matched"] == 1
    assert ann.closed() == (code, reason)


def test_both_client_libraries_see_the_codes(ws, node_ws, calls):
    for code, reason in (1000, ""), (3400, "come back"), (4999, "x" * 123):
        ann, bob = ws(), node_ws()
        calls("close", filter={}, code=code, reason=reason)
        assert ann.closed() == (code, reason)
        assert bob.closed() == (code, reason)


@pytest.mark.options(max_message_bytes=1024)
def test_node_ws_sees_1009_and_1001(broker, node_ws):
    large, patient = node_ws(), node_ws()
    large.send("x", p="y" * 2000)
    assert large.closed()[0] == 1009
    broker.stop()
    assert patient.closed()[0] == 1001


def test_connections_do_not_hear_each_other(ws, calls):
    ann, bob = ws(), ws()
    calls("send", conn=ann.conn, event="secret", payload=1)
    ann.expect("secret", 1)
    bob.nothing()


def test_bad_input_of_one_leaves_the_others_alone(broker, ws, raw):
    bob = ws()
    for garbage in b"\x00" * 200, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" * 50:
        client = raw()
        client.socket.sendall(garbage)
        client.reset()
    bob.send("@ping")
    bob.expect("@pong")
    assert broker.is_running()
