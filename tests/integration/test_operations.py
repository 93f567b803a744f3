"""Each operation, each of its arguments (with and without it, the outcome differs), and the errors it can end with."""
import time

import pytest

from kit.broker import wait_until
from kit.client import MSGPACK
from kit.handler import ECHO


LOBBY = {"filter": {"room": {"$arg": "room"}}, "args": {"room": "lobby"}}


# --- hello, stats


@pytest.mark.parametrize(
    "argument, good, bad", [("name", "x", 1), ("language", "c", []), ("version", "1.0", 1.0), ("speaks", [2, 1], [2])]
)
def test_hello_checks_what_the_handler_says(calls, argument, good, bad):
    assert calls("hello", **{argument: good})["v"] == 1
    result = calls.refused("hello", **{argument: bad})
    assert result["code"] in ("bad_argument", "bad_version") and result["at"] == f"ops[0].{argument}"


def test_hello_logs_who_it_is(broker, calls):
    calls("hello", name="billing", language="cobol", version="77")
    wait_until(lambda: "billing" in broker.log() and "cobol" in broker.log(), "the hello in the log", 5)


def test_stats_counts_what_happens(ws, calls):
    before = calls("stats")
    ann = ws()
    ann.sync()
    after = calls("stats")
    differences = {name: after["counters"][name] - before["counters"][name] for name in before["counters"]}
    assert differences["connections"] == differences["connections_opened"] == 1
    assert differences["messages_in"] >= 1 and differences["bytes_in"] > 0 and differences["messages_out"] >= 1
    assert after["broker"]["epoch"] == ann.conn.split(".")[0]


def test_stats_counts_each_thing_once(ws, calls, new_calls, new_events):
    ann, bob = ws(), ws()
    new_calls()
    events = new_events([b"y\0"])
    before = calls("stats")["counters"]
    assert (before["connections"], before["connections_opened"]) == (2, 2)
    assert (before["call_links"], before["subscriber_links"]) == (2, 1)
    calls("send", filter={}, event="x")
    calls("count")
    ann.send("y", i="y")
    events.next("y")
    calls("answer", conn=ann.conn, i="y")
    ann.sync(), bob.sync()
    after = calls("stats")["counters"]
    rises = {name: after[name] - before[name] for name in before}
    assert rises["deliveries"] == 5, "two copies of x, an answer, two @pong"
    assert (rises["questions"], rises["questions_answered"], rises["events_published"]) == (1, 1, 1)
    assert (rises["requests"], rises["operations"]) == (4, 4), "send, count, answer, and the second stats"
    assert rises["deliveries_refused"] == rises["operations_failed"] == rises["requests_refused"] == 0


# --- get


def test_get_conn(room, calls):
    assert calls("get", conn=room["ann"].conn)["session"]["name"] == "ann"
    assert calls("get", conn=room["eve"].conn)["session"]["name"] == "eve"
    assert calls.refused("get")["code"] == "bad_argument"
    for gone in "nobody", "aaaaaaaa.1", "", room["ann"].conn + "0", "x" * 1000:
        assert calls("get", conn=gone) == {"ok": True, "found": False}


def test_get_keys(room, calls):
    result = calls("get", conn=room["ann"].conn, keys=["level", "name", "missing"])
    assert result["session"] == {"name": "ann", "level": 1}
    assert calls("get", conn=room["ann"].conn, keys=[])["session"] == {}
    assert calls("get", conn=room["ann"].conn)["session"] == {"name": "ann", "level": 1, "room": "lobby"}


# --- update


