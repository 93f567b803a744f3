"""From the runs of a row to its figures, and to tables."""

import statistics

SPREAD_MAX_PERCENT = 30  # a row that scatters more says so


def spread_percent(values):
    """The distance between the extremes, as a share of the median."""
    middle = statistics.median(values)
    return 100 * (max(values) - min(values)) / middle if middle else 0.0


def ratio(of, to):
    """Median and spread of the ratios of each round: what disturbs a round disturbs both sides of it."""
    rounds = [a / b if b else 0.0 for a, b in zip(of, to)]
    return {"median": statistics.median(rounds), "spread_percent": spread_percent(rounds), "rounds": rounds}


def whole(number):
    return "{:,.0f}".format(number)


def number(value):
    """With three digits that say something, or all before the point."""
    if abs(value) >= 100:
        return whole(value)
    if value == 0:
        return "0"
    return "%.1f" % value if abs(value) >= 10 else "%.2f" % value if abs(value) >= 0.1 else "%.4f" % value


def table(header, lines):
    """Columns as wide as they must be; the first one left, the others right."""
    widths = [max(len(line[at]) for line in [header] + lines) for at in range(len(header))]
    ruled = [header, ["-" * width for width in widths]] + lines
    return "\n".join("  ".join(cell.ljust(width) if at == 0 else cell.rjust(width)
                               for at, (cell, width) in enumerate(zip(line, widths))).rstrip()
                     for line in ruled)


def markdown(header, lines):
    """The same for a document."""
    ruled = [header, ["---"] + ["---:"] * (len(header) - 1)] + lines
    return "\n".join("| " + " | ".join(line) + " |" for line in ruled)
