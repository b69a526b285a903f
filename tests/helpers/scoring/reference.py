"""A plain, slow J and F written from the published formulas; no code of the package is used here."""

from __future__ import annotations

import numpy as np


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Pixel is set where the mask differs from its right, lower or lower right neighbour (borders: fewer)."""
    height, width = mask.shape
    out = np.zeros((height, width), bool)
    if height > 1 and width > 1:
        inner = mask[:-1, :-1]
        out[:-1, :-1] = (inner != mask[:-1, 1:]) | (inner != mask[1:, :-1]) | (inner != mask[1:, 1:])
    out[-1, :-1] = mask[-1, :-1] != mask[-1, 1:]
    out[:-1, -1] = mask[:-1, -1] != mask[1:, -1]
    return out


def dilated(mask: np.ndarray, radius: int) -> np.ndarray:
    """Union of the mask shifted by every offset of the disk; outside the image nothing is set."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    if not mask.any():
        return out
    padded = np.pad(mask, radius)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dx * dx + dy * dy <= radius * radius:
                out |= padded[radius + dy : radius + dy + height, radius + dx : radius + dx + width]
    return out


def tolerance(shape: tuple[int, int]) -> int:
    return int(np.ceil(0.008 * np.linalg.norm(shape)))


def counts(pred: np.ndarray, truth: np.ndarray) -> list[int]:
    """The seven integers of two binary masks."""
    r = tolerance(pred.shape)
    fg, gt = boundary_map(pred), boundary_map(truth)
    return [
        int(pred.sum()),
        int(truth.sum()),
        int((pred & truth).sum()),
        int(fg.sum()),
        int(gt.sum()),
        int((fg & dilated(gt, r)).sum()),
        int((gt & dilated(fg, r)).sum()),
    ]


def j_and_f(row: list[int]) -> tuple[float, float]:
    """J and F of one row of counts, float by float as the official tool evaluates them."""
    a, b, both, n_fg, n_gt, m_fg, m_gt = row
    union = a + b - both
    j = 1.0 if union == 0 else both / union
    if n_fg == 0 and n_gt > 0:
        precision, recall = 1.0, 0.0
    elif n_fg > 0 and n_gt == 0:
        precision, recall = 0.0, 1.0
    elif n_fg == 0 and n_gt == 0:
        precision, recall = 1.0, 1.0
    else:
        precision, recall = m_fg / float(n_fg), m_gt / float(n_gt)
    f = 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
    return j, f


def statistics(values: np.ndarray, wrap: bool = True) -> tuple[float, float, float]:
    """Mean, recall, decay; with 8-bit bin edges as in the official tool if `wrap`."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = np.round(np.linspace(1, len(values), 5) + 1e-10) - 1
        ids = (ids.astype(np.int64) % 256) if wrap else ids.astype(np.int64)
        bins = [values[ids[i] : ids[i + 1] + 1] for i in range(4)]
        decay = np.nanmean(bins[0]) - np.nanmean(bins[3])
        return float(np.nanmean(values)), float(np.nanmean(values > 0.5)), float(decay)
