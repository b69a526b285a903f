"""The size rule of AFB-URR: high frames are reduced, as images of 8 bits and with antialias."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask

from ..common.tensors import image_tensor, pad_to_multiple, unpad


class PillowSizes:
    """Sizes of one video: `frame` of its frames, `inner` of the network's image before padding.

    size: frames of this height or more are brought to this height, lower ones are left as they are; None: all are.
    Images are resized by Pillow's bicubic filter, masks by its nearest one, scores by torch's nearest one.
    """

    def __init__(self, frame: tuple[int, int], size: int | None) -> None:
        self.frame = frame
        height, width = frame
        reduced = size is not None and height >= size
        self.inner = (size, max(1, int(width / height * size))) if size is not None and reduced else frame
        self._pads = pad_to_multiple(torch.empty(1, *self.inner, device="meta"), 16)[1]

    def image(self, frame: Frame, device: str) -> Tensor:
        """RGB uint8 H x W x 3 -> the network's image 1 x 3 x H x W in 0..1, with zeros around."""
        if self.inner != self.frame:
            frame = np.asarray(Image.fromarray(frame).resize(self.inner[::-1], Image.Resampling.BICUBIC))
        return self.pad(image_tensor(frame, device))

    def masks(self, mask: Mask, ids: Sequence[int]) -> Tensor:
        """uint8 H x W -> one mask per id, k x H' x W' of 0 and 1, without padding."""
        if self.inner != self.frame:
            mask = np.asarray(Image.fromarray(mask).resize(self.inner[::-1], Image.Resampling.NEAREST))
        return torch.from_numpy(np.stack([mask == i for i in ids]).astype(np.float32))

    def pad(self, tensor: Tensor) -> Tensor:
        """Zeros around, to multiples of 16."""
        left, right, top, bottom = self._pads
        return F.pad(tensor, (left, right, top, bottom))

    def unpad(self, tensor: Tensor) -> Tensor:
        """Undo `pad`."""
        return unpad(tensor, self._pads)

    def enlarged(self, scores: Tensor) -> Tensor:
        """n x H' x W' without padding -> n x H x W."""
        return scores if self.inner == self.frame else F.interpolate(scores[None], self.frame, mode="nearest")[0]
