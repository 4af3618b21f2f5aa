"""Medians, ratios and tables."""
import random
from statistics import median


def ratio(slower, faster):
    """Median over the rounds of the ratio within a round: what changes between rounds on a shared machine cancels."""
    return median(a / b for a, b in zip(slower, faster))


def interval(samples, of=median, repeats=10000, seed=1):
    """95 % bootstrap interval of a statistic of one list of samples."""
    return interval_of(lambda draw: of(draw(samples)), repeats, seed)


def interval_of(statistic, repeats=10000, seed=1):
    """95 % bootstrap interval of statistic(draw), where draw(samples) resamples a list."""
    source = random.Random(seed)
    values = sorted(statistic(lambda samples: source.choices(samples, k=len(samples))) for _ in range(repeats))
    return values[int(repeats * 0.025)], values[int(repeats * 0.975)]


def table(header, rows):
    """Markdown that also reads well in a terminal: first column to the left, the others to the right."""
    lines = [header] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def put(line):
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "-" * (widths[0] + 2) + "|" + "|".join("-" * (width + 1) + ":" for width in widths[1:]) + "|"
    return "\n".join([put(lines[0]), rule] + [put(line) for line in lines[1:]])
