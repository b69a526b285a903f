"""Xception-65 as DeepLab aligned it (Chollet 2017; Chen et al. 2018) at output stride 8, with frozen batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch.nn.functional as F
from torch import Tensor, nn

from .fold import PointwiseConv2d
from .resnet import FrozenBatchNorm

EPS = 1e-3
"""Of the norms of the trunk."""


class XceptionMaps(NamedTuple):
    """What one image gives, N x C x H x W each."""

    low: Tensor
    """256 channels at stride 4, before any ReLU: the second separable convolution of the second entry block."""
    top: Tensor
    """2048 channels at stride 8."""


class NormedConv(nn.Module):
    """A convolution and the norm of its output, or one with a bias instead. Padding keeps the size at stride 1."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, rate: int = 1, groups: int = 1, eps: float = EPS
    ) -> None:
        super().__init__()
        padding = rate * (kernel // 2)
        kind = PointwiseConv2d if kernel == 1 else nn.Conv2d
        self.conv = kind(inputs, outputs, kernel, stride, padding, rate, groups, bias=eps == 0)
        self.bn = FrozenBatchNorm(outputs, eps) if eps else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H/stride x W/stride."""
        out: Tensor = self.bn(self.conv(x))
        return out


class SeparableConv(NamedTuple):
    """A depthwise and a pointwise layer, which lie beside each other in the module that owns them."""

    depthwise: NormedConv
    pointwise: NormedConv

    def __call__(self, x: Tensor) -> Tensor:
        """Both, with a ReLU behind each."""
        x = F.relu(self.depthwise(x), inplace=True)
        return F.relu(self.pointwise(x), inplace=True)


def add_separable(
    owner: nn.Module,
    name: str,
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    rate: int = 1,
    eps: float = EPS,
) -> None:
    """Give a module the layers `name_depthwise` and `name_pointwise`; eps 0: with biases, without norms."""
    owner.add_module(f"{name}_depthwise", NormedConv(inputs, inputs, kernel, stride, rate, inputs, eps))
    owner.add_module(f"{name}_pointwise", NormedConv(inputs, outputs, 1, eps=eps))


def separable(owner: nn.Module, name: str) -> SeparableConv:
    """The two layers that `add_separable` gave a module."""
    return SeparableConv(getattr(owner, f"{name}_depthwise"), getattr(owner, f"{name}_pointwise"))


class XceptionModule(nn.Module):
    """Three separable convolutions, the stride in the last, and a shortcut.

    shortcut: "conv", "identity" or "none". inner: ReLU behind every layer instead of in front of each separable one.
    """

    def __init__(
        self, inputs: int, widths: Sequence[int], shortcut: str, stride: int = 1, rate: int = 1, inner: bool = False
    ) -> None:
        super().__init__()
        self.inner, self.kind = inner, shortcut
        each = inputs
        for i, width in enumerate(widths, 1):
            add_separable(self, f"separable_conv{i}", each, width, stride=stride if i == len(widths) else 1, rate=rate)
            each = width
        if shortcut == "conv":
            self.shortcut = NormedConv(inputs, each, 1, stride)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """N x inputs x H x W -> the result, and what the second separable convolution gave."""
        y, second = x, x
        for i in (1, 2, 3):
            layer = separable(self, f"separable_conv{i}")
            y = layer(y) if self.inner else layer.pointwise(layer.depthwise(F.relu(y)))
            second = y if i == 2 else second
        if self.kind == "none":
            return y, second
        return y + (self.shortcut(x) if self.kind == "conv" else x), second


class Unit(nn.Module):
    """A level of the official names."""

    def __init__(self, module: XceptionModule) -> None:
        super().__init__()
        self.xception_module = module


def _block(*modules: XceptionModule) -> nn.ModuleDict:
    return nn.ModuleDict({f"unit_{i}": Unit(module) for i, module in enumerate(modules, 1)})


class Xception65(nn.Module):
    """`entry_flow`, `middle_flow` and `exit_flow`, with the official names."""

    def __init__(self) -> None:
        super().__init__()
        self.entry_flow = nn.ModuleDict(
            {
                "conv1_1": NormedConv(3, 32, 3, 2),
                "conv1_2": NormedConv(32, 64, 3),
                "block1": _block(XceptionModule(64, (128,) * 3, "conv", 2)),
                "block2": _block(XceptionModule(128, (256,) * 3, "conv", 2)),
                "block3": _block(XceptionModule(256, (728,) * 3, "conv")),
            }
        )
        middle = [XceptionModule(728, (728,) * 3, "identity", rate=2) for _ in range(16)]
        self.middle_flow = nn.ModuleDict({"block1": _block(*middle)})
        self.exit_flow = nn.ModuleDict(
            {
                "block1": _block(XceptionModule(728, (728, 1024, 1024), "conv", rate=2)),
                "block2": _block(XceptionModule(1024, (1536, 1536, 2048), "none", rate=4, inner=True)),
            }
        )

    def forward(self, image: Tensor) -> XceptionMaps:
        """N x 3 x H x W, RGB in -1..1 -> `XceptionMaps`."""
        x = F.relu(self.entry_flow["conv1_1"](image), inplace=True)
        x = F.relu(self.entry_flow["conv1_2"](x), inplace=True)
        low = x
        for flow in (self.entry_flow, self.middle_flow, self.exit_flow):
            for block in flow.values():
                for unit in block.values() if isinstance(block, nn.ModuleDict) else ():
                    x, second = cast(Unit, unit).xception_module(x)
                    low = second if block is self.entry_flow["block2"] else low
        return XceptionMaps(low, x)
