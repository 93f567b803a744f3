#!/usr/bin/env python3
"""What those who send to one group feel of another one that is full.

One group echoes what its clients send at a steady rate; its p99 is measured first alone, and then while the clients of a
second group, which nobody handles, send all that the broker takes. That is done with a group that pauses (nothing
more is read from its clients, the aim is at most twice the quiet p99), and once more with one that refuses
(each message is answered `overloaded`; no aim, the figure is what an attack of that rate costs).

With --minutes the clients of the full group are held for so long, at the broker's usual limits of silence. Then a handler
comes, and each message must come back to its sender, in order: nobody was closed and nothing was lost."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time

BENCH_DIR = os.path.dirname(os.path.abspath(__file__))
SOURCE_DIR = os.path.dirname(BENCH_DIR)
sys.path.insert(0, BENCH_DIR)
sys.dont_write_bytecode = True

from suite import builds, conditions  # noqa: E402
from suite.figures import spread_percent, table, whole  # noqa: E402
from suite.flood import Flood  # noqa: E402
from suite.processes import Failed, Processes, cpu_seconds, free_port, run_program  # noqa: E402

PROGRAMS = ("sluiced", "sluice-echo", "wsload")
AIM = 2.0  # times the quiet p99
HEADER = ["group is full and", "quiet p50", "p99 us", "full p50", "p99 us", "ratio of p99", "spread", "broker CPU", "aim"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (4)")
    parser.add_argument("--clients", type=int, default=200, help="that feed the full group (200)")
    parser.add_argument("--rate", type=int, default=2000, help="messages per second to the other one, from 20 clients (2000)")
    parser.add_argument("--minutes", type=float, default=0, help="hold the paused clients for so long, then let them go on")
    parser.add_argument("--build", metavar="DIR", default=os.path.join(SOURCE_DIR, "build", "bench"),
                        help="where to build (build/bench)")
    parser.add_argument("--no-build", action="store_true", help="take the programs that are there")
    parser.add_argument("--json", metavar="FILE", help="where the results go (DIR/full-group.json)")
    arguments = parser.parse_args()
    if arguments.rounds < 0 or arguments.clients < 1 or arguments.seconds < 0.1 or arguments.rate < 20:
        parser.error("rounds of 0.1 s and more, at least one client, a rate of at least 20")
    return arguments


class Broker:
    """A broker with a quiet group that is handled and another that is not, as a context."""

    def __init__(self, processes, build, on_full):
        self.processes, self.build = processes, build
        directory = tempfile.mkdtemp(dir=processes.directory)
        self.calls, self.port = "ipc://%s/calls" % directory, free_port()
        config = os.path.join(directory, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"groups": {"full": {"events": ["full:*"], "on_full": on_full}}, "max_connections": 100000,
                       "group_pause_max_ms": 86400000}, file)
        self.sluiced = processes.start("sluiced-" + on_full, [
            os.path.join(build, "sluiced"), "--config", config, "--listen", "127.0.0.1:%d" % self.port,
            "--calls", self.calls, "--events", "ipc://%s/events" % directory])
        self.handlers = []

    def __enter__(self):
        self.processes.wait_port(self.sluiced, self.port)
        self.handle("quiet")
        end = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > end:
                raise Failed("the handler of the quiet group does not answer")
        return self

    def __exit__(self, *_):
        for process in reversed([self.sluiced] + self.handlers):
            self.processes.stop(process)

    def handle(self, group):
        self.handlers.append(self.processes.start("sluice-echo-" + group, [
            os.path.join(self.build, "sluice-echo"), "--broker", self.calls, "--group", group, "--events", group + ":*"]))

    def _load(self, options, seconds):
        command = [os.path.join(self.build, "wsload"), "--event", "quiet:echo", "--json", "-", *map(str, options),
                   "ws://127.0.0.1:%d/ws" % self.port]
        return self.processes.run("wsload", command, seconds)

    def _answers(self):
        return self._load(["--warmup", 0, "--duration", 0.1, "--drain", 0.2], 10)[0] == 0

    def measure(self, rate, seconds):
        """(p50, p99) in us, and the broker's share of a CPU in percent."""
        used, began = cpu_seconds(self.sluiced), time.monotonic()
        status, output, said = self._load(["--connections", 20, "--rate", rate, "--duration", seconds], seconds + 60)
        if status != 0:
            raise Failed("wsload: %s" % (said or json.loads(output)["first_problem"]))
        latency = json.loads(output)["latency_us"]
        share = 100 * (cpu_seconds(self.sluiced) - used) / (time.monotonic() - began)
        return latency["p50"], latency["p99"], share


