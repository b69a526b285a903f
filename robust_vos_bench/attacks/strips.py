"""A picture of an attack on one video: what the model sees and says, before and after, and what was changed."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from robust_vos_bench.attacks.lattice import Frames
from robust_vos_bench.datasets.overlay import draw_overlay
from robust_vos_bench.datasets.video import Frame, Mask, Video

GAIN = 16
"""Factor on differences, which nobody would see otherwise; grey is no difference."""
WIDTH = 240
"""Pixels of each small picture, at most."""
SHOWN = 5
"""Frames side by side: the first prompt, and others evenly to the end."""


def shown_frames(video: Video, count: int = SHOWN) -> list[int]:
    """Indices of the frames of a strip, ascending."""
    first, last = video.first_prompt, max(video.first_prompt, len(video) - 2)
    return sorted({round(first + (last - first) * n / max(count - 1, 1)) for n in range(count)})


def difference(clean: Frame, attacked: Frame) -> Frame:
    """128 + 16 x difference, cut to 0..255."""
    change = attacked.astype(np.int16) - clean.astype(np.int16)
    return np.clip(128 + GAIN * change, 0, 255).astype(np.uint8)


def draw_strip(
    video: Video, clean: Frames, attacked: Frames, before: Sequence[Mask], after: Sequence[Mask], title: str = ""
) -> Frame:
    """Rows: clean frames with the model's masks; attacked frames with its masks; 16 x difference. RGB uint8.

    before, after: the model's masks of all clean and of all attacked frames. title: drawn on the first picture.
    """
    columns = []
    for n, t in enumerate(shown_frames(video)):
        label = f"{title} {video.frame_names[t]}".strip() if n == 0 else video.frame_names[t]
        pictures = [
            draw_overlay(clean[t], before[t], title=label),
            draw_overlay(attacked[t], after[t]),
            difference(clean[t], attacked[t]),
        ]
        columns.append(np.vstack([_small(picture) for picture in pictures]))
    return np.hstack(columns)


def _small(picture: Frame) -> Frame:
    height, width = picture.shape[:2]
    scale = min(1.0, WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
