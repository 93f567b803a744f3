"""Handler processes: started, listened to, stopped, killed."""
import json
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

from kit.broker import WAIT_S

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "handler.py"

ECHO = {"op": "answer", "conn": "$conn", "i": "$i", "payload": "$payload"}


class Handler:
    """tests/integration/handler.py with some rules, in a process of its own. Ready when the constructor returns."""

    def __init__(self, calls_address, *rules):
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), calls_address, json.dumps(rules)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self.said("ready")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def said(self, kind, timeout=WAIT_S):
        """The next thing of this kind that it prints ("event", "results"); what comes before is dropped."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"the handler said no {kind}") from None
            assert line is not None, f"the handler ended with {self.process.wait()}"
            if kind in line:
                return line[kind]

    def event(self, name=None, timeout=WAIT_S):
        """The next event (of this name) that it got."""
        while (event := self.said("event", timeout))["event"] != (name or event["event"]):
            pass
        return event

    def results(self):
        return self.said("results")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process.stdout.close()
