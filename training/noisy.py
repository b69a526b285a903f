"""Masks of training pictures spoilt as people spoil them, by the product's own damage to prompts.

The spoilt mask is all that a training knows of the object: it is cut out by it, hole, box and label alike. Objects then
carry a rim of what was around them, or lack a part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions import Condition, corrupt_video
from robust_vos_bench.datasets.video import Video

NOISES = {"dilated": "prompt_dilation", "shifted": "prompt_shift", "polygons": "prompt_polygon"}
"""Kind of masks -> corruption."""
SEVERITY = 3
"""IoU with the true mask 0.7."""


def spoilt(mask: NDArray[np.uint8], kind: str, name: str) -> NDArray[np.uint8]:
    """A mask {0, 1}, H x W, spoilt as a function of kind and name (of the picture); the input is left alone."""
    blank = np.zeros((1, *mask.shape, 3), np.uint8)
    video = Video.from_arrays(blank, mask, name=name)
    return np.asarray(corrupt_video(video, Condition(NOISES[kind], SEVERITY)).prompts[0], np.uint8)