def test_update_conn_or_filter(room, calls):
    result = calls("update", conn=room["ann"].conn, update={"$set": {"seen": True}})
    assert (result["matched"], result["modified"]) == (1, 1)
    assert result["version"] == calls("get", conn=room["ann"].conn)["version"]
    result = calls("update", filter={"room": "lobby"}, update={"$set": {"seen": True}})
    assert (result["matched"], result["modified"]) == (2, 1) and "version" not in result
    assert "seen" not in calls.session(room["eve"].conn)
    assert calls("update", filter={}, update={"$inc": {"level": 10}})["modified"] == 3
    assert calls("update", conn="nobody", update={"$set": {"x": 1}})["matched"] == 0
    for wrong in {}, {"conn": room["ann"].conn, "filter": {}}:
        assert calls.refused("update", update={"$set": {"x": 1}}, **wrong)["code"] == "bad_argument"


def test_update_args(room, calls):
    change = {"filter": {"name": {"$arg": "who"}}, "update": {"$set": {"hit": 1}}}
    assert calls("update", args={"who": "bob"}, **change)["modified"] == 1
    assert calls.session(room["bob"].conn)["hit"] == 1 and "hit" not in calls.session(room["ann"].conn)
    assert calls.refused("update", **change)["at"] == "ops[0].args.who"


def test_update_update(room, calls):
    conn = room["ann"].conn
    calls("update", conn=conn, update={"$set": {"tags": ["a"]}, "$unset": {"room": 1}, "$inc": {"level": 4}})
    assert calls.session(conn) == {"name": "ann", "level": 5, "tags": ["a"]}
    calls("update", conn=conn, update={"$push": {"tags": {"$each": ["b", "c"], "$slice": -2}}, "$max": {"level": 9}})
    assert calls.session(conn) == {"name": "ann", "level": 9, "tags": ["b", "c"]}
    calls("update", conn=conn, update={"$addToSet": {"tags": {"$each": ["c", "d"]}}, "$min": {"level": 2}})
    calls("update", conn=conn, update={"$pull": {"tags": "b"}, "$rename": {"name": "nick"}})
    assert calls.session(conn) == {"nick": "ann", "level": 2, "tags": ["c", "d"]}
    assert calls.refused("update", conn=conn)["code"] == "bad_argument"


def test_update_if_version(room, calls):
    conn = room["ann"].conn
    version = calls("get", conn=conn)["version"]
    result = calls.refused("update", conn=conn, update={"$set": {"x": 1}}, if_version=version - 1)
    assert result["code"] == "conflict" and result["at"] == "ops[0].if_version"
    assert "x" not in calls.session(conn)
    assert calls("update", conn=conn, update={"$set": {"x": 1}}, if_version=version)["version"] == version + 1
    assert calls.refused("update", filter={}, update={"$set": {"x": 1}}, if_version=1)["code"] == "bad_argument"


def test_update_ttl_ms(room, calls):
    ann, bob = room["ann"].conn, room["bob"].conn
    calls("update", conn=ann, update={"$set": {"typing": True}}, ttl_ms=300)
    calls("update", conn=bob, update={"$set": {"typing": True}})
    assert calls("count", filter={"typing": True})["count"] == 2
    wait_until(lambda: "typing" not in calls.session(ann), "the field to end", 5)
    assert calls.session(ann) == {"name": "ann", "room": "lobby", "level": 1}
    assert calls.session(bob)["typing"] is True
    calls("update", conn=bob, update={"$set": {"typing": True}}, ttl_ms=200)
    calls("update", conn=bob, update={"$set": {"typing": True}})
    time.sleep(0.5)
    assert calls.session(bob)["typing"] is True, "set again without a time, it stays"


def test_an_update_changes_all_that_match_or_nothing(room, calls):
    calls.set(room["bob"].conn, level="not a number")
    result = calls.refused("update", filter={}, update={"$inc": {"level": 1}})
    assert result["code"] == "update_failed"
    assert calls.session(room["ann"].conn)["level"] == 1 and calls.session(room["eve"].conn)["level"] == 3


def test_a_version_rises_with_each_change_and_not_without_one(room, calls):
    conn = room["ann"].conn
    version = calls("get", conn=conn)["version"]
    result = calls("update", conn=conn, update={"$set": {"name": "ann"}})
    assert (result["matched"], result["modified"], result["version"]) == (1, 0, version)
    assert calls("update", conn=conn, update={"$set": {"name": "Ann"}})["version"] == version + 1


