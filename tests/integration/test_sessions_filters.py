"""Filters on sessions: operators in the place of values, the index, and the plans that tell of it."""
import secrets
import subprocess
import sys

import pytest

from kit.broker import BUILD, ROOT, wait_until
from kit.client import MSGPACK
from kit.member import is_listening
from test_sessions import everything

# --- a filter in the place of a value

EXISTS = {"$exists": True}
EXAMPLES = {
    "c": lambda address: [str(BUILD / "sluice-chat"), "--broker", address],
    "python": lambda address: [sys.executable, str(ROOT / "examples" / "python" / "chat.py"), address],
    "python-group": lambda address: [sys.executable, str(ROOT / "examples" / "python" / "chat_group.py"), address],
}


@pytest.fixture(params=list(EXAMPLES))
def example(request, broker, calls, open_things):
    process = subprocess.Popen(EXAMPLES[request.param](broker.calls))

    def end():
        process.kill()
        process.wait()

    open_things.append(end)
    wait_until(lambda: is_listening(calls, "chat"), "the handler to be there")
    return process


def test_a_room_that_is_an_operator_reaches_nobody(example, ws, calls):
    ann, bob, guest, mallory = ws(), ws(MSGPACK), ws(), ws(MSGPACK)
    for client, name in (ann, "Ann"), (bob, "Bob"):
        assert client.ask("chat:join", {"room": "lobby", "name": name})["e"] == "chat:join"
    others = ann, bob, guest
    assert calls.session(bob.conn) == {"room": "lobby", "name": "Bob"}
    for client in others:
        wait_until(lambda: all(m["e"] == "chat:presence" for m in everything(client)), "the presence")

    for room in EXISTS, {"$ne": ""}, {"$in": ["lobby"]}, ["lobby"], True, None, {"$arg": "room"}:
        answer = mallory.ask("chat:join", {"room": room, "name": "Mallory"})
        assert answer["e"] == "@error" and answer["p"]["code"] == "bad_join", answer
        answer = mallory.ask("chat:say", {"room": room, "text": "got you"})
        assert answer["e"] == "@error" and answer["p"]["code"] == "not_in_a_room", answer
        mallory.send("chat:leave", {"room": room})
    assert calls.session(mallory.conn) == {}

    # The same as texts: rooms with odd names, in which she is alone.
    for room in '{"$exists": true}', "$exists", '", "admin": "true', "{$exists: true}":
        answer = mallory.ask("chat:join", {"room": room, "name": "Mallory"})
        assert answer["p"]["room"] == room, answer
        assert mallory.ask("chat:say", {"text": "got you", "room": EXISTS})["e"] == "chat:say"
        heard = [message["p"] for message in everything(mallory) if message["e"] == "chat:message"]
        assert [message["text"] for message in heard] == ["got you"] and heard[0]["room"] == room
        assert calls("count", filter={"room": room})["count"] == 1
        mallory.send("chat:leave")
    assert mallory.ask("chat:leave")["e"] == "chat:leave"

    for text in EXISTS, ["x"], None:
        assert mallory.ask("chat:say", {"text": text})["e"] == "@error"
    for client in others:
        assert everything(client) == []
        client.nothing(0.1)
    assert example.poll() is None


def test_a_session_with_an_operator_for_its_room_reaches_nobody(example, ws, calls):
    """A handler that was less careful may have stored a map; operators cannot be stored at all."""
    ann, mallory = ws(), ws()
    assert ann.ask("chat:join", {"room": "lobby", "name": "Ann"})["e"] == "chat:join"
    ann.expect("chat:presence")
    result = calls.refused("update", conn=mallory.conn, update={"$set": {"name": "M", "room": EXISTS}})
    assert result["code"] == "bad_value"
    calls.set(mallory.conn, name="M", room={"exists": True})
    mallory.send("chat:say", {"text": "got you"})
    mallory.send("chat:leave")
    mallory.nothing(0.3)
    ann.nothing(0)
    assert example.poll() is None


