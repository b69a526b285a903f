"""First masks as text: boxes and polygons, one line each, for those who have no painting program at hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robust_vos_bench.datasets.video import Mask
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.text import read_text

FORM = (
    "one shape per line: ID box LEFT TOP RIGHT BOTTOM, or ID polygon X Y X Y X Y ..., in pixels from the top left "
    "corner; 'frame N' before the shapes of another frame than the first; # begins a comment"
)


@dataclass(frozen=True)
class Shape:
    """One line of a file of shapes."""

    line: int
    frame: int
    object: int
    points: tuple[tuple[float, float], ...]
    """Corners (x, y) in pixels; (0, 0) is the top left corner of the picture, pixel (x, y) has its centre half a pixel
    further right and down."""


def read_shapes(path: Path, frame: int = 0) -> dict[int, list[Shape]]:
    """Frame -> the shapes of a file, in its order. frame: to which shapes before any 'frame N' line belong.

    Raises DataError, naming file and line, for a line of another form, and for a file without a shape.
    """
    found: dict[int, list[Shape]] = {}
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        words = re.sub(r"#.*", "", text).replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        if words[0].lower() == "frame":
            if len(words) != 2 or not words[1].isdecimal():
                raise DataError(
                    f"{path}, line {number}: expected 'frame N' with a number counted from 0, not {text.strip()!r}"
                )
            frame = int(words[1])
            continue
        shape = _shape(path, number, frame, words, text)
        found.setdefault(frame, []).append(shape)
    if not found:
        raise DataError(f"{path}: holds no shape; {FORM}")
    return found


def draw_shapes(path: Path, shapes: list[Shape], size: tuple[int, int]) -> Mask:
    """The mask of some shapes, uint8 H x W: a pixel belongs to a shape that its centre lies in, later lines cover
    earlier ones. Raises DataError for a shape that leaves the picture, and for one that no pixel is left of.
    """
    from skimage.draw import polygon

    mask = np.zeros(size, np.uint8)
    for shape in shapes:
        for x, y in shape.points:
            if not (0 <= x <= size[1] and 0 <= y <= size[0]):
                raise DataError(
                    f"{path}, line {shape.line}: the point {x:g} {y:g} lies outside the picture, which is {size[1]} x "
                    f"{size[0]} (width x height)"
                )
        xs, ys = (np.array(values) - 0.5 for values in zip(*shape.points))
        rows, columns = polygon(ys, xs, size)
        mask[rows, columns] = shape.object
    for shape in shapes:
        if not (mask == shape.object).any():
            raise DataError(f"{path}, line {shape.line}: no pixel is left of object {shape.object}")
    return mask


def _shape(path: Path, line: int, frame: int, words: list[str], text: str) -> Shape:
    wrong = DataError(f"{path}, line {line}: {text.strip()!r} is no shape; {FORM}")
    if len(words) < 3 or not words[0].isdecimal():
        raise wrong
    if not 1 <= int(words[0]) <= 254:
        raise DataError(f"{path}, line {line}: object {words[0]}: ids are 1 to 254")
    try:
        numbers = [float(word) for word in words[2:]]
    except ValueError:
        raise wrong from None
    if not np.isfinite(numbers).all():
        raise wrong
    kind = words[1].lower()
    if kind == "box" and len(numbers) == 4:
        left, top, right, bottom = numbers
        if not (left < right and top < bottom):
            raise DataError(
                f"{path}, line {line}: an empty box; the form is ID box LEFT TOP RIGHT BOTTOM (not width and height)"
            )
        points = ((left, top), (right, top), (right, bottom), (left, bottom))
    elif kind == "polygon" and len(numbers) >= 6 and len(numbers) % 2 == 0:
        points = tuple(zip(numbers[::2], numbers[1::2]))  # type: ignore[assignment]
    else:
        raise wrong
    return Shape(line, frame, int(words[0]), points)
