"""Encoders of the STM line: images, and images with masks, up to stride 16.

All are the first three stages of a ResNet, under the names that each system gives them in its checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..common.tensors import IMAGENET_MEAN, IMAGENET_STD
from ..encoders.resnet import BasicBlock, Bottleneck, stage
from .blocks import Fuser

NUMBERED = ("res2", "res3", "res4")
"""Stage names of STM."""
MIXED = ("res2", "layer2", "layer3")
"""Stage names of the image encoders of MiVOS, STCN and their descendants."""
PLAIN = ("layer1", "layer2", "layer3")
"""Stage names of their mask encoders."""


class Trunk(nn.Module):
    """ResNet-50 (or ResNet-18) cut after the stage of stride 16.

    channels: of the input. names: of the three stages in the checkpoints. bias: the convolutions have biases beside
    their batch norms, as those of the modified ResNet of MiVOS and its descendants do. normalises: mean and deviation
    of images are buffers of the trunk (`normalised`).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        channels: int = 3,
        names: tuple[str, str, str] = MIXED,
        deep: bool = True,
        bias: bool = False,
        normalises: bool = False,
    ) -> None:
        super().__init__()
        block: type[BasicBlock] | type[Bottleneck] = Bottleneck if deep else BasicBlock
        blocks = (3, 4, 6) if deep else (2, 2, 2)
        self.names = names
        self.normalises = normalises
        if normalises:
            self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for name, width, count, stride in zip(names, (64, 128, 256), blocks, (1, 2, 2)):
            self.add_module(name, stage(block, inputs, width, count, stride))
            inputs = width * block.expansion
        if bias:
            add_biases(self)

    def normalised(self, image: Tensor) -> Tensor:
        """1 x 3 x H x W in 0..1 -> what the convolutions take; as it is where the trunk does not normalise."""
        return (image - self.mean) / self.std if self.normalises else image

    def stem(self, image: Tensor) -> Tensor:
        """N x channels x H x W -> N x 64 x H/2 x W/2, before the norm."""
        found: Tensor = self.conv1(image)
        return found

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `stem` returned -> features of stride 16, 8 and 4."""
        return self.deeper(self.shallow(x))

    def shallow(self, x: Tensor) -> Tensor:
        """What `stem` returned -> features of stride 2, 64 channels."""
        return F.relu(self.bn1(x))

    def deeper(self, f2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of stride 2 -> those of stride 16, 8 and 4."""
        f4 = self.get_submodule(self.names[0])(F.max_pool2d(f2, 3, 2, 1))
        f8 = self.get_submodule(self.names[1])(f4)
        return self.get_submodule(self.names[2])(f8), f8, f4

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """N x channels x H x W -> features of stride 16, 8 and 4 (1024, 512, 256 channels; a quarter in ResNet-18)."""
        return self.stages(self.stem(image))


def add_biases(module: nn.Module) -> None:
    """Give every convolution under `module` a bias, in place."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.bias is None:
            part.bias = nn.Parameter(torch.zeros(part.out_channels))


def masked_stem(trunk: Trunk, image: Tensor, masks: Tensor, others: Tensor) -> Tensor:
    """The stem over image, mask and the other objects' mask; the image's part is computed once for all objects.

    image: 1 x 3 x H x W. masks, others: k x 1 x H x W. Returns k x 64 x H/2 x W/2.
    """
    weight = trunk.conv1.weight
    seen = F.conv2d(image, weight[:, :3], trunk.conv1.bias, 2, 3)
    return seen + F.conv2d(torch.cat([masks, others], 1), weight[:, 3:], None, 2, 3)


def others_of(masks: Tensor) -> Tensor:
    """For each of k masks the sum of all others: k x 1 x H x W -> the same shape."""
    return torch.stack([torch.cat([masks[:i], masks[i + 1 :]]).sum(0) for i in range(len(masks))])


class NormalisingEncoder(Trunk):
    """The image encoder of STM: ResNet-50 that normalises its image itself, with mean and deviation as buffers."""

    def __init__(self, names: tuple[str, str, str] = NUMBERED) -> None:
        super().__init__(3, names, normalises=True)

    def stem(self, image: Tensor) -> Tensor:
        """1 x 3 x H x W in 0..1."""
        return super().stem(self.normalised(image))


class AddedMaskEncoder(NormalisingEncoder):
    """The memory encoder of STM: convolutions of the object's mask and of the others' are added to the image's."""

    unfolded = ("conv1",)

    def __init__(self) -> None:
        super().__init__()
        self.conv1_m = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.conv1_o = nn.Conv2d(1, 64, 7, 2, 3, bias=False)

    def features(self, image: Tensor, masks: Tensor) -> Tensor:
        """image 1 x 3 x H x W, masks k x 1 x H x W -> k x 1024 x h x w."""
        return self.pyramid(image, masks, others_of(masks).clamp(0, 1))[0]

    def pyramid(self, image: Tensor, masks: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """image 1 x 3 x H x W, masks and the others' masks k x 1 x H x W -> k maps of stride 16, 8 and 4."""
        return self.stages(self.stem(image) + self.conv1_m(masks) + self.conv1_o(others))


class MaskEncoder(Trunk):
    """The memory encoder of MiVOS: ResNet-50 over image, mask and the other objects' mask, with biases."""

    def __init__(self) -> None:
        super().__init__(5, PLAIN, bias=True)

    def features(self, image: Tensor, masks: Tensor) -> Tensor:
        """image 1 x 3 x H x W, masks k x 1 x H x W -> k x 1024 x h x w."""
        return self.stages(masked_stem(self, image, masks, others_of(masks)))[0]


class ValueEncoder(Trunk):
    """The memory encoder of STCN: ResNet-18 over image, mask and the others' mask, fused with the image's features.

    bias: the convolutions have biases (STCN and its descendants, but not XMem). normalises: it takes images in 0..1
    (SWEM).
    """

    def __init__(self, fuser: Fuser, bias: bool = True, normalises: bool = False) -> None:
        super().__init__(5, PLAIN, deep=False, bias=bias, normalises=normalises)
        self.fuser = fuser

    def values(self, image: Tensor, f16: Tensor, masks: Tensor, others: Tensor | None = None) -> Tensor:
        """image 1 x 3 x H x W, f16 1 x 1024 x h x w, masks k x 1 x H x W -> k x value x h x w.

        others: the others' masks, k x 1 x H x W; None: for each object the sum of all other masks.
        """
        others = others_of(masks) if others is None else others
        x, _, _ = self.stages(masked_stem(self, self.normalised(image), masks, others))
        value: Tensor = self.fuser(x, f16)
        return value


def with_other_objects(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint whose `ValueEncoder` sees the other objects too.

    A file of the stage on static images has four input channels, image and mask; it gets zeros for the fifth.
    """
    complete = dict(state)
    name = "value_encoder.conv1.weight"
    if name in state and state[name].ndim == 4 and state[name].shape[1] == 4:
        complete[name] = F.pad(state[name], (0, 0, 0, 0, 0, 1))
    return complete
