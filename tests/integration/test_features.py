"""Every feature of the Go module that the project grew from: one test each, named after it."""
import signal

from kit.broker import wait_until
from kit.client import MSGPACK
from kit.handler import ECHO

BROADCAST = {"op": "send", "filter": {}, "event": "$event", "payload": "$payload"}


def test_subscribe_exact(ws, handler):
    greeter = handler({"on": "chat:hello", "ops": [ECHO]})
    ann = ws()
    ann.send("chat:hello:there")
    ann.send("chat:goodbye")
    ann.send("chat:hello", {"n": 1})
    event = greeter.event()
    assert (event["event"], event["payload"], event["conn"]) == ("chat:hello", {"n": 1}, ann.conn)


def test_subscribe_wildcard(ws, handler):
    watcher = handler({"on": "chat:*"})
    ann = ws()
    for name in "chat", "chatter:x", "other", "chat:say", "chat:room:join":
        ann.send(name)
    assert [watcher.event()["event"], watcher.event()["event"]] == ["chat:say", "chat:room:join"]


def test_several_subscribers(ws, handler):
    watchers = [handler({"on": "chat:*"}), handler({"on": "*"}), handler({"on": "chat:say"})]
    ann = ws()
    ann.send("chat:say", "to all of you")
    for watcher in watchers:
        event = watcher.event("chat:say")
        assert (event["payload"], event["conn"]) == ("to all of you", ann.conn)


def test_set_and_get_on_a_session(ws, calls, handler):
    keeper = handler(
        {"on": "login", "ops": [{"op": "update", "conn": "$conn", "update": {"$set": {"user": "$payload.user"}}}]},
        {"on": "whoami", "ops": [{"op": "answer", "conn": "$conn", "i": "$i", "payload": "$session.user"}]},
    )
    ann, bob = ws(), ws(MSGPACK)
    ann.send("login", {"user": "ann"})
    keeper.results()
    assert ann.ask("whoami")["p"] == "ann"
    assert "p" not in bob.ask("whoami") or bob.ask("whoami")["p"] is None
    assert calls.session(ann.conn) == {"user": "ann"}
    assert calls.session(bob.conn) == {}


def test_reply(ws, handler):
    handler({"on": "math:*", "ops": [ECHO]})
    ann, bob = ws(), ws(MSGPACK)
    assert ann.ask("math:double", {"n": 21}, i="first") == {"e": "math:double", "p": {"n": 21}, "i": "first"}
    assert bob.ask("math:double", [1, 2], i=7) == {"e": "math:double", "p": [1, 2], "i": 7}
    ann.nothing()


def test_broadcast(ws, handler):
    handler({"on": "news", "ops": [BROADCAST]})
    clients = [ws(), ws(MSGPACK), ws(None)]
    clients[0].send("news", {"headline": "rain"})
    for client in clients:
        client.expect("news", {"headline": "rain"})


def test_filtered_broadcast(ws, calls, handler):
    to_room = {**BROADCAST, "filter": {"room": {"$arg": "room"}}, "args": {"room": "$session.room"}}
    handler({"on": "say", "ops": [to_room]})
    ann, bob, eve, guest = ws(), ws(), ws(), ws()
    for client, room in (ann, "lobby"), (bob, "lobby"), (eve, "cellar"):
        calls.set(client.conn, room=room)
    ann.send("say", "hello")
    ann.expect("say", "hello")
    bob.expect("say", "hello")
    eve.nothing()
    guest.nothing(0)


def test_batched_and_unbatched_send(ws, calls):
    ann = ws()
    calls("batch", event="tick", interval_ms=150)
    for n in 1, 2, 3:
        calls("send", filter={}, event="tick", payload=n)
    assert ann.receive() == {"e": "batch_tick", "p": {"d": [1, 2, 3]}}

    calls("batch", event="tick", interval_ms=60000)
    calls("send", filter={}, event="tick", payload=4)
    calls("send", filter={}, event="tick", payload=5, unbatched=True)
    assert ann.receive() == {"e": "batch_tick", "p": {"d": [4]}}, "an unbatched send flushes what was held"
    assert ann.receive() == {"e": "tick", "p": 5}

    calls("batch", event="tick", interval_ms=0)
    calls("send", filter={}, event="tick", payload=6)
    ann.expect("tick", 6)


def test_batch_prefix(start_broker, open_things):
    from kit.calls import Calls
    from kit.client import Client

    broker = start_broker(batch_prefix="many:", batches=[{"event": "tick", "interval_ms": 20}])
    calls, ann = Calls(broker.calls), Client(broker.url)
    open_things += [calls.close, ann.close]
    assert ann.welcome["batch_prefix"] == "many:"
    calls("send", filter={}, event="tick", payload=1)
    assert ann.receive() == {"e": "many:tick", "p": {"d": [1]}}


def test_close_hook(ws, calls, handler):
    doorman = handler({"on": "@disconnect"})
    ann = ws()
    calls.set(ann.conn, user="ann")
    ann.close(4321, "bored")
    event = doorman.event("@disconnect")
    assert (event["conn"], event["code"], event["reason"]) == (ann.conn, 4321, "bored")
    assert event["session"] == {"user": "ann"}, "the final session comes with it"
    assert 0 <= event["duration_ms"] < 60000


def test_count_with_and_without_filter(ws, calls):
    assert calls("count")["count"] == 0
    clients = [ws() for _ in range(5)]
    for client in clients[:3]:
        calls.set(client.conn, room="lobby")
    assert calls("count")["count"] == 5
    assert calls("count", filter={})["count"] == 5
    assert calls("count", filter={"room": "lobby"})["count"] == 3
    assert calls("count", filter={"room": "cellar"})["count"] == 0
    clients[0].close()
    wait_until(lambda: calls("count")["count"] == 4, "the connection to be gone")
    assert calls("count", filter={"room": "lobby"})["count"] == 2


def test_ping_and_pong(ws):
    ann, bob = ws(), ws(MSGPACK)
    ann.send("@ping")
    assert ann.receive() == {"e": "@pong"}
    assert bob.ask("@ping", i="p")["e"] == "@pong"
    pong = ann.ws.ping("control frame")
    assert pong.wait(20), "the broker answers ping frames"


def test_shutdown_with_open_connections(broker, ws, handler):
    doorman = handler({"on": "@disconnect"})
    clients = [ws() for _ in range(20)]
    broker.signal(signal.SIGTERM)
    assert {client.closed()[0] for client in clients} == {1001}
    gone = {doorman.event("@disconnect")["conn"] for _ in clients}
    assert gone == {client.conn for client in clients}
    assert broker.wait() == 0


def test_handler_that_crashes(ws, calls, handler):
    weak = handler({"on": "boom", "act": "crash"}, {"on": "echo", "ops": [ECHO]})
    ann = ws()
    assert ann.ask("echo", 1)["p"] == 1
    ann.send("boom")
    weak.process.wait(20)
    wait_until(lambda: calls.counter("subscriber_links") == 0, "the broker to miss it")
    ann.sync()
    handler({"on": "echo", "ops": [ECHO]})
    assert ann.ask("echo", 2)["p"] == 2, "the connection outlived the handler"
