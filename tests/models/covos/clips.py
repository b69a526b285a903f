"""Made-up clips: a red square that moves over a grey pattern."""

from __future__ import annotations

import numpy as np

from robust_vos_bench.datasets.video import Video


def square(
    frames: int = 16, size: tuple[int, int] = (64, 96), step: float = 3.0, side: int = 24, name: str = "square"
) -> tuple[Video, list[np.ndarray]]:
    """The clip, with its first mask as id 9, and where the square is on every frame."""
    rng = np.random.default_rng(5)
    grain = rng.integers(30, 90, (size[0] // 4 + 1, size[1] // 4 + 1), np.uint8).repeat(4, 0).repeat(4, 1)
    cloth = rng.integers(200, 255, (side // 4, side // 4), np.uint8).repeat(4, 0).repeat(4, 1)
    pictures, truth = [], []
    for t in range(frames):
        frame = np.repeat(grain[: size[0], : size[1], None], 3, 2).copy()
        top, left = 12 + t // 2, 4 + int(t * step)
        place = slice(top, top + side), slice(left, left + side)
        inside = frame[place]
        inside[..., 0] = cloth[: inside.shape[0], : inside.shape[1]]
        inside[..., 1:] = 20
        mask = np.zeros(size, bool)
        mask[place] = True
        pictures.append(frame)
        truth.append(mask)
    return Video.from_arrays(pictures, truth[0].astype(np.uint8) * 9, name=name), truth


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Of two masks, bool."""
    return float((one & other).sum() / max(1, (one | other).sum()))