def test_a_value_from_a_client_is_an_argument_and_never_an_operator(room, handler):
    """The same with rules: the one that writes it into the filter shows that this test would see it."""
    here = {"filter": {"room": {"$arg": "room"}}, "args": {"room": "$payload.room"}}
    careful = handler({"on": "careful", "ops": [{"op": "send", "event": "careful", **here}]})
    careless = handler(
        {"on": "careless", "ops": [{"op": "send", "filter": {"room": "$payload.room"}, "event": "careless"}]}
    )
    room["eve"].send("careful", {"room": EXISTS})
    (result,) = careful.results()
    assert result["code"] == "bad_argument" and result["at"] == "ops[0].args.room"
    for client in room.values():
        assert everything(client) == []
    room["eve"].send("careless", {"room": EXISTS})
    assert careless.results()[0]["matched"] == 3
    for client in room.values():
        client.expect("careless")


def test_updates_take_instructions_from_maps_as_the_guide_says(room, calls):
    conn = room["ann"].conn
    calls.set(conn, rooms=["lobby", "kitchen"], log=[])
    calls("update", conn=conn, update={"$pull": {"rooms": {"$gte": ""}}, "$push": {"log": {"$each": [1, 2]}}})
    assert (calls.session(conn)["rooms"], calls.session(conn)["log"]) == ([], [1, 2])
    for value in {"$each": [1]}, EXISTS, {"$arg": "x"}:
        assert calls.refused("update", conn=conn, update={"$set": {"log": value}})["code"] == "bad_value"
        assert calls.refused("update", conn=conn, update={"$push": {"log": {"$each": [value]}}})["code"] == "bad_value"


# --- the index, and what it tells


@pytest.fixture
def town(ws, calls):
    """30 connections with rooms of 1, 2, 3, ... and other fields."""
    clients = []
    for n in range(30):
        client = ws()
        clients.append(client)
        number = int((n * 2) ** 0.5)
        calls.set(client.conn, room=f"r{number}", n=n, even=n % 2 == 0, tags=["all", f"t{n % 3}"], deep={"n": n})
    return clients


PLANS = [
    ({}, "everybody"),
    ({"room": "r5"}, "index"),
    ({"room": "nowhere"}, "index"),
    ({"room": {"$eq": "r5"}, "n": {"$gt": 15}}, "index"),
    ({"room": {"$in": ["r1", "r5", "r5", "nowhere"]}}, "index"),
    ({"tags": {"$all": ["all", "t1"]}}, "index"),
    ({"tags": "all", "even": True}, "index"),
    ({"$or": [{"room": "r3"}, {"even": False}]}, "index"),
    ({"$or": [{"room": "r3"}, {"n": {"$gt": 20}}]}, "scan"),
    ({"$or": [{"room": "r3"}, {"n": {"$gt": 20}}], "even": True}, "index"),
    ({"$and": [{"tags": "t2"}, {"$or": [{"even": True}, {"deep.n": 5}]}]}, "index"),
    ({"n": {"$gte": 10, "$lt": 20}}, "scan"),
    ({"room": {"$ne": "r5"}}, "scan"),
    ({"room": {"$nin": ["r5", "r6"]}}, "scan"),
    ({"room": {"$not": {"$eq": "r5"}}}, "scan"),
    ({"$nor": [{"room": "r5"}]}, "scan"),
    ({"room": {"$exists": True}}, "scan"),
    ({"deep.n": 7}, "scan"),
    ({"@path": "/ws"}, "scan"),
    ({"n": 7.0}, "index"),
    ({"room": "x" * 300}, "scan"),
    ({"room": {"$in": []}}, "index"),
]


