"""Fast and exact norms, products and 1 x 1 convolutions on a CPU, for maps in channels-last memory ("rows of pixels").

On a CPU a network without gradients is bound by how often its maps travel through the caches. What is here reads and
writes a map block by block, each block small enough to stay in the second-level cache between its steps.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 1 << 16
"""Numbers per block (256 kB)."""


def is_rows(x: Tensor) -> bool:
    """Whether x (N x C x H x W) is channels last on a CPU: PyTorch reduces it over H x W slowly or inexactly.

    Not under autocast, which mixes precisions: what works in place on blocks wants one.
    """
    return x.stride(1) == 1 and x.device.type == "cpu" and not _autocast()


def _autocast() -> bool:
    try:
        return torch.is_autocast_enabled("cpu")
    except TypeError:  # before torch 2.4
        return torch.is_autocast_cpu_enabled()


def pixel_rows(x: Tensor) -> Tensor:
    """N x C x H x W, channels last -> N x (H W) x C, a view where x is dense."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def from_rows(rows: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """N x (H W) x C -> N x C x H x W, channels last; a view."""
    out: Tensor = rows.unflatten(1, tuple(size)).permute(0, 3, 1, 2)
    return out


def channel_squares(x: Tensor) -> Tensor:
    """Sums of squares over H x W: N x C x H x W -> N x C x 1 x 1."""
    if is_rows(x):
        return torch.stack([_block_sums(image)[1] for image in x]).float()[:, :, None, None]
    out: Tensor = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True).square()
    return out


def _block_sums(image: Tensor) -> tuple[Tensor, Tensor]:
    """Sums and sums of squares of C x H x W, channels last, over H x W: float64 (C,); blocks stay in the cache."""
    if not torch.is_grad_enabled():
        return _sum_blocks(image)
    found: tuple[Tensor, Tensor] = _BlockSums.apply(image)  # type: ignore[no-untyped-call]
    return found


def _sum_blocks(image: Tensor) -> tuple[Tensor, Tensor]:
    sums, squares = torch.zeros(2, len(image), dtype=torch.float64)
    for block in image.permute(1, 2, 0).flatten(0, 1).split(256):
        sums += block.sum(0)
        squares += block.square().sum(0)
    return sums, squares


class _BlockSums(torch.autograd.Function):
    """The same sums, of which autograd keeps one map and not a pair of nodes a block."""

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(image)
        return _sum_blocks(image)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (image,) = ctx.saved_tensors
        of_sums, of_squares = (gradient.to(image.dtype)[:, None, None] for gradient in gradients)
        return torch.addcmul(of_sums, image, of_squares, value=2)


class GroupNorm(nn.GroupNorm):
    """Group norm that is as exact with channels last as without.

    PyTorch's channels-last kernel sums squares naively in float32: at 480p its result is off by up to 1e-4, and a
    decoder of fifty such norms by 2e-3.
    """

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape and memory format."""
        if not is_rows(x):
            return super().forward(x)
        slope, offset = self.line(x)
        return torch.addcmul(offset[:, :, None, None], x, slope[:, :, None, None])

    def line(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Slope and offset, N x C each, with which x * slope + offset is the norm of x (channels last)."""
        groups, each = self.num_groups, x.shape[1] // self.num_groups
        moments = torch.stack([torch.stack(_block_sums(image)) for image in x], 1)
        mean, square = moments.unflatten(2, (groups, each)).sum(3) / (each * x.shape[2] * x.shape[3])
        slope = (square - mean.square() + self.eps).rsqrt().repeat_interleave(each, 1) * self.weight
        offset = self.bias - mean.repeat_interleave(each, 1) * slope
        return slope.float(), offset.float()

    def relu(self, x: Tensor) -> Tensor:
        """relu(norm(x)); without gradients x may be overwritten."""
        if torch.is_grad_enabled() or not is_rows(x):
            return F.relu(self(x), inplace=True)
        return affine_relu_(x, *self.line(x))


def affine_relu_(
    x: Tensor, slope: Tensor, offset: Tensor, plus: Tensor | None = None, plus_slope: Tensor | None = None
) -> Tensor:
    """relu(x * slope + offset + plus * plus_slope) in place; maps channels last, slopes and offset N x C."""
    for n, rows in enumerate(pixel_rows(x)):
        size = max(1, BLOCK // rows.shape[1])
        added = None if plus is None else pixel_rows(plus[n : n + 1])[0].split(size)
        for i, block in enumerate(rows.split(size)):
            block.mul_(slope[n]).add_(offset[n])
            if added is not None:
                if plus_slope is None:
                    block.add_(added[i])
                else:
                    block.addcmul_(added[i], plus_slope[n])
            block.relu_()
    return x


def scaled_conv(x: Tensor, conv: nn.Conv2d, scale: Tensor) -> Tensor:
    """`conv(x * scale)` with scale N x C x 1 x 1: the channels' factors go into the weights, not into the map.

    conv: without bias; 1 x 1 of any stride, or any other without groups.
    """
    if conv.kernel_size == (1, 1):
        if conv.stride != (1, 1):
            x = x[:, :, :: conv.stride[0], :: conv.stride[1]]
        return scaled_product(x, conv.weight.flatten(1) * scale.flatten(1)[:, None])
    maps = [
        F.conv2d(x[n : n + 1], conv.weight * scale[n], None, conv.stride, conv.padding, conv.dilation)
        for n in range(len(x))
    ]
    return torch.cat(maps)


def scaled_product(x: Tensor, weight: Tensor, plus: Tensor | None = None) -> Tensor:
    """1 x 1 convolution with weights of its own for every slot, in the memory format of x.

    x: N x C x H x W. weight: N x outputs x C. plus: a summand that this function returned, may be overwritten.
    """
    height, width = x.shape[-2:]
    if x.stride(1) == 1:  # channels last: pixels are rows
        pixels = x.permute(0, 2, 3, 1).reshape(len(x), height * width, -1)
        transposed = weight.transpose(1, 2)
        summand = None if plus is None else plus.permute(0, 2, 3, 1).flatten(1, 2)
        return from_rows(_summed(summand, pixels, transposed), (height, width))
    rows = _summed(None if plus is None else plus.flatten(2), weight, x.flatten(2))
    out: Tensor = rows.unflatten(2, (height, width))
    return out


def _summed(plus: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """plus + left @ right of batches, in the memory of plus where all are of one precision; autocast mixes them."""
    if plus is None:
        return torch.bmm(left, right)
    if plus.dtype == left.dtype == right.dtype:
        return plus.baddbmm_(left, right)
    return torch.baddbmm(plus, left, right)


def pointwise(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """`conv(x)` for a 1 x 1 convolution.

    With one thread PyTorch takes these for a plain matrix product, which is slower than oneDNN's kernels by up to
    two thirds.
    """
    onednn = not torch.is_grad_enabled() and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    if not (onednn and is_rows(x)):
        return F.conv2d(x, conv.weight, conv.bias, conv.stride)
    return torch.mkldnn_convolution(x, conv.weight, conv.bias, (0, 0), conv.stride, (1, 1), 1)
