"""The two pictures of docs/benchmark.md, as SVG without any library."""
import math
from statistics import median
from xml.sax.saxutils import escape

from benchmark.effects import KINDS
from benchmark.peers import COMMAND, LIBRARY, LIMIT
from benchmark.statistics import interval

INK, PALE, LINE, OURS, BOUND, OTHERS = "#1f2328", "#59636e", "#d8dee4", "#0b6e4f", "#9a6700", "#57606a"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
WIDTH, LABELS, RIGHT, ROW = 960, 190, 28, 26


class Picture:
    def __init__(self, width, height):
        self._size = width, height
        self._parts = []

    def text(self, x, y, words, anchor="start", colour=INK, size=13, weight="normal"):
        self._parts.append(f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{colour}' font-size='{size}' "
                           f"font-weight='{weight}'>{escape(words)}</text>")

    def line(self, x1, y1, x2, y2, colour=LINE, width=1.0):
        self._parts.append(f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' "
                           f"stroke-width='{width}' stroke-linecap='round'/>")

    def dot(self, x, y, colour):
        self._parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='{colour}'/>")

    def bar(self, x, y, width, height, colour):
        self._parts.append(f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height}' fill='{colour}'/>")

    def done(self):
        width, height = self._size
        return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' "
                f"height='{height}' {FONT}>\n<rect width='{width}' height='{height}' fill='white'/>\n"
                + "\n".join(self._parts) + "\n</svg>\n")


def colour_of(name):
    return {LIBRARY: OURS, COMMAND: OURS, LIMIT: BOUND}.get(name, OTHERS)


def duration(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"


def draw_run(results):
    """Dots on a logarithmic axis, one panel per tree and operation; a line from the fastest round to the slowest."""
    panels = [(f"{operation} {name}", tree[operation]) for name, tree in results["trees"].items()
              for operation in ("load", "save")]
    columns, panel_width = 2, WIDTH / 2
    heights = [76 + ROW * max(len(peers) for _, peers in panels[i:i + columns])
               for i in range(0, len(panels), columns)]
    picture = Picture(WIDTH, 44 + sum(heights))
    picture.text(16, 28, "Time of one save or load: median, fastest and slowest round (logarithmic)", size=16,
                 weight="600")
    everything = [answer["seconds"] for _, peers in panels for answers in peers.values() for answer in answers]
    low, high = math.log10(min(everything)) - 0.05, math.log10(max(everything)) + 0.05
    for number, (title, peers) in enumerate(panels):
        left = number % columns * panel_width
        _dots(picture, left, 44 + sum(heights[:number // columns]), panel_width, title, peers, low, high)
    return picture.done()


def _dots(picture, left, top, width, title, peers, low, high):
    begin, end = left + LABELS, left + width - RIGHT - 44

    def place(seconds):
        return begin + (math.log10(seconds) - low) / (high - low) * (end - begin)

    bottom = top + 34 + ROW * len(peers)
    picture.text(left + 16, top + 18, title, weight="600", size=14)
    for exponent in range(-3, 3):
        for digit in (1, 3):
            tick = digit * 10.0 ** exponent
            if low <= math.log10(tick) <= high:
                picture.line(place(tick), top + 26, place(tick), bottom)
                picture.text(place(tick), bottom + 15, f"{tick:g} s", "middle", PALE, 11)
    for row, (name, answers) in enumerate(peers.items()):
        y = top + 26 + ROW * (row + 0.6)
        seconds = [answer["seconds"] for answer in answers]
        colour = colour_of(name)
        picture.text(begin - 12, y + 4, name, "end", colour, weight="600" if colour == OURS else "normal")
        picture.line(place(min(seconds)), y, place(max(seconds)), y, colour, 2.5)
        picture.dot(place(median(seconds)), y, colour)
        picture.text(place(max(seconds)) + 10, y + 4, duration(median(seconds)), colour=colour, size=12)


def draw_effect(results):
    """Bars from zero, one group per model, with the 95 % interval of the median."""
    models = results["models"]
    group = 44 + ROW * len(KINDS)
    picture = Picture(WIDTH, 60 + group * len(models) + 30)
    picture.text(16, 28, "First compiled call of a new process: median and its 95 % interval", size=16, weight="600")
    begin, end, top, bottom = LABELS + 16, WIDTH - 110, 48, 60 + group * len(models)
    longest = max(start["seconds"] for starts in models.values() for kind in KINDS for start in starts[kind])
    step = next(step for step in (1, 2, 5, 10, 20, 50) if longest / step <= 9)
    scale = (end - begin) / longest
    for tick in range(0, int(longest) + 1, step):
        picture.line(begin + tick * scale, top, begin + tick * scale, bottom)
        picture.text(begin + tick * scale, bottom + 16, f"{tick} s", "middle", PALE, 11)
    for number, (name, starts) in enumerate(models.items()):
        y = 60 + group * number
        picture.text(16, y + 16, {"bert": "BERT", "resnet": "ResNet"}[name], weight="600", size=14)
        for row, kind in enumerate(KINDS):
            seconds = [start["seconds"] for start in starts[kind]]
            colour = {LIBRARY: OURS, KINDS[-1]: BOUND}.get(kind, OTHERS)
            _bar(picture, y + 28 + ROW * row, kind, seconds, colour, begin, scale)
    return picture.done()


def _bar(picture, y, name, seconds, colour, begin, scale):
    low, high = interval(seconds)
    end = begin + median(seconds) * scale
    picture.text(begin - 12, y + 13, name, "end", colour, weight="600" if colour == OURS else "normal")
    picture.bar(begin, y, end - begin, 18, colour)
    picture.line(begin + low * scale, y + 9, begin + high * scale, y + 9, INK, 1.5)
    for edge in (low, high):
        picture.line(begin + edge * scale, y + 5, begin + edge * scale, y + 13, INK, 1.5)
    picture.text(max(end, begin + high * scale) + 8, y + 13, f"{median(seconds):.2f} s", colour=colour, size=12)
