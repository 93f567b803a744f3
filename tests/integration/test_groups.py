"""Groups: who gets which event, in which order, with which session, and what is told of it."""
import itertools
import os
import time

import pytest

from kit.broker import wait_until
from kit.calls import Calls
from kit.client import MSGPACK, Client
from kit.member import Member, answer, done, group


def increment(client):
    return {"op": "update", "conn": client.conn, "update": {"$inc": {"n": 1}}}


def payloads(events):
    return [event["payload"] for event in events]


# --- join and leave


def test_join_gives_a_member(calls):
    joined = calls("join", group="shop/orders-1.2_x", events=["shop:*", "@connect"])
    assert isinstance(joined.pop("member"), str)
    assert joined == {"ok": True, "turn": 0, "lease_ms": 30000, "created": True, "attempts": 5}


@pytest.mark.options(group_max_attempts=7)
def test_join_tells_what_was_settled(calls):
    joined = calls("join", group="g", events=["a"], lease_ms=100, per_conn=256, session_keys=["a", "b"])
    assert (joined["lease_ms"], joined["attempts"]) == (100, 7)


def test_a_join_repeated_before_the_first_turn_gives_the_same_member(member, calls, ws):
    ann, mem = ws(), member(events=["a"])
    joined = mem.calls("join", group="g", events=["b"], lease_ms=5000)
    assert (joined["member"], joined["created"], joined["lease_ms"]) == (mem.id, False, 5000)
    assert len(group(calls, "g")["members"]) == 1
    ann.send("b")
    assert mem.take()["event"] == "b", "the arguments are the new ones"


def test_a_join_after_turns_makes_a_new_member_and_gives_back_what_the_old_one_held(member, calls, ws):
    ann, mem = ws(), member()
    ann.send("x", 1)
    held, old = mem.take(), mem.id
    assert mem.join()["created"] is True and mem.id != old and mem.number == 0
    again = mem.take()
    assert (again["seq"], again["attempt"], again["payload"]) == (held["seq"], 2, 1)
    assert mem.refused([done(held)], member=old, turn=2) == "unknown_member"
    assert mem.finish(again) == []


def test_one_client_is_a_member_of_several_groups(member, calls, ws):
    one = member("one")
    two = member("two", calls=one.calls)
    assert one.id != two.id
    ws().send("x", 1)
    assert payloads([one.take(), two.take()]) == [1, 1]


