"""WebSocket clients: `websockets` for what browsers do, and a bare socket for what they would not do."""
import base64
import itertools
import json
import os
import socket
import struct
import time

import msgpack
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from kit.broker import WAIT_S

JSON = "sluice.v1.json"
MSGPACK = "sluice.v1.msgpack"


class _None:
    def __repr__(self):
        return "none"


NONE = _None()  # no payload, which is not the payload null


class Client:
    """A connection that offers one subprotocol (None: none). It reads @welcome, and `conn` is its id."""

    def __init__(self, url, subprotocol=JSON, welcome=True, path="", **options):
        offered = [subprotocol] if isinstance(subprotocol, str) else subprotocol
        self.ws = connect(
            url + path,
            subprotocols=offered,
            compression=None,
            max_size=None,
            max_queue=None,
            open_timeout=WAIT_S,
            close_timeout=WAIT_S,
            ping_interval=None,
            proxy=None,
            legacy=True,  # returns the connection; it is closed by close()
            **options,
        )
        self.packed = self.ws.subprotocol == MSGPACK
        self.ids = itertools.count(1)
        self.kept = []
        self.welcome = self.conn = None
        if welcome and offered:
            message = self.receive()
            assert message["e"] == "@welcome", message
            self.welcome = message["p"]
            self.conn = self.welcome["conn"]

    def encode(self, message):
        return msgpack.packb(message) if self.packed else json.dumps(message)

    def send(self, event, payload=NONE, **more):
        """Send a message; more: `i`, or keys that do not belong there."""
        message = {"e": event, **more}
        if payload is not NONE:
            message["p"] = payload
        self.ws.send(self.encode(message))

    def send_raw(self, data, **options):
        self.ws.send(data, **options)

    def receive(self, timeout=WAIT_S):
        """The next message."""
        if self.kept:
            return self.kept.pop(0)
        return self._receive(timeout)

    def _receive(self, timeout):
        data = self.ws.recv(timeout)
        assert isinstance(data, bytes) == self.packed, f"a frame of the other kind: {data!r}"
        return msgpack.unpackb(data, strict_map_key=False) if self.packed else json.loads(data)

    def expect(self, event, payload=NONE, i=NONE):
        """The next message must be this one, without further keys. Returns its payload."""
        message = self.receive()
        wanted = {"e": event}
        if payload is not NONE:
            wanted["p"] = payload
        elif "p" in message:
            wanted["p"] = message["p"]
        if i is not NONE:
            wanted["i"] = i
        assert message == wanted
        return message.get("p")

    def expect_error(self, code, event=NONE, i=NONE):
        """The next message must be this @error. Returns its payload."""
        message = self.receive()
        assert message["e"] == "@error", message
        assert message["p"]["code"] == code, message
        assert isinstance(message["p"]["message"], str) and message["p"]["message"]
        assert isinstance(message["p"]["temporary"], bool)
        if event is not NONE:
            assert message["p"].get("event") == event, message
        assert message.get("i", NONE) == i, message
        return message["p"]

    def ask(self, event, payload=NONE, i=NONE, timeout=WAIT_S):
        """Send a question and return the one message with its id; pushes in between are kept for receive()."""
        i = next(self.ids) if i is NONE else i
        self.send(event, payload, i=i)
        while (message := self._receive(timeout)).get("i", NONE) != i:
            self.kept.append(message)
        return message

    def sync(self):
        """Return when the broker has read all that was sent; what came meanwhile is kept."""
        assert self.ask("@ping", i=f"sync {next(self.ids)}")["e"] == "@pong"

    def nothing(self, seconds=0.3):
        """No message comes for so long."""
        assert not self.kept, f"expected nothing, got {self.kept}"
        try:
            message = self._receive(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"expected nothing, got {message}")

    def closed(self, timeout=WAIT_S):
        """Read until the connection is closed; (code, reason) as the broker gave them."""
        end = time.monotonic() + timeout
        while True:
            try:
                self._receive(max(0, end - time.monotonic()))
            except ConnectionClosed as closed:
                return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    def close(self, code=1000, reason=""):
        self.ws.close(code, reason)


class RawClient:
    """A connection of bytes: does the handshake and then only what it is told. It answers no ping."""

    def __init__(self, address, subprotocol=JSON, path="/ws", headers=(), receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(address)
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
            *headers,
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            data = self.socket.recv(4096)
            assert data, f"the handshake ended with {self.buffer!r}"
            self.buffer += data
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    @property
    def status(self):
        return int(self.head.split()[1])

    def send_frame(self, opcode, payload=b"", final=True):
        self.socket.sendall(self.frame(opcode, payload, final))

    def send_frames(self, texts):
        """Many text messages at once."""
        self.socket.sendall(b"".join(self.frame(1, text) for text in texts))

    @staticmethod
    def frame(opcode, payload, final=True):
        mask = os.urandom(4)
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", opcode | final << 7, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", opcode | final << 7, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", opcode | final << 7, 0x80 | 127, size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        return head + mask + masked

    def send(self, event, payload=NONE):
        message = {"e": event} if payload is NONE else {"e": event, "p": payload}
        self.send_frame(1, json.dumps(message).encode())

    def _read(self, size):
        while len(self.buffer) < size:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def receive_frame(self):
        """(opcode, payload). EOFError at FIN, ConnectionResetError at RST, TimeoutError when nothing comes."""
        head, size = self._read(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._read(8))
        return head & 0x0F, self._read(size)

    def receive(self):
        """The next text message."""
        while (frame := self.receive_frame())[0] != 1:
            pass
        return json.loads(frame[1])

    def closed(self):
        """Read on until the connection ends; the close code, 1005 for a frame without one, 1006 for no frame."""
        try:
            while (frame := self.receive_frame())[0] != 8:
                pass
        except (EOFError, ConnectionResetError):
            return 1006
        return struct.unpack("!H", frame[1][:2])[0] if frame[1] else 1005

    def finish(self):
        """Send FIN and no close frame."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
