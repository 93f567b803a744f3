"""The WebSocket edge alone (ws_echo), seen by clients that we did not write and by bare sockets.

    def test_something(echo):
        with echo(PING_MS=200).connect() as client: ...

ws_echo echoes each message; some events are commands, see tests/support/ws_echo.c. It runs without a broker:
pytest --confcutdir tests/integration/ws_edge tests/integration/ws_edge
"""
import json
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import time

import pytest
from websockets.sync.client import connect

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build"))
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Socket:
    """A TCP connection, byte by byte."""

    def __init__(self, port, receive_buffer=None):
        self.tcp = socket.socket()
        if receive_buffer:
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.tcp.settimeout(10)
        self.tcp.connect(("127.0.0.1", port))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tcp.close()

    def send(self, data):
        self.tcp.sendall(data)

    def read(self, count):
        while len(self.rest) < count:
            data = self.tcp.recv(65536)
            if not data:
                raise EOFError(self.rest)
            self.rest += data
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def read_all(self):
        """Everything up to the end. A reset is an end."""
        data, self.rest = self.rest, b""
        try:
            while True:
                more = self.tcp.recv(65536)
                if not more:
                    return data
                data += more
        except ConnectionResetError:
            return data

    def request(self, line="GET /ws HTTP/1.1", headers=None, **changes):
        """Send a handshake; `changes` replace headers (None leaves one out)."""
        fields = {"Host": "here", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY,
                  "Sec-WebSocket-Version": "13"}
        fields.update({name.replace("_", "-"): value for name, value in changes.items()})
        lines = [line] + [f"{name}: {value}" for name, value in fields.items() if value is not None]
        self.send(("\r\n".join(lines + (headers or [])) + "\r\n\r\n").encode("latin-1"))
        return self

    def response(self):
        """The head of a response: status and lines."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), [line.lower() for line in lines[1:-2]]

    def upgrade(self, **changes):
        status, _ = self.request(**changes).response()
        assert status == 101
        self.frame()  # the @welcome of ws_echo
        return self

    def send_frame(self, opcode, payload=b"", fin=True, length=None, flags=0):
        if isinstance(payload, str):
            payload = payload.encode()
        size = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | flags | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += b"\xfe" + struct.pack(">H", size)
        else:
            head += b"\xff" + struct.pack(">Q", size)
        mask = b"\x11\x22\x33\x44"
        self.send(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))

    def frame(self):
        """The next frame: opcode, payload."""
        first, second = self.read(2)
        assert first & 0x70 == 0 and second & 0x80 == 0
        size = second
        if size == 126:
            size = struct.unpack(">H", self.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.read(8))[0]
        return first & 0x0F, self.read(size)

    def close_frame(self):
        """Code and reason of the close frame that comes, past whatever comes before it."""
        while True:
            opcode, payload = self.frame()
            if opcode == 8:
                return (struct.unpack(">H", payload[:2])[0] if payload else 1005), payload[2:].decode()

    def is_silent(self, seconds):
        return not self.rest and not select.select([self.tcp], [], [], seconds)[0]

    def reset(self):
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.tcp.close()


class Client:
    """A client of Python's websockets."""

    def __init__(self, port, **options):
        self.ws = connect(f"ws://127.0.0.1:{port}/ws", max_size=None, compression=None, legacy=True, **options)
        self.welcome = self.read()["p"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ws.close()

    def send(self, event, payload=None, i=None):
        message = {"e": event, "p": payload}
        if i is not None:
            message["i"] = i
        self.ws.send(json.dumps(message))

    def read(self, timeout=10):
        return json.loads(self.ws.recv(timeout=timeout))

    def ask(self, event, payload=None, i=1):
        self.send(event, payload, i)
        message = self.read()
        assert message["i"] == i, message
        return message["p"]

    def closing(self):
        """Read to the end: the messages, and code and reason of the close."""
        messages = []
        try:
            while True:
                messages.append(self.read())
        except Exception:  # of several kinds, by who closed
            frame = self.ws.protocol.close_rcvd
        return messages, (frame.code, frame.reason) if frame else None


class Echo:
    """A running ws_echo."""

    def __init__(self, **settings):
        environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
        limits = environment.pop("DESCRIPTORS", None)
        command = [str(BUILD / "ws_echo")]
        if limits:
            command = ["prlimit", f"--nofile={limits}"] + command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.output = b""
        words = self.line().split()
        self.port = int(words[1])
        self.library = tuple(int(part) for part in re.findall(r"\d+", words[2])[:3])
        self.has_switches = "switches" in words

    def line(self, timeout=10):
        """The next line that it prints."""
        end = time.monotonic() + timeout
        while b"\n" not in self.output:
            assert select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0], "no line came"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "ws_echo has ended"
            self.output += data
        line, self.output = self.output.split(b"\n", 1)
        return line.decode()

    def closed(self, timeout=10):
        """Code and reason of the next `closed` up-call."""
        word, code, reason = self.line(timeout).split(" ", 2)
        assert word == "closed"
        return int(code), reason

    def is_quiet(self, seconds=0.3):
        """No up-call comes for a while."""
        return not self.output and not select.select([self.process.stdout], [], [], seconds)[0]

    def connect(self, **options):
        return Client(self.port, **options)

    def socket(self, **options):
        return Socket(self.port, **options)

    def stats(self):
        with self.connect() as client:
            stats = client.ask("stats")
        assert self.closed() == (1000, "")
        return stats

    def wait_count(self, count):
        """Wait until ws_count() is @count, the asking connection not counted."""
        for _ in range(100):
            if self.stats()["count"] - 1 == count:
                return
            time.sleep(0.05)
        raise AssertionError(f"count is {self.stats()['count'] - 1}, not {count}")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            out = self.process.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert self.process.returncode == 0
        assert b"loop 0" in self.output + out, "handles were left in the loop"


@pytest.fixture
def echo():
    """echo(SETTING=value, ...) starts a ws_echo; at the end it must stop cleanly."""
    running = []

    def start(**settings):
        running.append(Echo(**settings))
        return running[-1]

    yield start
    for one in running:
        one.stop()
