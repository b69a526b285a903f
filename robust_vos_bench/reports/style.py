"""How models look in every plot: colours for any colour vision, and markers that tell them apart without colour."""

from __future__ import annotations

from typing import NamedTuple

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#3D3D3D")
"""Okabe and Ito's colours without yellow, which is too light for lines on paper."""
DARK_COLOURS = ("#4BA3E3", "#FF8A4C", "#2FCB9B", "#E6A0C8", "#F5BE3D", "#A5DBFF", "#DADADA")
"""The same hues for a dark background, in the same order."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""matplotlib's words for circle, square, triangle, diamond, triangle down, filled plus, filled cross."""
LINES = ("-", "--", ":", "-.")
DISTINCT = len(COLOURS)
"""Models with a colour of their own; pages draw the others in grey, and name them when pointed at."""


class Look(NamedTuple):
    """Colour, marker and line of a model."""

    color: str
    marker: str
    linestyle: str


def look(i: int) -> Look:
    """Of model i in the order of the table; the three together differ for the first 140 models."""
    n = len(COLOURS)
    return Look(COLOURS[i % n], MARKERS[(i + i // n) % n], LINES[(i // n) % len(LINES)])
