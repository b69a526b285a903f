"""One style for all pictures: SVG with text of one size, photographs inside, and colours for light and dark.

A picture follows the colour scheme of whoever shows it by a media query. A site with a switch of its own shows one of
two files instead, in which the scheme is fixed (`fixed`).
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust_vos_bench.reports.style import COLOURS, DARK_COLOURS

WIDTH = 720
"""Units of every picture; text of 19 units can still be read on a phone."""
TEXT = 19
_LIGHT = {
    "ink": "#1b1e23",
    "soft": "#5d636b",
    "line": "#d0d3d7",
    "paper": "#fcfcfb",
    "raised": "#eceded",
    "good": "#2c7a4b",
}
_DARK = {
    "ink": "#e8eaed",
    "soft": "#a3a9b2",
    "line": "#3b4048",
    "paper": "#15171b",
    "raised": "#23262b",
    "good": "#5cc98b",
}
_STYLE = """
text{font:%(text)dpx system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:var(--ink)}
.soft{fill:var(--soft)} .bold{font-weight:600} .code{font-family:ui-monospace,"DejaVu Sans Mono",monospace}
.small{font-size:17px}
.large{font-size:26px;font-weight:600}
.axis{stroke:var(--soft)} .grid{stroke:var(--line)} .box{fill:var(--raised)}
.curve{fill:none;stroke-width:3;stroke-linejoin:round}
.arrow{stroke:var(--soft);stroke-width:1} .thick{stroke-width:5}
.row{stroke:#fff;stroke-width:3} .dash{stroke-dasharray:6 5}
"""


def _variables(names: dict[str, str], colours: Sequence[str]) -> str:
    pairs = {**names, **{f"c{i}": colour for i, colour in enumerate(colours)}}
    return "svg{" + "".join(f"--{name}:{colour};" for name, colour in pairs.items()) + "}"


_IN_LIGHT = _variables(_LIGHT, COLOURS)
_IN_DARK = _variables(_DARK, DARK_COLOURS)
_EITHER = f"{_IN_LIGHT}\n@media (prefers-color-scheme:dark){{{_IN_DARK}}}"


def fixed(svg: str, dark: bool) -> str:
    """A picture that was made here, in one colour scheme whatever the reader's is."""
    return svg.replace(_EITHER, _IN_DARK if dark else _IN_LIGHT)


def is_drawing(svg: str) -> bool:
    """Whether the text of an SVG file is a picture that follows the colour scheme."""
    return _EITHER in svg


def without_photographs(svg: str) -> str:
    """The lines and words alone: encoders of other versions write other bytes for the same photograph."""
    return re.sub(r"data:image/[^\"]+", "", svg)


class Drawing:
    """A picture that grows by what is put on it; all measures are in units of its `WIDTH`."""

    def __init__(self, title: str, height: float, width: float = WIDTH) -> None:
        self.title, self.width, self.height = title, width, height
        self._parts: list[str] = []

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start", ink: str = "") -> None:
        """Words on the line y. kind: CSS classes; anchor: start, middle, end. ink: a colour for both schemes."""
        named = (f' class="{kind}"' if kind else "") + (f' style="fill:{ink}"' if ink else "")
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text x="{_n(x)}" y="{_n(y)}"{named}{at}>{html.escape(words)}</text>')

    def photograph(self, x: float, y: float, width: float, frame: NDArray[np.uint8]) -> float:
        """An RGB picture, uint8 H x W x 3, `width` units wide; returns its height."""
        height = float(width * frame.shape[0] / frame.shape[1])
        size = round(1.6 * width), round(1.6 * height)  # sharp where a unit is more than a pixel
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if size[0] < frame.shape[1] else cv2.INTER_CUBIC)
        data = io.BytesIO()
        Image.fromarray(small).save(data, "WEBP", quality=72, method=6)
        coded = base64.b64encode(data.getvalue()).decode()
        self._parts.append(
            f'<image x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
            f'href="data:image/webp;base64,{coded}"/>'
        )
        return height

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "axis", colour: int = -1) -> None:
        """A straight line. colour: of a model, by its place; else the colour of `kind`."""
        stroke = f' stroke="var(--c{colour})"' if colour >= 0 else ""
        self._parts.append(f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{kind}"{stroke}/>')

    def curve(self, places: Iterable[tuple[float, float]], colour: int, kind: str = "") -> None:
        """A line through places."""
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in places)
        self._parts.append(f'<path class="curve {kind}" stroke="var(--c{colour})" d="{path}"/>')

    def dot(self, x: float, y: float, colour: int, radius: float = 6, hollow: bool = False) -> None:
        """A mark of a model."""
        fill = "none" if hollow else f"var(--c{colour})"
        place = f'cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"'
        self._parts.append(f'<circle {place} fill="{fill}" stroke="var(--c{colour})" stroke-width="2"/>')

    def box(self, x: float, y: float, width: float, height: float, colour: str = "", outline: int = -1) -> None:
        """A rectangle. colour: CSS; by default a shade of the background. outline: colour of a model."""
        own = f' style="fill:{colour}"' if colour else ""
        edge = f' stroke="var(--c{outline})" stroke-width="3"' if outline >= 0 else ""
        self._parts.append(
            f'<rect class="box" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="5"{own}{edge}/>'
        )

    def brace(self, x1: float, x2: float, y: float, words: str, down: float = 28) -> None:
        """A bar from x1 to x2 on the line y with words below it."""
        self.line(x1, y, x2, y, "axis")
        self.line((x1 + x2) / 2, y, (x1 + x2) / 2, y + 6, "axis")
        self.text((x1 + x2) / 2, y + down, words, "soft small", "middle")

    def area(self, mask: NDArray[np.bool_], at: tuple[float, float, float], colour: str, opacity: float) -> None:
        """The pixels of a mask as one shape. at: x, y and units per pixel."""
        x, y, scale = at
        found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
        path = "".join(
            "M" + "L".join(f"{_n(x + scale * (p + 0.5))} {_n(y + scale * (q + 0.5))}" for p, q in of[:, 0]) + "z"
            for of in found
            if len(of) > 2
        )
        self._parts.append(f'<path d="{path}" fill="{colour}" fill-opacity="{opacity}" fill-rule="evenodd"/>')

    def svg(self) -> str:
        """The whole picture."""
        wide, high = _n(self.width), _n(self.height)
        size = f'viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
        lines = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{html.escape(self.title)}</title>",
            f"<style>{_EITHER}{_STYLE % {'text': TEXT}}</style>",
            *self._parts,
            "</svg>\n",
        )
        return "\n".join(lines)


def _n(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
