"""A process in Python that says what it does, a map in JSON on each line."""
import json
import queue
import subprocess
import sys
import threading
import time

from kit.broker import WAIT_S


class Talker:
    def __init__(self, script, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def said(self, kind, timeout=WAIT_S):
        """The next thing of this kind that it prints; what comes before is dropped."""
        end = time.monotonic() + timeout
        who = type(self).__name__
        while True:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"{who} said no {kind}") from None
            assert line is not None, f"{who} ended with {self.process.wait()}"
            if kind in line:
                return line[kind]

    def kill(self):
        self.process.kill()
        return self.process.wait()
