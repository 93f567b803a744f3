"""The load generator, led step by step: connected, then told to send, then finished, as often as wanted."""

import json
import os
import select
import time

from .processes import Failed, log_tail

CONNECT_SECONDS = 30


class Load:
    """A running wsload. What must be ended ends with its Processes, whatever happens here."""

    def __init__(self, processes, command):
        self.processes = processes
        self.process = processes.start("wsload", [command[0], "--stepwise", "--json", "-", *command[1:]], talk=True)
        self.unread = b""
        self.read_line(b"connected\n", CONNECT_SECONDS)

    def _read(self, seconds):
        """What comes next. b"" at the end."""
        if not select.select([self.process.stdout], [], [], max(0, seconds))[0]:
            self.processes.stop(self.process)
            raise Failed("wsload says nothing\n%s" % log_tail(self.process))
        return os.read(self.process.stdout.fileno(), 65536)

    def read_line(self, line, seconds):
        end = time.monotonic() + seconds
        while b"\n" not in self.unread:
            came = self._read(end - time.monotonic())
            if not came:
                self.processes.stop(self.process)
                raise Failed(log_tail(self.process) or "wsload ended")
            self.unread += came
        if not self.unread.startswith(line):
            raise Failed("wsload said %r" % self.unread)
        self.unread = self.unread[len(line):]

    def _say(self, line):
        try:
            self.process.stdin.write(line)
        except OSError as error:
            raise Failed("wsload: %s" % (log_tail(self.process) or error)) from error

    def go(self):
        self._say(b"go\n")

    def wait(self, seconds):
        """Until all of the step is sent and answered; that may take `seconds` and the time to drain."""
        self.read_line(b"finished\n", seconds + 60)

    def run(self, seconds):
        self.go()
        self.wait(seconds)

    def end(self):
        """Close the connections. Returns the report."""
        self._say(b"end\n")
        while True:
            came = self._read(60)
            if not came:
                break
            self.unread += came
        self.process.wait(10)
        self.processes.stop(self.process)
        try:
            return json.loads(self.unread)
        except ValueError as error:
            raise Failed("wsload: %s" % log_tail(self.process)) from error


def check(report):
    """A run with anything wrong is no run."""
    if any(report["failures"].values()):
        raise Failed(report["first_problem"])
    return report
