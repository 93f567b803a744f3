"""The rounds: in each of them everything that is compared runs right after each other and in turn first, so that a
disturbance meets all sides."""

from .processes import Failed, Skipped
from .rows import Outcome


class Rounds:
    """Runs rows for as many rounds as they want."""

    def __init__(self, world, rounds, progress):
        self.world = world
        self.rounds = rounds
        self.progress = progress  # called with the round and a row's name

    def wants(self, row, number):
        return number == 0 or not (self.world.is_quick and row.is_heavy)

    def attempt(self, outcome, measure, *arguments):
        """What `measure` returns, or None where it failed."""
        try:
            return measure(*arguments)
        except Failed as failure:
            outcome.failures.append(str(failure))
        except Skipped as reason:
            outcome.skipped = str(reason)
        return None

    def beside_limits(self, rows):
        """Every row beside its own limit. Returns the outcomes."""
        outcomes = [Outcome(row) for row in rows]
        for number in range(self.rounds):
            for group in grouped(outcomes, lambda outcome: outcome.row.limit_key or outcome):
                wanted = [outcome for outcome in group if self.wants(outcome.row, number) and not outcome.is_over()]
                if wanted:
                    self._round_of_group(wanted, number)
        return outcomes

    def _round_of_group(self, group, number):
        sides = [None] + group  # None: the limit that they share
        found = {}
        for side in rotated(sides, number):
            self.progress(number, (side or group[0]).row.name)
            if side is None:
                found[None] = self.attempt(group[0], group[0].row.measure_limit, self.world)
            else:
                found[side] = self.attempt(side, side.row.measure, self.world, self.world.version)
        for outcome in group:
            ours, limit = found[outcome], found[None]
            if isinstance(ours, tuple):
                outcome.add(*ours)
            elif ours is not None and limit is not None:
                outcome.add(ours, limit)

    def versions(self, rows, old):
        """Every row of the world's version beside the same of `old`. Returns the outcomes."""
        outcomes = [Outcome(row, old.name) for row in rows]
        for number in range(self.rounds):
            for outcome in outcomes:
                if not self.wants(outcome.row, number) or outcome.is_over():
                    continue
                self.progress(number, outcome.row.name)
                found = {version: self.attempt(outcome, outcome.row.measure, self.world, version)
                         for version in rotated([old, self.world.version], number)}
                if None not in found.values():
                    outcome.add(*[of[0] if isinstance(of, tuple) else of
                                  for of in (found[self.world.version], found[old])])
        return outcomes


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def grouped(items, key):
    """Lists of neighbours and others with the same key, in the order in which the keys come first."""
    groups = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())
