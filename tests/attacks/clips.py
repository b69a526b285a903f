"""Short videos with their truth, made by the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robust_vos_bench.datasets.images import write_frame, write_mask
from robust_vos_bench.datasets.video import Truth, Video


def clip(frames: int = 6, size: tuple[int, int] = (30, 41), late: bool = False) -> tuple[Video, Truth]:
    """A square of one colour over another, moving; late: a second one comes at frame 2."""
    rng = np.random.default_rng(3)
    height, width = size
    pictures, masks = [], []
    ground = np.stack([np.linspace(90, 110, width)] * height)[..., None] + rng.normal(0, 4, (height, width, 3))
    for t in range(frames):
        frame, mask = ground.copy(), np.zeros(size, np.uint8)
        mask[8:20, 5 + t : 17 + t] = 1
        if late and t >= 2:
            mask[21:28, 20:32] = 2
        frame[mask == 1] += (30, -8, 6)
        frame[mask == 2] += (-30, 20, 14)
        pictures.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
        masks.append(mask)
    prompts = {0: np.where(masks[0] == 1, masks[0], 0).astype(np.uint8)}
    first = {1: 0}
    if late:
        prompts[2] = np.where(masks[2] == 2, masks[2], 0).astype(np.uint8)
        first[2] = 2
    video = Video.from_arrays(pictures, prompts, name="square")
    truth = Truth("square", video.size, video.frame_names, masks, first)
    return video, truth


def write_folder(root: Path, names: tuple[str, ...] = ("one", "two"), frames: int = 6) -> Path:
    """Clips on disk, as the data set `folder` reads them."""
    for n, name in enumerate(names):
        video, truth = clip(frames, (30 + n, 41))
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / name).mkdir(parents=True)
        for stem, frame, mask in zip(video.frame_names, video.frames, truth.masks):
            write_frame(root / "JPEGImages" / name / f"{stem}.png", frame)
            assert mask is not None
            write_mask(root / "Annotations" / name / f"{stem}.png", mask)
    return root
