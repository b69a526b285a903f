"""Prediction sets derived from truth or OSVOS results by fixed rules; the official numbers for them are known."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

SIZE_3 = np.ones((3, 3), np.uint8)


def stripes(mask: np.ndarray) -> np.ndarray:
    """A binary mask cut into objects 1..3 by column, between its first and last foreground column."""
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return np.zeros(mask.shape, np.uint8)
    x0, x1 = columns[0], columns[-1]
    labels = 1 + (3 * (np.arange(mask.shape[1]) - x0)) // (x1 - x0 + 1)
    return np.where(mask > 0, np.clip(labels, 0, 255)[None], 0).astype(np.uint8)


def shift(mask: np.ndarray, t: int, dx: int = 7, dy: int = -5) -> np.ndarray:
    out = np.zeros_like(mask)
    height, width = mask.shape
    ys, xs = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
    yt, xt = slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0))
    out[ys, xs] = mask[yt, xt]
    return out


def morph(mask: np.ndarray, operation: int, times: int) -> np.ndarray:
    out = np.zeros_like(mask)
    for k in range(1, int(mask.max()) + 1):
        changed = cv2.morphologyEx((mask == k).astype(np.uint8), operation, SIZE_3, iterations=times)
        out[changed > 0] = k
    return out


def dilate(mask: np.ndarray, t: int) -> np.ndarray:
    return morph(mask, cv2.MORPH_DILATE, 5)


def erode(mask: np.ndarray, t: int) -> np.ndarray:
    return morph(mask, cv2.MORPH_ERODE, 4)


def elastic(mask: np.ndarray, t: int) -> np.ndarray:
    height, width = mask.shape
    y, x = np.mgrid[:height, :width]
    sx = np.clip(x + np.round(7 * np.sin(2 * np.pi * (y + 3 * t) / 41)).astype(int), 0, width - 1)
    sy = np.clip(y + np.round(5 * np.sin(2 * np.pi * (x + 5 * t) / 29)).astype(int), 0, height - 1)
    return mask[sy, sx]


def swap(mask: np.ndarray, t: int) -> np.ndarray:
    table = np.arange(256, dtype=np.uint8)
    table[[1, 2, 3]] = [2, 3, 1]
    return table[mask]


def empty(mask: np.ndarray, t: int) -> np.ndarray:
    return np.zeros_like(mask)


def drop(masks: list[np.ndarray]) -> Iterator[np.ndarray]:
    n = len(masks)
    for t, mask in enumerate(masks):
        out = mask.copy()
        if t % 5 == 4:
            out[:] = 0
        if t > n // 2:
            out[out == 2] = 0
        if t > 3 * n // 4:
            out[out == 1] = 0
        yield out


def noise(masks: list[np.ndarray], kind: int, sequence: int, objects: int) -> Iterator[np.ndarray]:
    """0.2 % of the pixels of every frame at random labels; `sequence` is the index in DAVIS-2016 val."""
    rng = np.random.Generator(np.random.PCG64([kind, sequence]))
    for mask in masks:
        out = mask.copy()
        chosen = rng.random(out.shape) < 0.002
        out[chosen] = rng.integers(0, objects + 1, chosen.sum())
        yield out
