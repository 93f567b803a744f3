"""Turns: their numbers and repeats, what an entry may have and how it fails, what a reply brings and how long it waits."""
import time

import msgpack
import pytest

from kit.broker import wait_until
from kit.calls import Calls
from kit.member import Member, answer, done, group


def increment(client, **more):
    return {"op": "update", "conn": client.conn, "update": {"$inc": {"n": 1}}, **more}


# --- numbers and repeats


def test_a_turn_has_a_reply_with_its_id_its_number_and_the_epoch(member, ws):
    ann, mem = ws(), member()
    ann.send("x")
    ann.sync()
    reply = mem.turn(id=812)
    assert (reply["v"], reply["id"], reply["turn"], reply["failed"]) == (1, 812, 1, [])
    assert reply["epoch"] == ann.conn.split(".")[0] and len(reply["events"]) == 1
    assert set(reply) == {"v", "id", "epoch", "turn", "failed", "events"}
    assert mem.turn(wait_ms=0)["events"] == []


def test_a_repeated_turn_is_answered_the_same_and_does_nothing_again(member, calls, ws):
    ann, mem = ws(), member()
    ann.send("x", 1)
    ann.send("x", 2)
    first = mem.take()
    entries = [done(first, increment(ann), {"op": "send", "conn": ann.conn, "event": "once"}), {"seq": 99, "ops": []}]
    reply = mem.turn(entries)
    assert [event["payload"] for event in reply["events"]] == [2]
    assert [(item["seq"], item["code"], item["then"]) for item in reply["failed"]] == [(99, "lease_expired", "none")]
    for _ in range(3):
        again = mem.again()
        assert again == reply
    ann.expect("once")
    ann.nothing()
    assert calls.session(ann.conn) == {"n": 1} and group(calls, "g")["attempts"] == 2
    assert mem.finish(reply["events"][0]) == []


def test_a_repeat_may_have_another_id_and_be_packed_anew(member, ws):
    ann, mem = ws(), member()
    ann.send("x")
    event = mem.take()
    mem.turn([done(event, increment(ann))])
    mem.number -= 1
    assert mem.turn([done(event, increment(ann))], id=99999)["id"] == 99999


def test_a_repeat_after_the_events_were_given_away_says_so(member, calls, ws):
    ann, mem, other = ws(), member(lease_ms=200), member()
    ann.send("x")
    mem.take()
    (event,) = [other.take()]
    assert event["attempt"] == 2
    again = mem.again()
    assert again["released"] is True and again["events"] == [] and again["turn"] == mem.number
    mem.join()
    assert mem.turn()["events"] == []


def test_a_repeat_with_other_entries_and_other_numbers_are_refused(member, calls, ws):
    ann, mem = ws(), member()
    ann.send("x")
    event = mem.take()
    last = mem.number
    for number in 0, last - 1, last + 2, last + 1000:
        assert mem.refused(turn=number) == "bad_turn"
    assert mem.refused([done(event, increment(ann))], turn=last) == "bad_turn"
    assert calls.session(ann.conn) == {}
    assert mem.turn([done(event, increment(ann))], max=0)["failed"] == [], "the number was not used up"


def test_a_repeat_takes_over_the_wait(member, broker, ws, calls):
    ann, mem = ws(), member()
    twin = Calls(broker.calls, client=mem.calls.client)
    mem.ask(wait_ms=20000)
    wait_until(lambda: group(calls, "g")["members"][0]["asking"], "the turn to wait")
    twin.socket.send(mem.packed)
    wait_until(lambda: calls.counter("requests_waiting") == 2, "the first one to be abandoned", 5)
    ann.send("x")
    reply = msgpack.unpackb(twin.socket.recv())
    assert len(reply["events"]) == 1 and reply["events"][0]["attempt"] == 1
    twin.close()
    assert group(calls, "g")["attempts"] == 1


def test_requests_that_nng_repeats_do_no_harm(broker, calls, ws, open_things):
    """A REQ that repeats every 50 ms: the bytes of each turn come many times, and each counts once."""
    ann, sender = ws(), Calls(broker.calls)
    sender.socket.resend_time = 50
    open_things.append(sender.close)
    mem = Member(broker.calls, "g", calls=sender)
    for n in range(10):
        mem.ask(wait_ms=20000)
        before = calls.counter("requests")
        wait_until(lambda: calls.counter("requests") > before + 4, "some repeats")
        ann.send("x", n)
        (event,) = mem.reply()["events"]
        assert (event["payload"], event["attempt"], event["session"].get("n", 0)) == (n, 1, n)
        assert mem.turn([done(event, increment(ann))], max=0)["failed"] == []
    assert calls.session(ann.conn) == {"n": 10} and group(calls, "g")["attempts"] == 10


