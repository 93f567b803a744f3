"""A real sluiced in a folder of its own, on a port of its own."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()

# Sanitizers make everything slower; waits are bounds, not delays, and may be long.
WAIT_S = 20


def _is_sanitized():
    program = BUILD / "sluiced"
    return program.exists() and any(name in program.read_bytes() for name in (b"__asan_init", b"__tsan_init"))


SANITIZED = _is_sanitized()

REPORTS = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:|Assertion .* failed|assert")


def wait_until(condition, what, seconds=WAIT_S):
    """Poll until the condition holds; return what it returned."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.01)
    return value


class Broker:
    """Started at once. Keyword options are keys of the config file."""

    def __init__(self, *arguments, folder=None, listen="127.0.0.1:0", env=None, program=None, **options):
        self.owns_folder = folder is None
        # Short, since the path of a Unix socket may have 107 bytes.
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="sluice-"))
        self.listen = listen
        self.log_file = self.folder / "log"
        self.config_file = self.folder / "config.json"
        self.config_file.write_text(json.dumps({"drain_ms": 0, **options}))
        self.arguments = [
            str(program or BUILD / "sluiced"),
            *("--config", str(self.config_file), "--listen", listen, "--log-level", "debug"),
            *(() if "calls" in options else ("--calls", f"ipc://{self.folder}/calls")),
            *(() if "events" in options else ("--events", f"ipc://{self.folder}/events")),
            *arguments,
        ]
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.ended_well = False
        self.start()

    def start(self):
        with open(self.log_file, "ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env
            )
        try:
            self.port = wait_until(lambda: self._listening(begin), "the broker to listen")
        except BaseException:
            self.kill()
            print(self.log())
            raise

    def _listening(self, begin):
        assert self.process.poll() is None, f"the broker ended with {self.process.returncode}:\n{self.log()}"
        with open(self.log_file, "rb") as log:
            log.seek(begin)
            found = re.search(rb"ready.* listen=127\.0\.0\.1:(\d+)", log.read())
        return int(found[1]) if found else None

    @property
    def calls(self):
        return f"ipc://{self.folder}/calls"

    @property
    def events(self):
        return f"ipc://{self.folder}/events"

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def signal(self, number):
        self.process.send_signal(number)

    def is_running(self):
        return self.process.poll() is None

    def wait(self, seconds=WAIT_S):
        """Wait for it to end; its exit code."""
        return self.process.wait(seconds)

    def stop(self):
        """Ask it to end. It must do so with 0, and no sanitizer may have anything to say."""
        if self.is_running():
            self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the broker did not end within its time after SIGTERM") from None
        assert code == 0, f"the broker ended with {code}"
        report = REPORTS.search(self.log())
        assert not report, f"the broker's log has: {report[0]}"
        self.ended_well = True

    def kill(self):
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def restart(self):
        """End this one and start another in its place: same addresses, same port."""
        self.stop()
        self.ended_well = False
        self.arguments[self.arguments.index("--listen") + 1] = f"127.0.0.1:{self.port}"
        self.start()

    def clean(self):
        self.kill()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
