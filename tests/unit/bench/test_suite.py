#!/usr/bin/env python3
"""scripts/bench with stand-ins for broker and handler: that it catches what would make its table a lie, and that
it leaves nothing behind however it ends.

Usage: test_suite.py BUILD_DIR   (where wsload and limit_echo are)
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

from suite import echo, figures  # noqa: E402

# A broker that never asks its handler: --listen 127.0.0.1:PORT.
SELF_ECHO = """#!/bin/sh
exec "$(dirname "$0")/limit_echo" --port "${2#*:}"
"""

# A handler that does nothing.
HANDLER = """#!/bin/sh
exec sleep 300
"""


class Script(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="sluice-suite-")
        self.build = self.directory.name
        for name in ("wsload", "limit_echo"):
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
        output, said = process.communicate(timeout=60)
        return process.returncode, output, said

    def test_broker_that_echoes_by_itself_is_refused(self):
        self.stand_in("sluiced", SELF_ECHO)
        self.stand_in("sluice-echo", HANDLER)
        status, _, said = self.bench("--rounds", "1", "--seconds", "0.05")
        self.assertEqual(status, 1)
        self.assertIn("answered while the handler process was stopped", said)

    def test_broker_that_ends_is_reported_with_its_last_words(self):
        self.stand_in("sluiced", "#!/bin/sh\necho no such option >&2; exit 3\n")
        self.stand_in("sluice-echo", HANDLER)
        status, _, said = self.bench()
        self.assertEqual(status, 1)
        self.assertIn("sluiced ended by itself with status 3\nno such option", said)

    def test_missing_program_is_reported(self):
        status, _, said = self.bench()
        self.assertEqual(status, 1)
        self.assertIn("cannot start", said)

    def test_interrupt_leaves_nothing(self):
        """At different moments, by each signal."""
        self.stand_in("sluiced", SELF_ECHO)
        self.stand_in("sluice-echo", HANDLER)
        for number, delay in ((signal.SIGINT, 0.25), (signal.SIGTERM, 0.4), (signal.SIGHUP, 0.6), (signal.SIGINT, 0.8)):
            process = self.start("--rounds", "100", "--seconds", "5")
            time.sleep(delay)
            process.send_signal(number)
            _, said = process.communicate(timeout=20)
            self.assertIn(process.returncode, (1, 130, -number), said)
            self.assertEqual(self.left_over(), [], (number, delay))

    def test_unknown_row_is_named(self):
        status, _, said = self.bench("echo-7x7")
        self.assertEqual(status, 2)
        self.assertIn("echo-7x7", said)

    def test_list_names_the_rows(self):
        self.assertEqual(self.bench("--list")[1].split(), [row.name for row in echo.ROWS])


class Figures(unittest.TestCase):
    def test_ratio_is_the_median_of_the_rounds_ratios(self):
        of = figures.ratio([50, 10, 90], [100, 100, 100])
        self.assertEqual(of["median"], 0.5)
        self.assertEqual(of["rounds"], [0.5, 0.1, 0.9])
        self.assertAlmostEqual(of["spread_percent"], 160)

    def test_disturbance_of_both_sides_does_not_count(self):
        self.assertEqual(figures.ratio([50, 5, 500], [100, 10, 1000])["spread_percent"], 0)

    def test_row_that_scatters_says_so(self):
        for values, is_said in (((1.0, 1.1, 1.29), False), ((1.0, 1.1, 1.5), True)):
            outcome = echo.Outcome(echo.ROWS[0])
            for value in values:
                for side, rate in (("limit", 1000), ("sluice", 1000 * value)):
                    outcome.runs[side].append(echo.Run({"echoes_per_s": rate}, 0))
            self.assertEqual(any("scatter" in text for text in outcome.warnings()), is_said)

    def test_round_with_a_failure_counts_for_neither_side(self):
        class World:
            def run(self, _row, side, *_):
                if side == "sluice":
                    raise echo.Failed("2 missing")
                return echo.Run({"echoes_per_s": 1}, 0)

        outcome = echo.Outcome(echo.ROWS[0])
        outcome.measure(World(), 1, 1, True)
        self.assertEqual(outcome.runs, {"limit": [], "sluice": []})
        self.assertEqual(outcome.lines(), [])
        self.assertIn("FAILED: 2 missing", outcome.warnings()[0])
        json.dumps(outcome.as_json())


if __name__ == "__main__":
    unittest.main()