@pytest.mark.parametrize(
    "update, code, at",
    [
        ({}, "bad_update", "ops[0].update"),
        ({"room": "lobby"}, "bad_update", "ops[0].update.room"),
        ({"$st": {"x": 1}}, "bad_update", "ops[0].update.$st"),
        ({"$set": 1}, "bad_update", "ops[0].update.$set"),
        ({"$set": {"$x": 1}}, "bad_update", "ops[0].update.$set.$x"),
        ({"$set": {"@x": 1}}, "bad_update", "ops[0].update.$set.@x"),
        ({"$set": {"": 1}}, "bad_update", None),
        ({"$set": {"x": {"a.b": 1}}}, None, "ops[0].update.$set.x.a.b"),
        ({"$set": {"x": [{"$y": 1}]}}, None, None),
        ({"$set": {"x": {1: 2}}}, None, None),
        ({"$set": {"x": float("nan")}}, None, None),
        ({"$inc": {"x": "1"}}, "bad_update", "ops[0].update.$inc.x"),
        ({"$set": {"x": 1}, "$inc": {"x": 1}}, "bad_update", None),
        ({"$set": {"x": 1}, "$unset": {"x.y": 1}}, "bad_update", None),
        ({"$inc": {"name": 1}}, "update_failed", None),
        ({"$push": {"name": 1}}, "update_failed", None),
        ({"$set": {"name.first": 1}}, "update_failed", None),
    ],
    ids=str,
)
def test_updates_that_are_wrong_name_the_place(room, calls, update, code, at):
    before = calls.session(room["ann"].conn)
    reply = calls.request({"op": "update", "conn": room["ann"].conn, "update": update})
    result = reply["results"][0] if "results" in reply else reply
    assert result["ok"] is False and result["code"] in ([code] if code else ["bad_value", "bad_update", "bad_request"]), reply
    assert at is None or result["at"] == at, result
    assert calls.session(room["ann"].conn) == before


def test_a_session_has_a_size_limit(room, calls):
    conn = room["ann"].conn
    calls.set(conn, fat="x" * 60000)
    result = calls.refused("update", conn=conn, update={"$set": {"more": "x" * 6000}})
    assert result["code"] == "session_too_large"
    assert "more" not in calls.session(conn)


# --- send


def test_send_conn_or_filter(room, calls):
    assert calls("send", conn=room["ann"].conn, event="a")["matched"] == 1
    assert calls("send", filter={"room": "lobby"}, event="b")["matched"] == 2
    assert calls("send", filter={}, event="c")["matched"] == 3
    assert [room["ann"].receive()["e"] for _ in range(3)] == ["a", "b", "c"]
    assert [room["bob"].receive()["e"] for _ in range(2)] == ["b", "c"]
    room["eve"].expect("c")
    for wrong in {}, {"conn": room["ann"].conn, "filter": {}}:
        assert calls.refused("send", event="x", **wrong)["code"] == "bad_argument"


def test_send_args(room, calls):
    assert calls("send", event="x", **LOBBY)["matched"] == 2
    assert calls("send", event="x", filter=LOBBY["filter"], args={"room": "cellar"})["matched"] == 1
    assert calls.refused("send", event="x", filter=LOBBY["filter"])["at"] == "ops[0].args.room"
    for smuggled in {"$ne": ""}, None, ["lobby"], {}:
        assert calls.refused("send", event="x", filter=LOBBY["filter"], args={"room": smuggled})["ok"] is False
    assert calls("count", filter={"room": {"$in": {"$arg": "rooms"}}}, args={"rooms": ["lobby", "cellar"]})["count"] == 3


