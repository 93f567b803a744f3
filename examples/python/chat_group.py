"""The chat of examples/chat as members of a group in Python: chat_group.py [ADDRESS OF calls]. Start as many as you like."""
import contextlib, itertools, os, secrets, signal, sys, time  # noqa: E401
import msgpack, pynng  # noqa: E401
from chat_room import effects

JOIN = {"op": "join", "group": "chat", "events": ["chat:join", "chat:say", "chat:leave", "@disconnect"]}
WAIT_MS = 1000  # so long an idle turn waits, and so late it sees that it is to end; up to 25,000
RUNTIME = os.environ.get("XDG_RUNTIME_DIR")
FOLDER = f"{RUNTIME}/sluice" if RUNTIME else f"/tmp/sluice-{os.getuid()}"
calls = pynng.Req0(send_timeout=5000, recv_timeout=WAIT_MS + 5000)  # longer than the broker may wait
client, ids, stopping = secrets.token_hex(16), itertools.count(1), []


def request(**what):
    packed = msgpack.packb({"v": 1, "client": client, "id": next(ids), **what})
    while True:  # the same bytes as often as it takes: the broker does them once
        with contextlib.suppress(pynng.Timeout):
            calls.send(packed)
            return msgpack.unpackb(calls.recv(), strict_map_key=False)
        if stopping:
            sys.exit("no broker")


def join():
    while not (joined := request(ops=[JOIN])["results"][0])["ok"]:
        print(joined, file=sys.stderr)
        time.sleep(1)
    return joined["member"]


def done_with(event):  # a database of your own: (epoch, seq) is the key that keeps it from doing an event twice
    return {"seq": event["seq"], "ops": effects(event)}


for number in signal.SIGTERM, signal.SIGINT:
    signal.signal(number, lambda *_: stopping.append(True))
calls.dial(sys.argv[1] if len(sys.argv) > 1 else f"ipc://{FOLDER}/sluice/calls", block=False)
member, turn, done = join(), 0, []
while done or not stopping:
    turn += 1
    room = {"max": 0, "wait_ms": 0} if stopping else {"max": 64, "wait_ms": WAIT_MS}
    reply = request(member=member, turn=turn, done=done, **room)
    sys.stderr.writelines(f"{failed}\n" for failed in reply.get("failed", []))  # it has had no effect
    if "code" in reply or "released" in reply:  # unknown_member, ...: what it held, others have
        print(reply, file=sys.stderr)
        member, turn, done = join(), 0, []
    else:
        done = [done_with(event) for event in reply["events"]]
        time.sleep(reply.get("pause_ms", 0) / 1000)
request(ops=[{"op": "leave", "member": member}])
