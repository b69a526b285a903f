"""First masks painted elsewhere: which values and colours of a picture are which objects, refused where unclear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.images import check_size, decode
from robust_vos_bench.datasets.palette import colour_ids
from robust_vos_bench.datasets.soft import soft_values
from robust_vos_bench.datasets.video import Mask
from robust_vos_bench.errors import DataError

BRIGHT = {
    (255, 0, 0): 1,
    (0, 255, 0): 2,
    (255, 255, 0): 3,
    (0, 0, 255): 4,
    (255, 0, 255): 5,
    (0, 255, 255): 6,
}
"""Full colours -> ids: the first six of the DAVIS palette at full brightness, as painting programs offer them."""
WHITE = (255, 255, 255)
_HARD = "paint on black with a hard pencil, without antialiasing and without the photograph below it, and save as PNG"
_TABLE = (
    "red is object 1, green 2, yellow 3, blue 4, magenta 5, cyan 6 (full colours, such as 255 0 0, or those of the "
    "DAVIS palette), white alone is object 1, black or transparent is background"
)


def read_painted(path: Path, size: tuple[int, int] | None = None) -> tuple[Mask, bool]:
    """(ids, whether the picture names none): uint8 H x W from a PNG: indexed, grey, black and white, or in colours.

    Indexed: the index is the id. Grey: the value is the id. Colours: by `BRIGHT` and the DAVIS palette. Black and white
    (0 and 255, in whatever form) is one object without an id of its own, 1 in what is returned.
    size: the (H, W) it must have. Raises DataError, naming the file, for anything that could mean
    several things: other colours, two colours of one id, soft edges, half transparent pixels, a photograph.
    """
    image, bits = decode(path)
    if image.format != "PNG":
        raise DataError(f"{path}: a {image.format} file; masks are PNG files, because others change colours at edges")
    if bits > 8:
        raise DataError(f"{path}: {bits} bits per channel; save the mask with 8")
    check_size(path, (image.height, image.width), size, "mask")
    if image.mode in ("P", "L", "1") and "transparency" not in image.info:
        return _ids(path, np.array(image, np.uint8))
    if image.mode == "P":
        return _ids(path, np.array(image, np.uint8))
    colours = np.array(image.convert("RGBA"), np.uint8)
    alpha = colours[..., 3]
    if ((alpha > 0) & (alpha < 255)).any():
        raise DataError(f"{path}: has half transparent pixels: {_HARD}")
    return _by_colour(path, np.where(alpha[..., None] > 0, colours[..., :3], 0).astype(np.uint8))


def _ids(path: Path, stored: Mask) -> tuple[Mask, bool]:
    values = set(np.unique(stored).tolist())
    if values <= {0, 255}:
        return (stored > 0).astype(np.uint8), True
    if count := soft_values(stored):
        raise DataError(f"{path}: soft edges ({count} grey values between background and object): {_HARD}")
    return stored, False


def _by_colour(path: Path, picture: NDArray[np.uint8]) -> tuple[Mask, bool]:
    flat = picture.reshape(-1, 3)
    found, where = np.unique(flat, axis=0, return_inverse=True)
    colours = [(int(r), int(g), int(b)) for r, g, b in found]
    objects = [colour for colour in colours if colour != (0, 0, 0)]
    if objects == [WHITE]:
        ids = {WHITE: 1}
    else:
        table = {**{colour: i for colour, i in colour_ids().items() if 0 < i < 255}, **BRIGHT}
        strange = [colour for colour in objects if colour not in table]
        if strange:
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            shown = " ".join(map(str, strange[0]))
            raise DataError(
                f"{path}: the colour {shown}{more} stands for no object: {_TABLE}. "
                + (_HARD.capitalize() if len(strange) > 6 else "")
            )
        ids = {colour: table[colour] for colour in objects}
        for i in set(ids.values()):
            same = [colour for colour, of in ids.items() if of == i]
            if len(same) > 1:
                both = " and ".join(" ".join(map(str, colour)) for colour in same)
                raise DataError(
                    f"{path}: the colours {both} both stand for object {i}; use one of them, or another colour"
                )
    named = objects != [WHITE]
    lookup = np.array([ids.get(colour, 0) for colour in colours], np.uint8)
    return lookup[where.reshape(-1)].reshape(picture.shape[:2]), not named