def test_send_event(room, calls):
    calls("send", conn=room["ann"].conn, event="good:name")
    room["ann"].expect("good:name")
    for bad in "", "a b", "@pong", "chat:*", "x" * 129:
        assert calls.refused("send", conn=room["ann"].conn, event=bad)["at"] == "ops[0].event"
    assert calls.refused("send", conn=room["ann"].conn)["code"] == "bad_argument"


def test_send_payload(room, calls):
    calls("send", conn=room["ann"].conn, event="x", payload={"deep": [1, {"x": None}]})
    calls("send", conn=room["ann"].conn, event="x")
    assert room["ann"].receive() == {"e": "x", "p": {"deep": [1, {"x": None}]}}
    assert room["ann"].receive() == {"e": "x"}


def test_send_except(room, calls):
    ann, bob, eve = (room[name] for name in ("ann", "bob", "eve"))
    assert calls("send", filter={}, event="one", **{"except": ann.conn})["matched"] == 2
    assert calls("send", filter={}, event="two", **{"except": [ann.conn, eve.conn, "gone"]})["matched"] == 1
    assert [bob.receive()["e"] for _ in range(2)] == ["one", "two"]
    eve.expect("one")
    ann.nothing()
    assert calls.refused("send", filter={}, event="x", **{"except": 7})["code"] == "bad_argument"


def test_send_unbatched(room, calls):
    calls("batch", event="x", interval_ms=50)
    calls("send", conn=room["ann"].conn, event="x", payload=1)
    room["ann"].expect("batch_x", {"d": [1]})
    calls("send", conn=room["ann"].conn, event="x", payload=2, unbatched=True)
    room["ann"].expect("x", 2)


def test_send_fill(room, calls):
    fill = {"online": {"room": {"$arg": "room"}}, "all": {}}
    calls("send", event="x", payload={"text": "hi", "all": "replaced"}, fill=fill, **LOBBY)
    room["ann"].expect("x", {"text": "hi", "online": 2, "all": 3})
    calls("send", event="x", fill={"n": {"level": {"$gte": 2}}}, filter={})
    room["eve"].expect("x", {"n": 2})
    assert calls.refused("send", event="x", filter={}, payload="text", fill=fill)["code"] in ("bad_argument", "bad_filter")
    assert calls.refused("send", event="x", filter={}, fill={"n": 1})["at"] == "ops[0].fill.n"


def test_a_fill_counts_what_the_operation_before_it_changed(room, calls):
    results = calls.results(
        {"op": "update", "conn": room["eve"].conn, "update": {"$set": {"room": "lobby"}}},
        {"op": "send", "event": "x", "fill": {"online": {"room": "lobby"}}, **LOBBY},
    )
    assert [result["ok"] for result in results] == [True, True], results
    room["eve"].expect("x", {"online": 3})


@pytest.mark.options(queue_bytes=65536, stall_ms=600000)
def test_send_tells_how_many_queues_refused(broker, raw, calls):
    slow = raw(receive_buffer=4096)
    conn = slow.receive()["p"]["conn"]
    refused = 0
    for _ in range(5000):
        result = calls("send", conn=conn, event="x", payload="y" * 4000)
        refused += result["refused"]
        if refused or not result["matched"]:
            break
    assert refused == 1
    wait_until(lambda: calls("count")["count"] == 0, "the slow consumer to be closed")
    assert calls.counter("closed_slow") == 1


# --- answer


def test_answer_conn_and_i(room, events, calls):
    room["ann"].send("q", i=1)
    room["bob"].send("q", i=2)
    events.next("q"), events.next("q")
    assert calls("answer", conn=room["ann"].conn, i=2)["first"] is False
    assert calls("answer", conn=room["ann"].conn, i=1)["first"] is True
    assert calls("answer", conn=room["bob"].conn, i=2)["first"] is True
    room["ann"].expect("q", i=1)
    room["bob"].expect("q", i=2)
    assert calls.refused("answer", i=1)["code"] == "bad_argument"
    assert calls.refused("answer", conn=room["ann"].conn)["code"] == "bad_argument"
    assert calls("answer", conn="gone", i=1)["first"] is False


