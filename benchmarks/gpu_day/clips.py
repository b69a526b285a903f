"""Frames of a day: a window that drifts over a photograph, with textured ellipses that move; truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_day.setting import Setting
from robust_vos_bench.datasets import Video


def scene(size: tuple[int, int], frames: int, objects: int, seed: int = 0) -> tuple[list[Any], list[Any]]:
    """(RGB uint8 frames, uint8 masks with ids 1..objects): ellipses on a grid of 5 x 2 cells, each on its own way."""
    import cv2
    from skimage.data import coffee

    height, width = size
    wide = cv2.resize(coffee(), (width + width // 4, height + height // 4), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(seed)
    fills = [cv2.resize(rng.integers(0, 255, (9, 16, 3), np.uint8), (width, height)) for _ in range(objects)]
    phases = rng.uniform(0, 6.28, (objects, 2))
    images, masks = [], []
    for t in range(frames):
        y0 = round(height / 8 * (1 + np.sin(t / 17 + seed)))
        x0 = round(width / 8 * (1 + np.sin(t / 23 + seed)))
        image = np.ascontiguousarray(wide[y0 : y0 + height, x0 : x0 + width])
        mask: NDArray[np.uint8] = np.zeros(size, np.uint8)
        for i in range(objects):
            row, column = divmod(i, 5)
            y = height * (0.27 + 0.46 * row + 0.08 * np.sin(t / 9 + phases[i, 0]))
            x = width * (0.1 + 0.2 * column + 0.05 * np.sin(t / 11 + phases[i, 1]))
            axes = (max(3, width // 14), max(3, height // 7))
            cv2.ellipse(mask, (round(x), round(y)), axes, 0, 0, 360, i + 1, -1)
        for i in range(objects):
            image[mask == i + 1] = fills[i][mask == i + 1]
        images.append(image)
        masks.append(mask)
    return images, masks


def video(size: tuple[int, int], frames: int, objects: int, late: bool = False) -> Video:
    """A clip in memory. late: the last object is shown at frame 2 only."""
    images, masks = scene(size, frames, objects)
    prompts = {0: masks[0]}
    if late and objects > 1 and frames > 2:
        prompts = {
            0: np.where(masks[0] < objects, masks[0], 0).astype(np.uint8),
            2: np.where(masks[2] == objects, objects, 0).astype(np.uint8),
        }
    return Video.from_arrays(images, prompts, name=f"scene-{objects}")


def data_words(setting: Setting, videos: int, frames: int) -> list[str]:
    """`--dataset ... --data-root ...` of the real runs: the user's frames, or a folder that is made once."""
    if setting.data_root is not None:
        return ["--dataset", setting.dataset, "--data-root", str(setting.data_root), "--limit", str(videos)]
    from PIL import Image

    root = setting.folder / f"clips-{videos}x{frames}"
    done = root / "done"
    if not done.is_file():
        for v in range(videos):
            images, masks = scene(setting.size, frames, 3, seed=v)
            places = [root / kind / f"v{v:02}" for kind in ("JPEGImages", "Annotations")]
            for place in places:
                place.mkdir(parents=True, exist_ok=True)
            for t, (image, mask) in enumerate(zip(images, masks)):
                Image.fromarray(image).save(places[0] / f"{t:05}.jpg", quality=95)
                Image.fromarray(mask).save(places[1] / f"{t:05}.png")
        done.touch()
    return ["--dataset", "folder", "--data-root", str(root)]
