"""Many connections that ask numbered questions and check each answer: a client fast enough to keep members busy."""
import base64
import json
import os
import select
import socket
import struct
import threading
import time

MARKS, TICKS = 10, 25  # as member.py has them
WINDOW = 32  # questions under way for each connection


class Peer:
    """One connection. Its questions are 1, 2, ...; `poisons` are those that no member survives."""

    def __init__(self, address, last, poisons=()):
        self.socket = socket.create_connection(address, timeout=20)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sluice.v1.json\r\n\r\n".encode()
        )
        self.received, self.unsent = b"", b""
        while b"\r\n\r\n" not in self.received:
            self.received += self.socket.recv(4096)
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        self.socket.setblocking(False)
        self.last, self.poisons = last, frozenset(poisons)
        self.conn = self.closed = None
        self.sent = self.answered = 0
        self.mark = self.tick = 0  # the last ones that came
        self.n = self.sum = 0  # what its session has
        self.attempts = {}  # how many answers were given at which attempt

    def pump(self, limit):
        """Send the questions up to number @limit for which there is room."""
        until = min(limit, self.last, self.answered + WINDOW)
        if until > self.sent:
            names = (b"poison" if k in self.poisons else b"work" for k in range(self.sent + 1, until + 1))
            self.send(b"".join(frame(b'{"e":"%b","p":{"k":%d},"i":%d}' % (name, k, k)) for k, name in enumerate(names, self.sent + 1)))
            self.sent = until

    def send(self, data):
        self.unsent += data
        if self.unsent:
            try:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
            except BlockingIOError:
                pass

    def receive(self):
        """Read what is there and check it."""
        data = self.socket.recv(1 << 18)
        assert data or self.closed, f"{self.conn} was hung up on"
        self.received += data
        at, size = 0, len(self.received)
        while size - at >= 2:
            length, head = self.received[at + 1], 2
            if length >= 126:
                wide = ">H" if length == 126 else ">Q"
                head += struct.calcsize(wide)
                if size - at < head:
                    break
                (length,) = struct.unpack_from(wide, self.received, at + 2)
            if size - at < head + length:
                break
            self.take(self.received[at] & 15, self.received[at + head : at + head + length])
            at += head + length
        self.received = self.received[at:]

    def take(self, opcode, body):
        if opcode == 8:
            self.closed = struct.unpack(">H", body[:2])[0], body[2:].decode()
            return
        if opcode == 9:
            self.send(frame(body, 10))
            return
        message = json.loads(body)
        name, payload = message["e"], message.get("p")
        if name == "work":
            self.take_answer(message["i"], payload)
        elif name == "mark":
            assert payload == self.answered + 1 and payload % MARKS == 0 and payload > self.mark, self.say(message)
            self.mark = payload
        elif name == "batch_tick":
            for tick in payload["d"]:
                assert tick == self.next_tick(), self.say(message)
                self.tick = tick
        elif name == "@error":
            assert payload["code"] == "failed" and message["i"] in self.poisons, self.say(message)
            assert message["i"] == self.answered + 1, self.say(message)
            self.answered += 1
        elif name == "bye":
            assert message["i"] == self.last + 1 and self.answered == self.last, self.say(message)
            self.answered += 1
        else:
            assert name == "@welcome" and self.conn is None, self.say(message)
            self.conn = payload["conn"]

    def take_answer(self, i, payload):
        assert i == self.answered + 1 and i not in self.poisons, self.say((i, payload))
        attempt = payload.pop("attempt")
        assert payload == {"k": i, "n": self.n, "sum": self.sum}, self.say((i, payload))
        assert i % MARKS or self.mark == i, self.say("no push before the answer")
        self.answered, self.n, self.sum = i, self.n + 1, self.sum + i
        self.attempts[attempt] = self.attempts.get(attempt, 0) + 1

    def next_tick(self):
        k = self.tick + TICKS
        while k in self.poisons:
            k += TICKS
        return k

    def is_done(self):
        """All that it is to send is answered, and all that comes beside the answers is there."""
        return self.answered == self.last and self.next_tick() > self.last

    def say(self, what):
        return f"{self.conn}: after {self.answered} answers, n {self.n}, mark {self.mark}, tick {self.tick}: {what}"


