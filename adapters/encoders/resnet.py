"""ResNets (He et al. 2016) with torchvision's parameter names, as far down as a family needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions (ResNet-18/34)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, norm: Norm, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, dilation, dilation, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = norm(width)
        self.downsample = _projection(inputs, width, stride, norm) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x width x H/stride x W/stride."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (carries the stride), 1 x 1 (ResNet-50 and deeper)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, norm: Norm, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = norm(4 * width)
        self.downsample = _projection(inputs, 4 * width, stride, norm) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x 4 width x H/stride x W/stride."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class EarlyStrideBottleneck(Bottleneck):
    """A bottleneck whose first 1 x 1 convolution carries the stride, as in Mask R-CNN's weights from Caffe."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, norm: Norm, project: bool) -> None:
        super().__init__(inputs, width, stride, dilation, norm, project)
        self.conv1.stride, self.conv2.stride = (stride, stride), (1, 1)


def _projection(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))


def stage(
    block: type[BasicBlock] | type[Bottleneck],
    inputs: int,
    width: int,
    blocks: int,
    stride: int = 1,
    norm: Norm = nn.BatchNorm2d,
    dilations: Sequence[int] | int = 1,
) -> nn.Sequential:
    """One residual stage; the first block carries the stride. dilations: one for all blocks, or one per block."""
    rates = [dilations] * blocks if isinstance(dilations, int) else list(dilations)
    outputs = width * block.expansion
    layers = [block(inputs, width, stride, rates[0], norm, project=stride != 1 or inputs != outputs)]
    layers += [block(outputs, width, 1, rate, norm, project=False) for rate in rates[1:]]
    return nn.Sequential(*layers)


class FrozenBatchNorm(nn.Module):
    """Batch norm with fixed statistics: four buffers (weight, bias, running_mean, running_var), nothing to train."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Per-channel affine map with the stored statistics."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
