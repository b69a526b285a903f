"""Edge-aware smoothing of soft masks by the colours of the frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def guided_filter(guide: Image, soft: Image, radius: int, eps: float) -> Image:
    """Guided filter with a colour guide (He, Sun, Tang, "Guided Image Filtering", TPAMI 2013, section 3.6).

    guide: H x W x 3 in 0..1. soft: H x W. radius: of the square window, in pixels. eps: variance of a colour channel
    below which a window counts as flat. In each window `soft` is fitted by a linear function of the colour, and every
    pixel takes the mean of the fits it lies in.
    """

    def mean(image: Image) -> Image:
        return np.asarray(cv2.blur(image, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_soft = mean(guide), mean(soft)
    covariance = mean(guide * soft[..., None]) - mean_guide * mean_soft[..., None]
    products = mean(np.ascontiguousarray(guide[..., [0, 0, 0, 1, 1, 2]] * guide[..., [0, 1, 2, 1, 2, 2]]))
    products -= mean_guide[..., [0, 0, 0, 1, 1, 2]] * mean_guide[..., [0, 1, 2, 1, 2, 2]]
    rr, rg, rb, gg, gb, bb = np.moveaxis(products, -1, 0)
    rr, gg, bb = rr + np.float32(eps), gg + np.float32(eps), bb + np.float32(eps)
    # The 3 x 3 covariance matrix is symmetric: six cofactors invert it.
    a, b, c = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    d, e, f = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    u, v, w = np.moveaxis(covariance, -1, 0)
    slope = np.stack([a * u + b * v + c * w, b * u + d * v + e * w, c * u + e * v + f * w], -1)
    slope /= (rr * a + rg * b + rb * c)[..., None]
    offset = mean_soft - np.sum(slope * mean_guide, -1)
    return np.asarray(np.sum(mean(slope) * guide, -1) + mean(offset), np.float32)


def sharpen_edges(frame: NDArray[np.uint8], soft: Image, radius: int, eps: float = 1e-3) -> Image:
    """`soft` (k x H x W) with every map fitted to the frame's edges (RGB uint8) where it is neither 0 nor 1."""
    out = soft.copy()
    margin = 2 * radius + 1  # a pixel's result depends on two windows in a row
    for k, one in enumerate(soft):
        unsure = (one > 0.01) & (one < 0.99)
        rows, columns = np.flatnonzero(unsure.any(1)), np.flatnonzero(unsure.any(0))
        if not len(rows):
            continue
        top, bottom = max(rows[0] - margin, 0), rows[-1] + margin + 1
        left, right = max(columns[0] - margin, 0), columns[-1] + margin + 1
        guide = frame[top:bottom, left:right].astype(np.float32) / np.float32(255)
        out[k, top:bottom, left:right] = guided_filter(guide, one[top:bottom, left:right], radius, eps)
    return np.clip(out, 0, 1, out=out)
