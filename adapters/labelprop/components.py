"""Objects do not appear out of nowhere: parts of a mask far from where the object just was are mistakes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def without_strays(labels: NDArray[np.uint8], before: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """`labels` (H x W, dense) without the parts that do not come within `reach` pixels of the same object in `before`.

    The largest part of each object always stays, so that a fast small object is not lost.
    """
    out = labels.copy()
    disc = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)), np.uint8)
    for i in range(1, int(labels.max(initial=0)) + 1):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((labels == i).astype(np.uint8), connectivity=8)
        if count <= 2:  # background and one part
            continue
        near = np.asarray(cv2.dilate((before == i).astype(np.uint8), disc)) > 0
        stays = np.zeros(count, bool)
        stays[np.unique(np.asarray(parts)[near])] = True
        stays[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))] = True
        stays[0] = True
        out[~stays[parts]] = 0
    return out
