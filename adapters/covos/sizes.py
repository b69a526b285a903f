"""Sizes of one video: that of its frames, that of the propagator's pictures, and the map of cells on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.models.argmax import strongest

from ..common.tensors import image_tensor, normalise, pad_to_multiple, unpad
from .warp import Motion

MULTIPLE = 16
"""Sides of padded pictures; upper and left pads are the smaller ones."""


@dataclass(frozen=True)
class Decoded:
    """What a decoder says of one frame beside its picture, on any grid that covers the coded picture."""

    x: NDArray[np.int16]
    """2 x h x w, list 0 (past) and list 1 (future), in quarters of a pixel."""
    y: NDArray[np.int16]
    offsets: NDArray[np.uint8]
    """2 x h x w: frames between this one and the one meant; 0: list not used."""
    residual: NDArray[np.float32] | None = None
    """H x W x 3: what the prediction along the vectors missed, in -1..1; None where nothing is corrected."""


class Sizes:
    """frame: (H, W) of the video. size: frames with a longer short side are reduced to it; None: never. cell: 4, or 1
    for maps at the pictures' own resolution."""

    def __init__(self, frame: tuple[int, int], size: int | None, cell: int = 4) -> None:
        self.frame, self.cell = frame, cell
        self.inner = frame
        if size is not None and min(frame) > size:
            other = int(size * max(frame) / min(frame))
            self.inner = (size, other) if frame[0] <= frame[1] else (other, size)
        padded, self.pads = pad_to_multiple(torch.empty(1, *self.inner, device="meta"), MULTIPLE)
        self.grid = (padded.shape[-2] // cell, padded.shape[-1] // cell)
        """(h, w) of the map of cells."""

    def image(self, frame: NDArray[np.uint8], device: str) -> Tensor:
        """RGB uint8 -> the networks' picture, 1 x 3 x H x W normalised and padded with zeros."""
        return self._pad(self._resized(normalise(image_tensor(frame, device))))

    def one_hot(self, labels: NDArray[np.uint8], objects: int, device: str) -> Tensor:
        """Dense labels of the frame -> masks of objects 1..n on the map, n x h x w of zeros and ones.

        The strongest label of a bilinear reduction, as official for the base model's probabilities.
        """
        shown = torch.from_numpy(np.array(labels)).to(device)
        if self.cell == 1 and self.inner == self.frame:
            return self._masks(self._pad(shown), objects)
        every = torch.stack([(shown == i).float() for i in range(objects + 1)])
        if self.inner != self.frame:
            every = F.interpolate(every[None], self.inner, mode="nearest-exact")[0]
        small = self._reduced(self._pad(every)[None])[0]
        return self._masks(strongest(small), objects)  # where the padding ties all, the background

    def motion(self, decoded: Decoded, coded: tuple[int, int], device: str) -> Motion:
        """Vectors on the map, in its cells. coded: (H, W) of the picture that the decoder's grid covers.

        Each reduction takes the nearest vector. Factors of the two axes are exchanged, as official: they are equal
        where resizing keeps the aspect.
        """
        scale = 0.25 / self.cell

        def on_map(field: NDArray[np.int16] | NDArray[np.uint8]) -> Tensor:
            given = torch.from_numpy(field).to(device).float()
            if tuple(given.shape[-2:]) != self.inner:
                given = F.interpolate(given[None], self.inner, mode="nearest")[0]
            return self._pad(given)[:, :: self.cell, :: self.cell]

        x = on_map(decoded.x) * (scale * self.inner[0] / coded[0])
        y = on_map(decoded.y) * (scale * self.inner[1] / coded[1])
        return Motion(x, y, on_map(decoded.offsets).to(torch.uint8))

    def residual(self, residual: NDArray[np.float32], device: str) -> Tensor:
        """h x w: sum over the channels of what the prediction missed, absolute after reducing."""
        given = torch.from_numpy(residual).to(device).permute(2, 0, 1)[None]
        total: Tensor = self._reduced(self._pad(self._resized(given)))[0].abs().sum(0)
        return total

    def enlarged(self, maps: Tensor) -> Tensor:
        """C x h x w -> C x H x W of the padded picture, bilinear."""
        if self.cell == 1:
            return maps
        return F.interpolate(maps[None], scale_factor=self.cell, mode="bilinear", align_corners=False)[0]

    def native(self, probabilities: Tensor) -> Tensor:
        """C x H x W of the padded picture -> C x H x W of the frame."""
        inner = unpad(probabilities, self.pads)
        if self.inner == self.frame:
            return inner
        return F.interpolate(inner[None], self.frame, mode="bilinear", align_corners=False)[0]

    @staticmethod
    def _masks(labels: Tensor, objects: int) -> Tensor:
        return (labels == torch.arange(1, objects + 1, device=labels.device)[:, None, None]).float()

    def _resized(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) == self.inner:
            return x
        return F.interpolate(x, self.inner, mode="bilinear", align_corners=False, antialias=True)

    def _pad(self, x: Tensor) -> Tensor:
        return F.pad(x, self.pads)

    def _reduced(self, x: Tensor) -> Tensor:
        return x if self.cell == 1 else F.interpolate(x, scale_factor=1 / self.cell, mode="bilinear")
