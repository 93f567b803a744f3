"""The chat of examples/chat as a subscriber in Python: chat.py [ADDRESS OF calls]. README.md has its messages."""
import contextlib, itertools, os, secrets, signal, sys  # noqa: E401
import msgpack, pynng  # noqa: E401
from chat_room import effects

EVENTS, CHUNK = ["chat:join", "chat:say", "chat:leave", "@disconnect"], 200  # operations that fit a request
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


def ops_for(event):
    if event["event"] == "@alive":  # comes every 5 s, also from a broker that has started anew: announce
        return [{"op": "subscribe", "events": EVENTS}]
    return effects(event)


signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once; what the broker has taken, it has done
calls.dial(sys.argv[1] if len(sys.argv) > 1 else f"ipc://{FOLDER}/sluice/calls", block=False)
for name in [*EVENTS, "@alive"]:
    events.subscribe(name.encode() + b"\0")
events.dial(request({"op": "hello"})[0]["addresses"]["events"][0], block=False)
while True:
    ops = [op for event in take() for op in ops_for(event)]
    for begin in range(0, len(ops), CHUNK):
        sys.stderr.writelines(f"{result}\n" for result in request(*ops[begin : begin + CHUNK]) if not result["ok"])
