#!/usr/bin/env python3
"""scripts/bench: that its rows run, with the real programs; that it catches what would make its table a lie, with stand-ins
for broker and handler; and that it leaves nothing behind however it ends.

Usage: test_suite.py BUILD_DIR   (where wsload, sluiced and the others are)
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.path.abspath(sys.argv.pop(1) if len(sys.argv) > 1 else "build")
SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
sys.path.insert(0, os.path.join(SOURCE, "bench"))
sys.dont_write_bytecode = True

from suite import breakdown, figures  # noqa: E402
from suite.processes import Failed, Skipped  # noqa: E402
from suite.rounds import Rounds, grouped  # noqa: E402
from suite.rows import Measure, Outcome, Row, at_least, at_most_itself  # noqa: E402

# A broker that never asks its handler: --listen 127.0.0.1:PORT.
SELF_ECHO = """#!/bin/sh
exec "$(dirname "$0")/limit_echo" --port "${2#*:}"
"""

# A handler that does nothing.
HANDLER = """#!/bin/sh
exec sleep 300
"""


class Script(unittest.TestCase):
    programs = ("wsload", "limit_echo", "bench_seed")

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="sluice-suite-")
        self.build = self.directory.name
        for name in self.programs:
            os.symlink(os.path.join(BUILD, name), os.path.join(self.build, name))
        with open(os.path.join(self.build, "CMakeCache.txt"), "w", encoding="utf-8") as cache:
            cache.write("CMAKE_C_COMPILER:FILEPATH=cc\n")

    def tearDown(self):
        left = self.left_over()
        self.directory.cleanup()
        self.assertEqual(left, [])

    def left_over(self):
        """Command lines of processes that were started from our build directory."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as cmdline:
                    line = cmdline.read().replace(b"\0", b" ").decode(errors="replace")
                with open("/proc/%s/stat" % pid, "rb") as stat:
                    state = stat.read().rsplit(b")", 1)[1].split()[0]
            except OSError:
                continue
            if self.build in line and state != b"Z" and int(pid) != os.getpid():
                found.append(line)
        return found

    def stand_in(self, name, text):
        path = os.path.join(self.build, name)
        with open(path, "w", encoding="utf-8") as script:
            script.write(text)
        os.chmod(path, 0o755)

    def start(self, *options):
        return subprocess.Popen([os.path.join(SOURCE, "scripts", "bench"), "--no-build", "--build", self.build, *options],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def bench(self, *options):
        process = self.start(*options)
        output, said = process.communicate(timeout=100)
        return process.returncode, output, said

    def results(self):
        with open(os.path.join(self.build, "results.json"), encoding="utf-8") as file:
            return json.load(file)


class StandIns(Script):
    def test_broker_that_echoes_by_itself_is_refused(self):
        self.stand_in("sluiced", SELF_ECHO)
        self.stand_in("sluice-echo", HANDLER)
        status, output, _ = self.bench("--rounds", "1", "--seconds", "0.05", "subscriber-100x1")
        self.assertEqual(status, 1)
        self.assertIn("answered while the handler process was stopped", output)

    def test_broker_that_ends_is_reported_with_its_last_words(self):
        self.stand_in("sluiced", "#!/bin/sh\necho no such option >&2; exit 3\n")
        self.stand_in("sluice-echo", HANDLER)
        status, output, _ = self.bench("--seconds", "0.05", "subscriber-100x1")
        self.assertEqual(status, 1)
        self.assertIn("ended by itself with status 3\nno such option", output)

    def test_row_that_fails_twice_is_given_up(self):
        status, output, _ = self.bench("--seconds", "0.05", "--rounds", "5", "subscriber-100x1")
        self.assertEqual(status, 1)
        self.assertEqual(output.count("FAILED: cannot start"), 2)

    def test_handler_that_knows_no_groups_skips_their_rows(self):
        self.stand_in("sluiced", SELF_ECHO)
        self.stand_in("sluice-echo", "#!/bin/sh\necho usage: --events PATTERN\n")
        status, output, _ = self.bench("--seconds", "0.05", "--rounds", "1", "group-100x1")
        self.assertEqual(status, 0)
        self.assertIn("sluice-echo of this version does not know --group: group-100x1", output)

    def test_interrupt_leaves_nothing(self):
        """At different moments, by each signal."""
        self.stand_in("sluiced", SELF_ECHO)
        self.stand_in("sluice-echo", HANDLER)
        for number, delay in ((signal.SIGINT, 0.25), (signal.SIGTERM, 0.4), (signal.SIGHUP, 0.6), (signal.SIGINT, 0.8)):
            process = self.start("--rounds", "100", "--seconds", "5", "echo")
            time.sleep(delay)
            process.send_signal(number)
            _, said = process.communicate(timeout=20)
            self.assertIn(process.returncode, (1, 130, -number), said)
            self.assertEqual(self.left_over(), [], (number, delay))

    def test_unknown_row_is_named(self):
        status, _, said = self.bench("echo-7x7")
        self.assertEqual(status, 2)
        self.assertIn("echo-7x7", said)

    def test_list_names_each_row_once(self):
        names = self.bench("--list")[1].split()
        self.assertEqual(len(names), len(set(names)))
        for name in ("subscriber-100x16", "group16-100x16", "latency-group", "broadcast", "idle-memory", "sessions"):
            self.assertIn(name, names)


@unittest.skipIf("san" in BUILD, "sanitizers make it too slow to be worth the time")
class Smoke(Script):
    """Every kind of row, as briefly as it goes, with the real programs. No figure is judged."""

    programs = ("wsload", "limit_echo", "limit_bridge", "bench_seed", "bench_cast", "bench_transcode", "sluiced",
                "sluice-echo", "liballoc_count.so")

    def expect_rows(self, *rows):
        status, output, said = self.bench("--quick", "--rounds", "1", "--seconds", "0.05", *rows)
        self.assertEqual(status, 0, output + said)
        for row in self.results()["rows"]:
            self.assertTrue(row["skipped"] or len(row["sluice"]) == 1, row)
            self.assertEqual(row["failures"], [])
        with open(os.path.join(self.build, "results.md"), encoding="utf-8") as file:
            self.assertIn("| row | measure | beside |", file.read())

    def test_echoes(self):
        self.expect_rows("subscriber-100x16", "group16-100x16-1k", "members2-100x16", "latency")

    def test_broadcasts(self):
        self.expect_rows("broadcast", "fairness")

    def test_what_is_counted(self):
        self.expect_rows("idle-memory", "idle-cpu", "accept", "transcode", "syscalls", "allocations-subscriber")


class Plain(Row):
    beside = "a limit"

    def __init__(self, ours=(), limits=(), aim=None, name="plain"):
        super().__init__(name, [Measure("echoes/s", aim)])
        self.ours, self.limits = list(ours), list(limits)
        self.calls = []

    def measure(self, world, version):
        self.calls.append("ours")
        return self.give(self.ours)

    def measure_limit(self, world):
        self.calls.append("limit")
        return self.give(self.limits)

    @staticmethod
    def give(values):
        value = values.pop(0)
        if isinstance(value, Exception):
            raise value
        return {"echoes/s": value, "p50 us": 7}


class World:
    version = None
    is_quick = False


def outcome_of(row, rounds):
    return Rounds(World(), rounds, lambda *_: None).beside_limits([row])[0]


class Figures(unittest.TestCase):
    def test_ratio_is_the_median_of_the_rounds_ratios(self):
        of = figures.ratio([50, 10, 90], [100, 100, 100])
        self.assertEqual(of["median"], 0.5)
        self.assertEqual(of["rounds"], [0.5, 0.1, 0.9])
        self.assertAlmostEqual(of["spread_percent"], 160)

    def test_disturbance_of_both_sides_does_not_count(self):
        self.assertEqual(figures.ratio([50, 5, 500], [100, 10, 1000])["spread_percent"], 0)

    def test_row_that_scatters_says_so(self):
        for values, is_said in (((1000, 1100, 1290), False), ((1000, 1100, 1500), True)):
            outcome = outcome_of(Plain(values, [1000] * 3), 3)
            self.assertEqual(any("scatter" in text for text in outcome.warnings()), is_said)

    def test_round_with_a_failure_counts_for_neither_side(self):
        outcome = outcome_of(Plain([Failed("2 missing"), 50], [100, 100]), 2)
        self.assertEqual(outcome.figures(outcome.row.measures[0])["ratio"]["rounds"], [0.5])
        self.assertIn("FAILED: 2 missing", outcome.warnings()[-1])
        json.dumps(outcome.as_json())

    def test_sides_are_first_in_turn(self):
        row = Plain([1] * 3, [1] * 3)
        outcome_of(row, 3)
        self.assertEqual(row.calls, ["limit", "ours", "ours", "limit", "limit", "ours"])

    def test_rows_of_one_load_share_their_limit(self):
        rows = [Plain([50], [100], name="a"), Plain([20], [1000], name="b")]
        for row in rows:
            row.limit_key = "same"
        outcomes = Rounds(World(), 1, lambda *_: None).beside_limits(rows)
        self.assertEqual([of.figures(of.row.measures[0])["ratio"]["median"] for of in outcomes], [0.5, 0.2])
        self.assertEqual(rows[1].calls, ["ours"])
        self.assertEqual(grouped([1, 2, 3, 4], lambda item: item % 2), [[1, 3], [2, 4]])

    def test_aim_of_a_ratio_and_of_the_figure_itself(self):
        for aim, ours, said in ((at_least(0.5), 50, "yes"), (at_least(0.6), 50, "NO"),
                                (at_most_itself(50), 50, "yes"), (at_most_itself(49), 50, "NO")):
            self.assertEqual(outcome_of(Plain([ours], [100], aim), 1).lines()[0][-1], said)

    def test_skipped_row_has_no_figures_and_no_failure(self):
        outcome = outcome_of(Plain([Skipped("no perf")], [100]), 3)
        self.assertEqual((outcome.lines(), outcome.skipped, outcome.failures), ([], "no perf", []))
        self.assertEqual(outcome.row.calls, ["limit", "ours"])

    def test_other_figures_are_details(self):
        outcome = outcome_of(Plain([50], [100]), 1)
        self.assertEqual(outcome.details(), ["plain, sluice: p50 us 7.00", "plain, a limit: p50 us 7.00"])


# As `perf script -F comm,ip,sym,dso` prints it.
STACKS = """sluiced
\tffffffff81000001 tcp_sendmsg_locked+0x10 ([kernel.kallsyms])
\tffffffff81000002 __sys_sendto+0x1 ([kernel.kallsyms])
\t    55d5c0000001 core_request+0x20 (/x/sluiced)

sluiced
\t    55d5c0000002 mp_skip+0x2 (/x/sluiced)
\t    55d5c0000003 args_read+0x2 (/x/sluiced)
\t    55d5c0000001 core_request (/x/sluiced)

sluiced
\t    7f0000000001 [unknown] (/usr/lib/libwebsockets.so.17)
\t    55d5c0000004 main+0x2 (/x/sluiced)

nng:task
\tffffffff81000003 finish_task_switch+0x1 ([kernel.kallsyms])
"""


class Breakdown(unittest.TestCase):
    def test_innermost_frame_that_has_a_name_decides(self):
        self.assertEqual(breakdown.shares(STACKS, breakdown.BROKER), {
            "TCP: send": 0.25, "requests: operations, entries, turns": 0.25, "libwebsockets and libuv": 0.25,
            breakdown.NNG_THREADS: 0.25})

    def test_each_thing_has_its_price(self):
        self.assertEqual(breakdown.lines({"a": 0.25, "b": 0.75}, 2, "all"),
                         [["all", "2000", ""], ["b", "1500", "75.0 %"], ["a", "500", "25.0 %"]])

    def test_no_stacks_are_a_failure(self):
        with self.assertRaises(Failed):
            breakdown.shares("", breakdown.BROKER)


if __name__ == "__main__":
    unittest.main()