def test_answer_payload(room, handler):
    handler({"on": "with", "ops": [ECHO]}, {"on": "without", "ops": [{key: ECHO[key] for key in ("op", "conn", "i")}]})
    assert room["ann"].ask("with", 5)["p"] == 5
    assert "p" not in room["ann"].ask("without", 5)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "no"},
        {"code": "no", "message": "not today"},
        {"code": "no", "temporary": True},
        {"code": "no", "data": {"retry_at": [1, 2]}},
        {"code": "no", "message": "m", "temporary": False, "data": None},
    ],
    ids=str,
)
def test_answer_error(room, events, calls, error):
    room["ann"].send("q", i="x")
    events.next("q")
    assert calls("answer", conn=room["ann"].conn, i="x", error=error)["first"] is True
    message = room["ann"].receive()
    assert message["e"] == "@error" and message["i"] == "x"
    wanted = {key: value for key, value in error.items() if value is not None}
    assert message["p"] == {"message": "", "temporary": False, "event": "q", **wanted}


@pytest.mark.parametrize(
    "error", ["text", {}, {"code": ""}, {"code": "x" * 65}, {"code": 1}, {"code": "x", "retry": 1}, {"code": "x", "message": 1}]
)
def test_answer_error_that_is_wrong(room, events, calls, error):
    room["ann"].send("q", i=1)
    events.next("q")
    result = calls.refused("answer", conn=room["ann"].conn, i=1, error=error)
    assert result["code"] in ("bad_argument", "unknown_key") and result["at"].startswith("ops[0].error")
    both = calls.refused("answer", conn=room["ann"].conn, i=1, error={"code": "x"}, payload=1)
    assert both["code"] == "bad_argument"
    assert calls("answer", conn=room["ann"].conn, i=1)["first"] is True, "the question is still open"


def test_answer_fill(room, events, calls):
    room["ann"].send("q", i=1)
    events.next("q")
    calls("answer", conn=room["ann"].conn, i=1, payload={"room": "lobby"}, fill={"online": {"room": "lobby"}})
    room["ann"].expect("q", {"room": "lobby", "online": 2}, i=1)


def test_answers_are_never_batched(room, events, calls):
    calls("batch", event="q", interval_ms=60000)
    room["ann"].send("q", i=1)
    events.next("q")
    calls("send", conn=room["ann"].conn, event="q", payload="held")
    calls("answer", conn=room["ann"].conn, i=1, payload="at once")
    assert room["ann"].ask("@ping", i=99)["e"] == "@pong"
    assert {"e": "q", "p": "at once", "i": 1} in room["ann"].kept


# --- count, find


def test_count_filter_args_distinct(room, calls):
    assert calls("count")["count"] == 3
    assert calls("count", filter={"level": {"$gt": 1}})["count"] == 2
    assert calls("count", **LOBBY)["count"] == 2
    assert calls.refused("count", filter=LOBBY["filter"])["at"] == "ops[0].args.room"
    assert calls("count", distinct="room")["count"] == 2
    assert calls("count", distinct="room", **LOBBY)["count"] == 1
    calls.set(room["ann"].conn, tags=["a", "b"])
    calls.set(room["bob"].conn, tags=["b", "c"])
    assert calls("count", distinct="tags")["count"] == 3
    assert calls("count", distinct="nothing")["count"] == 0


def test_find_filter_args_keys(room, calls):
    found = calls("find", filter={"room": "lobby"})["sessions"]
    assert [entry["conn"] for entry in found] == [room["ann"].conn, room["bob"].conn]
    assert found[0]["session"] == {"name": "ann", "room": "lobby", "level": 1}
    assert found[0]["version"] == calls("get", conn=room["ann"].conn)["version"]
    assert calls("find", **LOBBY)["sessions"] == found
    assert [entry["session"] for entry in calls("find", keys=["name"], **LOBBY)["sessions"]] == [{"name": "ann"}, {"name": "bob"}]
    assert len(calls("find")["sessions"]) == 3
    assert calls.refused("find", filter=LOBBY["filter"])["at"] == "ops[0].args.room"


