"""member.py CALLS GROUP [OPTIONS]: a member of a group in a process, written as a stranger would write one.

OPTIONS is a map of JSON: keys of `join`, and "max", "wait_ms", "sleep_ms" for each event. What it does with an event:

    work     {"k": n}   $inc of the session, an answer, now and then a push, a batched push and a rule for batches
    bye                 an answer, then it closes the connection
    poison              it dies by SIGKILL
    @connect            $inc of the session
    @disconnect         tells those with the role "observer" what the session was
    all others          an answer with payload and attempt

It prints lines of JSON: {"member": id} when it has joined, {"failed": [...]} where entries failed, {"left": true}. SIGTERM:
it finishes what it holds, leaves and exits with 0.
"""
import itertools
import json
import os
import secrets
import signal
import sys
import time

import msgpack
import pynng

TURN = {"max": 64, "wait_ms": 200}
MARKS, TICKS = 10, 25  # every so many messages there is a push, and a batched one

options = {**TURN, "sleep_ms": 0, "events": ["*", "@connect", "@disconnect"], **json.loads((sys.argv[3:] or ["{}"])[0])}
sleep_s, turn_options = options.pop("sleep_ms") / 1000, {key: options.pop(key) for key in TURN}
client, ids, stopping = secrets.token_hex(16), itertools.count(1), []
calls = pynng.Req0(send_timeout=60000, recv_timeout=60000)


def tell(**what):
    print(json.dumps(what), flush=True)


def request(**what):
    calls.send(msgpack.packb({"v": 1, "client": client, "id": next(ids), **what}))
    return msgpack.unpackb(calls.recv(), strict_map_key=False)


def join():
    joined = request(ops=[{"op": "join", "group": sys.argv[2], **options}])["results"][0]
    if not joined["ok"]:
        sys.exit(str(joined))
    tell(member=joined["member"])
    return joined["member"]


def work(event):
    k, conn, session = event["payload"]["k"], event["conn"], event["session"]
    yield {"op": "update", "conn": conn, "update": {"$inc": {"n": 1, "sum": k}}}
    if k % MARKS == 0:
        yield {"op": "send", "conn": conn, "event": "mark", "payload": k}
    if k % TICKS == 0:
        yield {"op": "batch", "event": "tick", "interval_ms": 5}
        yield {"op": "send", "conn": conn, "event": "tick", "payload": k}
    seen = {"k": k, "n": session.get("n", 0), "sum": session.get("sum", 0), "attempt": event["attempt"]}
    yield {"op": "answer", "payload": seen}


def effects(event):
    name, conn = event["event"], event["conn"]
    if name == "work":
        return list(work(event))
    if name == "@connect":
        return [{"op": "update", "conn": conn, "update": {"$inc": {"connects": 1}}}]
    if name == "@disconnect":
        gone = {"conn": conn, "session": event["session"], "attempt": event["attempt"]}
        return [{"op": "send", "filter": {"role": "observer"}, "event": "gone", "payload": gone}]
    if name == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    ops = [{"op": "answer", "payload": {"payload": event.get("payload"), "attempt": event["attempt"]}}] if "i" in event else []
    return ops + ([{"op": "close", "conn": conn, "code": 4000, "reason": "bye"}] if name == "bye" else [])


def entry(event):
    if sleep_s:
        time.sleep(sleep_s)
    return {"seq": event["seq"], "ops": effects(event)}


def run():
    member, turn, done = join(), 0, []
    while done or not stopping:
        turn += 1
        reply = request(member=member, turn=turn, done=done, **({"max": 0, "wait_ms": 0} if stopping else turn_options))
        if reply.get("failed"):
            tell(failed=reply["failed"])
        if "code" in reply or "released" in reply:
            member, turn, done = join(), 0, []
        else:
            done = [entry(event) for event in reply["events"]]
            time.sleep(reply.get("pause_ms", 0) / 1000)
    request(ops=[{"op": "leave", "member": member}])
    tell(left=True)


signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
calls.dial(sys.argv[1], block=True)
run()
