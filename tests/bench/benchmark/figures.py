"""The figures that a release must reach, and what one run gives for each."""
from statistics import median

from benchmark.merging import FULL, MERGE
from benchmark.peers import BSDTAR, LIBRARY, LIMIT, PYPI, SLOW_TAR, TAR
from benchmark.safety import WITH, WITHOUT
from benchmark.statistics import ratio

# tree, operation, slower, faster, sign, bound
RATIOS = [
    ("R", "load", LIBRARY, LIMIT, "≤", 2.2),
    ("R", "load", TAR, LIBRARY, "≥", 2),
    ("R", "load", PYPI, LIBRARY, "≥", 20),
    ("I", "load", BSDTAR, LIBRARY, "≥", 1.6),
    ("I", "load", PYPI, LIBRARY, "≥", 20),
    ("R", "save", BSDTAR, LIBRARY, "≥", 1.1),
    ("R", "save", PYPI, LIBRARY, "≥", 20),
    ("I", "save", BSDTAR, LIBRARY, "≥", 1.1),
    ("I", "save", PYPI, LIBRARY, "≥", 20),
]

# on the slow volume
SLOW_RATIOS = [
    ("load", PYPI, 6),
    ("load", SLOW_TAR, 2),
    ("save", PYPI, 15),
]


def slow_figures(results):
    """The same rows of a run with --slow."""
    rows = []
    for tree, measured in results["trees"].items():
        for operation, slower, bound in SLOW_RATIOS:
            seconds = {name: [answer["seconds"] for answer in measured[operation][name]] for name in (slower, LIBRARY)}
            value = ratio(seconds[slower], seconds[LIBRARY])
            rows.append((f"{operation} {tree}: {slower} / {LIBRARY}", "≥", bound, " ×", value, value >= bound))
    return rows


def figures(results):
    """Rows of (what, sign, bound, unit, measured, met)."""
    trees = results["trees"]
    rows = []

    def add(what, sign, bound, unit, value):
        rows.append((what, sign, bound, unit, value, value <= bound if sign == "≤" else value >= bound))

    for tree, operation, slower, faster, sign, bound in RATIOS:
        if tree in trees:
            seconds = {name: [answer["seconds"] for answer in trees[tree][operation][name]]
                       for name in (slower, faster)}
            add(f"{operation} {tree}: {slower} / {faster}", sign, bound, " ×", ratio(seconds[slower], seconds[faster]))
    if "R" in trees:
        size = {name: trees["R"]["save"][name][0]["bytes"] for name in (LIBRARY, TAR)}
        add("archive of R: size / that of tar --zstd", "≤", 0.5, " ×", size[LIBRARY] / size[TAR])
        seconds = {name: [answer["seconds"] for answer in trees["R"]["merge"][name]] for name in (FULL, MERGE)}
        add(f"{MERGE}, R / {FULL}", "≤", 0.35, " ×", ratio(seconds[MERGE], seconds[FULL]))
        for operation, answers in trees["R"]["safety"].items():
            seconds = {name: [answer["seconds"] for answer in answers[name]] for name in (WITH, WITHOUT)}
            add(f"{operation} R: {WITH} / {WITHOUT}", "≤", 1.03, " ×", ratio(seconds[WITH], seconds[WITHOUT]))
    for case, seconds in results["latency"].items():
        add(case, "≤", 5, " ms", median(seconds) * 1e3)
    if "memory" in results:
        smaller, larger = sorted(map(int, results["memory"]))
        memory = {count: results["memory"][str(count)] for count in (smaller, larger)}
        for operation in ("save", "load"):
            peak = {count: memory[count][operation] for count in memory}
            add(f"peak memory, {operation} of {smaller:,} files", "≤", 64, " MB", peak[smaller] / 1e6)
            add("and per further file", "≤", 250, " bytes", (peak[larger] - peak[smaller]) / (larger - smaller))
    return rows
