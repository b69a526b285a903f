"""A Kalman filter over boxes with constant velocity (as in SORT and DeepSORT), whose noise grows with the height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
POSITION, VELOCITY = 1 / 20, 1 / 160
"""Spread of places and of velocities per frame, as shares of a box's height."""


class BoxMotion:
    """Eight numbers: centre x and y, width over height, height, and how each changes per frame."""

    def __init__(self, box: Array) -> None:
        seen = measured(box)
        self.mean: Array = np.concatenate([seen, np.zeros(4)])
        place, speed = 2 * POSITION * seen[3], 10 * VELOCITY * seen[3]
        spread = [place, place, 1e-2, place, speed, speed, 1e-5, speed]
        self.covariance: Array = np.diag(np.square(spread))

    def predict(self) -> None:
        """Go on by one frame."""
        place, speed = POSITION * self.mean[3], VELOCITY * self.mean[3]
        noise = np.diag(np.square([place, place, 1e-2, place, speed, speed, 1e-5, speed]))
        step = np.eye(8) + np.eye(8, k=4)
        self.mean = step @ self.mean
        self.covariance = step @ self.covariance @ step.T + noise

    def update(self, box: Array) -> None:
        """Correct by a box that was seen."""
        place = POSITION * self.mean[3]
        innovation = self.covariance[:4, :4] + np.diag(np.square([place, place, 1e-1, place]))
        gain = np.linalg.solve(innovation, self.covariance[:4]).T
        self.mean = self.mean + gain @ (measured(box) - self.mean[:4])
        self.covariance = self.covariance - gain @ innovation @ gain.T

    def box(self) -> Array:
        """The expected box: left, top, right, bottom."""
        x, y, shape, height = self.mean[:4]
        half = np.array([shape * height / 2, height / 2])
        return np.concatenate([np.array([x, y]) - half, np.array([x, y]) + half])


def measured(box: Array) -> Array:
    """(left, top, right, bottom) -> (centre x, centre y, width over height, height)."""
    width, height = box[2] - box[0], box[3] - box[1]
    height = height if height != 0 else 1.0
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, width / height, height])


def box_of(mask: NDArray[np.bool_]) -> Array:
    """First and last column and row of a mask H x W: left, top, right, bottom; zeros where it is empty."""
    if not mask.any():
        return np.zeros(4)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float64)


def overlap(one: Array, other: Array) -> float:
    """IoU of two boxes; 0 where the second is empty."""
    if not other.any():
        return 0.0
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    union = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - both
    return both / union if union else 0.0