def measure_round(processes, arguments, on_full):
    """Quiet and full, with a broker of its own."""
    with Broker(processes, arguments.build, on_full) as broker:
        quiet = broker.measure(arguments.rate, arguments.seconds)
        # Who takes too little of what comes back is closed, so those that are answered wait for some of that.
        with Flood(broker.port, arguments.clients, "full:x", None if on_full == "pause" else 1000) as flood:
            if on_full == "pause":
                flood.wait_blocked(60)
            else:
                wait_refused(flood)
            full = broker.measure(arguments.rate, arguments.seconds)
            flood.check()
            if on_full == "pause" and flood.errors() > 0:
                raise Failed("a group that pauses has refused %d messages" % flood.errors())
    return quiet, full


def wait_refused(flood):
    end = time.monotonic() + 60
    while flood.errors() == 0:
        flood.check()
        if time.monotonic() > end:
            raise Failed("nothing was refused")
        time.sleep(0.05)


def line_of(name, rounds, aim):
    quiet, full = [a for a, _ in rounds], [b for _, b in rounds]
    ratios = [b[1] / a[1] for a, b in rounds]
    middle = [whole(statistics.median(values[at] for values in side)) for side in (quiet, full) for at in (0, 1)]
    return [name, *middle, "%.2f" % statistics.median(ratios), "%.0f %%" % spread_percent(ratios),
            "%.0f %%" % statistics.median(values[2] for values in full), "%g" % aim if aim else "-"]


def hold(processes, arguments):
    """Returns the p99 of each minute; fails when anybody or anything is lost."""
    with Broker(processes, arguments.build, "pause") as broker:
        quiet = broker.measure(arguments.rate, arguments.seconds)[1]
        with Flood(broker.port, arguments.clients, "full:x") as flood:
            flood.wait_blocked(60)
            end, seen = time.monotonic() + 60 * arguments.minutes, []
            while time.monotonic() < end:
                seen.append(broker.measure(arguments.rate, min(55, max(0.1, end - time.monotonic())))[1])
                time.sleep(max(0, min(5, end - time.monotonic())))
                flood.check()
            broker.handle("full")
            flood.finish(300)
            print("\n%d clients were held for %g minutes; none was closed. Then all their %s messages came back, in order.\n"
                  "p99 of the quiet group, before: %s us; meanwhile: %s us"
                  % (arguments.clients, arguments.minutes, whole(flood.made()), whole(quiet), ", ".join(map(whole, seen))))
            return {"minutes": arguments.minutes, "messages": flood.made(), "quiet_p99_us": quiet, "held_p99_us": seen}


def main():
    arguments = parse_arguments()
    if not arguments.no_build:
        builds.configure(SOURCE_DIR, arguments.build)
        builds.compile_targets(arguments.build, PROGRAMS)
    results = {"conditions": conditions.collect(SOURCE_DIR, arguments.build), "aim": AIM}
    rounds = {"pause": [], "refuse": []}
    with Processes(os.path.join(arguments.build, "log")) as processes:
        for _ in range(arguments.rounds):
            for on_full, measured in rounds.items():
                measured.append(measure_round(processes, arguments, on_full))
        if arguments.rounds:
            print(table(HEADER, [line_of("pauses", rounds["pause"], AIM), line_of("refuses", rounds["refuse"], None)]))
        results["rounds"] = rounds
        if arguments.minutes:
            results["held"] = hold(processes, arguments)
    ratios = [full[1] / quiet[1] for quiet, full in rounds["pause"]]
    path = arguments.json or os.path.join(arguments.build, "full-group.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
    print("\nresults: %s" % os.path.relpath(path))
    return 1 if ratios and statistics.median(ratios) > AIM else 0


if __name__ == "__main__":
    run_program("full_group", main)