@pytest.mark.parametrize("filter, kind", PLANS, ids=lambda value: str(value)[:60])
def test_the_candidates_of_a_plan_are_the_sessions_that_are_looked_at(town, calls, filter, kind):
    def scanned(op, **arguments):
        before = calls.counter("sessions_scanned")
        result = calls(op, filter=filter, **arguments)
        return result, calls.counter("sessions_scanned") - before

    plan = calls("count", filter=filter, explain=True)["plan"]
    assert plan["kind"] == kind
    counted, rise = scanned("count")
    assert rise == plan["candidates"] and counted["count"] == plan["matches"], plan
    found, rise = scanned("find")
    assert rise == plan["candidates"] and len(found["sessions"]) == plan["matches"]
    updated, rise = scanned("update", update={"$set": {"touched": secrets.token_hex(4)}})
    assert rise == plan["candidates"] and updated["matched"] == plan["matches"]
    sent, rise = scanned("send", event="news")
    assert rise == plan["candidates"] and sent["matched"] == plan["matches"]
    explained, rise = scanned("send", event="secret", explain=True)
    assert explained["plan"] == plan and rise == plan["candidates"] and explained["refused"] == 0
    assert calls("find", filter=filter, explain=True)["plan"] == plan
    assert plan["candidates"] <= (0 if kind == "everybody" else 30)
    if kind == "scan":
        assert plan["candidates"] == 30 and plan["indexes"] == []
    if kind == "index":
        assert plan["candidates"] <= sum(use["candidates"] for use in plan["indexes"])
    matching = {entry["conn"] for entry in found["sessions"]}
    for client in town:
        assert [message["e"] for message in everything(client)] == ["news"] * (client.conn in matching), client.conn


def test_a_plan_takes_the_rarest_condition(town, calls):
    def plan(filter):
        return calls("count", filter=filter, explain=True)["plan"]

    assert plan({"tags": "all", "n": 7, "even": False})["indexes"] == [{"field": "n", "values": 1, "candidates": 1}]
    assert plan({"tags": {"$all": ["all", "t1"]}})["indexes"] == [{"field": "tags", "values": 1, "candidates": 10}]
    two = plan({"$or": [{"n": 7}, {"n": 8, "tags": "all"}]})
    assert [use["candidates"] for use in two["indexes"]] == [1, 1] and two["candidates"] == 2
    assert plan({"@conn": town[3].conn})["indexes"] == [{"field": "@conn", "values": 1, "candidates": 1}]


def test_a_value_that_has_gone_leaves_nothing_in_the_index(town, calls):
    values, entries = calls.counter("index_values"), calls.counter("index_entries")
    rooms = [entry["session"]["room"] for entry in calls("find", keys=["room"])["sessions"]]
    for n in range(20):
        calls("update", filter={}, update={"$set": {"room": f"s{n}"}, "$push": {"tags": {"$each": [n], "$slice": -2}}})
    plan = calls("count", filter={"room": {"$in": [*rooms, *(f"s{n}" for n in range(19))]}}, explain=True)["plan"]
    assert (plan["candidates"], plan["matches"]) == (0, 0)
    assert calls("count", filter={"tags": "all"}, explain=True)["plan"]["candidates"] == 0
    assert calls("count", filter={"room": "s19", "tags": 18}, explain=True)["plan"]["candidates"] == 30
    for client, room in zip(town, rooms):
        calls.set(client.conn, room=room, tags=["all", room])
    distinct = len(set(rooms))
    assert calls.counter("index_entries") == entries
    assert calls.counter("index_values") == values - 3 + distinct, "the tags t0, t1, t2 have become rooms"
    for client in town:
        client.close()
    wait_until(lambda: calls.counter("index_values") == 0, "the index to be empty")
    assert calls.counter("index_entries") == 0


@pytest.mark.parametrize(
    "filter, other",
    [({"n": "7"}, 1), ({"n": 7}, 0), ({"even": "true"}, 15), ({"room": 5}, 0), ({"n": {"$in": ["7", "8", 9]}}, 2)],
    ids=str,
)
def test_a_plan_tells_of_values_of_another_type(town, calls, filter, other):
    assert calls("count", filter=filter, explain=True)["plan"]["other_type"] == other


