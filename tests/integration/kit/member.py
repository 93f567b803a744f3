"""Members of groups: turns by hand in this process, and member.py in processes that can be killed."""
import os
import pathlib
import signal
import time

import msgpack

from kit.broker import WAIT_S
from kit.calls import Calls
from kit.talker import Talker

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "member" / "member.py"


class Member:
    """A member over a link of its own. It takes nothing and finishes nothing unless it is told to."""

    def __init__(self, address, group, events=("*",), calls=None, **arguments):
        self.calls = calls or Calls(address)
        self.wanted = {"group": group, "events": list(events), **arguments}
        self.join()

    def join(self):
        """Join, or join anew. Returns the result."""
        self.joined = self.calls("join", **self.wanted)
        self.id, self.number = self.joined["member"], self.joined["turn"]
        return self.joined

    def pack(self, done=(), max=64, wait_ms=0, **more):
        """The bytes of the next turn; more keys replace those that belong there, None takes one away."""
        turn = {"member": self.id, "turn": self.number + 1, "done": list(done) if isinstance(done, tuple) else done, "max": max, "wait_ms": wait_ms}
        self.packed = msgpack.packb(self.calls.envelope(**{"ops": None, **turn, **more}))
        return self.packed

    def turn(self, done=(), **more):
        """Make the next turn: the whole reply, which must be a good one. (number=n: another number.)"""
        self.calls.socket.send(self.pack(done, **more))
        return self.reply()

    def ask(self, done=(), **more):
        """Make a turn whose reply() is to be waited for."""
        self.calls.socket.send(self.pack(done, **more))

    def reply(self):
        """What ask() brings."""
        reply = msgpack.unpackb(self.calls.socket.recv(), strict_map_key=False)
        assert "code" not in reply, reply
        assert reply["turn"] == self.number + 1 and isinstance(reply["failed"], list), reply
        self.number = reply["turn"]
        return reply

    def again(self, packed=None):
        """The same bytes once more."""
        return self.calls.raw(packed or self.packed)

    def refused(self, done=(), **more):
        """Make a turn that must be refused as a whole; its code. The number is not used up."""
        reply = self.calls.raw(self.pack(done, **more))
        assert reply["ok"] is False and reply["message"] and "events" not in reply, reply
        return reply["code"]

    def take(self, count=1, done=(), max=64):
        """Turns until so many events came: they are held. `done` goes with the first of these turns."""
        events, end = [], time.monotonic() + WAIT_S
        while len(events) < count:
            assert time.monotonic() < end, f"only {len(events)} of {count} events came: {events}"
            reply = self.turn(done, max=max, wait_ms=1000)
            assert not reply["failed"], reply
            events, done = events + reply["events"], ()
        assert len(events) == count, events
        return events if count > 1 else events[0]

    def finish(self, *events, max=0, **effects):
        """One turn that is done with these events, each with the same effects; `failed` of it."""
        return self.turn([done(event, **effects) for event in events], max=max)["failed"]

    def nothing(self, ms=200):
        """No event comes for so long."""
        reply = self.turn(wait_ms=ms)
        assert reply["events"] == [] and "released" not in reply, reply

    def leave(self):
        return self.calls("leave", member=self.id)

    def close(self):
        self.calls.close()


def done(event, *ops, **more):
    """An entry: done(event, op, ...), or done(event, error={...}) or done(event, retry_ms=0)."""
    return {"seq": event["seq"], **({"ops": list(ops)} if ops or not more else {}), **more}


def answer(payload=None, **more):
    """The operation that answers the entry's own event."""
    return {"op": "answer", **({} if payload is None else {"payload": payload}), **more}


def group(calls, name):
    """What `stats` tells of a group; None if there is none."""
    return next((group for group in calls("stats")["groups"] if group["group"] == name), None)


def is_listening(calls, name):
    """Whether a handler is there, be it a subscriber or a member of this group."""
    told = group(calls, name)
    return calls.counter("subscriber_links") > 0 or bool(told and told["members"])


def event_states(calls, name):
    """{seq: state} of the events of a group."""
    return {event["seq"]: event["state"] for event in calls("inspect", group=name)["events"]}


class Process(Talker):
    """member.py in a process of its own. It has joined when the constructor returns."""

    def __init__(self, address, group, *arguments):
        super().__init__(SCRIPT, address, group, *arguments)
        self.id = self.said("member")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """SIGSTOP: it hangs."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        """Ask it to finish what it holds and to leave; its exit code."""
        self.process.terminate()
        return self.process.wait(WAIT_S)

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()
