"""Pixelwise changes of colour through small tables."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Frame

from .jit import jit

# Products such as 0.4 * 5 / 255 * 255 land just below the level they mean; truncation would lose it.
_TINY = 1e-9


@lru_cache(maxsize=16)
def brightness_table(amount: float) -> NDArray[np.uint8]:
    """New level of a channel, by (largest channel, channel)."""
    value = np.arange(256) / 255.0
    raised = np.minimum(value + amount, 1.0)
    scale = raised / np.maximum(value, 1e-12)
    table = np.minimum(np.arange(256) * scale[:, None], 255.0)
    table[0, 0] = raised[0] * 255.0
    return np.floor(table + _TINY).astype(np.uint8)


@jit
def _by_largest(flat, out, table):  # type: ignore[no-untyped-def]
    for i in range(flat.shape[0]):
        r, g, b = flat[i, 0], flat[i, 1], flat[i, 2]
        row = table[max(r, max(g, b))]
        out[i, 0] = row[r]
        out[i, 1] = row[g]
        out[i, 2] = row[b]


def brighten(frame: Frame, amount: float) -> Frame:
    """HSV value raised by `amount` (of 1), hue and saturation kept; truncated.

    At constant hue and saturation the three channels scale with the value, which is their largest.
    """
    flat = np.ascontiguousarray(frame).reshape(-1, 3)
    out = np.empty_like(flat)
    _by_largest(flat, out, brightness_table(float(amount)))
    return out.reshape(frame.shape)


@lru_cache(maxsize=16)
def saturation_tables(gain: float, offset: float) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(new over old saturation by (value, value - smallest channel), grey levels of saturated greys)."""
    value = np.arange(256)[:, None]
    old = np.arange(256)[None, :] / np.maximum(value, 1)
    new = np.clip(old * gain + offset, 0.0, 1.0)
    ratio = new / np.maximum(old, 1e-12)
    grey = np.floor(np.arange(256) * (1.0 - min(max(offset, 0.0), 1.0)) + _TINY)
    return ratio.astype(np.float32), grey.astype(np.uint8)


@jit
def _saturate(flat, out, ratio, grey):  # type: ignore[no-untyped-def]
    tiny = np.float32(1e-3)
    for i in range(flat.shape[0]):
        r, g, b = flat[i, 0], flat[i, 1], flat[i, 2]
        high = max(r, max(g, b))
        low = min(r, min(g, b))
        if high == low:
            # A grey has hue 0, so that the reference tints it red when it adds saturation.
            out[i, 0] = high
            out[i, 1] = grey[high]
            out[i, 2] = grey[high]
        else:
            scale = ratio[high, high - low]
            top = np.float32(high) + tiny
            out[i, 0] = np.uint8(max(top - np.float32(high - r) * scale, np.float32(0.0)))
            out[i, 1] = np.uint8(max(top - np.float32(high - g) * scale, np.float32(0.0)))
            out[i, 2] = np.uint8(max(top - np.float32(high - b) * scale, np.float32(0.0)))


def saturate(frame: Frame, gain: float, offset: float) -> Frame:
    """HSV saturation s becomes clip(gain s + offset), hue and value kept; truncated.

    At constant hue and value every channel's distance from the largest one scales with the saturation.
    """
    flat = np.ascontiguousarray(frame).reshape(-1, 3)
    out = np.empty_like(flat)
    _saturate(flat, out, *saturation_tables(float(gain), float(offset)))
    return out.reshape(frame.shape)


def contrast_table(means: NDArray[np.float64], factor: float) -> NDArray[np.uint8]:
    """New level, uint8 (256, 3), of each level and channel whose distance from the channel's mean is scaled."""
    levels = np.clip((np.arange(256)[:, None] - means) * factor + means, 0.0, 255.0)
    return np.floor(levels + _TINY).astype(np.uint8)


def contrast(frame: Frame, factor: float) -> Frame:
    """Each channel's distance from its mean over the frame scaled by `factor`; truncated."""
    import cv2

    frame = np.ascontiguousarray(frame)
    means = np.array(cv2.sumElems(frame)[:3]) / (frame.shape[0] * frame.shape[1])
    return np.asarray(cv2.LUT(frame, contrast_table(means, factor).reshape(256, 1, 3)), dtype=np.uint8)


@jit
def _pair(a, b, out, table):  # type: ignore[no-untyped-def]
    for i in range(a.size):
        out[i] = table[a[i], b[i]]


@lru_cache(maxsize=16)
def _blend_table(first: float, second: float) -> NDArray[np.uint8]:
    levels = np.arange(256)
    return np.floor(np.clip(first * levels[:, None] + second * levels[None, :], 0, 255) + _TINY).astype(np.uint8)


def blend(frame: Frame, layer: Frame, first: float, second: float) -> Frame:
    """first x frame + second x layer, clipped and truncated; both uint8 of equal shape."""
    a, b = np.ascontiguousarray(frame).reshape(-1), np.ascontiguousarray(layer).reshape(-1)
    out = np.empty_like(a)
    _pair(a, b, out, _blend_table(float(first), float(second)))
    return out.reshape(frame.shape)
