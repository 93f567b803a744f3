"""Clients that send as much as a broker takes, and check what comes back."""

import os
import re
import selectors
import socket
import threading
import time

from .processes import Failed

BLOCK = 200  # messages that are made at once
NUMBER = re.compile(rb'"p":(\d+)')
CLOSE, PING, PONG, TEXT = 0x88, 0x89, 0x8a, 0x81


def frame(payload, opcode=TEXT):
    return bytes([opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


class Client:
    """One connection. Its messages are numbered from 0."""

    def __init__(self, port, event, window):
        self.event = event.encode()
        self.window = window   # messages that may be unanswered; None: any number
        self.made = 0          # messages made so far,
        self.unsent = b""      # of which these bytes are left
        self.unread = b""
        self.echoed = 0        # echoes that came, each with the next number
        self.errors = 0        # `@error` that came
        self.fault = None
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.socket.sendall(b"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise Failed("the handshake ended: %r" % head)
            head += byte
        self.socket.setblocking(False)

    def write(self, is_making):
        """Send what the kernel takes. Returns how many bytes it took."""
        if not self.unsent and is_making and self.may_send():
            numbers = range(self.made, self.made + BLOCK)
            self.unsent = b"".join(frame(b'{"e":"%s","p":%d}' % (self.event, n)) for n in numbers)
            self.made += BLOCK
        try:
            sent = self.socket.send(self.unsent) if self.unsent else 0
        except BlockingIOError:
            return 0
        self.unsent = self.unsent[sent:]
        return sent

    def may_send(self):
        return self.window is None or self.made - self.echoed - self.errors + BLOCK <= self.window

    def read(self):
        """Take what came. False: the connection is lost."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        if not data:
            self.fault = self.fault or "closed by the broker"
            return False
        self.unread += data
        at = 0
        while len(self.unread) - at >= 2:
            opcode, size = self.unread[at], self.unread[at + 1]
            begin = at + 2
            if size == 126:
                size, begin = int.from_bytes(self.unread[at + 2:at + 4], "big"), at + 4
            if len(self.unread) < begin + size:
                break
            self._take(opcode, self.unread[begin:begin + size])
            at = begin + size
        self.unread = self.unread[at:]
        return True

    def _take(self, opcode, payload):
        if opcode == PING:
            # Only between two messages. A broker that does not read does not wait for it either.
            self.unsent = self.unsent or frame(payload, PONG)
        elif opcode == CLOSE:
            self.fault = "closed with %d" % int.from_bytes(payload[:2], "big")
        elif b'"@error"' in payload:
            self.errors += 1
        else:
            found = NUMBER.search(payload)
            if not found or int(found[1]) != self.echoed:
                self.fault = self.fault or "echo %d is %r" % (self.echoed, payload)
            self.echoed += 1


class Flood:
    """`count` clients on a thread of their own, as a context. Each has at most `window` messages unanswered."""

    def __init__(self, port, count, event, window=None):
        self.clients = [Client(port, event, window) for _ in range(count)]
        self.is_making = True
        self.is_over = False
        self.moved_at = time.monotonic()  # when a byte was last taken or given
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join(10)
        for client in self.clients:
            client.socket.close()

    def _serve(self, selector, client, events):
        moved = client.write(self.is_making) if events & selectors.EVENT_WRITE else 0
        if events & selectors.EVENT_READ:
            moved += 1
            if not client.read():
                selector.unregister(client.socket)
                return moved
        wanted = selectors.EVENT_READ | (
            selectors.EVENT_WRITE if client.unsent or (self.is_making and client.may_send()) else 0)
        if selector.get_key(client.socket).events != wanted:
            selector.modify(client.socket, wanted, client)
        return moved

    def _run(self):
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
            while not self.is_over and selector.get_map():
                for key, events in selector.select(0.1):
                    try:
                        if self._serve(selector, key.data, events):
                            self.moved_at = time.monotonic()
                    except OSError as error:
                        key.data.fault = key.data.fault or os.strerror(error.errno)
                        selector.unregister(key.fileobj)

    def wait_blocked(self, seconds, still=1.0):
        """Until nobody could send a byte for `still` seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            if time.monotonic() - self.moved_at > still:
                return
            time.sleep(0.05)
        raise Failed("the broker still reads from the clients that feed a full group")

    def check(self):
        faults = [client.fault for client in self.clients if client.fault]
        if faults:
            raise Failed("%d of %d clients are lost; one says: %s" % (len(faults), len(self.clients), faults[0]))

    def errors(self):
        return sum(client.errors for client in self.clients)

    def made(self):
        return sum(client.made for client in self.clients)

    def finish(self, seconds):
        """Send what was begun, and wait until each message has come back, in order."""
        self.is_making = False
        end = time.monotonic() + seconds
        while any(client.echoed < client.made for client in self.clients):
            self.check()
            if time.monotonic() > end:
                raise Failed("of %d messages %d came back" % (self.made(), sum(c.echoed for c in self.clients)))
            time.sleep(0.05)
        self.check()
