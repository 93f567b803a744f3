"""What connections cost that do nothing, and how fast they come."""

import os
import resource
import time

from .echo import echo_handlers
from .load import check
from .processes import cpu_seconds, resident_bytes
from .rows import Measure, Row, at_most_itself
from .servers import CONNECTIONS_BESIDE

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NO_PINGS = ["--ping-ms", "3600000", "--timeout-ms", "7200000"]


def allowed(wanted):
    """As many connections as the limit of descriptors lets one process have, at most `wanted`."""
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - CONNECTIONS_BESIDE)


def kernel_bytes():
    """Of all sockets' buffers, and of the kernel's own structures."""
    with open("/proc/net/sockstat", encoding="ascii") as sockstat:
        tcp = [line.split() for line in sockstat if line.startswith("TCP:")][0]
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        slab = [int(line.split()[1]) * 1024 for line in meminfo if line.startswith("Slab:")][0]
    return int(tcp[tcp.index("mem") + 1]) * PAGE_BYTES, slab


def start(world, version, connections):
    """With a group, where there is one: 10,000 connections that send at once may be more than a subscriber's queue holds."""
    kind = "group" if version.knows("sluice-echo", "--group") else "subscriber"
    side = world.start_sluice(version, version.name + "idle", echo_handlers(kind),
                              ["--max-connections", str(connections + 10), *NO_PINGS])
    world.wait_answers(side)
    return side


class Memory(Row):
    """The broker's memory for each of 10,000 connections that has a session and has sent and received 100 messages. What the
    broker takes without any counts too."""

    family = "idle"
    beside = "-"
    is_heavy = True
    messages = 100
    connections = 10000

    def __init__(self):
        super().__init__("idle-memory", [Measure("bytes each", at_most_itself(8192))])

    def measure(self, world, version):
        connections = 2000 if world.is_quick else self.connections
        side = start(world, version, connections)
        try:
            resident, kernel = resident_bytes(side.broker), kernel_bytes()
            load = world.load(side, ["-c", connections, "--messages", self.messages, "-d", 60, "--drain", 0.1,
                                     "--sources", 4])
            world.seed(side)
            load.run(60)
            time.sleep(0.2)
            after, kernel_after = resident_bytes(side.broker), kernel_bytes()
            check(load.end())
        finally:
            side.stop()
        grown = (after - resident) / connections
        return {"bytes each": grown + resident / self.connections, "of these grown by": grown,
                "kernel's socket buffers, both ends": (kernel_after[0] - kernel[0]) / connections,
                "kernel's structures, both ends": (kernel_after[1] - kernel[1]) / connections, "connections": connections}


class Cpu(Row):
    """The broker's CPU while as many connections as may be are open and nothing happens, pings aside."""

    family = "idle"
    beside = "-"
    is_heavy = True
    wanted = 50000

    def __init__(self):
        super().__init__("idle-cpu", [Measure("percent of one", at_most_itself(0.5))])

    def measure(self, world, version):
        connections = 2000 if world.is_quick else allowed(self.wanted)
        side = start(world, version, connections)
        try:
            load = world.load(side, ["-c", connections, "--sources", 8])
            world.seed(side)
            time.sleep(1)
            cpu, began = cpu_seconds(side.broker), time.monotonic()
            time.sleep(2 * world.seconds)
            percent = 100 * (cpu_seconds(side.broker) - cpu) / (time.monotonic() - began)
            check(load.end())
        finally:
            side.stop()
        return {"percent of one": percent, "connections": connections}


class Accept(Row):
    """Handshakes per second."""

    family = "accept"
    beside = "raw epoll"
    is_heavy = True

    def __init__(self):
        super().__init__("accept", [Measure("connections/s")])

    def run(self, world, side):
        connections = 2000 if world.is_quick else 10000
        load = world.load(side, ["-c", connections, "--sources", 4])
        return {"connections/s": 1000 * connections / check(load.end())["connect_ms"], "connections": connections}

    def measure(self, world, version):
        side = world.start_sluice(version, version.name + "accept", [], ["--max-connections", "10010"])
        try:
            return self.run(world, side)
        finally:
            side.stop()

    def measure_limit(self, world):
        return self.run(world, world.limit("echo"))


ROWS = [Memory(), Cpu(), Accept()]
