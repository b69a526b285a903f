"""The size rule of the STM line: short side to 480, sides padded to multiples of 16."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.tensors import normalise, pad_to_multiple, unpad

Interpolation = Literal["bicubic", "bilinear"]


class Sizes:
    """Sizes of one video: `frame` of its frames, `inner` of the network's image before padding.

    size: the short side of the network's image, or None for the frames' own size. mode: of resizing frames. The
    interpolation is that of torchvision's `Resize` on tensors up to 0.16, with which the published scores were made:
    no antialias.
    """

    aligned: ClassVar[bool] = False
    """Corners of pixels, not their centres, lie where they lay before resizing (`align_corners`)."""

    def __init__(self, frame: tuple[int, int], size: int | None, mode: Interpolation = "bicubic") -> None:
        self.frame, self.mode = frame, mode
        self.inner = frame if size is None else self.rule(frame, size)
        self._pads = pad_to_multiple(torch.empty(1, *self.inner, device="meta"), 16)[1]

    def rule(self, frame: tuple[int, int], size: int) -> tuple[int, int]:
        """(H, W) of the network's image before padding, for frames of (H, W): the short side becomes `size`."""
        short, long = min(frame), max(frame)
        if short == size:
            return frame
        other = int(size * long / short)
        return (size, other) if frame[0] <= frame[1] else (other, size)

    def image(self, image: Tensor, normalised: bool) -> Tensor:
        """1 x 3 x H x W in 0..1 -> the network's image, padded; normalised before the padding or not at all."""
        if self.inner != self.frame:
            image = F.interpolate(image, self.inner, mode=self.mode, align_corners=self.aligned, antialias=False)
        return self.pad(normalise(image) if normalised else image)

    def masks(self, mask: Tensor, ids: Sequence[int]) -> Tensor:
        """uint8 H x W -> one mask per id, k x H' x W' in 0..1, padded."""
        if self.inner != self.frame:
            mask = F.interpolate(mask[None, None].float(), self.inner, mode="nearest")[0, 0]
        return self.pad(torch.stack([(mask == i).float() for i in ids]))

    def pad(self, tensor: Tensor) -> Tensor:
        """Zeros around."""
        left, right, top, bottom = self._pads
        return F.pad(tensor, (left, right, top, bottom))

    def unpad(self, tensor: Tensor) -> Tensor:
        """Undo `pad`."""
        return unpad(tensor, self._pads)

    def enlarged(self, probabilities: Tensor) -> Tensor:
        """n x H' x W' without padding -> n x H x W, bilinear."""
        if self.inner == self.frame:
            return probabilities
        return F.interpolate(probabilities[None], self.frame, mode="bilinear", align_corners=self.aligned)[0]


class AlignedSizes(Sizes):
    """The size rule of GraphMemVOS: the height becomes `size`; all is resized bilinearly, with aligned corners."""

    aligned = True

    def __init__(self, frame: tuple[int, int], size: int | None) -> None:
        super().__init__(frame, size, "bilinear")

    def rule(self, frame: tuple[int, int], size: int) -> tuple[int, int]:
        """(H, W) of the network's image before padding, for frames of (H, W)."""
        height, width = frame
        return size, max(1, int(size * width / height))
