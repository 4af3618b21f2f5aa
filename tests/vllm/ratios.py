"""What the starts of a session say about each other."""
from statistics import median

from benchmark.statistics import interval_of, table
from cases import UNTOUCHED

REQUIRED = 1.1  # × untouched
ENOUGH = 3      # starts of each that a figure is made of


def seconds(value):
    return "–" if value is None else f"{value:.1f}"


def every_start(outcomes):
    rows = []
    for outcome in outcomes:
        load = outcome.part("load")
        rows.append([outcome.name, seconds(outcome.engine_s), seconds(outcome.ready_s), load.get("files", "–"),
                     outcome.report.get("new_files", "–"), outcome.report.get("warmth") or "–",
                     outcome.publishes if outcome.report else "–"])
    return table(["start", "engine s", "ready s", "loaded", "new", "", "publishes"], rows)


def by_kind(outcomes):
    """Seconds of every kind of start, by group; starts that do not tell theirs are left out."""
    groups = {}
    for outcome in outcomes:
        if outcome.engine_s is not None:
            groups.setdefault(outcome.group, {}).setdefault(outcome.name, []).append(outcome.engine_s)
    return groups


def spread(values):
    return f"{min(values):.1f}–{max(values):.1f}"


def compared(outcomes):
    """Every warm start beside the untouched ones of its group."""
    rows = []
    for group, kinds in by_kind(outcomes).items():
        bound = kinds.get(UNTOUCHED)
        if not bound:
            continue
        warm = {name: values for name, values in kinds.items() if name.startswith("warm")}
        rows.append([f"{UNTOUCHED}, {group}", len(bound), f"{median(bound):.1f}", spread(bound), "1.00", "", ""])
        if len(warm) > 1:
            rows.append(row(f"every warm start, {group}", sum(warm.values(), []), bound))
        rows += [row(name, values, bound) for name, values in warm.items()]
    header = ["start", "starts", "engine s", "min–max", "× untouched", "95 %", f"≤ {REQUIRED:g}"]
    return table(header, rows) if rows else "no untouched start: nothing to compare with"


def row(name, values, bound):
    return [name, len(values), f"{median(values):.1f}", spread(values), *ratio(values, bound)]


def ratio(values, bound):
    quotient = median(values) / median(bound)
    if min(len(values), len(bound)) < ENOUGH:
        return f"{quotient:.2f}", "", ""
    low, high = interval_of(lambda draw: median(draw(values)) / median(draw(bound)))
    return f"{quotient:.2f}", f"[{low:.2f}, {high:.2f}]", "met" if quotient <= REQUIRED else "MISSED"