@pytest.mark.parametrize(
    "change, code",
    [
        ({"group": ""}, "bad_argument"),
        ({"group": "a:b"}, "bad_argument"),
        ({"group": "a b"}, "bad_argument"),
        ({"group": "x" * 65}, "bad_argument"),
        ({"group": None}, "bad_argument"),
        ({"group": 5}, "bad_argument"),
        ({"events": []}, "bad_argument"),
        ({"events": None}, "bad_argument"),
        ({"events": "x"}, "bad_argument"),
        ({"events": ["x"] * 65}, "bad_argument"),
        ({"events": ["ok", "*x"]}, "bad_event"),
        ({"events": ["a::*"]}, "bad_event"),
        ({"lease_ms": 99}, "bad_argument"),
        ({"lease_ms": 3600001}, "bad_argument"),
        ({"per_conn": 0}, "bad_argument"),
        ({"per_conn": 257}, "bad_argument"),
        ({"session_keys": "room"}, "bad_argument"),
        ({"session_keys": ["k"] * 65}, "bad_argument"),
        ({"lease": 1000}, "unknown_key"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_arguments_of_join_are_refused(calls, change, code):
    arguments = {"group": "g", "events": ["x"], **change}
    result = calls.refused("join", **{key: value for key, value in arguments.items() if value is not None})
    assert result["code"] == code and (code == "unknown_key" or result["at"].startswith("ops[0]")), result
    assert calls("stats")["groups"] == [], "a refused join makes no group"


@pytest.mark.options(max_groups=2, max_members=3)
def test_groups_and_members_are_limited(member, calls):
    one = member("one")
    member("two")
    assert calls.refused("join", group="three", events=["x"])["code"] == "limit"
    member("two")
    assert calls.refused("join", group="two", events=["x"])["code"] == "limit"
    one.leave()
    member("two")


def test_what_a_member_holds_is_given_back_when_it_leaves(member, calls, ws):
    clients, mem = [ws() for _ in range(3)], member()
    for client in clients:
        client.send("x")
    mem.take(3)
    other = member()
    assert mem.leave() == {"ok": True, "left": True, "returned": 3}
    assert mem.leave() == {"ok": True, "left": False, "returned": 0}
    assert not any(event["suspect"] for event in calls("inspect", group="g")["events"])
    assert [event["attempt"] for event in other.take(3)] == [2, 2, 2]
    assert mem.refused() == "unknown_member"


def test_leaving_ends_the_wait_of_its_turn(member, new_calls):
    mem = member()
    mem.ask(wait_ms=20000)
    wait_until(lambda: group(new_calls(), "g")["members"][0]["asking"], "the turn to wait")
    begin = time.monotonic()
    other = new_calls(client=mem.calls.client)
    other.ids = itertools.count(1000)
    assert other("leave", member=mem.id)["left"]
    assert mem.reply()["events"] == [] and time.monotonic() - begin < 10


# --- who gets what


def test_members_share_and_each_event_is_handled_by_one(member, calls, ws):
    members = [member() for _ in range(4)]
    clients = [ws() for _ in range(50)]
    for n in range(4):
        for client in clients:
            client.send("x", n)
    wait_until(lambda: group(calls, "g")["backlog"] == 200, "the events")
    seen, took, waiting = {client.conn: [] for client in clients}, set(), [[] for _ in members]
    while sum(map(len, seen.values())) < 200:
        for at, mem in enumerate(members):
            reply = mem.turn([done(event) for event in waiting[at]], max=16)
            assert reply["failed"] == []
            waiting[at] = reply["events"]
            took.update([at] if reply["events"] else [])
            for event in reply["events"]:
                seen[event["conn"]].append(event["payload"])
    assert all(numbers == [0, 1, 2, 3] for numbers in seen.values()) and took == {0, 1, 2, 3}
    for mem, events in zip(members, waiting):
        assert mem.finish(*events) == []
    told = group(calls, "g")
    assert (told["backlog"], told["held"], told["handled"], told["attempts"]) == (0, 0, 200, 200)


def test_each_group_gets_each_event_once_and_subscribers_see_it_as_well(member, events, ws):
    ann, groups = ws(), [member("one"), member("two"), member("three", ["x"])]
    for name in "x", "y":
        ann.send(name, name)
    assert [event["event"] for event in (events.next("x"), events.next("y"))] == ["x", "y"]
    for mem in groups:
        event = mem.take()
        assert (event["event"], event["seq"], event["attempt"]) == ("x", 1, 1)
        mem.finish(event)
    for mem in groups[:2]:
        assert mem.take()["event"] == "y"
    groups[2].nothing()


def test_an_event_for_members_tells_what_one_for_subscribers_does(member, events, ws, calls):
    ann, mem = ws(MSGPACK), member(events=["chat:say"])
    calls.set(ann.conn, user="ann")
    ann.send("chat:say", {"text": "hi"}, i=3, t="trace")
    event, published = mem.take(), events.next("chat:say")
    assert event == {**published, "seq": 1, "attempt": 1}


def test_members_of_one_group_may_list_different_events(member, ws):
    one, two, ann, bob = member(events=["a:*"]), member(events=["b"]), ws(), ws()
    ann.send("a:x", 1)
    bob.send("b", 2)
    assert one.take()["payload"] == 1 and two.take()["payload"] == 2
    one.nothing(), two.nothing()


def test_a_pattern_of_all_brings_none_of_the_brokers_own(member, ws):
    mem = member(events=["*"])
    ann = ws()
    ann.send("x")
    ann.close()
    event = mem.take()
    assert event["event"] == "x"
    mem.finish(event)
    mem.nothing()


def test_no_handler_is_told_only_where_no_group_listens(member, ws):
    ann, mem = ws(), member(events=["x"])
    ann.send("x", i=1)
    ann.send("y", i=2)
    ann.expect_error("no_handler", event="y", i=2)
    mem.leave()
    ann.send("x", i=3)
    ann.send("y", i=4)
    ann.expect_error("no_handler", event="y", i=4)
    other, seen = member(events=["x"]), []
    for _ in range(2):
        seen.append(other.take())
        other.finish(seen[-1])
    assert [event["i"] for event in seen] == [1, 3]


# --- order, one at a time


def test_the_next_event_of_a_connection_comes_when_the_one_before_is_done(member, ws):
    ann, one, two = ws(), member(), member()
    for n in range(5):
        ann.send("x", n)
    for n in range(5):
        mem, other = (one, two) if n % 2 else (two, one)
        event = mem.take()
        assert (event["payload"], event["session"].get("n", 0)) == (n, n)
        other.nothing(50), mem.nothing(50)
        assert mem.turn([done(event, increment(ann))], max=0)["failed"] == []


def test_the_turn_that_finishes_an_event_brings_the_next_one_with_the_session_as_it_is_then(member, ws):
    ann, mem = ws(), member()
    for n in range(20):
        ann.send("x", n)
    event = mem.take()
    for n in range(20):
        assert (event["payload"], event["session"].get("n", 0)) == (n, n)
        entry = done(event, increment(ann))
        event = mem.take(done=[entry]) if n < 19 else mem.turn([entry], max=0)
    assert event["failed"] == []


def test_per_conn_holds_several_of_one_connection_in_order_and_alone(member, ws):
    ann, mem, other = ws(), member(per_conn=3), member(per_conn=3)
    for n in range(5):
        ann.send("x", n)
    ann.sync()
    held = mem.take(3)
    assert payloads(held) == [0, 1, 2]
    other.nothing(50), mem.nothing(50)
    assert mem.finish(held[0]) == []
    other.nothing(50)
    assert mem.take()["payload"] == 3
    assert mem.finish(held[1], held[2]) == []
    other.nothing(50)
    assert mem.take()["payload"] == 4


def test_an_entry_is_stale_after_an_earlier_one_changed_the_session(member, calls, ws):
    ann, mem = ws(), member(per_conn=3)
    for n in range(3):
        ann.send("x", n)
    ann.sync()
    held = mem.take(3)
    failed = mem.turn([done(event, increment(ann)) for event in held], max=0)["failed"]
    assert [(item["seq"], item["code"], item["then"]) for item in failed] == [(2, "stale", "again"), (3, "stale", "again")]
    assert calls.session(ann.conn) == {"n": 1}
    again = mem.take(2)
    assert [(event["seq"], event["attempt"], event["session"]) for event in again] == [(2, 1, {"n": 1}), (3, 1, {"n": 1})]
    assert group(calls, "g")["stale"] == 2


def test_an_entry_before_the_earlier_event_is_done_is_stale(member, ws):
    ann, mem = ws(), member(per_conn=2)
    for n in range(2):
        ann.send("x", n)
    ann.sync()
    first, second = mem.take(2)
    failed = mem.finish(second)
    assert [(item["seq"], item["code"], item["then"]) for item in failed] == [(2, "stale", "again")]
    assert mem.finish(first) == []
    event = mem.take()
    assert (event["seq"], event["attempt"]) == (2, 1)


def test_an_event_that_is_not_done_takes_the_later_ones_of_its_connection_back(member, calls, ws):
    ann, mem = ws(), member(per_conn=3)
    for n in range(3):
        ann.send("x", n)
    ann.sync()
    first, second, third = mem.take(3)
    failed = mem.turn([done(first, retry_ms=0), done(second)], max=0)["failed"]
    assert [(item["seq"], item["code"]) for item in failed] == [(2, "stale")]
    (late,) = mem.finish(third)
    assert (late["seq"], late["code"], late["then"]) == (3, "lease_expired", "none")
    assert [(event["seq"], event["attempt"]) for event in mem.take(3)] == [(1, 2), (2, 1), (3, 1)]


def test_events_of_different_connections_are_finished_in_any_order(member, ws):
    clients, mem = [ws() for _ in range(5)], member()
    for n, client in enumerate(clients):
        client.send("x", n)
        client.sync()
    held = mem.take(5)
    for event in reversed(held):
        assert mem.finish(event) == []


# --- sessions


@pytest.mark.parametrize("keys, session", [(None, {"a": 1, "b": {"c": 2}, "d": 3}), ([], {}), (["b", "x"], {"b": {"c": 2}})], ids=str)
def test_session_keys_limit_what_travels(member, calls, ws, keys, session):
    ann = ws()
    version = calls.set(ann.conn, a=1, b={"c": 2}, d=3)["version"]
    mem = member(**({} if keys is None else {"session_keys": keys}))
    ann.send("x")
    event = mem.take()
    assert (event["session"], event["version"]) == (session, version)


def test_connect_is_the_first_and_disconnect_the_last_event_of_a_connection(member, calls, ws):
    mem = member(events=["*", "@connect", "@disconnect"])
    ann = ws()
    ann.send("x", 1)
    ann.send("y", 2)
    ann.close(4001, "done")
    wait_until(lambda: calls("count")["count"] == 0, "the connection to end")
    for n, name in enumerate(["@connect", "x", "y", "@disconnect"]):
        event = mem.take()
        assert (event["event"], event["conn"], event["seq"], event["session"]) == (name, ann.conn, n + 1, {"n": n} if n else {})
        assert calls.session(ann.conn) == event["session"], "the session lives until its last event is done"
        assert calls("count")["count"] == 0 and calls("send", conn=ann.conn, event="x")["matched"] == 0
        mem.turn([done(event, increment(ann))], max=0)
    assert (event["code"], event["reason"]) == (4001, "done")
    assert calls.session(ann.conn) is None
    mem.nothing()


def test_the_session_lives_until_the_last_group_is_done(member, calls, ws):
    one, two = member("one", ["@disconnect"]), member("two", ["x"])
    ann = ws()
    calls.set(ann.conn, name="ann")
    ann.send("x")
    ann.close()
    event = one.take()
    assert event["session"] == {"name": "ann"}
    assert one.finish(event) == []
    assert calls.session(ann.conn) == {"name": "ann"}
    event = two.take()
    assert event["session"] == {"name": "ann"}
    assert two.finish(event) == []
    assert calls.session(ann.conn) is None


def test_connections_from_before_the_first_join_end_in_the_group_as_well(member, ws):
    ann, mem = ws(), member(events=["@connect", "@disconnect"])
    bob = ws()
    ann.close(), bob.close()
    seen = {ann.conn: [], bob.conn: []}
    for _ in range(3):
        event = mem.take(max=1)
        seen[event["conn"]].append(event["event"])
        assert mem.finish(event) == []
    assert seen == {ann.conn: ["@disconnect"], bob.conn: ["@connect", "@disconnect"]}


# --- questions


def test_a_question_that_nobody_answers_ends_when_all_groups_are_done(member, ws):
    ann, one, two = ws(), member("one"), member("two")
    ann.send("x", i=7)
    assert one.finish(one.take()) == []
    ann.nothing()
    assert two.finish(two.take()) == []
    assert ann.receive() == {"e": "@ok", "i": 7}


def test_the_first_answer_counts_and_ok_does_not_follow(member, ws):
    ann, one, two = ws(), member("one"), member("two")
    ann.send("x", i="a")
    for mem, payload in (two, 2), (one, 1):
        assert mem.turn([done(mem.take(), answer(payload))], max=0)["failed"] == []
    ann.expect("x", 2, i="a")
    ann.nothing()


def test_a_refusal_is_the_answer(member, calls, ws):
    ann, mem = ws(), member()
    ann.send("x", i=1)
    error = {"code": "sold_out", "message": "none left", "temporary": True, "data": {"left": 0}}
    assert mem.finish(mem.take(), error=error) == []
    assert ann.receive() == {"e": "@error", "p": {**error, "event": "x"}, "i": 1}
    assert group(calls, "g")["refused"] == 1
    ann.send("x")
    assert mem.finish(mem.take(), error={"code": "no"}) == []
    ann.nothing()


def test_an_answer_does_not_reach_a_newer_question_with_the_same_i(member, calls, ws):
    ann, one, two = ws(), member("one"), member("two")
    ann.send("x", 1, i=1)
    first, other = one.take(), two.take()
    one.turn([done(first, answer("one"))], max=0)
    ann.expect("x", "one", i=1)
    ann.send("x", 2, i=1)
    ann.sync()
    assert two.turn([done(other, answer("late"))], max=0)["failed"] == []
    ann.nothing()
    one.turn([done(one.take(), answer("two"))], max=0)
    ann.expect("x", "two", i=1)


@pytest.mark.options(question_ms=300)
def test_a_question_still_has_its_time(member, ws):
    ann, mem = ws(), member()
    ann.send("x", i=1)
    event = mem.take()
    ann.expect_error("timeout", event="x", i=1)
    assert mem.turn([done(event, answer("late"))], max=0)["failed"] == []
    ann.nothing()


# --- what is told


def test_inspect_shows_each_event_and_where_it_is(member, calls, ws):
    clients, mem = [ws() for _ in range(3)], member(lease_ms=60000)
    for n, client in enumerate(clients):
        client.send("x", n)
        client.sync()
    clients[0].send("y")
    clients[0].sync()
    first, second, third = mem.take(3)
    mem.finish(second, retry_ms=60000)
    shown = calls("inspect", group="g")
    assert shown["group"] == "g" and "next" not in shown
    assert [(event["seq"], event["event"], event["conn"], event["state"], event["attempt"]) for event in shown["events"]] == [
        (1, "x", clients[0].conn, "held", 1), (2, "x", clients[1].conn, "delayed", 1),
        (3, "x", clients[2].conn, "held", 1), (4, "y", clients[0].conn, "waiting", 0),
    ]
    held, delayed, _, waiting = shown["events"]
    assert held["member"] == mem.id and 0 < held["lease_ms"] <= 60000 and "due_ms" not in held
    assert 0 < delayed["due_ms"] <= 60000 and "member" not in delayed
    assert all(event["bytes"] > 0 and 0 <= event["age_ms"] < 60000 and event["suspect"] is False for event in shown["events"])
    page = calls("inspect", group="g", limit=3)
    assert [event["seq"] for event in page["events"]] == [1, 2, 3]
    page = calls("inspect", group="g", limit=3, after=page["next"])
    assert [event["seq"] for event in page["events"]] == [4] and "next" not in page


def test_inspect_and_dead_know_their_arguments(calls, member):
    member()
    for op in "inspect", "dead":
        assert calls.refused(op, group="none")["code"] == "unknown_group"
        assert calls.refused(op)["code"] == "bad_argument"
        assert calls.refused(op, group="g", limit=0)["code"] == "bad_argument"
        assert calls.refused(op, group="g", limit=1001)["code"] == "bad_argument"
        assert calls.refused(op, group="g", after=-1)["code"] == "bad_argument"
        assert calls(op, group="g")["events"] == []


def test_stats_show_groups_and_members(member, calls, ws):
    ann, bob, mem = ws(), ws(), member("g", ["x", "y:*"], lease_ms=5000, per_conn=2)
    mem.calls("hello", name="orders", language="python", version="1.2", speaks=[1])
    ann.send("x"), bob.send("x")
    ann.sync(), bob.sync()
    event, _ = mem.take(2)
    mem.turn([done(event)], max=0)
    bob.send("y:z")
    bob.sync()
    told = group(calls, "g")
    shown = told["members"][0]
    assert {key: shown[key] for key in ("member", "name", "language", "version", "held", "asking", "handled", "lease_ms", "per_conn")} == {
        "member": mem.id, "name": "orders", "language": "python", "version": "1.2", "held": 1, "asking": False, "handled": 1,
        "lease_ms": 5000, "per_conn": 2,
    }
    assert shown["pid"] == os.getpid() and 0 <= shown["heard_ms"] <= shown["age_ms"] < 60000
    assert {key: told[key] for key in ("declared", "events", "backlog", "held", "full", "paused_connections", "received", "handled")} == {
        "declared": False, "events": ["x", "y:*"], "backlog": 2, "held": 1, "full": "no", "paused_connections": 0, "received": 3, "handled": 1,
    }
    assert told["backlog_bytes"] > 0 and told["oldest_ms"] >= 0
    for key in "refused", "retried", "redeliveries", "lease_expired", "stale", "failed", "dead", "dead_listed":
        assert told[key] == 0, key
    assert told["attempts"] == 2


def test_seq_never_restarts_in_an_epoch(start_broker, open_things):
    broker = start_broker(group_keep_ms=50)
    ann, calls = Client(broker.url), Calls(broker.calls)
    open_things += [ann.close, calls.close]
    seen = []
    for _ in range(3):
        mem = Member(broker.calls, "g")
        open_things.append(mem.close)
        ann.send("x")
        event = mem.take()
        seen.append(event["seq"])
        assert mem.finish(event) == []
        mem.leave()
        wait_until(lambda: group(calls, "g") is None, "the group to end")
    assert seen == sorted(set(seen)), seen
