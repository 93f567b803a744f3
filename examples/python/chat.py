"""The chat of examples/chat, with the same messages (README.md), as a handler in Python: chat.py [ADDRESS OF calls]."""
import itertools
import os
import secrets
import sys

import msgpack
import pynng

EVENTS, CHUNK = ["chat:join", "chat:say", "chat:leave", "@disconnect"], 100  # operations that fit a request
FOLDER = f"{os.environ['XDG_RUNTIME_DIR']}/sluice" if "XDG_RUNTIME_DIR" in os.environ else f"/tmp/sluice-{os.getuid()}"
client, ids, broker = secrets.token_hex(16), itertools.count(1), {"epoch": None}
calls, events = pynng.Req0(send_timeout=500, recv_timeout=500), pynng.Sub0(recv_buffer_size=8192)


def request(ops):
    packed = msgpack.packb({"v": 1, "client": client, "id": next(ids), "ops": ops})
    while True:
        try:  # the same bytes as often as it takes: the broker does them once
            calls.send(packed)
            return msgpack.unpackb(calls.recv(), strict_map_key=False)["results"]
        except pynng.Timeout:
            pass


def take():
    """The events of all messages that are there, after a wait of at most 500 ms for the first."""
    taken, events.recv_timeout = [], 500
    try:
        while len(taken) < CHUNK:
            message = msgpack.unpackb(events.recv().split(b"\0", 1)[1], strict_map_key=False)
            if message["epoch"] != broker["epoch"] or message["events"][0]["event"] == "@alive":
                broker["epoch"] = message["epoch"]  # another one: the broker has started anew
                request([{"op": "subscribe", "events": EVENTS}])
            taken, events.recv_timeout = taken + message["events"], 0
    except pynng.Timeout:
        return [event for event in taken if event["event"] in EVENTS]


def to_room(room, event, payload, **more):
    target = {"filter": {"room": {"$arg": "room"}}, "args": {"room": room}}
    return {"op": "send", **target, "event": event, "payload": {"room": room, **payload}, **more}


def effects(event):
    """The operations that an event leads to. What a client sends may be anything."""
    name, session, said = event["event"], event["session"], event.get("payload")
    answer, update = {"op": "answer", "conn": event["conn"], "i": event.get("i")}, {"op": "update", "conn": event["conn"]}
    here = {key: said[key] for key in ("room", "name") if isinstance(said, dict) and 0 < size(said.get(key)) <= 64}
