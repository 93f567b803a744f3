"""Filters over the wire: what they match, and where they are wrong. Every row of their meaning is in tests/unit/core."""
import pytest


@pytest.mark.parametrize(
    "filter, names",
    [
        ({"room": "lobby"}, "ann bob"),
        ({"room": {"$ne": "lobby"}}, "eve"),
        ({"level": {"$gte": 2, "$lt": 3}}, "bob"),
        ({"level": 2.0}, "bob"),
        ({"name": {"$in": ["ann", "eve", "x"]}}, "ann eve"),
        ({"name": {"$nin": ["ann"]}}, "bob eve"),
        ({"name": {"$in": []}}, ""),
        ({"missing": {"$exists": False}}, "ann bob eve"),
        ({"level": {"$exists": True}, "room": "cellar"}, "eve"),
        ({"$or": [{"name": "ann"}, {"level": 3}]}, "ann eve"),
        ({"$and": [{"room": "lobby"}, {"level": {"$gt": 1}}]}, "bob"),
        ({"$nor": [{"name": "ann"}, {"name": "bob"}]}, "eve"),
        ({"level": {"$not": {"$gt": 1}}}, "ann"),
        ({"@subprotocol": "sluice.v1.json"}, "ann bob eve"),
        ({"@path": "/ws", "@remote": "127.0.0.1"}, "ann bob eve"),
        ({"@connected_ms": {"$gt": 1700000000000}}, "ann bob eve"),
    ],
    ids=str,
)
def test_filters(room, calls, filter, names):
    found = [entry["session"]["name"] for entry in calls("find", filter=filter)["sessions"]]
    assert found == names.split()
    assert calls("count", filter=filter)["count"] == len(found)


def test_a_filter_on_the_connection_itself(room, calls):
    assert calls("count", filter={"@conn": room["ann"].conn})["count"] == 1
    assert calls("count", filter={"@conn": {"$ne": room["ann"].conn}})["count"] == 2


@pytest.mark.parametrize(
    "filter, at",
    [
        ({"room": None}, "room"),
        ({"room": {}}, "room"),
        ({"room": {"a": 1}}, "room"),
        ({"room": ["a"]}, "room"),
        ({"room": {"$eq": None}}, "room.$eq"),
        ({"room": {"$gt": []}}, "room.$gt"),
        ({"room": {"$in": "lobby"}}, "room.$in"),
        ({"room": {"$in": [None]}}, "room.$in[0]"),
        ({"room": {"$regex": "x"}}, "room.$regex"),
        ({"$or": []}, "$or"),
        ({"$and": {}}, "$and"),
        ({"$nor": [{}, 1]}, "$nor[1]"),
        ({"$or": [{"a": 1}, {"level": {"$gtt": 1}}]}, "$or[1].level.$gtt"),
        ({"$where": "x"}, "$where"),
        ({"@nothing": 1}, "@nothing"),
        ({"a..b": 1}, None),
        ({"": 1}, None),
        ({"room": {"$arg": "missing"}}, None),
        ({"room": {"$in": list(range(4097))}}, None),
        ({"level": {"$exists": "yes"}}, "level.$exists"),
        ({"level": {"$not": 3}}, "level.$not"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("op", ["send", "close"])
def test_filters_that_are_wrong_name_the_place_and_reach_nobody(room, calls, op, filter, at):
    arguments = {"event": "x"} if op == "send" else {"code": 4000}
    result = calls.refused(op, filter=filter, **arguments)
    if "$arg" in str(filter):
        assert (result["code"], result["at"]) == ("bad_argument", "ops[0].args.missing")
    else:
        assert result["code"] == "bad_filter" and result["at"].startswith("ops[0].filter")
    assert at is None or result["at"] == f"ops[0].filter.{at}", result
    assert calls("count")["count"] == 3
    room["ann"].nothing(0.05)


def test_filters_have_a_depth_and_a_size(calls):
    deep = {"a": 1}
    for _ in range(17):
        deep = {"$and": [deep]}
    assert calls.refused("count", filter=deep)["code"] == "bad_filter"
    assert calls.refused("count", filter={"$or": [{"a": n} for n in range(300)]})["code"] == "bad_filter"


@pytest.mark.options(max_scan=2)
def test_an_operation_that_would_look_at_too_many_sessions_is_refused(room, calls):
    result = calls.refused("send", filter={"level": {"$gt": 1}}, event="x")
    assert result["code"] == "too_costly" and "at most 2" in result["message"]
