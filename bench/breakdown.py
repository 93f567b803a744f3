#!/usr/bin/env python3
"""Where each microsecond of an echo goes, in the broker and in its handler.

Builds with frame pointers, lets perf take stacks of both while wsload keeps 100 connections busy, sorts them by what
they are for, and prices each with the CPU time that the process took in all (perf itself costs a part of the speed).
Needs perf and the right to use it (kernel.perf_event_paranoid at most 1, or root).
"""

import argparse
import os
import subprocess

from suite import breakdown, builds, echo
from suite.load import check
from suite.processes import Failed, Processes, cpu_seconds, run_program
from suite.figures import markdown
from suite.servers import Version, World

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="*", default=["subscriber", "group16"],
                        help="%s (subscriber group16)" % ", ".join(echo.HANDLERS))
    parser.add_argument("--connections", type=int, default=100, help="(100)")
    parser.add_argument("--in-flight", type=int, default=16, help="messages under way on each (16)")
    parser.add_argument("--seconds", type=float, default=4, help="of measuring (4)")
    parser.add_argument("--build", metavar="DIR", default=os.path.join(SOURCE_DIR, "build", "breakdown"),
                        help="where to build (build/breakdown)")
    parser.add_argument("--no-build", action="store_true", help="take the programs that are there")
    arguments = parser.parse_args()
    for kind in arguments.kind:
        if kind not in echo.HANDLERS:
            parser.error("no kind '%s'" % kind)
    return arguments


class Recording:
    """perf, taking stacks of one process, as a context."""

    def __init__(self, processes, process, path):
        self.path = path
        self.process = processes.start("perf", ["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-o", path,
                                                "-p", str(process.pid)])
        self.processes = processes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(2)  # it writes what it has
        self.process.wait(30)
        self.processes.stop(self.process)

    def text(self):
        done = subprocess.run(["perf", "script", "-F", "comm,ip,sym,dso", "-i", self.path], capture_output=True, text=True,
                              check=False)
        os.unlink(self.path)
        if done.returncode != 0:
            raise Failed("perf script: %s" % done.stderr.strip())
        return done.stdout


def measure(world, arguments, kind):
    version = world.version
    side = echo.echo_side(world, version, kind)
    load = world.load(side, ["-w", 0, "-d", arguments.seconds, "-c", arguments.connections, "-n", arguments.in_flight, "-p", 64])
    world.seed(side)
    broker, handler = side.servers[0], side.servers[1]
    paths = [os.path.join(arguments.build, "perf-%s" % name) for name in ("broker", "handler")]
    with Recording(world.processes, broker, paths[0]) as of_broker, Recording(world.processes, handler, paths[1]) as of_handler:
        before = cpu_seconds(broker), cpu_seconds(handler)
        load.run(arguments.seconds)
        used = cpu_seconds(broker) - before[0], cpu_seconds(handler) - before[1]
    report = check(load.end())
    side.stop()
    del version.sides[kind]
    rows = []
    for name, recording, rules, seconds in (("broker", of_broker, breakdown.BROKER, used[0]),
                                            ("handler", of_handler, breakdown.HANDLER, used[1])):
        us = 1e6 * seconds / report["received"]
        rows += breakdown.lines(breakdown.shares(recording.text(), rules), us, "**%s**" % name)
    print("%s, %d connections, %d in flight: %d echoes/s with perf\n" % (
        kind, arguments.connections, arguments.in_flight, report["echoes_per_s"]))
    print(markdown(["", "ns an echo", "of it"], rows))
    print()


def main():
    arguments = parse()
    if not arguments.no_build:
        builds.configure(SOURCE_DIR, arguments.build, "-DCMAKE_C_FLAGS=-fno-omit-frame-pointer")
        builds.compile_targets(arguments.build, ("sluiced", "sluice-echo", "wsload", "bench_seed"))
    with Processes(os.path.join(arguments.build, "log")) as processes:
        world = World(processes, Version("", arguments.build), arguments.seconds, False)
        for kind in arguments.kind:
            measure(world, arguments, kind)
    return 0


if __name__ == "__main__":
    run_program("breakdown", main)
