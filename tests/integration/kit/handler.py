"""Handler processes: started, listened to, stopped, killed."""
import json
import pathlib
import signal
import subprocess

from kit.broker import WAIT_S
from kit.talker import Talker

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "handler.py"

ECHO = {"op": "answer", "conn": "$conn", "i": "$i", "payload": "$payload"}


class Handler(Talker):
    """tests/integration/handler.py with some rules, in a process of its own. Ready when the constructor returns.

    It says "event" and "results"."""

    def __init__(self, calls_address, *rules):
        super().__init__(SCRIPT, calls_address, json.dumps(rules))
        assert self.said("ready")

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

    def stop(self):
        if self.process.poll() is None:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process.stdout.close()
