"""How strong a condition is, in numbers: PSNR, SSIM and mean change on a moving clip, flicker on a still one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.apply import corrupt_video
from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.datasets.video import Frame, Video

SIZE = (240, 427)
FRAMES = 12


@dataclass(frozen=True)
class Strength:
    """What a condition does to the test clips."""

    psnr: float
    """dB over all frames of the moving clip; infinite where nothing changes."""
    ssim: float
    """Mean structural similarity of every fourth frame of the moving clip (luma, Gaussian window of sigma 1.5)."""
    change: float
    """Mean absolute change on the moving clip, grey levels."""
    still: float
    """Mean absolute change on the still clip, grey levels."""
    flicker: float
    """Mean absolute difference of neighbouring frames of the still clip, grey levels: clean it is 0."""

    @property
    def flicker_ratio(self) -> float:
        """Flicker over change on the still clip; independent noise has about 1.4, a coherent layer well below 1."""
        return self.flicker / self.still if self.still > 0 else 0.0


def strength_clips(photo: Frame) -> tuple[Video, Video]:
    """(moving, still) clips of 12 frames of 240 x 427 cut from a photograph of at least 260 x 470, RGB uint8.

    The moving one pans by 3 px right and 1 px down per frame.
    """
    height, width = SIZE
    mask = np.zeros(SIZE, np.uint8)
    mask[80:160, 150:270] = 1
    moving = [np.ascontiguousarray(photo[t : t + height, 3 * t : 3 * t + width]) for t in range(FRAMES)]
    still = [moving[FRAMES // 2]] * FRAMES
    return Video.from_arrays(moving, mask, name="moving"), Video.from_arrays(still, mask, name="still")


def measure_strength(condition: Condition, clips: tuple[Video, Video]) -> Strength:
    """Strength of a condition on (moving, still) clips of `strength_clips`; not for what damages prompts."""
    moving, still = clips
    squares, change, similarity = 0.0, 0.0, []
    pairs = zip(moving.frames, corrupt_video(moving, condition).frames)
    for t, (clean, corrupted) in enumerate(pairs):
        difference = corrupted.astype(np.float64) - clean
        squares += float((difference**2).mean()) / len(moving)
        change += float(np.abs(difference).mean()) / len(moving)
        if t % 4 == 0:
            similarity.append(ssim(clean, corrupted))
    shift, flicker, last = 0.0, 0.0, None
    for clean, corrupted in zip(still.frames, corrupt_video(still, condition).frames):
        shift += float(np.abs(corrupted.astype(np.float64) - clean).mean()) / len(still)
        if last is not None:
            flicker += float(np.abs(corrupted.astype(np.float64) - last).mean()) / (len(still) - 1)
        last = corrupted
    psnr = 10.0 * math.log10(255.0**2 / squares) if squares > 0 else math.inf
    return Strength(psnr, float(np.mean(similarity)), change, shift, flicker)


def ssim(first: Frame, second: Frame) -> float:
    """Structural similarity (Wang et al., 2004) of the luma of two frames: Gaussian window 11 x 11, sigma 1.5."""
    import cv2

    def smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(plane, (11, 11), 1.5), dtype=np.float64)

    luma = np.array([0.299, 0.587, 0.114])
    a, b = first @ luma, second @ luma
    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    top = (2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2)
    similarity = top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    # Only windows that lie inside the frame, as in the source.
    return float((similarity[5:-5, 5:-5] if min(similarity.shape) > 10 else similarity).mean())
