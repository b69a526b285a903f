"""The samples that an object's model is first trained on: the given frame, and four in which the object is elsewhere.

The object is cut out, the hole is filled, and both are warped, blurred and put together again. Every draw and every
pixel is as in the official code on a CPU; a frame is warped in colour only when it is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..common.opencv import one_opencv_thread
from .placements import KEPT, TRIED, Placement, locations, pairs

Pixels = NDArray[np.float32]
ROUNDS = 100
"""Rounds after which no more placements are tried. The official code has this number, and goes on for ever."""
_SMALLEST = 10
"""Pixels that a side of the object's box has at least after scaling."""
_GREY = 128


@dataclass(frozen=True)
class Samples:
    """The given frame first, then four others."""

    images: NDArray[np.uint8]
    """5 x H x W x 3, RGB."""
    masks: NDArray[np.uint8]
    """5 x H x W, 0 or 1."""
    areas: tuple[int, ...]
    """Pixels of the object in every pair that was tried, in order."""
    warped: int
    """How many of the frames are warped; the given one stands in for those that are missing."""


@dataclass(frozen=True)
class Box:
    """Centre and sides in pixels."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def around(cls, mask: NDArray[np.uint8]) -> Box:
        """The box of the pixels that are not zero; there is at least one."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        height, width = int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
        return cls(columns[0] + width / 2, rows[0] + height / 2, width, height)


def augmented(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.RandomState, tried: int = TRIED, fill: bool = True
) -> Samples:
    """Samples of an object. image: RGB H x W x 3. mask: H x W, 0 or 1, with at least one pixel.

    tried: pairs of placements in a round. fill: the hole is painted over from its rim; False: it becomes grey.
    The given frame stands in where `ROUNDS` rounds did not find four warped ones that show the object.
    """
    size = (image.shape[0], image.shape[1])
    with one_opencv_thread():
        places = locations(rng, size)
        matrices, areas = _kept(mask, rng, places, tried)
        if len(matrices) > KEPT:
            order = list(range(len(matrices)))
            rng.shuffle(order)
            matrices = [matrices[i] for i in order[:KEPT]]
        behind = without_object(image, mask, fill).astype(np.float32)
        cut = np.dstack([image * mask[..., None], mask * np.uint8(255)]).astype(np.float32)
        images = [image, *(_joined(cut, behind, *chosen) for chosen in matrices)]
        masks = [mask, *(_warped_mask(mask, forward) for _, forward, _ in matrices)]
    missing = KEPT - len(matrices)
    images, masks = images + missing * [image], masks + missing * [mask]
    return Samples(np.stack(images), np.stack(masks), areas, len(matrices))


Chosen = tuple[tuple[Placement, Placement], NDArray[np.float32], NDArray[np.float32]]
"""The two placements, and their matrices."""


def _kept(
    mask: NDArray[np.uint8], rng: np.random.RandomState, places: list[tuple[float, float]], tried: int
) -> tuple[list[Chosen], tuple[int, ...]]:
    """Placements that show the object, and the object's pixels in all that were tried."""
    box, size = Box.around(mask), (mask.shape[0], mask.shape[1])
    pixels = mask.size
    whole = Box(size[1] / 2, size[0] / 2, size[1], size[0])
    filled = int(mask.sum()) >= pixels - 1
    found: list[Chosen] = []
    areas: list[int] = []
    for _ in range(ROUNDS):
        for front, back in pairs(rng, places, tried):
            forward = matrix(front, box, size, limited=True)
            area = int(_warped_mask(mask, forward).sum())
            areas.append(area)
            if area >= 1 and (area < pixels - 1 or filled):
                found.append(((front, back), forward, matrix(back, whole, size, limited=False)))
        if len(found) >= KEPT:
            break
    return found, tuple(areas)


def matrix(placement: Placement, box: Box, size: tuple[int, int], limited: bool) -> NDArray[np.float32]:
    """2 x 3, from pixels of the picture to those of the warped one. limited: the box fits the frame and is not tiny."""
    (height, width), scale = size, placement.scale
    if limited:
        if scale * box.width > width or scale * box.height > height:
            scale = min(width / box.width, height / box.height)
        if scale * box.width < _SMALLEST or scale * box.height < _SMALLEST:
            scale = max(_SMALLEST / box.width, _SMALLEST / box.height)
    x, y = placement.location
    (kx, ky), flip = placement.skew, -1 if placement.flipped else 1
    turned = np.array([[1, kx], [ky, 1]]) @ _rotation(placement.rotation) @ np.diag([flip * scale, scale])
    offset = np.array([x * width, y * height]) - turned @ np.array([box.x, box.y])
    return np.column_stack([turned, offset]).astype(np.float32)


def _rotation(degrees: float) -> NDArray[np.float64]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, sin], [-sin, cos]])


def without_object(image: NDArray[np.uint8], mask: NDArray[np.uint8], fill: bool = True) -> NDArray[np.uint8]:
    """The frame with the object, and the pixels to its right and below, painted over (or grey)."""
    element = np.array([[0, 1], [1, 1]], np.uint8)
    hole = cv2.dilate(mask, element, anchor=(1, 1))
    if fill:
        return np.asarray(cv2.inpaint(image, hole, 1, cv2.INPAINT_TELEA), np.uint8)
    return np.where(hole[..., None] > 0, np.uint8(_GREY), image)


def _warped_mask(mask: NDArray[np.uint8], forward: NDArray[np.float32]) -> NDArray[np.uint8]:
    height, width = mask.shape
    return np.asarray(cv2.warpAffine(mask, forward, (width, height), flags=cv2.INTER_NEAREST), np.uint8)


def _warped(picture: Pixels, forward: NDArray[np.float32]) -> Pixels:
    """H x W x C, bicubic with zeros from beyond the border; a channel at a time, as all of them differ by rounding."""
    height, width = picture.shape[:2]
    channels = [
        cv2.warpAffine(np.ascontiguousarray(channel), forward, (width, height), flags=cv2.INTER_CUBIC)
        for channel in np.moveaxis(picture, 2, 0)
    ]
    return np.asarray(np.clip(np.dstack(channels), 0, 255))


def kernel(variance: float, angle: float) -> Pixels:
    """A Gaussian that is `variance` wide along `angle` and 0.1 across, normalised."""
    rotation = _rotation(angle)
    inverse = np.linalg.inv(rotation @ np.diag([variance, 0.1]) @ rotation.T)
    radius = int(variance / 2 + 0.5)
    radius += (radius + 1) % 2
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    places = np.stack([x, y], -1)
    weights = np.exp(-0.5 * np.einsum("yxi,ij,yxj->yx", places, inverse, places))
    return np.asarray(weights / weights.sum(), np.float32)


def _blurred(picture: Pixels, placement: Placement) -> Pixels:
    if placement.blur <= 0:
        return picture
    weights = kernel(placement.blur, placement.blur_angle)
    return np.asarray(cv2.filter2D(picture, -1, weights, borderType=cv2.BORDER_CONSTANT), np.float32)


def _joined(
    cut: Pixels,
    behind: Pixels,
    pair: tuple[Placement, Placement],
    forward: NDArray[np.float32],
    backward: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """The warped object (colours and alpha) over the warped background, cut off to whole levels."""
    front, back = pair
    background = _blurred(_warped(behind, backward), back)
    foreground = _blurred(_warped(cut, forward), front)
    alpha = foreground[..., 3:] / np.float32(255)
    return np.asarray(foreground[..., :3] * alpha + background * (1 - alpha)).astype(np.uint8)
