"""The clip that the gallery shows: a camera that moves over a photograph, with a mask of the cup in it."""

from __future__ import annotations

import cv2
import numpy as np

from robust_vos_bench import Video

SIZE = (320, 480)
FRAMES = 24
FPS = 12.0
_OUTLINE = (
    (173, 110), (178, 175), (205, 232), (197, 285), (209, 304), (228, 307), (262, 283), (300, 284), (335, 262),
    (368, 228), (396, 178), (407, 118),
)  # fmt: skip
"""The cup below its rim, in pixels (x, y) of the photograph; with the ellipse of the rim it is the whole cup."""


def cup() -> np.ndarray:
    """Mask of the cup in the whole photograph: uint8 400 x 600, 1 on the cup."""
    mask = np.zeros((400, 600), np.uint8)
    cv2.fillPoly(mask, [np.array(_OUTLINE, np.int32)], 1)
    cv2.ellipse(mask, (290, 113), (118, 95), 0, 0, 360, 1, -1)
    return mask


def clip() -> Video:
    """24 frames of 480 x 320 over scikit-image's `coffee` (CC0, by Rachel Michetti), on a closed path."""
    from skimage.data import coffee

    frames = _along_the_path(np.ascontiguousarray(coffee()))
    return Video.from_arrays(frames, truth()[0], name="coffee", fps=FPS)


def still(frames: int = FRAMES) -> Video:
    """The first frame of the clip again and again: what changes in it is the corruption."""
    video = clip()
    return Video.from_arrays([next(iter(video.frames))] * frames, truth()[0], name="coffee", fps=FPS)


def truth() -> list[np.ndarray]:
    """The mask of the cup in each frame of the clip, uint8 320 x 480."""
    return _along_the_path(cup())


def _along_the_path(picture: np.ndarray) -> list[np.ndarray]:
    """What the camera sees of a picture of the size of the photograph, frame by frame."""
    height, width = SIZE
    seen = []
    for t in range(FRAMES):
        angle = 2 * np.pi * t / FRAMES
        left, top = round(40 + 34 * np.sin(angle)), round(30 - 26 * np.cos(angle))
        seen.append(np.ascontiguousarray(picture[top : top + height, left : left + width]))
    return seen
