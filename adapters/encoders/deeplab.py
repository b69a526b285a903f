"""DeepLabV3+ (Chen et al. 2018) at output stride 16 with frozen batch norm, as CFBI and its descendants use it."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..common.enlarged import enlarged_conv
from .mobilenetv2 import MobileNetV2
from .resnet import Bottleneck, FrozenBatchNorm, stage


class DeepLabFeatures(NamedTuple):
    """What one image gives; N x C x H x W each, the strides in the names."""

    decoded: Tensor
    """256 channels at stride 4: the decoder's output."""
    aspp: Tensor
    """256 channels at stride 16."""
    low: Tensor
    """The backbone's map at stride 4 (ResNet 256 channels, MobileNetV2 24)."""
    mid: Tensor
    """The backbone's map at stride 8 (ResNet 512 channels, MobileNetV2 32)."""


class DilatedResNet101(nn.Module):
    """ResNet-101 whose last stage keeps stride 16 and dilates its three blocks by 2, 4 and 8 (multi-grid)."""

    channels = (256, 512, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm(64)
        self.layer1 = stage(Bottleneck, 64, 64, 3, norm=FrozenBatchNorm)
        self.layer2 = stage(Bottleneck, 256, 128, 4, 2, norm=FrozenBatchNorm)
        self.layer3 = stage(Bottleneck, 512, 256, 23, 2, norm=FrozenBatchNorm)
        self.layer4 = stage(Bottleneck, 1024, 512, 3, norm=FrozenBatchNorm, dilations=(2, 4, 8))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised image N x 3 x H x W -> maps at strides 4, 8 and 16."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image)), inplace=True), 3, 2, 1)
        low = self.layer1(x)
        mid = self.layer2(low)
        return low, mid, self.layer4(self.layer3(mid))


class DilatedMobileNetV2(MobileNetV2):
    """MobileNetV2 at stride 16, its blocks' input padded before the expansion, as the first public port did."""

    channels = (24, 32, 320)

    def __init__(self) -> None:
        super().__init__(FrozenBatchNorm, 16, (3, 6, 17), head=False, flat=True, pad_first=True)


class AtrousBranch(nn.Module):
    """One branch of the pyramid: a convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        padding = dilation if kernel == 3 else 0
        self.atrous_conv = nn.Conv2d(inputs, outputs, kernel, 1, padding, dilation, bias=False)
        self.bn = FrozenBatchNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H x W."""
        return F.relu(self.bn(self.atrous_conv(x)), inplace=True)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: 1 x 1, three dilated 3 x 3 (6, 12, 18) and the image mean, merged to 256."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.aspp1 = AtrousBranch(inputs, 256, 1, 1)
        self.aspp2 = AtrousBranch(inputs, 256, 3, 6)
        self.aspp3 = AtrousBranch(inputs, 256, 3, 12)
        self.aspp4 = AtrousBranch(inputs, 256, 3, 18)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, 256, 1, bias=False), FrozenBatchNorm(256), nn.ReLU(inplace=True)
        )
        self.conv1 = nn.Conv2d(5 * 256, 256, 1, bias=False)
        self.bn1 = FrozenBatchNorm(256)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x 256 x H x W."""
        pooled = self.global_avg_pool(x).expand(-1, -1, *x.shape[-2:])
        every = torch.cat([self.aspp1(x), self.aspp2(x), self.aspp3(x), self.aspp4(x), pooled], 1)
        return F.relu(self.bn1(self.conv1(every)), inplace=True)


class Decoder(nn.Module):
    """Joins the pyramid, enlarged, with the low-level map reduced to 48 channels."""

    def __init__(self, low: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(low, 48, 1, bias=False)
        self.bn1 = FrozenBatchNorm(48)
        # The indices of the checkpoint's names count ReLU and dropout layers, which hold no weights.
        self.last_conv = nn.Sequential(
            nn.Conv2d(256 + 48, 256, 3, 1, 1, bias=False),
            FrozenBatchNorm(256),
            nn.ReLU(inplace=True),
            nn.Identity(),
            nn.Conv2d(256, 256, 3, 1, 1, bias=False),
            FrozenBatchNorm(256),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, low: Tensor) -> Tensor:
        """x: N x 256 at stride 16; low: the backbone's stride 4 map -> N x 256 at stride 4."""
        reduced = F.relu(self.bn1(self.conv1(low)), inplace=True)
        conv, wide = cast(nn.Conv2d, self.last_conv[0]), x.shape[1]
        y = F.conv2d(reduced, conv.weight[:, wide:], conv.bias, padding=1)
        y = enlarged_conv(x, conv.weight[:, :wide], (low.shape[-2], low.shape[-1]), "bilinear", y)
        out: Tensor = self.last_conv[1:](y)
        return out


class DeepLabV3Plus(nn.Module):
    """`backbone.*`, `aspp.*` and `decoder.*` as in the authors' checkpoints.

    backbone: "resnet101" or "mobilenetv2". The network input should have sides 16 k + 1, so that the corners of all
    grids coincide.
    """

    def __init__(self, backbone: str = "resnet101") -> None:
        super().__init__()
        self.backbone = DilatedResNet101() if backbone == "resnet101" else DilatedMobileNetV2()
        low, _, top = self.backbone.channels
        self.aspp = ASPP(top)
        self.decoder = Decoder(low)

    def forward(self, image: Tensor) -> DeepLabFeatures:
        """Normalised image N x 3 x H x W -> `DeepLabFeatures`."""
        low, mid, top = self.backbone(image)
        aspp = self.aspp(top)
        return DeepLabFeatures(self.decoder(aspp, low), aspp, low, mid)
