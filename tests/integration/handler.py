"""handler.py CALLS RULES: a handler process that does what its rules say, written as a stranger would write one.

RULES is a JSON list of {"on": "chat:*", "ops": [...], "act": "crash"}. For each event that a rule matches its operations
are sent to the broker; a text "$payload.room" in them stands for that part of the event. All messages that are there
are taken before one request with all operations goes out. It prints a line of JSON for what it sees: {"ready"},
{"event"}, {"results"}, {"reply"} where a request was refused as a whole. SIGTERM ends it.
"""
import json
import os
import secrets
import signal
import sys
import time

import msgpack
import pynng

ANNOUNCE_S = 20


def topic(pattern):
    if pattern == "*":
        return b""
    return (pattern[:-1] if pattern.endswith("*") else pattern + "\0").encode()


def matches(pattern, name):
    if pattern == "*":
        return not name.startswith("@")
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def part(event, path):
    """What stands at 'payload.room' in the event; nil where there is nothing, which the broker takes as absent."""
    value = event
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def filled(template, event):
    if isinstance(template, str) and template.startswith("$") and template[1:].split(".")[0] in (
        "event", "conn", "payload", "session", "version", "i", "seq", "trace", "code", "reason",
    ):
        return part(event, template[1:])
    if isinstance(template, dict):
        return {key: filled(value, event) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, event) for value in template]
    return template


def tell(**what):
    def plain(value):
        return {"$bytes": value.hex()} if isinstance(value, bytes) else str(value)

    sys.stdout.write(json.dumps(what, default=plain) + "\n")
    sys.stdout.flush()


class Handler:
    def __init__(self, calls, rules):
        self.rules = rules
        self.client, self.id = secrets.token_hex(16), 0
        self.calls = pynng.Req0(recv_timeout=20000, send_timeout=20000)
        self.calls.dial(calls, block=True)
        self.events = pynng.Sub0(recv_buffer_size=8192)
        for rule in rules:
            self.events.subscribe(topic(rule["on"]))
        self.events.dial(self.hello()["addresses"]["events"][0], block=True)
        self.announced = 0.0

    def request(self, ops):
        self.id += 1
        self.calls.send(msgpack.packb({"v": 1, "client": self.client, "id": self.id, "ops": ops}))
        return msgpack.unpackb(self.calls.recv(), strict_map_key=False)

    def hello(self):
        return self.request([{"op": "hello", "name": "tests", "language": "python", "speaks": [1]}])["results"][0]

    def announce(self):
        if time.monotonic() - self.announced > ANNOUNCE_S:
            self.announced = time.monotonic()
            patterns = [rule["on"] for rule in self.rules]
            reply = self.request([{"op": "subscribe", "events": patterns}])
            assert reply["results"][0]["ok"], reply

    def received(self):
        """The events of all messages that are there; waits up to a second for the first."""
        events, self.events.recv_timeout = [], 1000
        try:
            while True:
                events += msgpack.unpackb(self.events.recv().split(b"\0", 1)[1], strict_map_key=False)["events"]
                self.events.recv_timeout = 1
        except pynng.Timeout:
            return events

    def ops_for(self, event):
        tell(event=event)
        ops = []
        for rule in self.rules:
            if matches(rule["on"], event["event"]):
                if rule.get("act") == "crash":
                    os.kill(os.getpid(), signal.SIGKILL)
                ops += [filled(op, event) for op in rule.get("ops", ())]
        return [op for op in ops if op["op"] != "answer" or op["i"] is not None]

    def run(self):
        self.announce()
        tell(ready=True)
        while True:
            ops = [op for event in self.received() for op in self.ops_for(event)]
            if ops:
                reply = self.request(ops)
                tell(**({"results": reply["results"]} if "results" in reply else {"reply": reply}))
            self.announce()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Handler(sys.argv[1], json.loads(sys.argv[2])).run()
