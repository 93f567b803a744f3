"""Events that are not handled: tried again, dead, listed by nobody, too old, and too many."""
import time

import pytest

from kit.broker import wait_until
from kit.client import Client
from kit.member import answer, done, event_states, group


# --- retries and the dead


def test_a_retry_comes_again_after_its_time(member, calls, ws):
    ann, mem = ws(), member()
    ann.send("x", 1)
    ann.send("x", 2)
    begin = time.monotonic()
    assert mem.finish(mem.take(), retry_ms=2000) == []
    (state,) = [event for event in calls("inspect", group="g")["events"] if event["seq"] == 1]
    assert state["state"] == "delayed" and state["due_ms"] <= 2000
    mem.nothing(100)
    event = mem.take()
    assert time.monotonic() - begin >= 1.99
    assert (event["seq"], event["attempt"]) == (1, 2)
    told = group(calls, "g")
    assert (told["retried"], told["redeliveries"]) == (1, 1)


@pytest.mark.options(group_max_attempts=3)
def test_after_its_last_attempt_an_event_is_dead(member, calls, events, ws):
    ann, mem = ws(), member(events=["x"])
    ann.send("x", {"n": 1}, i=9)
    ann.send("x", 2)
    begin = time.time() * 1000
    for attempt in 1, 2, 3:
        event = mem.take()
        assert event["attempt"] == attempt
        assert mem.finish(event, retry_ms=0) == []
    ann.expect_error("failed", event="x", i=9)
    (dead,) = calls("dead", group="g")["events"]
    assert begin - 60000 < dead.pop("time_ms") <= dead.pop("dead_ms") < begin + 60000
    assert isinstance(dead.pop("message"), str)
    assert dead == {"seq": 1, "event": "x", "conn": ann.conn, "code": "failed", "attempts": 3, "payload": {"n": 1}}
    published = events.next("@dead")["payload"]
    assert isinstance(published.pop("message"), str)
    assert published == {"group": "g", "seq": 1, "event": "x", "conn": ann.conn, "code": "failed", "attempts": 3}
    assert mem.take()["payload"] == 2, "the next one of the connection is not held up"
    assert (group(calls, "g")["dead"], group(calls, "g")["dead_listed"]) == (1, 1)


@pytest.mark.options(group_dead=3)
def test_the_dead_list_keeps_the_newest_and_has_pages(member, calls, ws):
    ann, mem = ws(), member()
    for n in range(5):
        ann.send("x", n)
        mem.turn([done(mem.take(), {"op": "nonsense"})], max=0)
    assert [dead["payload"] for dead in calls("dead", group="g")["events"]] == [2, 3, 4]
    page = calls("dead", group="g", limit=2)
    assert [dead["payload"] for dead in page["events"]] == [2, 3]
    page = calls("dead", group="g", limit=2, after=page["next"])
    assert [dead["payload"] for dead in page["events"]] == [4] and "next" not in page
    assert (group(calls, "g")["dead"], group(calls, "g")["dead_listed"]) == (5, 3)


@pytest.mark.options(question_ms=20000)
def test_a_question_fails_when_its_event_is_dead_in_one_of_its_groups(member, ws):
    ann, one, two = ws(), member("one"), member("two")
    ann.send("x", i=1)
    one.turn([done(one.take(), {"op": "nonsense"})], max=0)
    ann.nothing()
    assert two.finish(two.take()) == []
    ann.expect_error("failed", event="x", i=1)


@pytest.mark.options(groups={"g": {"events": ["x"], "max_age_ms": 300}})
def test_an_event_that_waits_too_long_is_dead(calls, ws):
    ann = ws()
    ann.send("x", 1, i=1)
    ann.expect_error("failed", event="x", i=1)
    (dead,) = calls("dead", group="g")["events"]
    assert (dead["code"], dead["attempts"], dead["payload"]) == ("too_old", 0, 1)


