"""Made-up training videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from robust_vos_bench.models.synthetic import texture

COLOURS = {"red": (230, 20, 20), "green": (20, 220, 20), "blue": (30, 30, 230)}
"""Colour of the object of each made-up film; backgrounds are grey."""


def write_film(folder: Path, name: str, colour: tuple[int, int, int], frames: int = 9, shift: int = 5) -> None:
    """A film of every second frame: a disc of one colour that moves to the right over a grey texture."""
    (folder / "JPEGImages" / name).mkdir(parents=True)
    (folder / "Annotations" / name).mkdir(parents=True)
    rng = np.random.default_rng(len(name))
    scene = np.repeat(texture(rng, (96, 170), 9)[..., :1], 3, 2) * 0.4 + 60
    y, x = np.mgrid[:96, :170]
    for number in range(frames):
        inside = (y - 45) ** 2 + (x - 60 - shift * number) ** 2 < 18**2
        picture = scene.astype(np.uint8).copy()
        picture[inside] = colour
        file = f"{2 * number:05d}"
        Image.fromarray(picture).save(folder / "JPEGImages" / name / f"{file}.jpg", quality=95, subsampling=0)
        Image.fromarray(inside).save(folder / "Annotations" / name / f"{file}.png")
