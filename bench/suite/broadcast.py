"""Broadcasts: to all, in batches, to few among many, and what they do to the echoes of others."""

import time

from .load import check
from .processes import Failed
from .rows import Measure, Row, at_least, at_most

PAYLOAD = ["-p", 64]
BATCH = 20
BATCHES = {"batches": [{"event": "cast:batched", "interval_ms": 1000, "max_items": BATCH}]}


def cast_side(world, version):
    """A broker with a handler that broadcasts."""
    return world.keep(
        version, "cast",
        lambda: world.start_sluice(version, version.name + "cast", [["bench_cast", "CALLS"]], config=BATCHES),
        lambda side: world.wait_answers(side, "cast:all"))


def run_cast(world, side, event, connections, in_flight, room=None):
    """One run. Returns its figures."""
    load = world.load(side, ["--cast", "-c", connections, "-n", in_flight, "-e", event, "-w", world.seconds / 4,
                             "-d", world.seconds, "--drain", 10, *PAYLOAD])
    if side.calls:
        world.seed(side, room or "lobby")
    cpu = side.cpu_seconds()
    load.run(1.25 * world.seconds)
    cpu = side.cpu_seconds() - cpu
    report = check(load.end())
    side.check_alive()
    return {"deliveries/s": report["echoes_per_s"], "p50 ms to the last": report["latency_us"]["p50"] / 1000,
            "p99 ms to the last": report["latency_us"]["p99"] / 1000, "wsload CPU %": report["own_cpu_percent"],
            "servers' CPU %": 100 * cpu / (1.25 * world.seconds)}


class Broadcast(Row):
    """To 1,000 connections, `in_flight` at a time."""

    family = "broadcast"
    beside = "raw send"
    connections = 1000

    def __init__(self, name, in_flight, aim):
        super().__init__(name, [Measure("deliveries/s", aim)])
        self.in_flight = in_flight
        self.limit_key = ("cast", in_flight)

    def measure(self, world, version):
        return run_cast(world, cast_side(world, version), "cast:all", self.connections, self.in_flight)

    def measure_limit(self, world):
        return run_cast(world, world.limit("cast"), "cast:all", self.connections, self.in_flight)


class Batched(Broadcast):
    """Payloads in batches beside those that come alone, one broadcast after the other."""

    beside = "unbatched"

    def __init__(self):
        super().__init__("broadcast-batched", BATCH, at_least(5))

    def measure(self, world, version):
        return run_cast(world, cast_side(world, version), "cast:batched", self.connections, BATCH)

    def measure_limit(self, world):
        return run_cast(world, cast_side(world, world.version), "cast:all", self.connections, 1)


class Filtered(Row):
    """A broadcast that reaches 10 of 10,000, beside one that reaches 10 of 1,000: microseconds for each."""

    family = "filtered"
    beside = "10 of 1,000"
    is_heavy = True
    reached = 10
    in_flight = 16

    def __init__(self):
        super().__init__("filtered", [Measure("us each", at_most(1.5))])

    def run(self, world, version, connections):
        side = world.start_sluice(version, "%sfiltered" % version.name, [["bench_cast", "CALLS"]],
                                  ["--max-connections", str(connections + 10)])
        try:
            world.wait_answers(side, "cast:all")
            others = world.load(side, ["-c", connections - self.reached, "--sources", 4])
            world.seed(side, "others")
            found = run_cast(world, side, "cast:few", self.reached, self.in_flight, "few")
            check(others.end())
        finally:
            side.stop()
        return {"us each": 1e6 * self.reached / found.pop("deliveries/s"), **found}

    def measure(self, world, version):
        return self.run(world, version, 10000)

    def measure_limit(self, world):
        return self.run(world, world.version, 1000)


class Fairness(Row):
    """The p99 of echoes on other connections while one broadcast to 10,000 follows the other, beside the same p99 when
    nothing else is under way."""

    family = "fairness"
    beside = "quiet"
    is_heavy = True
    echoing = 10
    rate = 500  # echoes per second: an open loop, in which a stall cannot hide

    def __init__(self, name, options):
        super().__init__(name, [Measure("p99 us", at_most(5))])
        self.options = options  # what the echoing connections send: pushes or questions

    def echoes(self, world, side):
        load = world.load(side, ["-c", self.echoing, "-r", self.rate, "-w", world.seconds / 4, "-d", world.seconds,
                                 *self.options])
        world.seed(side, "others")
        load.run(1.25 * world.seconds)
        latency = check(load.end())["latency_us"]
        return {"p99 us": latency["p99"], "p50 us": latency["p50"], "max us": latency["max"]}

    @staticmethod
    def most(world):
        """Seconds of broadcasting: enough for the echoes, their connecting included."""
        return 1.5 * world.seconds + 1

    def measure(self, world, version):
        connections = 2000 if world.is_quick else 10000
        side = world.start_sluice(version, "%sfairness" % version.name, [
            ["sluice-echo", "--broker", "CALLS", "--events", "echo"], ["bench_cast", "CALLS"]],
            ["--max-connections", str(connections + 100)])
        try:
            world.wait_answers(side)
            cast = world.load(side, ["--cast", "-c", connections, "-e", "cast:many", "-w", 0, "--sources", 4,
                                     "-d", self.most(world), "--drain", 10])
            world.seed(side, "many")
            quiet = self.echoes(world, side)
            cast.go()
            began = time.monotonic()
            loaded = self.echoes(world, side)
            took = time.monotonic() - began
            cast.wait(self.most(world))
            report = check(cast.end())
        finally:
            side.stop()
        if took > self.most(world):
            raise Failed("the broadcasts ended before the echoes")
        loaded["broadcast p50 ms"] = report["latency_us"]["p50"] / 1000
        loaded["connections"] = connections
        return loaded, quiet

    def measure_limit(self, world):
        return None


ROWS = [Broadcast("broadcast", 1, at_least(0.8)), Broadcast("broadcast-16", 16, None), Batched(), Filtered(),
        Fairness("fairness", []), Fairness("fairness-questions", ["-q"])]
