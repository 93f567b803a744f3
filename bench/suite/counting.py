"""What one echo costs in system calls and in allocations, counted while broker and handler run."""

import mmap
import os
import shutil
import signal
import struct
import subprocess
import time

from .echo import check_knows, echo_handlers, echo_side
from .load import check
from .processes import Failed, Skipped, log_tail
from .rows import Measure, Row, at_most_itself

CONNECTIONS, IN_FLIGHT = 100, 16


def works(*command):
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        return False


class Counter:
    """Counts the system calls of processes, by perf (which costs them nothing) or else by strace."""

    EVENT = "raw_syscalls:sys_enter"

    def __init__(self, world, servers):
        self.processes = world.processes
        pids = [str(server.pid) for server in servers]
        if works("perf", "stat", "-e", self.EVENT, "true"):
            command = ["perf", "stat", "-x", ",", "-e", self.EVENT, "-p", ",".join(pids)]
            self.name = "perf"
        elif shutil.which("strace"):
            command = ["strace", "-c", "-f", *[word for pid in pids for word in ("-p", pid)]]
            self.name = "strace"
        else:
            raise Skipped("neither perf nor strace works here")
        self.process = self.processes.start("syscalls", command)
        time.sleep(0.5)  # until it is attached
        self.processes.check_alive(self.process)

    def stop(self):
        """Returns the count."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        text = log_tail(self.process, 1000)
        self.processes.stop(self.process)
        for line in text.splitlines():
            if self.name == "perf" and self.EVENT in line:
                return int(line.split(",")[0])
            if self.name == "strace" and line.endswith(" total"):
                return int(line.split()[3])
        raise Failed("%s counted nothing\n%s" % (self.name, text))


class SystemCalls(Row):
    """Of broker and handlers, for each echo."""

    family = "syscalls"
    beside = "raw epoll"
    limit_key = "syscalls"

    def __init__(self, kind):
        super().__init__("syscalls-" + kind, [Measure("per message", at_most_itself(0.5))])
        self.kind = kind

    def run(self, world, side, is_sluice):
        messages = 200 if world.is_quick else 2000
        load = world.load(side, ["-c", CONNECTIONS, "-n", IN_FLIGHT, "--messages", messages, "-d", 60])
        if is_sluice:
            world.seed(side)
        load.run(60)  # warm
        counter = Counter(world, side.servers)
        load.run(60)
        count = counter.stop()
        check(load.end())
        return {"per message": count / (CONNECTIONS * messages)}

    def measure(self, world, version):
        return self.run(world, echo_side(world, version, self.kind), True)

    def measure_limit(self, world):
        return self.run(world, world.limit("echo"), False)


class Allocations(Row):
    """Of the broker, for each echo: our own code's, and the libraries'. Counted by alloc_count, which is loaded before
    all other libraries."""

    family = "allocations"
    beside = "-"
    is_heavy = True
    messages = 1000  # of each connection: 100,000 in all

    def __init__(self, kind):
        super().__init__("allocations-" + kind, [Measure("per message", at_most_itself(0.01))])
        self.kind = kind

    def measure(self, world, version):
        check_knows(version, self.kind)
        path = os.path.join(world.processes.directory, "allocations")
        with open(path, "wb") as file:
            file.write(bytes(mmap.PAGESIZE))
        library = os.path.join(world.version.build, "liballoc_count.so")
        if not os.path.exists(library):
            raise Skipped("liballoc_count.so is not built")
        side = world.start_sluice(version, version.name + "allocations", echo_handlers(self.kind),
                                  env={"LD_PRELOAD": library, "ALLOC_COUNT_FILE": path})
        try:
            world.wait_answers(side)
            load = world.load(side, ["-c", CONNECTIONS, "-n", IN_FLIGHT, "--messages", self.messages, "-d", 60])
            world.seed(side)
            load.run(60)  # warm: buffers have grown
            before = read_counts(path)
            load.run(60)
            counts = [after - count for after, count in zip(read_counts(path), before)]
            check(load.end())
        finally:
            side.stop()
        messages = CONNECTIONS * self.messages
        return {"per message": counts[0] / messages, "libraries' per message": counts[1] / messages,
                "freed per message": counts[2] / messages}


def read_counts(path):
    """Ours, the libraries', and what was freed."""
    with open(path, "rb") as file:
        counts = struct.unpack("3Q", file.read(24))
    if counts[1] == 0:
        raise Failed("alloc_count has counted nothing: it was not loaded")
    return counts


ROWS = [row(kind) for row in (SystemCalls, Allocations) for kind in ("subscriber", "group16")]