@pytest.mark.options(group_keep_ms=300)
def test_what_nobody_lists_any_more_is_dead_after_the_keep_time_and_the_group_is_gone(member, calls, ws):
    ann, mem = ws(), member(events=["x"])
    ann.send("x", i=1)
    ann.sync()
    mem.leave()
    ann.expect_error("failed", event="x", i=1)
    wait_until(lambda: group(calls, "g") is None, "the group to end")
    ann.send("x", i=2)
    ann.expect_error("no_handler", event="x", i=2)
    assert calls.refused("dead", group="g")["code"] == calls.refused("inspect", group="g")["code"] == "unknown_group"


@pytest.mark.options(group_keep_ms=300)
def test_an_event_that_only_another_version_lists_is_dead_after_the_keep_time(member, calls, ws):
    ann, old, new = ws(), member(events=["x", "y"]), member(events=["x"])
    ann.send("y", 1)
    ann.send("x", 2)
    ann.sync()
    old.leave()
    event = new.take()
    assert (event["event"], event["payload"]) == ("x", 2), "the connection goes on"
    (dead,) = calls("dead", group="g")["events"]
    assert (dead["code"], dead["event"], dead["payload"]) == ("unlisted", "y", 1)


@pytest.mark.options(groups={"g": {"events": ["x"]}}, group_keep_ms=100)
def test_a_declared_group_is_there_without_members_and_for_ever(member, calls, ws):
    ann = ws()
    told = group(calls, "g")
    assert (told["declared"], told["events"], told["members"]) == (True, ["x"], [])
    ann.send("x", 1)
    ann.send("y", 1)
    ann.expect_error("no_handler", event="y")
    mem = member(events=["x"])
    assert mem.finish(mem.take()) == []
    mem.leave()
    ann.send("x", 2)
    ann.nothing(0.4)
    assert event_states(calls, "g") == {2: "waiting"}
    assert member(events=["x"]).take()["payload"] == 2


# --- full groups


@pytest.mark.options(groups={"g": {"events": ["x"], "on_full": "refuse", "backlog": 20}})
def test_a_full_group_that_refuses_says_so_at_once_and_opens_again(member, calls, events, ws):
    ann = ws()
    for n in range(25):
        ann.send("x", n, i=n)
    for n in range(20, 25):
        ann.expect_error("overloaded", event="x", i=n)
    assert group(calls, "g")["full"] == "refusing"
    assert [events.next("x")["payload"] for _ in range(20)] == list(range(20))
    mem = member(events=["x"])
    for n in range(20):
        event = mem.take()
        assert event["payload"] == n
        assert mem.turn([done(event, answer(n))], max=0)["failed"] == []
        ann.expect("x", n, i=n)
        ann.send("x", "more", i="more")
        if n < 4:
            ann.expect_error("overloaded", event="x", i="more")
        else:
            break
    assert group(calls, "g")["full"] == "no"
    assert events.next("x")["payload"] == "more"
    events.nothing(0.1, "x")


@pytest.mark.options(groups={"g": {"events": ["x"], "on_full": "refuse", "backlog_bytes": 100000}})
def test_a_group_is_full_by_bytes_as_well(calls, ws):
    ann = ws()
    for n in range(6):
        ann.send("x", "x" * 30000, i=n)
    refused = [ann.receive() for _ in range(2)]
    assert [(error["i"], error["p"]["code"], error["p"]["temporary"]) for error in refused] == [(n, "overloaded", True) for n in (4, 5)]
    assert group(calls, "g")["backlog"] == 4


@pytest.mark.options(groups={"full": {"events": ["x"], "backlog": 10}}, group_pause_max_ms=60000)
def test_a_full_group_that_pauses_loses_nothing_and_holds_up_nobody_else(member, calls, ws, new_calls):
    ann, bob, other = ws(), ws(), member("other", ["y"])
    for n in range(200):
        ann.send("x", n)
    told = wait_until(lambda: (told := group(calls, "full"))["full"] == "pausing" and told, "the group to be full")
    assert told["paused_connections"] == 1 and told["backlog"] <= 20
    ann.send("y", "held up")
    bob.send("y", "not held up")
    assert other.take()["payload"] == "not held up"
    other.nothing()
    mem = member("full", ["x"])
    event = mem.take()
    for n in range(200):
        assert event["payload"] == n
        event = mem.take(done=[done(event)]) if n < 199 else mem.turn([done(event)], max=0)
    assert other.take()["payload"] == "held up"
    wait_until(lambda: group(calls, "full")["full"] == "no", "the group to be open again")
    assert group(calls, "full")["paused_connections"] == 0


