"""RDE's aggregation of two remembered frames into one recurrent embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NonLocal(nn.Module):
    """Non-local block over time and space (Wang et al. 2018) with dot products instead of a softmax."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width // 2
        pool = nn.MaxPool3d((1, 2, 2))
        self.g = nn.Sequential(nn.Conv3d(width, inner, 1), pool)
        self.W = nn.Conv3d(inner, width, 1)
        self.theta = nn.Conv3d(width, inner, 1)
        self.phi = nn.Sequential(nn.Conv3d(width, inner, 1), pool)

    def forward(self, x: Tensor) -> Tensor:
        """N x width x T x h x w -> the same shape."""
        wide = self.theta(x)
        phi, g = self.phi(x).flatten(2), self.g(x).flatten(2)
        # the affinity is linear, so that g phi^T (inner x inner) is formed first: no map of all pairs of cells
        mixed = (g @ phi.transpose(1, 2) / phi.shape[2]) @ wide.flatten(2)
        out: Tensor = self.W(mixed.view_as(wide))
        return out + x


class _Branch(nn.Module):
    """One dilated convolution, within each frame."""

    def __init__(self, inputs: int, outputs: int, dilation: int, wide: bool) -> None:
        super().__init__()
        kernel = (1, 3, 3) if wide else (1, 1, 1)
        padding = (0, dilation, dilation) if wide else (0, 0, 0)
        self.atrous_conv = nn.Conv3d(inputs, outputs, kernel, 1, padding, (1, dilation, dilation), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x T x h x w -> N x outputs x T x h x w."""
        return F.relu(self.atrous_conv(x))


class ASPP(nn.Module):
    """Four branches (1 x 1; 3 x 3 at dilation 2, 4, 6) and a convolution over them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.aspp1 = _Branch(width, width // 4, 1, False)
        self.aspp2 = _Branch(width, width // 4, 2, True)
        self.aspp3 = _Branch(width, width // 4, 4, True)
        self.aspp4 = _Branch(width, width // 4, 6, True)
        self.conv1 = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """N x width x T x h x w -> the same shape."""
        branches = [self.aspp1(x), self.aspp2(x), self.aspp3(x), self.aspp4(x)]
        return F.relu(self.conv1(torch.cat(branches, 1)))


class Aggregation(nn.Module):
    """The spatio-temporal aggregation module: non-local block, then a residual ASPP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.non_local = NonLocal(width)
        self.conv1 = ASPP(width)

    def forward(self, x: Tensor) -> Tensor:
        """N x width x T x h x w -> the same shape."""
        x = self.non_local(x)
        out: Tensor = self.conv1(x) + x
        return out


class Compress(nn.Module):
    """Embedding and newest frame -> new embedding, for keys and for values."""

    def __init__(self) -> None:
        super().__init__()
        self.key_encoder = Aggregation(64)
        self.value_encoder = Aggregation(512)
        self.compress_key = nn.Conv3d(64, 64, (2, 3, 3), padding=(0, 1, 1))
        self.compress_value = nn.Conv3d(512, 512, (2, 3, 3), padding=(0, 1, 1))

    def forward(self, keys: tuple[Tensor, Tensor], values: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Keys 1 x 64 x h x w and values k x 512 x h x w, (embedding, newest) each -> one of each."""
        key = self.compress_key(self.key_encoder(torch.stack(keys, 2)))
        value = self.compress_value(self.value_encoder(torch.stack(values, 2)))
        return key[:, :, 0], value[:, :, 0]
