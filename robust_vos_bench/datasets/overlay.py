"""Masks drawn on frames, for pictures and films to look at."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.palette import palette
from robust_vos_bench.datasets.video import VOID, Frame, Mask, ids_in
from robust_vos_bench.errors import unknown

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_OKABE_ITO = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((213, 94, 0), (204, 121, 167), (0, 114, 178)),
)
"""Orange, sky blue, green, yellow, vermilion, purple, blue (Okabe and Ito 2008), for every kind of colour vision."""
PALETTES = ("okabe-ito", "davis")


def palette_colours() -> NDArray[np.uint8]:
    """The DAVIS palette as RGB, 256 x 3: row i is the colour of object i."""
    return np.frombuffer(palette(), np.uint8).reshape(-1, 3)


def object_colours(name: str = "okabe-ito") -> NDArray[np.uint8]:
    """RGB per id, uint8 256 x 3. "okabe-ito" can be told apart by colour-blind people and repeats after seven objects,
    which their labels keep apart; "davis" is the palette of the mask files. Raises UsageError."""
    if name == "davis":
        return palette_colours()
    if name != "okabe-ito":
        raise unknown("palette", name, PALETTES)
    table = np.zeros((256, 3), np.uint8)
    table[1:] = np.resize(np.array(_OKABE_ITO, np.uint8), (255, 3))
    return table


def paint_mask(
    frame: Frame, mask: Mask, colours: NDArray[np.uint8] | None = None, share: float = 0.5, background: float = 1.0
) -> Frame:
    """The frame with its objects tinted and outlined in white.

    frame: RGB uint8 H x W x 3. mask: ids, uint8 H x W. colours: RGB per id, uint8 256 x 3, by default the palette's.
    share: of the colour in an object's pixels (0..1). background: factor on the brightness of all other pixels.
    """
    table = (palette_colours() if colours is None else colours).astype(np.float32)
    inside = mask > 0
    outline = np.zeros(mask.shape, bool)
    outline[1:] |= mask[1:] != mask[:-1]
    outline[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    painted = frame.astype(np.float32)
    painted[~inside] *= background
    painted[inside] = (1 - share) * painted[inside] + share * table[mask[inside]]
    painted[outline] = 255
    return painted.round().astype(np.uint8)


def draw_overlay(
    frame: Frame,
    mask: Mask,
    *,
    alpha: float = 0.45,
    contours: bool = True,
    labels: bool = True,
    colours: NDArray[np.uint8] | None = None,
    title: str = "",
) -> Frame:
    """The frame with its objects tinted, outlined in their full colour, and numbered.

    frame: RGB uint8 H x W x 3. mask: ids, uint8 H x W; 0 and 255 (void) stay as they are. alpha: share of the colour in
    an object's pixels (0..1). contours: with a dark edge outside, so that they show on any background. labels: the id
    at the innermost place of each object. colours: RGB per id, uint8 256 x 3. title: written in the upper left corner.
    """
    import cv2

    table = object_colours() if colours is None else colours
    shown = np.where(mask == VOID, 0, mask).astype(np.uint8)
    inside = shown > 0
    painted = frame.copy()
    if alpha > 0:
        tinted = cv2.addWeighted(np.ascontiguousarray(frame), 1 - alpha, table[shown], alpha, 0)
        np.copyto(painted, tinted, where=inside[..., None])
    width = max(1, round(min(frame.shape[:2]) / 240))
    ids = ids_in(shown)
    boxes = {i: _box(shown, i, width + 2) for i in ids} if contours or labels else {}
    for i in ids if contours else ():
        own = (shown[boxes[i]] == i).astype(np.uint8)
        inner = cv2.erode(own, np.ones((2 * width + 1, 2 * width + 1), np.uint8), borderValue=1)
        outer = cv2.dilate(own, np.ones((3, 3), np.uint8))
        part = painted[boxes[i]]
        part[(outer > 0) & ~inside[boxes[i]]] = (16, 16, 16)
        part[(own > 0) & (inner == 0)] = table[i]
    if labels or title:
        painted = _write(painted, [_label_place(shown, i, boxes[i]) for i in ids] if labels else [], title)
    return painted


def _box(mask: Mask, i: int, margin: int) -> tuple[slice, slice]:
    """Where an object lies, with a margin."""
    rows, columns = (np.flatnonzero((mask == i).any(axis)) for axis in (1, 0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )


def text_font(size: int) -> FreeTypeFont | ImageFont:
    """Pillow's own font in a size in pixels."""
    from PIL import ImageFont

    return _font(max(8, size)) if size else ImageFont.load_default()


@lru_cache(maxsize=32)
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _label_place(mask: Mask, i: int, box: tuple[slice, slice]) -> tuple[str, int, int]:
    """(text, x, y): the point of an object that is farthest from its edge."""
    import cv2

    own = np.pad(mask[box] == i, 1).astype(np.uint8)
    distance = cv2.distanceTransform(own, cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return str(i), int(x) + box[1].start, int(y) + box[0].start


def _write(frame: Frame, labels: list[tuple[str, int, int]], title: str) -> Frame:
    from PIL import Image, ImageDraw

    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image, "RGBA")
    side = min(frame.shape[:2])
    font = text_font(round(side / 22))
    places = [(text, float(x), float(y), "mm") for text, x, y in labels]
    if title:
        places.append((title, side / 60, side / 60, "lt"))
    for text, x, y, anchor in places:
        left, top, right, bottom = draw.textbbox((x, y), text, font=font, anchor=anchor)
        gap = max(1, side // 160)
        draw.rectangle((left - gap, top - gap, right + gap, bottom + gap), fill=(0, 0, 0, 150))
        draw.text((x, y), text, fill=(255, 255, 255, 255), font=font, anchor=anchor)
    return np.array(image, np.uint8)
