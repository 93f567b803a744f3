"""What filters, updates and the index cost when sessions are many: bench_sessions, which drives the core alone, each
query beside a full scan of the same filter, each update beside a core without an index."""

import json
import os
import statistics

from .figures import SPREAD_MAX_PERCENT, ratio, spread_percent, table, whole
from .processes import Failed

NAME = "sessions"
PROGRAM = "bench_sessions"
RATIO_MAX = 3           # what 100,000 sessions may cost more than 1,000
BYTES_MAX = 150         # of the index for each session and indexed scalar
GROWTH_MAX_PERCENT = 1  # of the index, after every session has changed ten times

HEADER = ["row", "sessions", "matched", "looked at", "us", "spread", "beside us", "beside", "ratio", "spread"]
GROWTH_HEADER = ["row", "1,000: us", "100,000: us", "ratio", "spread", "limit"]


def measure(processes, build_dir, rounds):
    """Run it. Returns what it printed."""
    status, output, said = processes.run(PROGRAM, [os.path.join(build_dir, PROGRAM), str(rounds)], 120 + 60 * rounds)
    if status != 0:
        raise Failed("%s: %s" % (PROGRAM, said))
    return json.loads(output)


def us(values):
    return "%.1f" % (statistics.median(values) / 1000)


def times(number):
    return whole(number) if number >= 100 else "%.2f" % number


def percent(number):
    return "%.0f %%" % number


class Outcome:
    """The figures, and whether they are within the limits."""

    def __init__(self, measured):
        self.rows = measured["rows"]
        self.memory = measured["memory"]
        self.growths = self._growths()

    def _growths(self):
        """For each row that was measured among few sessions and among many: the rounds' ratios."""
        few = {row["name"]: row for row in self.rows if row["sessions"] == 1000}
        return [(few[row["name"]], row, ratio(row["ns"], few[row["name"]]["ns"]))
                for row in self.rows if row["sessions"] != 1000 and row["name"] in few]

    def index_bytes(self, when):
        """Of the index, per session and indexed scalar: what the core without one does not need, and the part
        that each connection has either way."""
        memory = self.memory
        of_index = memory["indexed"][when] - memory["bare"][when] + memory["sessions"] * memory["part_bytes"]
        return of_index / (memory["sessions"] * memory["scalars"])

    def lines(self):
        lines = []
        for row in self.rows:
            beside = ratio(row["beside_ns"], row["ns"])
            is_update = row["beside"] == "no index"
            lines.append([row["name"], whole(row["sessions"]), whole(row["matches"]),
                          "" if is_update else whole(row["candidates"]), us(row["ns"]),
                          percent(spread_percent(row["ns"])), us(row["beside_ns"]), row["beside"],
                          times(beside["median"]), percent(beside["spread_percent"])])
        return lines

    def growth_lines(self):
        return [[many["name"], us(few["ns"]), us(many["ns"]), "%.2f" % of["median"], percent(of["spread_percent"]),
                 str(RATIO_MAX)] for few, many, of in self.growths]

    def memory_text(self):
        memory = self.memory
        return ("index: %.0f bytes for each session and indexed scalar (limit %d), %.0f after %d rounds of changing "
                "every one\n       (%s sessions, %d fields of 100,000, 1,000 and 2 values; resident %.1f MB, "
                "without index %.1f)"
                % (self.index_bytes("loaded_bytes"), BYTES_MAX, self.index_bytes("changed_bytes"), memory["changes"],
                   whole(memory["sessions"]), memory["scalars"], memory["indexed"]["resident_bytes"] / 1e6,
                   memory["bare"]["resident_bytes"] / 1e6))

    def failures(self):
        said = ["%s: among 100,000 sessions %.2f times what it costs among 1,000, at most %d are right"
                % (many["name"], of["median"], RATIO_MAX) for _, many, of in self.growths if of["median"] > RATIO_MAX]
        loaded, changed = self.index_bytes("loaded_bytes"), self.index_bytes("changed_bytes")
        if max(loaded, changed) > BYTES_MAX:
            said.append("the index takes %.0f bytes, at most %d are right" % (max(loaded, changed), BYTES_MAX))
        if changed > loaded * (1 + GROWTH_MAX_PERCENT / 100):
            said.append("the index grows: from %.1f to %.1f bytes" % (loaded, changed))
        return said

    def warnings(self):
        return ["%s: the rounds scatter by %.0f %% (more than %d %%): do not trust this ratio"
                % (many["name"], of["spread_percent"], SPREAD_MAX_PERCENT)
                for _, many, of in self.growths if of["spread_percent"] > SPREAD_MAX_PERCENT]

    def text(self):
        said = ["%s: FAILED: %s" % (NAME, failure) for failure in self.failures()]
        return "\n".join([table(HEADER, self.lines()), "", table(GROWTH_HEADER, self.growth_lines()), "",
                          self.memory_text()] + self.warnings() + said)

    def as_json(self):
        return {"rows": [dict(row, ratio=ratio(row["beside_ns"], row["ns"])) for row in self.rows],
                "growth": [{"name": many["name"], "ratio": of, "limit": RATIO_MAX}
                           for _, many, of in self.growths],
                "memory": dict(self.memory, index_bytes=self.index_bytes("loaded_bytes"),
                               index_bytes_changed=self.index_bytes("changed_bytes"), limit=BYTES_MAX),
                "warnings": self.warnings(), "failures": self.failures()}