def test_find_limit_after(room, calls):
    names, after, pages = [], None, 0
    while pages == 0 or after:
        page = calls("find", limit=2, after=after)
        names += [entry["session"]["name"] for entry in page["sessions"]]
        after, pages = page.get("after"), pages + 1
    assert (names, pages) == (["ann", "bob", "eve"], 2)
    first = calls("find", limit=1)
    room["ann"].close()
    wait_until(lambda: calls("count")["count"] == 2, "ann to be gone")
    rest = calls("find", after=first["after"])["sessions"]
    assert [entry["session"]["name"] for entry in rest] == ["bob", "eve"], "a cursor outlives its connection"
    for wrong in {"limit": 0}, {"limit": 10**9}, {"after": "elsewhere.1"}, {"after": ""}:
        assert calls.refused("find", **wrong)["code"] == "bad_argument"


def test_find_ends_a_page_before_it_grows_too_large(ws, calls):
    for _ in range(10):
        calls.set(ws().conn, fat="x" * 60000)
    page, seen = calls("find"), 0
    while True:
        seen += len(page["sessions"])
        if "after" not in page:
            break
        assert 1 <= len(page["sessions"]) < 10
        page = calls("find", after=page["after"])
    assert seen == 10


# --- close


def test_close_conn_or_filter_and_args(room, calls):
    assert calls("close", conn=room["ann"].conn, code=4000)["matched"] == 1
    assert room["ann"].closed()[0] == 4000
    assert calls("close", code=4001, **LOBBY)["matched"] == 1
    assert room["bob"].closed()[0] == 4001
    assert calls("close", filter={}, code=1000)["matched"] == 1
    assert room["eve"].closed()[0] == 1000
    assert calls("close", conn=room["ann"].conn, code=4000)["matched"] == 0
    assert calls.refused("close", code=4000)["code"] == "bad_argument"
    assert calls.refused("close", code=4000, filter=LOBBY["filter"])["at"] == "ops[0].args.room"


def test_close_code_and_reason(room, calls):
    calls("close", conn=room["ann"].conn, code=3999, reason="good bye")
    calls("close", conn=room["bob"].conn, code=3999)
    assert room["ann"].closed() == (3999, "good bye")
    assert room["bob"].closed() == (3999, "")
    for code in 0, 999, 1001, 1005, 1006, 1015, 2999, 5000, 70000, "1000", None:
        assert calls.refused("close", conn=room["eve"].conn, code=code)["at"] == "ops[0].code"
    assert calls.refused("close", conn=room["eve"].conn, code=4000, reason="x" * 124)["at"] == "ops[0].reason"


def test_what_was_sent_before_a_close_comes_first(room, calls):
    conn = room["ann"].conn
    calls("batch", event="held", interval_ms=60000)
    calls.results(
        {"op": "send", "conn": conn, "event": "held", "payload": 1},
        *[{"op": "send", "conn": conn, "event": "n", "payload": n} for n in range(50)],
        {"op": "close", "conn": conn, "code": 4002},
    )
    messages = [room["ann"].receive() for _ in range(51)]
    assert {"e": "batch_held", "p": {"d": [1]}} in messages
    assert [message["p"] for message in messages if message["e"] == "n"] == list(range(50))
    assert room["ann"].closed()[0] == 4002


# --- batch


def arrivals(client, name, count):
    """The batches until so many payloads came."""
    batches = []
    while sum(map(len, batches)) < count:
        batches.append(client.expect(f"batch_{name}")["d"])
    return batches