def test_a_newer_turn_ends_the_wait_of_the_one_before(member, broker, calls, ws):
    ann, mem = ws(), member()
    ann.send("x")
    event = mem.take()
    mem.ask([done(event)], wait_ms=20000)
    wait_until(lambda: group(calls, "g")["members"][0]["asking"], "the turn to wait")
    twin = Calls(broker.calls, client=mem.calls.client)
    mem.number += 1
    packed = mem.pack(wait_ms=0)
    mem.number -= 1
    reply = twin.raw(packed)
    older = mem.reply()
    assert older["events"] == [] and older["failed"] == []
    assert (older["turn"], reply["turn"]) == (2, 3) and reply["failed"] == []
    twin.close()


# --- what is refused as a whole


@pytest.mark.parametrize(
    "change, code",
    [
        ({"done": 5}, "bad_argument"),
        ({"done": {}}, "bad_argument"),
        ({"done": [5]}, "bad_argument"),
        ({"done": [{}]}, "bad_argument"),
        ({"done": [{"seq": "1", "ops": []}]}, "bad_argument"),
        ({"done": [{"seq": -1, "ops": []}]}, "bad_argument"),
        ({"max": 1025}, "bad_argument"),
        ({"max": -1}, "bad_argument"),
        ({"max": "1"}, "bad_argument"),
        ({"wait_ms": 25001}, "bad_argument"),
        ({"wait_ms": -1}, "bad_argument"),
        ({"turn": None}, "bad_argument"),
        ({"turn": "1"}, "bad_argument"),
        ({"member": 5}, "bad_argument"),
        ({"ops": []}, "bad_argument"),
        ({"wait": 5}, "unknown_key"),
        ({"member": "nobody"}, "unknown_member"),
        ({"member": ""}, "unknown_member"),
        ({"client": "somebody else entirely"}, "unknown_member"),
        ({"epoch": "anotherone"}, "new_epoch"),
        ({"v": 2}, "bad_version"),
        ({"client": "short"}, "bad_argument"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_turn_is_refused_as_a_whole(member, calls, ws, change, code):
    ann, mem = ws(), member()
    ann.send("x")
    event = mem.take()
    assert mem.refused(**{"done": [done(event, increment(ann))], **change}) == code
    assert calls.session(ann.conn) == {}
    assert mem.turn([done(event, increment(ann))], max=0)["failed"] == []


def test_a_turn_may_leave_out_what_has_a_default(member, ws):
    ann, mem = ws(), member()
    ann.send("x")
    ann.sync()
    assert len(mem.turn(done=(), max=None, wait_ms=None)["events"]) == 1
    packed = mem.calls.envelope(None, member=mem.id, turn=mem.number + 1, wait_ms=0)
    assert mem.calls.raw(msgpack.packb(packed))["events"] == []


@pytest.mark.options(max_ops=10)
def test_too_many_operations_are_refused_before_any_is_applied(member, calls, ws):
    clients, mem = [ws() for _ in range(3)], member()
    for client in clients:
        client.send("x")
        client.sync()
    events = mem.take(3)
    entries = [done(event, *[increment(client)] * 4) for event, client in zip(events, clients)]
    assert mem.refused(entries) == "request_too_large"
    assert [calls.session(client.conn) for client in clients] == [{}] * 3
    assert mem.turn(entries[:2], max=0)["failed"] == []


@pytest.mark.options(key="a secret of 16 bytes or more")
def test_over_ipc_turns_need_no_key(member, ws):
    mem = member()
    ws().send("x")
    assert mem.finish(mem.take()) == []


# --- entries


def test_the_effects_of_an_entry_are_applied_in_order_with_the_acknowledgement(member, calls, ws):
    ann, bob, mem = ws(), ws(), member()
    ann.send("x", i=1)
    effects = [
        increment(ann),
        {"op": "send", "filter": {"n": 1}, "event": "is:1", "payload": 1},
        increment(ann),
        {"op": "send", "filter": {"n": 2}, "event": "is:2"},
        {"op": "send", "filter": {"n": 1}, "event": "never"},
        answer({"n": 2}),
        {"op": "close", "conn": bob.conn, "code": 4001, "reason": "enough"},
        {"op": "send", "filter": {}, "event": "all"},
        {"op": "batch", "event": "tick", "interval_ms": 10},
        {"op": "send", "conn": ann.conn, "event": "tick", "payload": 1},
    ]
    assert mem.turn([done(mem.take(), *effects)], max=0)["failed"] == []
    ann.expect("is:1", 1)
    ann.expect("is:2")
    ann.expect("x", {"n": 2}, i=1)
    ann.expect("all")
    ann.expect("batch_tick", {"d": [1]})
    ann.nothing(0.1)
    assert bob.closed() == (4001, "enough")
    assert calls.session(ann.conn) == {"n": 2} and group(calls, "g")["handled"] == 1


def test_where_one_operation_fails_nothing_of_the_entry_is_applied_and_the_others_are(member, calls, ws):
    clients, mem = [ws() for _ in range(3)], member()
    for n, client in enumerate(clients):
        client.send("x", i=n)
        client.sync()
    events = mem.take(3)
    bad = {"op": "update", "conn": clients[1].conn, "update": {"$push": {"n": 1}}}
    entries = [
        done(event, increment(client), {"op": "batch", "event": "tick", "interval_ms": 1000}, {"op": "send", "filter": {}, "event": "told"}, answer(n),
             *([bad] if n == 1 else []))
        for n, (event, client) in enumerate(zip(events, clients))
    ]
    (failed,) = mem.turn(entries, max=0)["failed"]
    assert failed.pop("message")
    assert failed == {"seq": 2, "code": "update_failed", "at": "done[1].ops[4].update.$push.n", "then": "dead"}
    assert [calls.session(client.conn) for client in clients] == [{"n": 1}, {}, {"n": 1}]
    for n, client in enumerate(clients):
        seen = [client.receive() for _ in range(3)]
        pushes = [message["e"] for message in seen if "i" not in message]
        (reply,) = [message for message in seen if "i" in message]
        assert pushes == ["told", "told"]
        assert (reply["e"], reply.get("p", n)) == ("x", n) if n != 1 else reply["p"]["code"] == "failed"
    told = group(calls, "g")
    assert (told["handled"], told["failed"], told["dead"]) == (2, 1, 1)


@pytest.mark.parametrize(
    "op, code, at",
    [
        ({"op": "send", "filter": {"room": None}, "event": "x"}, "bad_filter", "ops[0].filter.room"),
        ({"op": "send", "filter": {"$and": [{"a": {"$x": 1}}]}, "event": "x"}, "bad_filter", "ops[0].filter.$and[0]"),
        ({"op": "send", "filter": {}, "event": "a b"}, None, "ops[0].event"),
        ({"op": "update", "conn": "$conn", "update": {"n": 1}}, "bad_update", "ops[0].update"),
        ({"op": "update", "conn": "$conn", "update": {"$set": {"n": "x" * 70000}}}, "session_too_large", "ops[0]"),
        ({"op": "send", "conn": "$conn", "event": "x", "payload": "x" * 300000}, "message_too_large", "ops[0]"),
        ({"op": "update", "conn": "$conn", "filter": {}, "update": {"$set": {"a": 1}}}, "bad_argument", "ops[0]"),
        ({"op": "update", "conn": "$conn", "updat": {"$set": {"a": 1}}}, "unknown_key", "ops[0]"),
        ({"op": "nonsense"}, "unknown_op", "ops[0].op"),
        (5, "bad_argument", "ops[0]"),
        ({"op": "get", "conn": "$conn"}, "bad_argument", "ops[0].op"),
        ({"op": "count"}, "bad_argument", "ops[0].op"),
        ({"op": "find"}, "bad_argument", "ops[0].op"),
        ({"op": "hello"}, "bad_argument", "ops[0].op"),
        ({"op": "stats"}, "bad_argument", "ops[0].op"),
        ({"op": "subscribe", "events": ["x"]}, "bad_argument", "ops[0].op"),
        ({"op": "join", "group": "g", "events": ["x"]}, "bad_argument", "ops[0].op"),
        ({"op": "leave", "member": "m"}, "bad_argument", "ops[0].op"),
        ({"op": "answer", "i": 1}, "bad_argument", "ops[0]"),
        ({"op": "answer", "conn": "$conn"}, "bad_argument", "ops[0]"),
        ({"op": "answer"}, "bad_argument", "ops[0]"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_would_only_repeat_itself_is_dead_at_once_and_says_where(member, calls, ws, op, code, at):
    ann, mem = ws(), member()
    ann.send("x", "p")
    ann.send("x", "next")
    if isinstance(op, dict) and op.get("conn") == "$conn":
        op = {**op, "conn": ann.conn}
    event = mem.take()
    reply = mem.turn([done(event, op, increment(ann))])
    (failed,) = reply["failed"]
    assert (failed["seq"], failed["then"]) == (1, "dead") and failed["message"]
    assert code in (None, failed["code"]) and failed["at"].startswith(f"done[0].{at}"), failed
    assert calls.session(ann.conn) == {}
    (dead,) = calls("dead", group="g")["events"]
    assert (dead["code"], dead["attempts"], dead["payload"]) == (failed["code"], 1, "p")
    assert [event["payload"] for event in reply["events"]] == ["next"], "the next one of the connection goes on at once"


@pytest.mark.parametrize(
    "more",
    [{}, {"ops": [], "retry_ms": 5}, {"ops": [], "error": {"code": "x"}}, {"retry_ms": -1}, {"retry_ms": 3600001}, {"retry_ms": "1"}, {"error": 5},
     {"error": {}}, {"error": {"code": 7}}, {"ops": 5}, {"ops": [], "nonsense": 1}],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_entry_is_dead_and_the_others_are_done(member, calls, ws, more):
    ann, bob, mem = ws(), ws(), member()
    ann.send("x")
    ann.sync()
    bob.send("x")
    first, second = mem.take(2)
    (failed,) = mem.turn([{"seq": first["seq"], **more}, done(second, increment(bob))], max=0)["failed"]
    assert (failed["seq"], failed["then"]) == (1, "dead") and failed["code"] in ("bad_argument", "unknown_key")
    assert calls.session(bob.conn) == {"n": 1}


def test_after_a_conflict_the_event_comes_again_with_the_session_as_it_is(member, calls, ws):
    ann, mem = ws(), member()
    ann.send("x")
    event = mem.take()
    calls.set(ann.conn, other=1)
    reply = mem.turn([done(event, increment(ann, if_version=event["version"]))])
    (failed,) = reply["failed"]
    assert (failed["code"], failed["then"]) == ("conflict", "again")
    (again,) = reply["events"]
    assert (again["seq"], again["attempt"], again["session"]) == (1, 2, {"other": 1})
    assert mem.turn([done(again, increment(ann, if_version=again["version"]))], max=0)["failed"] == []
    assert calls.session(ann.conn) == {"other": 1, "n": 1}


@pytest.mark.options(group_max_attempts=2)
def test_conflicts_end_with_the_attempts(member, calls, ws):
    ann, mem = ws(), member()
    ann.send("x")
    for then in "again", "dead":
        event = mem.take()
        (failed,) = mem.turn([done(event, increment(ann, if_version=99))], max=0)["failed"]
        assert (failed["code"], failed["then"]) == ("conflict", then)
    assert len(calls("dead", group="g")["events"]) == 1


def test_an_entry_of_what_is_not_held_is_refused_and_does_nothing(member, calls, ws):
    ann, mem, other = ws(), member(), member()
    ann.send("x")
    event = mem.take()
    (failed,) = other.turn([done(event, increment(ann))], max=0)["failed"]
    assert (failed["seq"], failed["code"], failed["then"]) == (1, "lease_expired", "none")
    assert mem.turn([done(event, increment(ann)), done(event, increment(ann))], max=0)["failed"][0]["code"] == "lease_expired"
    assert calls.session(ann.conn) == {"n": 1}


def test_reaching_nobody_is_no_failure(member, ws):
    ann, mem = ws(), member()
    ann.send("x", i=1)
    event = mem.take()
    ann.close()
    gone = ann.conn[:-1] + "99999"
    effects = [{"op": op, "conn": gone, **more} for op, more in (
        ("send", {"event": "x"}), ("update", {"update": {"$set": {"a": 1}}}), ("close", {"code": 4000}), ("answer", {"i": 1}),
    )]
    assert mem.turn([done(event, answer(), *effects)], max=0)["failed"] == []


# --- what a turn brings


def test_a_turn_waits_for_the_first_event_and_no_longer(member, ws):
    ann, mem = ws(), member()
    begin = time.monotonic()
    assert mem.turn(wait_ms=300)["events"] == []
    assert 0.29 <= time.monotonic() - begin < 10
    mem.ask(wait_ms=20000)
    begin = time.monotonic()
    ann.send("x")
    assert len(mem.reply()["events"]) == 1 and time.monotonic() - begin < 10


def test_an_idle_member_makes_one_request_in_its_time(process, calls):
    """wait_ms is the only thing that makes it ask again."""
    process(wait_ms=500)
    own, before, begin = 1, calls.counter("requests"), time.monotonic()
    time.sleep(2)
    made = calls.counter("requests") - before - own
    assert 1 <= made <= (time.monotonic() - begin) / 0.5 + 1


def test_max_is_what_a_member_holds_and_not_what_a_turn_brings(member, calls, ws):
    clients, mem = [ws() for _ in range(10)], member()
    for client in clients:
        client.send("x")
    wait_until(lambda: group(calls, "g")["backlog"] == 10, "the events")
    assert mem.turn(max=0)["events"] == []
    held = mem.turn(max=4)["events"]
    assert len(held) == 4
    assert mem.turn(max=4)["events"] == mem.turn(max=3)["events"] == []
    more = mem.turn([done(held.pop())], max=6)["events"]
    assert len(more) == 3
    assert len(mem.turn(max=64)["events"]) == 10 - 7


def test_a_reply_has_at_most_768_kib_of_events_and_at_least_one(member, calls, ws):
    clients, mem = [ws() for _ in range(30)], member()
    for client in clients:
        client.send("x", "x" * 62000)
    wait_until(lambda: group(calls, "g")["backlog"] == 30, "the events")
    turns = []
    while sum(turns) < 30:
        mem.ask(max=64)
        packed = mem.calls.socket.recv()
        reply = msgpack.unpackb(packed)
        mem.number = reply["turn"]
        assert len(packed) < 768 * 1024 + 1000 and reply["events"], len(packed)
        turns.append(len(reply["events"]))
    assert turns == [12, 12, 6]


def test_thousands_of_events_in_few_turns(member, calls, ws):
    clients, mem = [ws() for _ in range(20)], member(per_conn=256)
    for client in clients:
        for n in range(200):
            client.send("x", n)
    wait_until(lambda: group(calls, "g")["backlog"] == 4000, "the events")
    turns, entries, seen = 0, [], {client.conn: [] for client in clients}
    while entries or not turns:
        reply = mem.turn(entries, max=1024)
        turns += 1
        assert not reply["failed"]
        for event in reply["events"]:
            seen[event["conn"]].append(event["payload"])
        entries = [done(event) for event in reply["events"]]
    assert all(numbers == list(range(200)) for numbers in seen.values()) and turns < 50


def test_many_members_wait_at_once_and_each_gets_what_comes(broker, member, calls, ws):
    """Each waiting turn is a request under way, over a link of its own."""
    ann, members = ws(), [member() for _ in range(60)]
    for mem in members:
        mem.ask(wait_ms=25000)
    wait_until(lambda: sum(shown["asking"] for shown in group(calls, "g")["members"]) == 60, "the turns to wait")
    for n in range(60):
        ann.send("x", n)
        (shown,) = wait_until(lambda: [shown for shown in group(calls, "g")["members"] if shown["held"]], "it to be handed out")
        (mem,) = [mem for mem in members if mem.id == shown["member"]]
        (event,) = mem.reply()["events"]
        assert event["payload"] == n
        mem.ask([done(event)], wait_ms=25000)
        wait_until(lambda: group(calls, "g")["held"] == 0, "it to be done")


@pytest.mark.options(max_waiting=12, max_waiting_per_link=2)
def test_a_member_that_may_not_wait_is_told_when_to_ask_again(member, calls):
    members = [member() for _ in range(20)]
    for mem in members:
        mem.ask(wait_ms=3000)
    assert calls("count")["count"] == 0, "others are served meanwhile"
    replies = [mem.reply() for mem in members]
    paused = [reply for reply in replies if "pause_ms" in reply]
    assert paused and all(reply["pause_ms"] == 1000 and reply["events"] == [] for reply in paused)
    assert any("pause_ms" not in reply for reply in replies)
