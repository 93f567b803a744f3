"""Echo rows: the load generator against a raw epoll echo and, in turn, against Sluice with one echo handler."""

import dataclasses
import json
import os
import signal
import statistics
import time

from .figures import SPREAD_MAX_PERCENT, pair, ratio, whole
from .processes import Failed, cpu_seconds, free_port, stop_and_wait

SIDES = ("limit", "sluice")
HEADER = ["row", "measure", "raw epoll", "sluice", "ratio", "spread", "p50 us", "p99 us", "wsload CPU %",
          "servers' CPU %"]


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    connections: int
    in_flight: int
    measures: tuple  # what is compared: names in Run.figure()
    payload_bytes: int = 64


ROWS = (
    Row("echo-100x16", 100, 16, ("echoes/s",)),
    Row("echo-100x1", 100, 1, ("echoes/s",)),
    Row("echo-1000x1", 1000, 1, ("echoes/s",)),
    Row("echo-1x1", 1, 1, ("p50 us", "p99 us")),
)


class Run:
    """One run of the load generator against one side."""

    def __init__(self, report, server_cpu_percent):
        self.report = report
        self.server_cpu_percent = server_cpu_percent

    def figure(self, measure):
        if measure == "echoes/s":
            return self.report["echoes_per_s"]
        return self.report["latency_us"][measure.split()[0]]

    def as_json(self):
        return dict(self.report, server_cpu_percent=self.server_cpu_percent)


class World:
    """Both servers and the handler, running."""

    def __init__(self, processes, build_dir):
        self.processes = processes
        self.build_dir = build_dir
        self.urls = {}
        self.servers = {}
        self.start_limit()
        self.start_sluice()

    def program(self, name):
        return os.path.join(self.build_dir, name)

    def start_limit(self):
        port = free_port()
        limit = self.processes.start("limit_echo", [self.program("limit_echo"), "--port", str(port)])
        self.processes.wait_port(limit, port)
        self.urls["limit"] = "ws://127.0.0.1:%d/ws" % port
        self.servers["limit"] = [limit]

    def start_sluice(self):
        port = free_port()
        calls = "ipc://%s/calls" % self.processes.directory
        broker = self.processes.start("sluiced", [
            self.program("sluiced"), "--listen", "127.0.0.1:%d" % port, "--calls", calls,
            "--events", "ipc://%s/events" % self.processes.directory])
        self.processes.wait_port(broker, port)
        handler = self.processes.start("sluice-echo", [self.program("sluice-echo"), "--broker", calls,
                                                       "--events", "echo"])
        self.urls["sluice"] = "ws://127.0.0.1:%d/ws" % port
        self.servers["sluice"] = [broker, handler]
        self.wait_handler()

    @property
    def handler(self):
        return self.servers["sluice"][1]

    def wsload(self, side, options, seconds):
        """Run the load generator. Returns its exit status and report; None where it could not connect."""
        status, output, said = self.processes.run(
            "wsload", [self.program("wsload"), "--json", "-", *options, self.urls[side]], seconds + 30)
        for server in self.servers[side]:
            self.processes.check_alive(server)
        if not output:
            raise Failed("%s: %s" % (side, said))
        return status, json.loads(output)

    def answers(self, seconds=0.2):
        """One question after the other, for a short time. Returns the report."""
        return self.wsload("sluice", ["-w", "0", "-d", str(seconds), "--drain", "0.3"], 1)[1]

    def wait_handler(self, tries=50):
        """Until the handler has announced itself and answers."""
        report = None
        for _ in range(tries):
            report = self.answers(0.05)
            if report["received"] > 0:
                return
            time.sleep(0.1)
        raise Failed("sluice-echo does not answer: %s" % report["first_problem"])

    def check_stopped_handler(self):
        """Nothing must come back while the handler process cannot run: else we measure a broker that echoes
        by itself. Afterwards it must answer again: else the check says nothing. Returns what was counted."""
        stop_and_wait(self.handler)
        try:
            stopped = self.answers()
        finally:
            self.handler.send_signal(signal.SIGCONT)
        resumed = self.answers()
        if stopped["sent"] == 0 or stopped["received"] > 0:
            raise Failed("%d of %d messages were answered while the handler process was stopped: whatever this is, "
                         "it is not the way through the handler" % (stopped["received"], stopped["sent"]))
        if resumed["received"] == 0:
            raise Failed("no answer after the handler process went on: %s" % resumed["first_problem"])
        return {"sent_while_stopped": stopped["sent"], "answers_while_stopped": 0,
                "answers_after": resumed["received"]}

    def run(self, row, side, seconds, warmup):
        """Measure one side of a row once."""
        cpu = sum(map(cpu_seconds, self.servers[side]))
        began = time.monotonic()
        status, report = self.wsload(side, ["-c", str(row.connections), "-n", str(row.in_flight),
                                            "-p", str(row.payload_bytes), "-w", str(warmup), "-d", str(seconds)],
                                     seconds + warmup)
        took = time.monotonic() - began
        cpu = sum(map(cpu_seconds, self.servers[side])) - cpu
        if status != 0:
            raise Failed("%s, %s: %s" % (row.name, side, report["first_problem"]))
        return Run(report, 100 * cpu / took)


class Outcome:
    """What the rounds of one row brought."""

    def __init__(self, row):
        self.row = row
        self.runs = {side: [] for side in SIDES}
        self.failures = []

    def measure(self, world, seconds, warmup, limit_first):
        """One round: both sides, one right after the other. A round in which one fails counts for neither."""
        try:
            runs = {side: world.run(self.row, side, seconds, warmup)
                    for side in (SIDES if limit_first else SIDES[::-1])}
        except Failed as failure:
            self.failures.append(str(failure))
            return
        for side, run in runs.items():
            self.runs[side].append(run)

    def values(self, side, measure):
        return [run.figure(measure) for run in self.runs[side]]

    def ratios(self):
        if not self.runs["limit"]:
            return {}
        return {measure: ratio(self.values("sluice", measure), self.values("limit", measure))
                for measure in self.row.measures}

    def medians(self, figure):
        return [statistics.median([figure(run) for run in self.runs[side]]) for side in SIDES]

    def lines(self):
        """For the table, one per measure."""
        lines = []
        for measure, of in self.ratios().items():
            form = whole if measure == "echoes/s" else "{:.1f}".format
            lines.append([
                self.row.name, measure, *map(form, self.medians(lambda run, m=measure: run.figure(m))),
                "%.2f" % of["median"], "%.0f %%" % of["spread_percent"],
                pair(self.medians(lambda run: run.figure("p50 us"))),
                pair(self.medians(lambda run: run.figure("p99 us"))),
                pair(self.medians(lambda run: run.report["own_cpu_percent"])),
                pair(self.medians(lambda run: run.server_cpu_percent))])
        return lines

    def warnings(self):
        said = ["%s, %s: the rounds scatter by %.0f %% (more than %d %%): do not trust this row"
                % (self.row.name, measure, of["spread_percent"], SPREAD_MAX_PERCENT)
                for measure, of in self.ratios().items() if of["spread_percent"] > SPREAD_MAX_PERCENT]
        return said + ["%s: FAILED: %s" % (self.row.name, failure) for failure in self.failures]

    def as_json(self):
        return {"row": dataclasses.asdict(self.row), "ratios": self.ratios(), "failures": self.failures,
                "warnings": self.warnings(), "runs": {side: [run.as_json() for run in self.runs[side]] for side in SIDES}}