def test_an_explained_send_needs_a_filter(room, calls):
    result = calls.refused("send", conn=room["ann"].conn, event="x", explain=True)
    assert (result["code"], result["at"]) == ("bad_argument", "ops[0].explain")
    assert calls("send", filter={}, event="x", explain=False)["matched"] == 3
    room["ann"].expect("x")


def test_an_explained_send_to_everybody_matches_everybody(room, calls):
    result = calls("send", filter={}, event="x", explain=True)
    assert result["plan"]["matches"] == 3
    assert everything(room["ann"]) == []
    assert result["matched"] == 3


@pytest.mark.options(max_scan=2)
def test_what_is_too_costly_without_any_field_names_none(room, calls):
    result = calls.refused("count", filter={"@path": "/ws"})
    assert result["code"] == "too_costly" and "``" not in result["message"]


def test_filters_are_compiled_once(town, calls):
    before = calls.counter("filters_compiled"), calls.counter("filters_reused")
    for n in range(20):
        calls("count", filter={"room": {"$arg": "room"}}, args={"room": f"r{n}"})
    assert (calls.counter("filters_compiled"), calls.counter("filters_reused")) == (before[0] + 1, before[1] + 19)
    for n in range(20):
        calls("count", filter={"room": f"r{n}"})
    assert calls.counter("filters_compiled") == before[0] + 21


@pytest.mark.options(index=["room", "user"], max_scan=2)
def test_the_setting_index_restricts_the_fields(room, calls):
    assert calls("count", filter={"room": "lobby", "level": {"$gt": 1}}, explain=True) == {
        "ok": True,
        "count": 1,
        "plan": {
            "kind": "index", "indexes": [{"field": "room", "values": 1, "candidates": 2}],
            "candidates": 2, "matches": 1, "other_type": 0,
        },
    }  # fmt: skip
    for op, arguments in ("count", {}), ("find", {}), ("send", {"event": "x"}), ("close", {"code": 4000}):
        result = calls.refused(op, filter={"level": 1}, **arguments)
        assert result["code"] == "too_costly" and "`level`" in result["message"] and result["at"] == "ops[0].filter"
    assert calls.refused("update", filter={"level": 1}, update={"$set": {"x": 1}})["code"] == "too_costly"
    result = calls.refused("send", filter={"room": "lobby"}, event="x", fill={"n": {"level": 1}})
    assert (result["code"], result["at"]) == ("too_costly", "ops[0].fill.n")
    assert calls("send", filter={}, event="y")["matched"] == 3, "everybody is no scan"
    room["eve"].expect("y")
    room["ann"].close()
    wait_until(lambda: calls("count")["count"] == 2, "ann to be gone")
    assert calls("count", filter={"level": 2}, explain=True)["plan"]["kind"] == "scan", "few enough"


def test_a_session_with_very_many_values_is_still_found(room, calls):
    ann, bob = room["ann"].conn, room["bob"].conn
    calls.set(ann, seen=list(range(1100)))
    calls.set(bob, seen={"ids": list(range(1100))})
    assert calls.counter("sessions_loose") == 1, "a list below a map is no load for the index"
    assert calls("count", filter={"seen": 1050})["count"] == 1
    assert calls("count", filter={"seen.ids": 1050})["count"] == 1
    plan = calls("count", filter={"room": "lobby"}, explain=True)["plan"]
    assert (plan["kind"], plan["candidates"], plan["matches"]) == ("index", 2, 2)
    assert calls("count", filter={"room": "cellar"}, explain=True)["plan"]["candidates"] == 2
    calls("update", conn=ann, update={"$unset": {"seen": 1}})
    assert calls.counter("sessions_loose") == 0
    assert calls("count", filter={"room": "cellar"}, explain=True)["plan"]["candidates"] == 1
