"""A plot area in SVG: scales, ticks, axes, markers. Every text is escaped; colours are classes of the page's CSS."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from robust_vos_bench.reports.style import DISTINCT

_SHAPES = (
    "M-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",  # circle
    "M-{s} -{s}h{t}v{t}h-{t}z",  # square
    "M0 -{d1}L{d1} {s}L-{d1} {s}z",  # triangle
    "M0 -{d1}L{d1} 0L0 {d1}L-{d1} 0z",  # diamond
    "M0 {d1}L{d1} -{s}L-{d1} -{s}z",  # triangle down
    "M-{p} -{q}h{w}v-{w}h{v}v{w}h{w}v{v}h-{w}v{w}h-{v}v-{w}h-{w}z",  # plus
    "M-{q} 0L-{d1} -{s}L-{s} -{d1}L0 -{q}L{s} -{d1}L{d1} -{s}L{q} 0L{d1} {s}L{s} {d1}L0 {q}L-{s} {d1}L-{d1} {s}z",
)
"""In the order of `style.MARKERS`."""


def number(value: float) -> str:
    """A coordinate, as short as a tenth of a pixel allows."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high, at most `most` of them."""
    if not high > low:
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / most))
    step *= next(f for f in (1, 2, 5, 10, 20) if (high - low) / (step * f) <= most - 1 or f == 20)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def colour_class(model: int) -> str:
    """CSS classes of a model's marks: one of the seven colours, or grey for those after them."""
    return f"m m{model}" if model < DISTINCT else "m more"


def marker(
    model: int, x: float, y: float, size: float = 3.6, tip: str = "", hollow: bool = False, row: str = ""
) -> Markup:
    """The marker of a model at a place. tip: what it says when pointed at. row: id of the table row that it opens."""
    r = size
    sizes = {"r": r, "d": 2 * r, "s": 0.85 * r, "t": 1.7 * r, "d1": 1.15 * r, "w": 0.75 * r, "v": 0.7 * r, "p": 1.1 * r}
    sizes["q"] = 0.35 * r
    shape = _SHAPES[model % len(_SHAPES)].format(**{k: number(v) for k, v in sizes.items()})
    classes = f"{colour_class(model)} dot{' hollow' if hollow else ''}"
    opens = Markup(' tabindex="0" data-row="{}"').format(row) if row else Markup("")
    return Markup('<path class="{}" data-m="{}"{}{} transform="translate({} {})" d="{}"/>').format(
        classes, model, told(tip), opens, number(x), number(y), shape
    )


def told(tip: str) -> Markup:
    """The attribute that holds what a mark says when pointed at."""
    return Markup(' data-tip="{}"').format(tip) if tip else Markup("")


@dataclass
class Canvas:
    """A plot area of `width` x `height` units; a unit is about a pixel."""

    alt: str
    """What the picture shows, for those who do not see it."""
    x: tuple[float, float]
    y: tuple[float, float]
    width: float = 340
    height: float = 230
    left: float = 34
    right: float = 8
    top: float = 10
    bottom: float = 34
    parts: list[Markup] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Data -> units."""
        (x0, x1), (y0, y1) = self.x, self.y
        across, down = self.width - self.left - self.right, self.height - self.top - self.bottom
        return (
            self.left + across * (x - x0) / ((x1 - x0) or 1),
            self.height - self.bottom - down * (y - y0) / ((y1 - y0) or 1),
        )

    def add(self, part: Markup) -> None:
        """Draw something on top."""
        self.parts.append(part)

    def text(self, x: float, y: float, words: str, anchor: str = "middle", kind: str = "tick") -> None:
        """Words at a place given in units."""
        self.add(
            Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                kind, number(x), number(y), anchor, words
            )
        )

    def line(self, one: tuple[float, float], other: tuple[float, float], kind: str) -> None:
        """A straight line between two places given in units."""
        (x1, y1), (x2, y2) = one, other
        self.add(
            Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, *map(number, (x1, y1, x2, y2)))
        )

    def axes(self, xlabel: str, ylabel: str, xticks: Sequence[float] = (), yticks: Sequence[float] = ()) -> None:
        """Grid, ticks and labels; the label of the vertical axis stands above it."""
        floor, roof = self.height - self.bottom, self.top
        for value in yticks or ticks(*self.y):
            y = self.at(0, value)[1]
            self.line((self.left, y), (self.width - self.right, y), "grid")
            self.text(self.left - 5, y + 3.5, f"{value:g}", "end")
        for value in xticks or ticks(*self.x):
            x = self.at(value, 0)[0]
            self.line((x, floor), (x, floor + 4), "axis")
            self.text(x, floor + 15, f"{value:g}")
        self.line((self.left, floor), (self.width - self.right, floor), "axis")
        self.text((self.left + self.width - self.right) / 2, self.height - 4, xlabel, kind="label")
        if ylabel:
            self.text(0, roof - 12, ylabel, "start", "label")

    def path(self, model: int, places: Iterable[tuple[float, float]], kind: str = "", tip: str = "") -> None:
        """A line through data; it breaks at NaN."""
        words, pen = [], "M"
        for x, y in places:
            if math.isnan(y):
                pen = "M"
                continue
            words.append(pen + " ".join(map(number, self.at(x, y))))
            pen = "L"
        if words:
            self.add(
                Markup('<path class="{} line {}" data-m="{}"{} d="{}"/>').format(
                    colour_class(model), kind, model, told(tip), "".join(words)
                )
            )

    @property
    def frame(self) -> str:
        """Where the plot area lies, for scripts that move marks: horizontal range, left, right, top, bottom."""
        edges = (self.left, self.width - self.right, self.top, self.height - self.bottom)
        return " ".join(f"{v:g}" for v in (*self.x, *edges))

    def __html__(self) -> str:
        inside = Markup("").join(self.parts)
        size = number(self.width), number(self.height)
        return Markup(
            '<svg class="chart" viewBox="0 0 {} {}" width="{}" height="{}" '
            'data-frame="{}" role="img" aria-label="{}">{}</svg>'
        ).format(*size, *size, self.frame, escape(self.alt), inside)
