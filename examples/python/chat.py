"""The chat of examples/chat as a handler in Python: chat.py [ADDRESS OF calls]. README.md has its messages."""
import contextlib, itertools, os, secrets, signal, sys  # noqa: E401
import msgpack, pynng  # noqa: E401

EVENTS = ["chat:join", "chat:say", "chat:leave", "@disconnect"]
LIMITS, CHUNK = {"room": 64, "name": 64, "text": 2000}, 200  # bytes of a text; operations that fit a request
RUNTIME = os.environ.get("XDG_RUNTIME_DIR")
FOLDER = f"{RUNTIME}/sluice" if RUNTIME else f"/tmp/sluice-{os.getuid()}"
calls, events = pynng.Req0(send_timeout=5000, recv_timeout=5000), pynng.Sub0(recv_buffer_size=8192)
client, ids = secrets.token_hex(16), itertools.count(1)


def request(*ops):
    packed = msgpack.packb({"v": 1, "client": client, "id": next(ids), "ops": ops})
    while True:  # the same bytes as often as it takes: the broker does them once
        with contextlib.suppress(pynng.Timeout):
            calls.send(packed)
            return msgpack.unpackb(calls.recv(), strict_map_key=False)["results"]


def take():  # the events of all messages that are there, after a wait for the first
    taken, events.recv_timeout = [], -1
    with contextlib.suppress(pynng.Timeout):
        while len(taken) < CHUNK:
            taken += msgpack.unpackb(events.recv().split(b"\0", 1)[1], strict_map_key=False)["events"]
            events.recv_timeout = 0
    return taken


def to_room(room, event, **payload):
    here = {"filter": {"room": {"$arg": "room"}}, "args": {"room": room}}
    fill = {"online": here["filter"]} if event == "chat:presence" else None
    return {"op": "send", **here, "event": event, "payload": {"room": room, **payload}, "fill": fill}


def effects(event):  # the operations that an event leads to; what a client sends may be anything
    kind, conn, session, payload = (event.get(key) for key in ("event", "conn", "session", "payload"))
    said = {key: payload.get(key) for key in LIMITS} if isinstance(payload, dict) else {}
    said = {key: text for key, text in said.items() if isinstance(text, str) and 0 < len(text.encode()) <= LIMITS[key]}
    answer, here = {"op": "answer", "conn": conn, "i": event.get("i")}, (session or {}).get("room")
    if kind == "@alive":  # comes every 5 s, also from a broker that has started anew: announce
        yield {"op": "subscribe", "events": EVENTS}
    elif kind == "chat:join" and said.keys() >= {"room", "name"}:
        joined = {"room": said["room"], "name": said["name"]}
        yield {"op": "update", "conn": conn, "update": {"$set": joined}}
        yield {**answer, "payload": joined}
        yield from (to_room(room, "chat:presence") for room in {joined["room"], here or joined["room"]})
    elif kind == "chat:say" and here and "text" in said:
        yield to_room(here, "chat:message", name=session["name"], text=said["text"], time_ms=event["time_ms"])
        yield answer
    elif kind in ("chat:leave", "@disconnect"):
        yield {"op": "update", "conn": conn, "update": {"$unset": {"room": True, "name": True}}}
        yield from (to_room(room, "chat:presence") for room in [here] if room)
        yield answer
    else:
        code = "bad_join" if kind == "chat:join" else "bad_text" if here else "not_in_a_room"
        yield {**answer, "error": {"code": code, "message": "join a room with a name, then say a text"}}


signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once; what the broker has taken, it has done
calls.dial(sys.argv[1] if len(sys.argv) > 1 else f"ipc://{FOLDER}/sluice/calls", block=False)
for name in [*EVENTS, "@alive"]:
    events.subscribe(name.encode() + b"\0")
events.dial(request({"op": "hello"})[0]["addresses"]["events"][0], block=False)
while True:
    ops = [op for event in take() for op in effects(event) if op["op"] != "answer" or op["i"] is not None]
    for begin in range(0, len(ops), CHUNK):
        sys.stderr.writelines(f"{result}\n" for result in request(*ops[begin : begin + CHUNK]) if not result["ok"])