def frame(body, opcode=1):
    """A short message as a client sends it, masked with zeros, which is as good as any mask."""
    return struct.pack(">BB", 0x80 | opcode, 0x80 | len(body)) + b"\0\0\0\0" + body


class Burst(threading.Thread):
    """Connections that ask at most `messages` questions each, in a thread. allow() says how far they may go."""

    def __init__(self, address, connections, messages, poisons=()):
        """poisons: pairs of a connection's index and the number of its message."""
        super().__init__(daemon=True)
        self.peers = [Peer(address, messages, [k for at, k in poisons if at == n]) for n in range(connections)]
        self.limit, self.limit_seen = 0, 0
        self.problem, self.byes, self.stopping = None, False, False
        self.start()

    def allow(self, messages):
        """Each connection may go on to this message."""
        self.limit = max(self.limit, int(messages))

    @property
    def is_idle(self):
        """All that was allowed is answered."""
        return all(peer.answered == min(self.limit, peer.last) for peer in self.peers)

    @property
    def answered(self):
        return sum(peer.answered for peer in self.peers)

    def attempts(self):
        """{attempt: answers given at it}"""
        counts = {}
        for peer in self.peers:
            for attempt, count in peer.attempts.items():
                counts[attempt] = counts.get(attempt, 0) + count
        return counts

    def run(self):
        try:
            self.loop()
        except BaseException as error:  # noqa: BLE001 - told by check(), in the test's own thread
            self.problem = error

    def loop(self):
        poll, by_number = select.epoll(), {peer.socket.fileno(): peer for peer in self.peers}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while not self.stopping:
            for number, _ in poll.poll(0.02, 64):
                peer = by_number[number]
                peer.receive()
                peer.pump(self.limit_seen)
                if peer.closed:
                    poll.unregister(number)
            if self.limit_seen != self.limit or any(peer.unsent for peer in self.peers):
                self.limit_seen = self.limit
                for peer in self.peers:
                    peer.pump(self.limit_seen)
                    peer.send(b"")
            if self.byes:
                self.byes = False
                for peer in self.peers:
                    peer.send(frame(b'{"e":"bye","i":%d}' % (peer.last + 1)))

    def check(self):
        if self.problem:
            raise self.problem

    def wait(self, condition, what, seconds, stalled):
        """Until the condition holds; fails when nothing is answered for `stalled` seconds."""
        end, last, since = time.monotonic() + seconds, -1, 0
        while not condition():
            self.check()
            now = time.monotonic()
            if self.answered != last:
                last, since = self.answered, now
            assert now < end and now - since < stalled, f"{what}: {last} of {sum(peer.last for peer in self.peers)} answered, nothing since {now - since:.1f} s"
            time.sleep(0.01)
        self.check()

    def finish(self, least=None, seconds=120, stalled=30):
        """Go on to the last message, or end with what was sent, but with no fewer than `least` for each connection."""
        if least is not None:
            self.limit = 0
            self.wait(lambda: self.limit_seen == 0, "the end of sending", seconds, seconds)
            for peer in self.peers:
                peer.last = max(peer.sent, least)
        self.allow(max(peer.last for peer in self.peers))
        self.wait(lambda: all(peer.is_done() for peer in self.peers), "answers", seconds, stalled)

    def bye(self, meanwhile=None, seconds=60):
        """Let a member close every connection."""
        self.byes = True
        if meanwhile:
            meanwhile()
        self.wait(lambda: all(peer.closed for peer in self.peers), "closes", seconds, seconds)
        assert all(peer.closed == (4000, "bye") and peer.answered == peer.last + 1 for peer in self.peers)

    def end(self):
        self.stopping = True
        self.join(20)
        for peer in self.peers:
            peer.socket.close()
