"""Search regions: which part of a frame an object is looked for in, and how a result goes back into the frame.

All positions are (y, x). Numbers are float32 as in the authors' code, whose roundings and truncations decide pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Pair = NDArray[np.float32]
"""(y, x) or (height, width)."""
Whole = NDArray[np.int64]

NOWHERE = -100.0
"""Score of pixels outside a region."""
SEARCH = 5.0
"""Side of the region of an object, as a multiple of the geometric mean of the object's sides."""


def pair(values: Any) -> Pair:
    """Two numbers as float32."""
    return np.asarray(values, np.float32)


def root(values: Any) -> Any:
    """Square roots as torch computes float32, not always correctly rounded: truncations follow the last bit."""
    found = torch.sqrt(torch.from_numpy(np.atleast_1d(np.asarray(values, np.float32)))).numpy()
    return found if np.ndim(values) else found[0]


def truncated(values: NDArray[np.floating[Any]]) -> Whole:
    """Toward zero."""
    found: Whole = np.trunc(values).astype(np.int64)
    return found


@dataclass(frozen=True)
class Window:
    """A rectangle of a frame, on every `step`-th of its rows and columns from `offset` on."""

    top_left: tuple[int, int]
    bottom_right: tuple[int, int]
    """Exclusive."""
    step: int = 1
    offset: tuple[int, int] = (0, 0)

    @property
    def corners(self) -> tuple[Whole, Whole]:
        """Top left and bottom right in pixels of the frame."""
        return self.step * np.array(self.top_left), self.step * np.array(self.bottom_right)


def window(frame: tuple[int, int], centre: Pair, sample: Pair, region: tuple[int, int], inside: bool) -> Window:
    """The window around a centre for a sample of some size that shall become a region of another.

    frame: (H, W). inside: the sample is shrunk until one of its sides fits, and moved into the frame.
    """
    place, out, size = truncated(centre), pair(region), np.array(frame)
    if inside:
        sample = truncated(sample / max(np.float32(1), (sample / pair(frame)).min())).astype(np.float32)
    step = max(1, int(float((sample / out).min()) - 0.1))
    offset = place % step if step > 1 else np.zeros(2, np.int64)
    place, size = (place - offset) // step, -((offset - size) // step)
    sides = np.maximum(np.rint(sample / np.float32(step)), 2).astype(np.int64)
    first, end = place - (sides - 1) // 2, place + sides // 2 + 1
    if inside:
        shift = np.maximum(-first, 0) - np.maximum(end - size, 0)
        first, end = first + shift, end + shift
        outside = (np.maximum(-first, 0) + np.maximum(end - size, 0)) // 2
        shift = np.where(outside > 0, -first - outside, 0)
        first, end = first + shift, end + shift
    return Window(_two(first), _two(end), step, _two(offset))


