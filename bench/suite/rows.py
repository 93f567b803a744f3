"""What a row is: something of Sluice that is measured, round after round, beside something else.

Whatever a side's `measure` returns is a map from names to numbers. Those that the row has a Measure for are compared; the
others are details, told beside the table and kept with the results."""

import dataclasses
import statistics

from .figures import SPREAD_MAX_PERCENT, number, ratio, spread_percent

FAILURES_MAX = 2
HEADER = ["row", "measure", "beside", "it", "sluice", "ratio", "spread", "aim", "met"]


@dataclasses.dataclass(frozen=True)
class Aim:
    is_least: bool   # at least, or at most
    limit: float
    is_ratio: bool = True  # of the ratio, or of the figure itself

    def is_met(self, value):
        return value >= self.limit if self.is_least else value <= self.limit

    def __str__(self):
        return (">= " if self.is_least else "<= ") + "%g" % self.limit


def at_least(limit):
    return Aim(True, limit)


def at_most(limit):
    return Aim(False, limit)


def at_most_itself(limit):
    return Aim(False, limit, is_ratio=False)


@dataclasses.dataclass(frozen=True)
class Measure:
    name: str
    aim: Aim = None


class Row:
    """One row of --list. Its sides: `measure(world, version)` for Sluice, `measure_limit(world)` for what stands beside it.
    A row that can only measure both at once returns a pair of maps from `measure` and has no `measure_limit`."""

    family = None       # a name for several rows
    beside = ""         # what stands beside it
    limit_key = None    # rows with the same key share their limit's run in each round
    is_heavy = False    # one round is enough for --quick

    def __init__(self, name, measures):
        self.name = name
        self.measures = measures

    def measure(self, world, version):
        raise NotImplementedError

    def measure_limit(self, world):
        """A map; {} for a row beside which nothing stands; None for one whose `measure` returns both."""
        return {}


class Outcome:
    """What the rounds of one row brought."""

    def __init__(self, row, beside=None):
        self.row = row
        self.beside = beside or row.beside
        self.ours = []    # maps, one for each round in which both sides came to their end
        self.limits = []
        self.failures = []
        self.skipped = None

    def add(self, ours, limit):
        self.ours.append(ours)
        self.limits.append(limit)

    def is_over(self):
        """Further rounds are of no use: what failed twice will fail again."""
        return self.skipped is not None or len(self.failures) >= FAILURES_MAX

    def figures(self, measure):
        """Of a measure: all rounds of ours, of the limit (or None), the value that the aim is about, the spread."""
        ours = [values[measure.name] for values in self.ours if measure.name in values]
        limits = [values[measure.name] for values in self.limits if measure.name in values]
        if not ours:
            return None
        of = ratio(ours, limits) if len(limits) == len(ours) else None
        judged = of and (measure.aim is None or measure.aim.is_ratio)
        return {"ours": ours, "limit": limits if of else None, "ratio": of,
                "judged": of["median"] if judged else statistics.median(ours),
                "spread_percent": of["spread_percent"] if judged else spread_percent(ours)}

    def each(self):
        return [(measure, of) for measure in self.row.measures for of in [self.figures(measure)] if of]

    def lines(self, with_aims=True):
        """For the table, one per measure."""
        lines = []
        for measure, of in self.each():
            aim = measure.aim if with_aims else None
            if aim and aim.is_ratio and not of["ratio"]:
                aim = None
            lines.append([
                self.row.name, measure.name, self.beside,
                number(statistics.median(of["limit"])) if of["limit"] else "",
                number(statistics.median(of["ours"])),
                "%.2f" % of["ratio"]["median"] if of["ratio"] else "",
                "%.0f %%" % of["spread_percent"],
                str(aim) if aim else "", "" if not aim else "yes" if aim.is_met(of["judged"]) else "NO"])
        return lines

    def details(self):
        """What is told beside the table, one line per side."""
        compared = {measure.name for measure in self.row.measures}
        said = []
        for side, rounds in (("sluice", self.ours), (self.beside, self.limits)):
            names = [name for name in (rounds[0] if rounds else {}) if name not in compared]
            if names:
                said.append("%s, %s: %s" % (self.row.name, side, ", ".join(
                    "%s %s" % (name, number(statistics.median([of[name] for of in rounds if name in of])))
                    for name in names)))
        return said

    def warnings(self):
        said = ["%s, %s: the rounds scatter by %.0f %% (more than %d %%): do not trust this row"
                % (self.row.name, measure.name, of["spread_percent"], SPREAD_MAX_PERCENT)
                for measure, of in self.each() if of["spread_percent"] > SPREAD_MAX_PERCENT]
        return said + ["%s: FAILED: %s" % (self.row.name, failure) for failure in self.failures]

    def as_json(self):
        return {"row": self.row.name, "beside": self.beside, "sluice": self.ours, "limit": self.limits,
                "figures": {measure.name: dict(
                    {key: of[key] for key in ("ratio", "judged", "spread_percent")},
                    aim=str(measure.aim) if measure.aim else None,
                    is_met=measure.aim.is_met(of["judged"]) if measure.aim else None) for measure, of in self.each()},
                "failures": self.failures, "skipped": self.skipped, "warnings": self.warnings()}
