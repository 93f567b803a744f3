"""Sessions as documents: what updates, compare-and-set and fields that expire promise beyond one operation at a time.

The rest of sessions is in test_sessions_*.py and test_recipes.py.
"""
import json
import random
import subprocess
import sys
import time

import pytest

from kit.broker import wait_until
from kit.calls import Calls


def everything(client):
    """All that has come for this client so far."""
    client.sync()
    kept, client.kept = client.kept, []
    return kept


# --- compare and set

HANDLERS, SESSIONS, INCREMENTS = 4, 8, 10000


def increment(address, starter, conns, count, seed):
    """A handler process: adds 1 to the `n` of one of the sessions, `count` times, by reading and if_version."""
    calls, chance = Calls(address), random.Random(seed)
    wait_until(lambda: "go" in calls.session(starter), "all of them to be there")
    added, conflicts = dict.fromkeys(conns, 0), 0
    while (left := count - sum(added.values())) > 0:
        some = chance.sample(conns, 3)
        read = dict(zip(some, calls.results(*({"op": "get", "conn": conn} for conn in some))))
        # Several increments of one session in a request: each is right only if the one before it was.
        steps = [(conn, by) for conn in some for by in range(chance.randint(1, 12))][:left]
        ops = [
            {"op": "update", "conn": conn, "update": {"$set": {"n": read[conn]["session"].get("n", 0) + by + 1}},
             "if_version": read[conn]["version"] + by}
            for conn, by in steps
        ]  # fmt: skip
        for (conn, _), result in zip(steps, calls.results(*ops)):
            assert result["ok"] or result["code"] == "conflict", result
            added[conn] += result["ok"]
            conflicts += not result["ok"]
    calls.close()
    return {"added": added, "conflicts": conflicts}


