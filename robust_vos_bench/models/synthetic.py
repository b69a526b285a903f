"""Small made-up clips on which `check` exercises a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame, Mask, Video


@dataclass(frozen=True)
class Blob:
    """An ellipse that moves in a straight line: id, centre (y, x) at frame 0, step per frame, radii, first frame."""

    id: int
    centre: tuple[float, float]
    step: tuple[float, float]
    radii: tuple[float, float]
    first: int = 0


def texture(rng: np.random.Generator, size: tuple[int, int], cell: int) -> NDArray[np.float64]:
    """Smooth colour noise H x W x 3 in 0..255: a random grid of `cell` pixels, interpolated linearly."""
    height, width = size
    rows, columns = height // cell + 2, width // cell + 2
    grid = rng.uniform(0, 255, (rows, columns, 3))
    y, x = np.arange(height) / cell, np.arange(width) / cell
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = (y - y0)[:, None, None], (x - x0)[None, :, None]
    top = grid[y0][:, x0] * (1 - fx) + grid[y0][:, x0 + 1] * fx
    bottom = grid[y0 + 1][:, x0] * (1 - fx) + grid[y0 + 1][:, x0 + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy)


def moving_blobs(
    blobs: tuple[Blob, ...], size: tuple[int, int], length: int, seed: int = 0, name: str = "synthetic"
) -> Video:
    """Textured ellipses over a textured background; each is prompted at its first frame. Equal on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    height, width = size
    background = texture(rng, size, 12) * 0.5
    fills = [texture(rng, size, 5) * 0.4 + rng.uniform(60, 153, 3) for _ in blobs]
    y, x = np.mgrid[0:height, 0:width]
    frames: list[Frame] = []
    prompts: dict[int, Mask] = {}
    for t in range(length):
        frame, labels = background.copy(), np.zeros(size, np.uint8)
        for blob, fill in zip(blobs, fills):
            if t < blob.first:
                continue
            dy, dx = round(blob.step[0] * t), round(blob.step[1] * t)
            inside = ((y - blob.centre[0] - dy) / blob.radii[0]) ** 2 + ((x - blob.centre[1] - dx) / blob.radii[1]) ** 2
            shown = inside <= 1
            frame[shown] = np.roll(fill, (dy, dx), (0, 1))[shown]
            labels[shown] = blob.id
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
        new = [blob.id for blob in blobs if blob.first == t]
        if new:
            prompts[t] = np.where(np.isin(labels, new), labels, 0).astype(np.uint8)
    return Video.from_arrays(frames, prompts, name=name)


def standard_clip(length: int = 7, late: bool = True, objects: int = 3) -> Video:
    """Odd-sized frames, ids with gaps (3, 7, 200), the last of them appearing at frame 3."""
    blobs = (
        Blob(3, (30, 34), (1.0, 2.0), (16, 18)),
        Blob(7, (64, 100), (-1.0, -2.0), (14, 20)),
        Blob(200, (26, 104), (2.0, 0.0), (13, 13), first=3 if late else 0),
    )
    chosen = blobs[:objects] if objects < 3 else blobs
    return moving_blobs(chosen, (97, 139), length, seed=1, name="standard")


def other_clip(length: int = 3) -> Video:
    """Another size, other objects: what a model may wrongly remember when it meets the first clip again."""
    return moving_blobs((Blob(9, (40, 50), (0.0, 3.0), (20, 15)),), (112, 96), length, seed=2, name="other")


def delayed_clip() -> Video:
    """No object before frame 2."""
    return moving_blobs((Blob(5, (40, 60), (0.0, 2.0), (15, 20), first=2),), (96, 128), 4, seed=3, name="delayed")


def single_frame_clip() -> Video:
    """One frame, one object."""
    return moving_blobs((Blob(1, (40, 60), (0.0, 0.0), (15, 20)),), (96, 128), 1, seed=4, name="single-frame")


def speck_clip() -> Video:
    """An object of a few pixels beside a large one: masks that vanish at the strides of a network."""
    blobs = (Blob(2, (50, 60), (0.0, 1.0), (30, 30)), Blob(4, (12, 110), (0.0, 1.0), (1, 1)))
    return moving_blobs(blobs, (96, 128), 3, seed=5, name="speck")
