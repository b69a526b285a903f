"""Truth objects and mask files for the tests of scoring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from robust_vos_bench.datasets.files import MaskFiles
from robust_vos_bench.datasets.palette import palette
from robust_vos_bench.datasets.video import Truth


def first_frames(masks: Sequence[np.ndarray | None]) -> dict[int, int]:
    """Object id -> first frame that shows it."""
    first: dict[int, int] = {}
    for t, mask in enumerate(masks):
        if mask is not None:
            for i in np.unique(mask):
                if 0 < i < 255:
                    first.setdefault(int(i), t)
    return first


def make_truth(masks: Sequence[np.ndarray | None], video: str = "clip", **settings: object) -> Truth:
    """Truth over masks in memory."""
    size = next(mask.shape for mask in masks if mask is not None)
    names = tuple(f"{t:05d}" for t in range(len(masks)))
    return Truth(video, size, names, list(masks), first_frames(masks), **settings)  # type: ignore[arg-type]


def write_palette(path: Path, mask: np.ndarray) -> None:
    """A palette PNG, as DAVIS has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("P", (mask.shape[1], mask.shape[0]))
    image.putpalette(palette())
    image.frombytes(np.ascontiguousarray(mask).tobytes())
    image.save(path)


def write_clip(folder: Path, masks: Iterable[np.ndarray], names: Sequence[str] | None = None) -> list[Path]:
    """Masks as palette PNGs 00000.png, 00001.png, ...; their paths."""
    paths = []
    for t, mask in enumerate(masks):
        paths.append(folder / f"{names[t] if names else f'{t:05d}'}.png")
        write_palette(paths[-1], mask)
    return paths


def file_truth(folder: Path, video: str = "clip", lookup: tuple[int, ...] | None = None) -> Truth:
    """Truth over the PNG files of a folder."""
    paths = tuple(sorted(folder.glob("*.png")))
    with Image.open(paths[0]) as image:
        size = (image.height, image.width)
    files = MaskFiles(paths, size, lookup)
    return Truth(video, size, tuple(p.name.removesuffix(".png") for p in paths), files, first_frames(list(files)))
