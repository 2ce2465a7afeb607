"""The document as a picture: for each row a line, on it a dot for each place, and how far its rounds lie apart."""

import dataclasses
import math
from html import escape

from benchmark.scale import Figure

WIDTH, MARGIN, LEFT, LINE, PANEL, TOP = 1080, 24, 330, 22, 46, 96
COLOURS = {
    "claimfs": "#c2410c", "enforced": "#7c2d12", "exclusive": "#c2410c", "shared": "#d97706", "plain": "#334155",
    "bindfs": "#0284c7", "mergerfs": "#059669", "fuse-overlayfs": "#7c3aed", "passthrough_hp": "#64748b",
}
OURS = {"claimfs", "enforced", "exclusive", "shared"}
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2937 } .small { font-size: 11px; fill: #6b7280 }
.title { font-size: 20px; font-weight: 600 } .group { font-weight: 600; font-size: 15px }
.grid { stroke: #e5e7eb } .one { stroke: #111827; stroke-width: 1.5 }"""


@dataclasses.dataclass(frozen=True)
class Axis:
    """Ratios from 2**LEAST to 2**MOST, by their logarithms: half as fast is as far from 1 as twice as fast."""

    least: int
    most: int

    @staticmethod
    def of(rows):
        logarithms = [math.log2(entry["ratio"]["median"]) for row in rows for entry in row["places"].values()
                      if "ratio" in entry]
        return Axis(min([-2, *map(math.floor, logarithms)]), max([1, *map(math.ceil, logarithms)]))

    def x(self, ratio):
        logarithm = min(max(math.log2(ratio), self.least), self.most)
        return LEFT + (logarithm - self.least) / (self.most - self.least) * (WIDTH - MARGIN - LEFT)

    def ticks(self):
        """Ratios and what is written at them."""
        return [(2.0 ** power, f"{2 ** power}" if power >= 0 else f"1/{2 ** -power}")
                for power in range(self.least, self.most + 1)]


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2, kind="", style=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}" style="{style}"/>'


def dot(name, x, y, told):
    """Ours is larger and filled."""
    colour = COLOURS[name]
    size, fill = (6, colour) if name in OURS else (4.5, "#ffffff")
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{fill}" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(told)}</title></circle>")


def mark(axis, name, ratio, y):
    """The quartiles as a bar, the median as a dot on it."""
    low, high = ratio["quartiles"]
    bar = f"stroke: {COLOURS[name]}; stroke-width: 3; opacity: .45"
    return (line(axis.x(low), y, axis.x(high), y, style=bar)
            + dot(name, axis.x(ratio["median"]), y, f"{name}: {ratio['median']:.2f} ({low:.2f} to {high:.2f})"))


def legend(names, y):
    x, parts = LEFT, []
    for name in names:
        parts += [dot(name, x, y - 4, name), text(x + 11, y, name)]
        x += 34 + 8 * len(name)
    return parts


def panel(axis, group, rows, y):
    parts = [text(MARGIN, y + 26, group, "group")]
    bottom = y + PANEL + LINE * len(rows)
    for ratio, words in axis.ticks():
        x = axis.x(ratio)
        parts += [line(x, y + PANEL - 8, x, bottom, "one" if ratio == 1 else "grid"),
                  text(x, y + PANEL - 14, words, "small", "middle")]
    for number, row in enumerate(rows):
        middle = y + PANEL + LINE * (number + 0.5)
        parts.append(text(LEFT - 14, middle + 4, row["title"], anchor="end"))
        # Ours last, on top of the others.
        for name in sorted(row["places"], key=lambda name: name in OURS):
            if "ratio" in row["places"][name]:
                parts.append(mark(axis, name, row["places"][name]["ratio"], middle))
    return parts, bottom + 12


def svg(document):
    rows = document["rows"]
    y, parts, axis = TOP, [], Axis.of(rows)
    for group in dict.fromkeys(row["group"] for row in rows):
        more, y = panel(axis, group, [row for row in rows if row["group"] == group], y)
        parts += more
    for figure in document["figures"]:
        parts.append(text(MARGIN, y + 26, str(Figure(**figure))))
        y += LINE
    names = list(dict.fromkeys(name for row in rows for name, entry in row["places"].items() if "ratio" in entry))
    base = ", else to ".join(dict.fromkeys(row["base"] for row in rows))
    about = document["machine"]
    head = [
        text(MARGIN, 34, f"claimfs, {document['backend']}: speed relative to {base} (1 is as fast; right is faster)", "title"),
        text(MARGIN, 54, f"Linux {about['kernel']}, {about['processors']} processors, {about['filesystem']}, "
             f"{document['rounds']} rounds: medians and quartiles, {document['started']}", "small"),
        *legend(names, 78),
    ]
    height = y + MARGIN
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}">\n<style>{STYLE}</style>\n'
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>\n' + "\n".join(head + parts) + "\n</svg>\n")