@pytest.mark.options(groups={"g": {"events": ["x"], "backlog": 10}}, group_pause_max_ms=60000, ping_ms=200, timeout_ms=1500)
def test_a_paused_connection_outlives_its_timeout_and_its_end_is_seen(member, calls, ws, raw):
    """What it sends is not read, so its silence means nothing; a hang-up is looked for."""
    ann, bob = ws(), raw()
    for n in range(200):
        ann.send("x", n)
    wait_until(lambda: group(calls, "g")["full"] == "pausing", "the group to be full")
    bob.send_frames([b'{"e":"x","p":%d}' % n for n in range(5)])  # his end brings them all in, within twice the bound
    wait_until(lambda: group(calls, "g")["paused_connections"] == 2, "both to be paused")
    time.sleep(4)
    assert calls("count")["count"] == 2
    bob.reset()
    wait_until(lambda: calls("count")["count"] == 1, "the end to be seen")
    mem, seen, entries = member(events=["x"]), [], []
    while len(seen) < 200:
        reply = mem.turn(entries, wait_ms=5000)
        assert reply["events"], seen
        seen += [event["payload"] for event in reply["events"] if event["conn"] == ann.conn]
        entries = [done(event) for event in reply["events"]]
    assert seen == list(range(200))
    ann.sync()


@pytest.mark.options(groups={"g": {"events": ["x"], "backlog": 10}}, group_pause_max_ms=300)
def test_pausing_ends_in_refusing(member, calls, ws):
    ann = ws()
    for n in range(30):
        ann.send("x", n, i=n)
    refused = [ann.receive()]
    while refused[-1]["i"] < 29:
        refused.append(ann.receive())
    assert {error["p"]["code"] for error in refused} == {"overloaded"}
    assert [error["i"] for error in refused] == list(range(group(calls, "g")["backlog"], 30))
    assert group(calls, "g")["full"] == "refusing" and group(calls, "g")["paused_connections"] == 0


@pytest.mark.options(groups={"g": {"events": ["x", "@connect", "@disconnect"], "on_full": "refuse", "backlog": 3}})
def test_while_a_group_refuses_new_connections_are_turned_away_and_ends_are_not(member, calls, broker, ws):
    ann = ws()
    for n in range(5):
        ann.send("x", n, i=n)
    ann.expect_error("overloaded", event="x", i=2)
    late = Client(broker.url, welcome=False)
    assert late.closed()[0] == 1013
    ann.close()
    wait_until(lambda: calls("count")["count"] == 0, "the connection to end")
    mem = member(events=["x", "@connect", "@disconnect"])
    names, event = [], mem.take()
    while event["event"] != "@disconnect":
        names.append(event["event"])
        event = mem.take(done=[done(event)])
    assert names == ["@connect", "x", "x"] and event["conn"] == ann.conn


@pytest.mark.options(group_backlog_bytes=8192, group_pause_max_ms=0)
def test_bytes_fill_a_group_as_events_do(member, calls, ws):
    ann, mem = ws(), member(events=["x"])
    for n in range(1, 5):
        ann.send("x", "x" * 3000, i=n)
    ann.expect_error("overloaded", event="x", i=4)
    told = group(calls, "g")
    assert (told["backlog"], told["full"], told["overloaded"]) == (3, "refusing", 1)
    assert told["backlog_bytes"] > 8192
    for _ in range(2):
        mem.finish(mem.take())
    ann.send("x", 5)
    wait_until(lambda: group(calls, "g")["backlog"] == 2, "room for more")