def test_four_handlers_count_together_by_compare_and_set(broker, ws, calls):
    conns = [ws().conn for _ in range(SESSIONS)]
    starter = ws()
    links = calls.counter("call_links")
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, broker.calls, starter.conn, json.dumps(conns), str(INCREMENTS), str(seed)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(HANDLERS)
    ]
    try:
        wait_until(lambda: calls.counter("call_links") == links + HANDLERS, "all of them to be there")
        calls.set(starter.conn, go=True)
        reports = [json.loads(worker.communicate(timeout=80)[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert [sum(report["added"].values()) for report in reports] == [INCREMENTS] * HANDLERS
    for conn in conns:
        told = sum(report["added"][conn] for report in reports)
        result = calls("get", conn=conn)
        assert result["session"] == {"n": told} and result["version"] == 1 + told, "none is lost, none counts twice"
    assert sum(calls.session(conn)["n"] for conn in conns) == HANDLERS * INCREMENTS
    assert sum(report["conflicts"] for report in reports) > 0, "they have been in each other's way"
    assert calls.session(starter.conn) == {"go": True}


def test_of_two_who_read_the_same_version_one_wins(room, calls, new_calls):
    other, conn = new_calls(), room["ann"].conn
    version = calls("get", conn=conn)["version"]
    calls("update", conn=conn, update={"$set": {"seat": 1}}, if_version=version)
    result = other.refused("update", conn=conn, update={"$set": {"seat": 2, "other": 1}}, if_version=version)
    assert result["code"] == "conflict"
    assert calls.session(conn)["seat"] == 1 and "other" not in calls.session(conn)


# --- updates


def test_an_update_by_filter_tells_matched_and_modified(room, calls):
    calls.set(room["ann"].conn, seen=True)
    result = calls("update", filter={"room": "lobby"}, update={"$set": {"seen": True}})
    assert (result["matched"], result["modified"]) == (2, 1)
    result = calls("update", filter={"room": "nowhere"}, update={"$set": {"seen": True}})
    assert (result["matched"], result["modified"]) == (0, 0)
    assert "version" not in result
    result = calls("update", filter={"room": "lobby"}, update={"$set": {"room": "hall"}})
    assert (result["matched"], result["modified"]) == (2, 2), "also where it changes what the filter asks for"
    assert calls("count", filter={"room": "hall"})["count"] == 2
    assert calls.session(room["eve"].conn) == {"name": "eve", "room": "cellar", "level": 3}


@pytest.mark.parametrize(
    "update",
    [
        {"$set": {"room": "hall", "new": 1}, "$inc": {"name": 1}},
        {"$set": {"room": "hall"}, "$push": {"level": 1}},
        {"$unset": {"room": 1}, "$set": {"name.first": "x"}},
        {"$rename": {"room": "place"}, "$addToSet": {"level": 1}},
        {"$set": {"room": "hall", "fat": "x" * 70000}},
        {"$inc": {"level": 2**64 - 1}, "$set": {"room": "hall"}},
    ],
    ids=lambda update: " ".join(update),
)
@pytest.mark.parametrize("to", ["conn", "filter"])
def test_an_operator_that_fails_changes_nothing(room, calls, update, to):
    everybody = [client.conn for client in room.values()]
    target = {"conn": room["eve"].conn} if to == "conn" else {"filter": {}}
    before = [calls("get", conn=conn) for conn in everybody]
    index = [calls.counter(name) for name in ("index_values", "index_entries")]
    result = calls.refused("update", update=update, ttl_ms=50, **target)
    assert result["code"] in ("update_failed", "session_too_large") and result["at"].startswith("ops[0].update")
    assert [calls("get", conn=conn) for conn in everybody] == before, "sessions and versions"
    assert [calls.counter(name) for name in ("index_values", "index_entries")] == index
    assert calls("count", filter={"room": "hall"})["count"] == 0
    assert calls("count", filter={"room": {"$in": ["lobby", "cellar"]}})["count"] == 3
    time.sleep(0.2)
    assert [calls("get", conn=conn) for conn in everybody] == before, "no time runs for what was not set"


# --- fields that expire


def test_the_index_follows_a_field_that_expires_without_anybody_reading_it(room, calls):
    entries = calls.counter("index_entries")
    calls("update", filter={"room": "lobby"}, update={"$set": {"typing": True, "tags": ["a", "b"]}}, ttl_ms=300)
    assert calls("count", filter={"typing": True})["count"] == 2
    assert calls("count", filter={"tags": "b"})["count"] == 2
    assert calls.counter("index_entries") == entries + 6
    wait_until(lambda: calls.counter("index_entries") == entries, "the index to follow", 5)  # stats reads no session
    for filter in {"typing": True}, {"tags": "b"}:
        result = calls("count", filter=filter, explain=True)
        assert (result["count"], result["plan"]["kind"], result["plan"]["candidates"]) == (0, "index", 0)
    assert calls("send", filter={"typing": True}, event="x")["matched"] == 0
    for name in "ann", "bob":
        assert sorted(calls.session(room[name].conn)) == ["level", "name", "room"]


def test_a_field_set_again_expires_later_and_others_stay(room, calls):
    conn = room["ann"].conn
    calls("update", conn=conn, update={"$set": {"a": 1, "b": 1, "c": 1, "deep.a": 1, "deep.b": 1}}, ttl_ms=400)
    time.sleep(0.2)
    calls("update", conn=conn, update={"$set": {"b": 1}}, ttl_ms=60000)
    calls("update", conn=conn, update={"$set": {"c": 2, "deep.b": 2}})
    wait_until(lambda: calls("count", filter={"a": 1})["count"] == 0, "the one to end", 5)
    session = calls.session(conn)
    assert {key: session.get(key) for key in "abc"} == {"a": None, "b": 1, "c": 2} and session["deep"] == {"b": 2}
    assert calls("count", filter={"b": 1})["count"] == calls("count", filter={"c": 2})["count"] == 1


def test_many_fields_that_expire_can_be_renewed(room, calls):
    fields = {f"f{n}": n for n in range(200)}
    for _ in range(3):
        calls("update", conn=room["ann"].conn, update={"$set": fields}, ttl_ms=60000)


def test_what_expires_raises_the_version_so_that_compare_and_set_sees_it(room, calls):
    conn = room["ann"].conn
    version = calls("update", conn=conn, update={"$set": {"lock": "x"}}, ttl_ms=100)["version"]
    wait_until(lambda: calls("get", conn=conn)["version"] == version + 1, "the field to end", 5)
    assert calls.refused("update", conn=conn, update={"$set": {"y": 1}}, if_version=version)["code"] == "conflict"


def test_connections_that_go_before_their_fields_expire_leave_nothing(ws, calls):
    clients = [ws() for _ in range(10)]
    calls("update", filter={}, update={"$set": {"typing": True, "room": "lobby"}}, ttl_ms=300)
    assert calls.counter("index_entries") == 20
    for client in clients[:5]:
        client.close()
    calls("close", filter={"@conn": {"$in": [client.conn for client in clients[5:8]]}}, code=4000)
    wait_until(lambda: calls.counter("index_entries") == 4, "the connections to be gone")
    wait_until(lambda: calls.counter("index_entries") == 0, "the fields of those who stay to end")
    assert calls("count")["count"] == 2 and calls.counter("index_values") == 0


if __name__ == "__main__":
    address, starter, conns, count, seed = sys.argv[1:]
    print(json.dumps(increment(address, starter, json.loads(conns), int(count), int(seed))))
