"""Echo rows: the load generator against a raw epoll echo and against Sluice with echo handlers, through a subscriber and
through a group; and the latency of one message beside a bare bridge on the same libraries."""

import signal

from .load import check
from .processes import Failed, Skipped, stop_and_wait
from .rows import Measure, Row, at_least, at_most

MESSAGES = {"": ["-p", 64], "-1k": ["-p", 1024, "-t", "mixed"]}

# What sluice-echo is started with, once for each member.
HANDLERS = {
    "subscriber": [[]],
    "group": [["--group", "echo"]],
    "group16": [["--group", "echo", "--per-conn", "16"]],
    "members2": [["--group", "echo"]] * 2,
    "members4": [["--group", "echo"]] * 4,
}


def echo_handlers(kind):
    return [["sluice-echo", "--broker", "CALLS", "--events", "echo", *more] for more in HANDLERS[kind]]


def check_knows(version, kind):
    if kind != "subscriber" and not version.knows("sluice-echo", "--group"):
        raise Skipped("sluice-echo of %s does not know --group" % (version.name or "this version"))


def echo_side(world, version, kind):
    """The Sluice of `version` whose handlers are of `kind`; checked and kept running."""
    def check_side(side):
        world.wait_answers(side)
        check_stopped_handlers(world, side)

    check_knows(version, kind)
    return world.keep(version, kind, lambda: world.start_sluice(version, version.name + kind, echo_handlers(kind)),
                      check_side)


def check_stopped_handlers(world, side):
    """Nothing must come back while the handler processes cannot run: else we measure a broker that echoes by itself.
    Afterwards they must answer again: else the check says nothing."""
    handlers = side.servers[1:]
    try:
        for handler in handlers:
            stop_and_wait(handler)
        stopped = world.answers(side)
    finally:
        for handler in handlers:
            handler.send_signal(signal.SIGCONT)
    if stopped["sent"] == 0 or stopped["received"] > 0:
        raise Failed("%d of %d messages were answered while the handler process was stopped: whatever this is, "
                     "it is not the way through the handler" % (stopped["received"], stopped["sent"]))
    world.wait_answers(side)


def run_echo(world, side, options, is_sluice):
    """One run. Returns its figures."""
    load = world.load(side, ["-w", world.seconds / 4, "-d", world.seconds, *options])
    if is_sluice:
        world.seed(side)
    cpu = side.cpu_seconds()
    load.run(1.25 * world.seconds)
    cpu = side.cpu_seconds() - cpu
    report = check(load.end())
    side.check_alive()
    return {"echoes/s": report["echoes_per_s"], "p50 us": report["latency_us"]["p50"],
            "p99 us": report["latency_us"]["p99"], "wsload CPU %": report["own_cpu_percent"],
            "servers' CPU %": 100 * cpu / (1.25 * world.seconds)}


class Echo(Row):
    """Echoes per second."""

    family = "echo"
    beside = "raw epoll"

    def __init__(self, kind, connections, in_flight, suffix, aim):
        super().__init__("%s-%dx%d%s" % (kind, connections, in_flight, suffix), [Measure("echoes/s", aim)])
        self.kind = kind
        self.options = ["-c", connections, "-n", in_flight, *MESSAGES[suffix]]
        self.limit_key = ("echo", connections, in_flight, suffix)

    def measure(self, world, version):
        return run_echo(world, echo_side(world, version, self.kind), self.options, True)

    def measure_limit(self, world):
        return run_echo(world, world.limit("echo"), self.options, False)


class Bridge(Echo):
    """How far the libraries alone are from the limit: the bare bridge, without JSON, sessions or any feature."""

    def __init__(self, form, connections, in_flight):
        super().__init__("bridge-" + form, connections, in_flight, "", None)
        self.form = form

    def measure(self, world, version):
        if version.name:
            raise Skipped("the bridge is the same for both versions")
        return run_echo(world, world.limit(self.form), self.options, False)


class Latency(Row):
    """One connection, one message in flight."""

    family = "latency"

    def __init__(self, kind, form, most):
        super().__init__("latency-" + kind, [Measure("p50 us", at_most(most)), Measure("p99 us", at_most(most))])
        self.kind = kind
        self.form = form
        self.beside = "bridge, " + form
        self.limit_key = ("latency", kind)

    def measure(self, world, version):
        return run_echo(world, echo_side(world, version, self.kind), [], True)

    def measure_limit(self, world):
        return run_echo(world, world.limit(self.form), [], False)


# A group with several members beside the raw echo; one member and the subscriber are among the rows before.
ROWS = [row for suffix in MESSAGES for row in (
    Echo("subscriber", 100, 16, suffix, at_least(0.35)),
    Echo("group16", 100, 16, suffix, at_least(0.35)),
    Echo("group", 100, 16, suffix, at_least(0.15)),
    *([Echo("members2", 100, 16, suffix, None), Echo("members4", 100, 16, suffix, None)] if suffix == "" else []),
    Echo("subscriber", 100, 1, suffix, at_least(0.5)),
    Echo("group", 100, 1, suffix, at_least(0.5)),
    Echo("subscriber", 1000, 1, suffix, at_least(0.5)),
    Echo("group", 1000, 1, suffix, at_least(0.5)),
)] + [Bridge(form, 100, in_flight) for form in ("events", "turns") for in_flight in (16, 1)] + [
    Latency("subscriber", "events", 1.5), Latency("group", "turns", 2)]
