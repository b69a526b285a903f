"""Image trunks up to stride 16: the first three stages of a ResNet under the names each family gives them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.resnet import BasicBlock, Bottleneck, stage

MIXED = ("res2", "layer2", "layer3")
"""Stage names of the image encoders of STCN and its descendants."""
PLAIN = ("layer1", "layer2", "layer3")
"""Stage names of their mask encoders."""


class Trunk(nn.Module):
    """ResNet-50 (or ResNet-18) cut after the stage of stride 16.

    channels: of the input. names: of the three stages in the checkpoints. bias: the convolutions have biases beside
    their batch norms, as those of the modified ResNet of MiVOS and its descendants do.
    """

    def __init__(
        self, channels: int = 3, names: tuple[str, str, str] = MIXED, deep: bool = True, bias: bool = False
    ) -> None:
        super().__init__()
        block: type[BasicBlock] | type[Bottleneck] = Bottleneck if deep else BasicBlock
        blocks = (3, 4, 6) if deep else (2, 2, 2)
        self.names = names
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for name, width, count, stride in zip(names, (64, 128, 256), blocks, (1, 2, 2)):
            self.add_module(name, stage(block, inputs, width, count, stride))
            inputs = width * block.expansion
        if bias:
            add_biases(self)

    def stem(self, image: Tensor) -> Tensor:
        """N x channels x H x W -> N x 64 x H/2 x W/2, before the norm."""
        found: Tensor = self.conv1(image)
        return found

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `stem` returned -> features of stride 16, 8 and 4."""
        x = F.max_pool2d(F.relu(self.bn1(x)), 3, 2, 1)
        f4 = self.get_submodule(self.names[0])(x)
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
