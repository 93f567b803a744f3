"""The processes of a benchmark: started, watched, and ended by their ids, whatever happens."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

STOP_SECONDS = 5  # between SIGTERM and SIGKILL


class Failed(Exception):
    """Something that was to run did not; the text is for the person at the terminal."""


class Skipped(Exception):
    """A row cannot be measured here, for a reason that is no fault of what is measured."""


def run_program(name, main):
    """Exit with what `main` returns, or with what stopped it in one line."""
    try:
        sys.exit(main())
    except Failed as failure:
        print("%s: %s" % (name, failure), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("%s: interrupted" % name, file=sys.stderr)
        sys.exit(130)


class Processes:
    """Use as a context: at its end, also by Ctrl-C, SIGTERM or SIGHUP, everything started is gone."""

    def __init__(self, log_dir):
        self.log_dir = log_dir
        self.running = []
        self.directory = None  # for IPC sockets: short, since their paths are
        self._is_starting = False
        self._pending = None

    def __enter__(self):
        os.makedirs(self.log_dir, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        self.directory = tempfile.mkdtemp(prefix="sluice-bench-")
        return self

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # nothing may cut the clearing up short
        for process in reversed(self.running):
            self._end(process)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _interrupt(self, number, _frame):
        # A process that is not yet in the list would outlive us.
        if self._is_starting:
            self._pending = number
        else:
            raise KeyboardInterrupt(signal.Signals(number).name)

    @staticmethod
    def _end(process):
        if process.poll() is not None:
            return
        process.terminate()
        process.send_signal(signal.SIGCONT)  # a stopped one takes no SIGTERM
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start(self, name, command, capture=False, talk=False, env=None):
        """Start it with its own session (the terminal's Ctrl-C is ours to pass on) and its output in a log.
        `capture`: its standard output in a pipe; `talk`: that, unbuffered, and its standard input too."""
        path = os.path.join(self.log_dir, name + ".log")
        with open(path, "wb") as log:
            self._is_starting = True
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE if talk else subprocess.DEVNULL, stderr=log, start_new_session=True,
                    stdout=subprocess.PIPE if capture or talk else log, bufsize=0 if talk else -1,
                    env=dict(os.environ, **env) if env else None)
                self.running.append(process)
            except OSError as error:
                raise Failed("cannot start %s: %s" % (command[0], error)) from error
            finally:
                self._is_starting = False
                if self._pending is not None:
                    raise KeyboardInterrupt(signal.Signals(self._pending).name)
        process.name, process.log_path = name, path
        return process

    def run(self, name, command, seconds):
        """Run it to its end, which must come within `seconds`. Returns status, output, and what it said."""
        process = self.start(name, command, capture=True)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise Failed("%s did not end within %g s" % (name, seconds)) from error
        finally:
            self.stop(process)
        return process.returncode, output.decode(), log_tail(process)

    def stop(self, process):
        """End it and forget it."""
        self._end(process)
        self.running.remove(process)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def wait_port(self, process, port, seconds=10):
        """Until `process` accepts connections."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive(process)
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise Failed("%s does not listen on port %d\n%s" % (process.name, port, log_tail(process)))

    @staticmethod
    def check_alive(process):
        if process.poll() is not None:
            raise Failed("%s ended by itself with status %d\n%s"
                         % (process.name, process.returncode, log_tail(process)))


def log_tail(process, lines=10):
    with open(process.log_path, encoding="utf-8", errors="replace") as log:
        return "".join(log.readlines()[-lines:]).rstrip()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(process):
    """What all threads of a process that still run have used, to the nanosecond."""
    used = 0
    for thread in os.listdir("/proc/%d/task" % process.pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (process.pid, thread), encoding="ascii") as stat:
                used += int(stat.read().split()[0])
        except OSError:  # it has ended
            pass
    return used / 1e9


def resident_bytes(process):
    with open("/proc/%d/statm" % process.pid, encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stop_and_wait(process, seconds=2):
    """SIGSTOP, and until it has taken effect."""
    process.send_signal(signal.SIGSTOP)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open("/proc/%d/stat" % process.pid, encoding="ascii", errors="replace") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "T":
                return
        time.sleep(0.005)
    raise Failed("%s does not stop" % process.name)
