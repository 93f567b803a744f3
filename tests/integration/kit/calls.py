"""Requests to the broker, and the events that it publishes, as a handler sees them: pynng and msgpack."""
import itertools
import secrets
import time

import msgpack
import pynng

from kit.broker import WAIT_S, wait_until


class Calls:
    """The `calls` endpoint. calls("count", filter={}) returns the result, which must be a good one."""

    def __init__(self, address, client=None, key=None):
        self.address = address
        self.socket = pynng.Req0(send_timeout=WAIT_S * 1000, recv_timeout=WAIT_S * 1000)
        self.socket.dial(address, block=True)
        self.client = client or secrets.token_hex(16)
        self.key = key
        self.ids = itertools.count(1)

    def raw(self, data):
        """Send these bytes; the reply as a map."""
        self.socket.send(data)
        return msgpack.unpackb(self.socket.recv(), strict_map_key=False)

    def envelope(self, ops, **more):
        """A request of these operations; more keys replace those that belong there, None takes one away."""
        request = {"v": 1, "client": self.client, "ops": ops}
        request["id"] = more["id"] if "id" in more else next(self.ids)
        if isinstance(request["id"], int):
            self.ids = itertools.count(max(request["id"] + 1, next(self.ids)))
        if self.key:
            request["key"] = self.key
        request.update(more)
        return {key: value for key, value in request.items() if value is not None}

    def request(self, *ops, **more):
        """Send operations in one request; the whole reply."""
        request = self.envelope(list(ops), **more)
        reply = self.raw(msgpack.packb(request))
        assert reply["v"] == 1 and "epoch" in reply, reply
        if "id" in request and "id" in reply:
            assert reply["id"] == request["id"], reply
        return reply

    def results(self, *ops):
        reply = self.request(*ops)
        assert len(reply["results"]) == len(ops), reply
        return reply["results"]

    def __call__(self, op, **arguments):
        (result,) = self.results({"op": op, **arguments})
        assert result["ok"] is True, result
        return result

    def refused(self, op, **arguments):
        """The result of an operation that must fail."""
        (result,) = self.results({"op": op, **arguments})
        assert result["ok"] is False and result["message"], result
        return result

    def session(self, conn):
        result = self("get", conn=conn)
        return result["session"] if result["found"] else None

    def set(self, conn, **fields):
        return self("update", conn=conn, update={"$set": fields})

    def counter(self, name):
        return self("stats")["counters"][name]

    def close(self):
        self.socket.close()


class Events:
    """A subscriber in this process: what the broker publishes, event by event. It announces nothing."""

    def __init__(self, address, calls, topics=(b"",)):
        links = calls.counter("subscriber_links")
        self.socket = pynng.Sub0(recv_timeout=WAIT_S * 1000, recv_buffer_size=8192)
        for topic in topics:
            self.socket.subscribe(topic)
        self.socket.dial(address, block=True)
        wait_until(lambda: calls.counter("subscriber_links") > links, "the broker to see the subscriber")
        self.waiting = []

    def message(self, timeout=WAIT_S):
        """The next message: its topic and its map."""
        self.socket.recv_timeout = max(1, int(timeout * 1000))
        try:
            body = self.socket.recv()
        except pynng.Timeout:
            raise TimeoutError("no event came") from None
        topic, zero, packed = body.partition(b"\0")
        assert zero, body
        return topic.decode(), msgpack.unpackb(packed, strict_map_key=False)

    def next(self, name=None, timeout=WAIT_S, alive=False):
        """The next event (of this name). @alive is skipped unless asked for."""
        end = time.monotonic() + timeout
        while True:
            while not self.waiting:
                topic, message = self.message(end - time.monotonic())
                assert message["v"] == 1 and all(event["event"] == topic for event in message["events"]), message
                if topic != "@alive" or alive or name == "@alive":
                    self.waiting += message["events"]
            event = self.waiting.pop(0)
            if name in (None, event["event"]):
                return event

    def nothing(self, seconds=0.3, name=None):
        """No event (of this name) comes for so long."""
        try:
            event = self.next(name, seconds)
        except TimeoutError:
            return
        raise AssertionError(f"expected no event, got {event}")

    def close(self):
        self.socket.close()