def test_batch_event_and_interval_ms(room, calls):
    ann = room["ann"]
    calls("batch", event="x", interval_ms=300)
    begin = time.monotonic()
    for n in range(3):
        calls("send", conn=ann.conn, event="x", payload=n)
        calls("send", conn=ann.conn, event="y", payload=n)
    assert [ann.expect("y") for _ in range(3)] == [0, 1, 2]
    assert arrivals(ann, "x", 3) == [[0, 1, 2]]
    assert 0.25 < time.monotonic() - begin < 5
    calls("batch", event="x", interval_ms=0)
    calls("send", conn=ann.conn, event="x", payload=9)
    ann.expect("x", 9)
    for wrong in {"event": "@x"}, {"event": ""}, {"interval_ms": 60001}, {"interval_ms": -1}, {"interval_ms": None}:
        assert calls.refused("batch", **{"event": "x", "interval_ms": 10, **wrong})["code"] == "bad_argument"


def test_batch_max_items(room, calls):
    calls("batch", event="x", interval_ms=60000, max_items=2)
    for n in range(4):
        calls("send", conn=room["ann"].conn, event="x", payload=n)
    assert arrivals(room["ann"], "x", 4) == [[0, 1], [2, 3]]
    calls("batch", event="x", interval_ms=200)
    for n in range(4):
        calls("send", conn=room["ann"].conn, event="x", payload=n)
    assert arrivals(room["ann"], "x", 4) == [[0, 1, 2, 3]]


def test_batch_max_bytes(room, calls):
    calls("batch", event="x", interval_ms=60000, max_bytes=2000)
    for n in range(3):
        calls("send", conn=room["ann"].conn, event="x", payload=str(n) * 900)
    assert [len(batch) for batch in arrivals(room["ann"], "x", 2)] == [2]
    calls("batch", event="x", interval_ms=0)
    assert len(room["ann"].expect("batch_x")["d"]) == 1, "ending a batch flushes it"


def test_batch_keep(room, calls):
    calls("batch", event="x", interval_ms=200, keep="latest")
    for n in range(4):
        calls("send", conn=room["ann"].conn, event="x", payload=n)
    assert arrivals(room["ann"], "x", 1) == [[3]]
    calls("batch", event="x", interval_ms=200, keep="all")
    for n in range(4):
        calls("send", conn=room["ann"].conn, event="x", payload=n)
    assert arrivals(room["ann"], "x", 4) == [[0, 1, 2, 3]]
    assert calls.refused("batch", event="x", interval_ms=1, keep="some")["code"] == "bad_argument"


def test_batch_latest_by(room, calls):
    calls("batch", event="x", interval_ms=200, keep="latest", latest_by="user")
    for user, at in ("ann", 1), ("bob", 2), ("ann", 3):
        calls("send", conn=room["eve"].conn, event="x", payload={"user": user, "at": at})
    (batch,) = arrivals(room["eve"], "x", 2)
    assert sorted(batch, key=lambda item: item["user"]) == [{"user": "ann", "at": 3}, {"user": "bob", "at": 2}]


@pytest.mark.options(max_batches=2)
def test_batches_have_a_limit(calls):
    calls("batch", event="a", interval_ms=10)
    calls("batch", event="b", interval_ms=10)
    assert calls.refused("batch", event="c", interval_ms=10)["code"] == "limit"
    calls("batch", event="a", interval_ms=0)
    calls("batch", event="c", interval_ms=10)


def test_batches_reach_both_kinds_of_clients(ws, calls):
    ann, bob = ws(), ws(MSGPACK)
    calls("batch", event="x", interval_ms=50)
    calls("send", filter={}, event="x", payload={"n": 2**53 + 1})
    assert arrivals(ann, "x", 1) == arrivals(bob, "x", 1) == [[{"n": 2**53 + 1}]]


# --- subscribe


def test_subscribe_events(ws, calls):
    ann = ws()
    ann.send("q")
    ann.expect_error("no_handler")
    calls("subscribe", events=["q"])
    ann.send("q")
    ann.nothing()
    assert calls.refused("subscribe")["code"] == "bad_argument"
    assert calls.refused("subscribe", events=["x"] * 257)["code"] == "limit"
