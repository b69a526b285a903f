"""MobileNetV2 (Sandler et al. 2018) at width 1.0 as a dense encoder: dilated past an output stride, maps tapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]

STAGES = (
    # expansion, channels, blocks, stride (table 2 of the paper)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1 x 1 expansion, 3 x 3 depthwise, 1 x 1 linear bottleneck; residual where the shape stays.

    flat: name the layers conv.0, 1, 3, 4, 6, 7 (the first public PyTorch port, used by DeepLab code bases) instead
    of torchvision's conv.0.0, 0.1, 1.0, 1.1, 2, 3. pad_first: zero-pad the block's input instead of the depthwise
    convolution's, so that the border the depthwise sees is the expansion of zeros, which is not zero.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        dilation: int = 1,
        expansion: int = 6,
        norm: Norm = nn.BatchNorm2d,
        *,
        flat: bool = False,
        pad_first: bool = False,
    ) -> None:
        super().__init__()
        width = inputs * expansion
        self.border = dilation if pad_first else 0
        self.residual = stride == 1 and inputs == outputs
        padding = 0 if pad_first else dilation
        groups: list[list[nn.Module]] = []
        if expansion != 1:
            groups.append([nn.Conv2d(inputs, width, 1, bias=False), norm(width), nn.ReLU6(inplace=True)])
        depthwise = nn.Conv2d(width, width, 3, stride, padding, dilation, groups=width, bias=False)
        groups.append([depthwise, norm(width), nn.ReLU6(inplace=True)])
        bottleneck = [nn.Conv2d(width, outputs, 1, bias=False), norm(outputs)]
        if flat:
            self.conv = nn.Sequential(*(layer for group in groups for layer in group), *bottleneck)
        else:
            self.conv = nn.Sequential(*(nn.Sequential(*group) for group in groups), *bottleneck)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H/stride x W/stride."""
        y = self.conv(F.pad(x, [self.border] * 4) if self.border else x)
        out: Tensor = x + y if self.residual else y
        return out


def inverted_residuals(
    norm: Norm = nn.BatchNorm2d, output_stride: int = 16, *, flat: bool = False, pad_first: bool = False
) -> list[InvertedResidual]:
    """The 17 blocks (features.1 to features.17).

    A stage that would go past `output_stride` keeps stride 1; its first block keeps the dilation so far and the
    following ones multiply it by the stride saved.
    """
    blocks = []
    inputs, stride_so_far, dilation = 32, 2, 1
    for expansion, outputs, repeats, wanted in STAGES:
        stride, next_dilation = wanted, dilation
        if stride_so_far * wanted > output_stride:
            stride, next_dilation = 1, dilation * wanted
        stride_so_far *= stride
        for i in range(repeats):
            blocks.append(
                InvertedResidual(
                    inputs,
                    outputs,
                    stride if i == 0 else 1,
                    dilation if i == 0 else next_dilation,
                    expansion,
                    norm,
                    flat=flat,
                    pad_first=pad_first,
                )
            )
            inputs = outputs
        dilation = next_dilation
    return blocks


class MobileNetV2(nn.Module):
    """features.0 (stem), 1..17 (blocks) and, with `head`, 18 (1 x 1 to 1280); no classifier.

    taps: indices of `features` whose outputs `forward` returns, ascending. With torchvision's names
    (`flat=False`), features.3 has 24 channels at stride 4, .6 32 at 8, .13 96 at 16, .17 320 and .18 1280.
    """

    def __init__(
        self,
        norm: Norm = nn.BatchNorm2d,
        output_stride: int = 16,
        taps: Sequence[int] = (3, 6, 13, 18),
        *,
        head: bool = True,
        flat: bool = False,
        pad_first: bool = False,
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), norm(32), nn.ReLU6(inplace=True))
        layers: list[nn.Module] = [stem, *inverted_residuals(norm, output_stride, flat=flat, pad_first=pad_first)]
        if head:
            layers.append(nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), norm(1280), nn.ReLU6(inplace=True)))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised image N x 3 x H x W -> the tapped maps in order."""
        maps = []
        for i, layer in enumerate(list(self.features)[: self.taps[-1] + 1]):
            x = layer(x)
            if i in self.taps:
                maps.append(x)
        return maps
