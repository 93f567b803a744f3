"""Members that die, hang, come back and end."""
import socket
import time

import pytest

from kit.broker import wait_until
from kit.calls import Calls
from kit.client import Client
from kit.member import Member, answer, done, event_states, group


# --- members that die and hang


def test_a_killed_member_is_noticed_at_once_over_ipc(member, process, calls, ws):
    ann, mem = ws(), process(sleep_ms=60000, lease_ms=3600000)
    ann.send("x", 1)
    wait_until(lambda: event_states(calls, "g") == {1: "held"}, "the event to be held")
    other = member()
    mem.kill()
    begin = time.monotonic()
    event = other.take()
    assert time.monotonic() - begin < 5, "long before the lease"
    assert (event["payload"], event["attempt"]) == (1, 2)
    assert [shown["member"] for shown in group(calls, "g")["members"]] == [other.id]


@pytest.fixture
def tcp_broker(start_broker):
    """tcp_broker(option=...) listens for handlers on IPC and TCP; `calls_tcp` is the latter."""
    def start(**options):
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            calls, events = (f"tcp://127.0.0.1:{server.getsockname()[1]}" for server in (one, two))
        broker = start_broker("--calls", calls, "--events", events, **options)
        broker.calls_tcp = calls
        return broker

    return start


def test_over_tcp_a_member_has_a_grace_to_come_back(tcp_broker, open_things):
    broker = tcp_broker(link_grace_ms=3000)
    ann, calls, other = Client(broker.url), Calls(broker.calls), Member(broker.calls, "g")
    mem = Member(broker.calls_tcp, "g")
    open_things += [ann.close, calls.close, other.close]
    ann.send("x", 1)
    ann.send("x", 2)
    event = mem.take()
    # It comes back over another link within the grace, and goes on.
    mem.close()
    mem.calls = Calls(broker.calls_tcp, client=mem.calls.client)
    again = mem.take(done=[done(event)])
    assert (again["payload"], again["attempt"]) == (2, 1)
    # It does not come back.
    mem.close()
    begin = time.monotonic()
    assert event_states(calls, "g") == {2: "held"}
    event = other.take()
    assert time.monotonic() - begin > 2 and (event["payload"], event["attempt"]) == (2, 2)


def test_a_member_that_hangs_loses_what_it_holds_with_the_lease_and_goes_on_later(member, process, calls, ws):
    ann, bob, mem = ws(), ws(), process(wait_ms=20000, lease_ms=1000)
    wait_until(lambda: group(calls, "g")["members"][0]["asking"], "its turn to wait")
    mem.stop()
    ann.send("x", 1, i=1)
    wait_until(lambda: event_states(calls, "g") == {1: "held"}, "the event to be held")
    other = member()
    event = other.take()
    assert (event["payload"], event["attempt"]) == (1, 2)
    told = group(calls, "g")
    assert told["lease_expired"] == 1 and told["redeliveries"] == 1
    assert other.turn([done(event, answer("other"))], max=0)["failed"] == []
    ann.expect("x", "other", i=1)
    other.leave()
    bob.send("x", 2, i=2)
    mem.go_on()
    (failed,) = mem.said("failed")
    assert (failed["seq"], failed["code"], failed["then"]) == (1, "lease_expired", "none")
    assert bob.receive() == {"e": "x", "p": {"payload": 2, "attempt": 1}, "i": 2}, "it goes on"


def test_extend_makes_a_lease_begin_anew(member, calls, ws):
    ann, mem, other = ws(), member(lease_ms=1500), member(lease_ms=1500)
    ann.send("x", "ann")
    kept = mem.take()
    begin = time.monotonic()
    while time.monotonic() - begin < 3.5:
        assert mem.calls("extend", member=mem.id, seqs=[kept["seq"], 99])["extended"] == 1
        assert mem.calls("extend", member=mem.id)["extended"] == 1
        other.nothing(50)
    assert mem.finish(kept) == []
    assert mem.calls("extend", member=mem.id)["extended"] == 0
    assert mem.calls.refused("extend", member="nobody")["code"] == "unknown_member"


def test_what_a_dead_member_held_comes_back_alone(member, process, calls, ws):
    clients = [ws() for _ in range(4)]
    mem = process(sleep_ms=60000)
    for client in clients:
        client.send("x")
        client.sync()
    # The first turn brought some, and is not over.
    held = wait_until(lambda: [seq for seq, state in event_states(calls, "g").items() if state == "held"], "events to be held")
    other = member()
    mem.kill()
    wait_until(lambda: "held" not in event_states(calls, "g").values(), "its death to be noticed")
    suspects = [event["seq"] for event in calls("inspect", group="g")["events"] if event["suspect"]]
    assert suspects == held
    seen = set()
    while len(seen) < len(clients):
        events = other.turn(wait_ms=5000)["events"]
        assert events
        if seen_suspect := {event["seq"] for event in events} & set(suspects):
            assert len(events) == 1, "a suspect has nothing beside it"
            assert events[0]["attempt"] == 2
            other.nothing(50)
        seen |= {event["seq"] for event in events} | seen_suspect
        assert other.finish(*events) == []


@pytest.mark.options(group_max_attempts=2)
def test_an_event_that_kills_its_members_is_dead_and_nothing_else_is(process, calls, ws):
    ann, bob = ws(), ws()
    ann.send("@ping")
    keeper = process(max=1)
    ann.send("poison", i=1)
    assert keeper.process.wait(20) == -9
    second = process(max=1)
    assert second.process.wait(20) == -9
    ann.expect("@pong")
    ann.expect_error("failed", event="poison", i=1)
    process()
    for client in ann, bob:
        client.send("x", 1, i=2)
        assert client.receive() == {"e": "x", "p": {"payload": 1, "attempt": 1}, "i": 2}
    (dead,) = calls("dead", group="g")["events"]
    assert (dead["event"], dead["code"], dead["attempts"]) == ("poison", "failed", 2)


def test_a_member_that_is_asked_to_end_finishes_what_it_holds(process, calls, ws):
    ann, mem = ws(), process(sleep_ms=2000)
    ann.send("x", 1, i=1)
    wait_until(lambda: event_states(calls, "g") == {1: "held"}, "the event to be held")
    assert mem.end() == 0
    assert ann.receive() == {"e": "x", "p": {"payload": 1, "attempt": 1}, "i": 1}
    assert group(calls, "g")["members"] == [] and group(calls, "g")["redeliveries"] == 0


def test_a_member_goes_on_with_a_broker_that_has_started_anew(process, broker, open_things):
    mem = process(wait_ms=200)
    broker.restart()
    mem.said("member")
    ann = Client(broker.url)
    open_things.append(ann.close)
    ann.send("x", 1, i=1)
    assert ann.receive() == {"e": "x", "p": {"payload": 1, "attempt": 1}, "i": 1}