def _two(values: Whole) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def cut(frame: Tensor, part: Window, region: tuple[int, int], mask: bool = False) -> Tensor:
    """A window of a frame C x H x W as float32 1 x C x h x w of the region's size.

    Beyond the frame its border is repeated, and it is resized bilinearly; masks have zeros there and are resized to
    the nearest pixel.
    """
    beyond = []
    for axis, size in enumerate(frame.shape[1:]):
        held = -((part.offset[axis] - size) // part.step)
        wanted = torch.arange(part.top_left[axis], part.bottom_right[axis], device=frame.device)
        index = wanted.clamp(0, held - 1)
        beyond.append(index != wanted)
        frame = frame.index_select(axis + 1, part.offset[axis] + part.step * index)
    pixels = frame[None].float()
    if mask:
        pixels.masked_fill_(beyond[0][:, None] | beyond[1], 0)
    if tuple(pixels.shape[-2:]) == region:
        return pixels
    if mask:
        return F.interpolate(pixels, region, mode="nearest")
    return F.interpolate(pixels, region, mode="bilinear", align_corners=False)


@dataclass
class State:
    """Where an object is, and how large."""

    position: Pair
    size: Pair
    scale: np.float32
    """Pixels of the frame per pixel of the region."""
    base: Pair
    """Size of the object at scale 1."""

    @classmethod
    def of(cls, mask: NDArray[np.bool_], region: tuple[int, int]) -> State:
        """Of a given mask H x W with at least one pixel.

        Sides are one pixel less than the extent, as the authors' reader of data sets has them. Their code divides by
        zero for an object of one row or one column; here a side is at least 1.
        """
        spans = [np.flatnonzero(mask.any(axis)) for axis in (1, 0)]
        first = pair([span[0] for span in spans])
        size = np.maximum(pair([span[-1] - span[0] for span in spans]), 1)
        area = np.float32(region[0] * region[1])
        scale = np.float32(SEARCH * math.sqrt(size.prod())) * (1 / root(area))
        return cls(pair(first + (size - 1) / 2), size, scale, size / scale)

    def follow(self, probabilities: Tensor, limits: tuple[float, float]) -> None:
        """Move to where an object was on the frame before: probabilities H x W.

        With less than 100 pixels' worth of it, place and size stay. limits: of the change of the scale.
        """
        total = probabilities.sum().cpu()
        if total >= 100:
            means, spread = [], []
            for axis in (1, 0):
                line = probabilities.sum(axis).cpu()
                places = torch.arange(len(line), dtype=torch.float32)
                means.append((line * places).sum() / total)
                spread.append((line * (places - means[-1]) ** 2).sum() / total)
            self.position, self.size = pair(means), 4 * root(pair(spread))
        scale = root(self.size.prod() / self.base.prod())
        low, high = (np.float32(limit) * self.scale for limit in limits)
        self.scale = np.clip(scale, low, high)
        self.size = self.base * self.scale

    def sample(self, region: tuple[int, int]) -> Pair:
        """Size in the frame of the search region."""
        return self.scale * pair(region)

    def search(self, frame: tuple[int, int], region: tuple[int, int], cells: tuple[int, int]) -> tuple[Pair, Window]:
        """Centre and window of the search region; its size is (480, 832), say, with (30, 52) cells."""
        sample = self.sample(region)
        odd = pair([(count + 3) % 2 for count in cells])
        centre = self.position + odd * sample / (2 * pair(cells))
        return centre, window(frame, centre, sample, region, inside=True)


def first_region(state: State, frame: Tensor, mask: Tensor, region: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The region that an object begins with: twice the region's size is cut, and its centre moved into the frame.

    frame: C x H x W. mask: 1 x H x W. Returns 1 x C x h x w and 1 x 1 x h x w of the region's size.
    """
    size, out = pair(frame.shape[1:]), pair(region)
    sample = state.sample(region)
    sample = sample / max(np.float32(1), (sample / size).min())
    scale = root((sample / out).prod())
    first, end = state.position - (sample - 1) / 2, state.position + sample / 2 + 1
    shift = truncated(-(np.maximum(-first, 0) - np.maximum(end - size, 0)) / scale)
    double = (2 * region[0], 2 * region[1])
    part = window(_two(np.array(frame.shape[1:])), np.rint(state.position), scale * pair(double), double, inside=False)
    found = []
    for pixels, is_mask in ((frame, False), (mask, True)):
        wide = cut(pixels, part, double, is_mask)
        for axis, side in enumerate(region):
            rows = torch.arange(side, device=wide.device) + (side // 2 - int(shift[axis]))
            wide = wide.index_select(axis + 2, rows.clamp(0, 2 * side - 1))
        found.append(wide)
    return found[0], found[1]


def pasted(scores: Tensor, part: Window, frame: tuple[int, int]) -> Tensor:
    """Scores h x w of a region -> those of the frame, H x W.

    They are enlarged by one factor for both sides, so that they can be a pixel larger or smaller than the window.
    """
    first, end = part.corners
    factor = float(root((pair(end - first) / pair(scores.shape)).prod()))
    factor = max(factor, 1 / min(scores.shape))
    large = F.interpolate(scores[None, None], scale_factor=factor, mode="bilinear", align_corners=False)[0, 0]
    canvas = scores.new_full(frame, NOWHERE)
    middle = (first + end - 1) / 2
    starts = [int(middle[axis] - large.shape[axis] / 2) for axis in (0, 1)]
    into = tuple(slice(max(0, s), max(0, s + side)) for s, side in zip(starts, large.shape))
    target = canvas[into]
    top, left = (max(0, -s) for s in starts)
    target.copy_(large[top : top + target.shape[0], left : left + target.shape[1]])
    return canvas
