"""The npm package `ws` as a client: a second pair of eyes, that we did not write either."""
import json
import os
import queue
import subprocess
import threading

from kit.broker import ROOT, WAIT_S
from kit.client import JSON

SCRIPTS = ROOT / "tests" / "integration" / "node"
NODE_ENV = {**os.environ, "NODE_PATH": str(ROOT / "build" / "node" / "node_modules")}


class NodeClient:
    """Connected when the constructor returns; speaks JSON."""

    def __init__(self, url, subprotocol=JSON):
        self.process = subprocess.Popen(
            ["node", str(SCRIPTS / "ws_client.js"), url, *([subprotocol] if subprotocol else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=NODE_ENV,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        first = self._next()
        assert "open" in first, first
        self.subprotocol = first["open"]
        self.conn = None
        if subprotocol:
            welcome = self.receive()
            assert welcome["e"] == "@welcome", welcome
            self.conn = welcome["p"]["conn"]

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put({"gone": True})

    def _next(self, timeout=WAIT_S):
        try:
            return self.lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None

    def _command(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def send(self, event, **more):
        self._command(send=json.dumps({"e": event, **more}))

    def send_text(self, text):
        self._command(send=text)

    def send_bytes(self, data):
        self._command(bytes=data.hex())

    def receive(self):
        line = self._next()
        assert "text" in line, line
        return json.loads(line["text"])

    def closed(self):
        """Read until the connection is closed: (code, reason) as `ws` saw them."""
        while True:
            line = self._next()
            assert "gone" not in line, "the client ended without a close"
            if "close" in line:
                return line["close"], line["reason"]

    def close(self, code=1000, reason=""):
        self._command(close=code, reason=reason)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
