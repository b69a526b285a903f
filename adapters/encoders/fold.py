"""Folding batch norms into the convolutions before them: the same function in fewer passes over memory."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..common.inference import settle
from ..common.rows import pointwise
from .resnet import FrozenBatchNorm

PAIRS = {
    *{("atrous_conv", "bn"), ("conv0", "norm0"), ("conv1", "norm2"), ("conv", "bn_x")},
    *((f"conv2d_{i}", f"bn_{i}") for i in range(4)),
}
"""Names of a convolution and the norm of its output where the two do not agree (DeepLab, DenseNet, GraphMemVOS)."""


def prepare(network: nn.Module, device: str) -> None:
    """Make a loaded network fast without changing what it computes: norms folded; on a CPU, channels last."""
    fold_norms(network)
    settle(network, device)


def fold_frozen_norms(module: nn.Module) -> None:
    """`fold_norms` of the norms whose statistics no training would change either."""
    fold_norms(module, FrozenBatchNorm)


def fold_norms(module: nn.Module, kind: type[nn.BatchNorm2d | FrozenBatchNorm] = nn.BatchNorm2d) -> None:
    """Replace each convolution followed by a norm of this kind with one biased convolution, in place.

    Pairs are found by position in a Sequential, and by name (`conv1`, `bn1`; `PAIRS`) elsewhere; a module lists in
    `unfolded` the convolutions whose output is not all that their norm sees. Values change by float rounding only.
    The state_dict no longer has the official names afterwards: load weights first. For evaluation only.
    """
    for parent in list(module.modules()):
        names = list(parent._modules)
        for first, second in pairwise(names):
            conv, norm = parent._modules[first], parent._modules[second]
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, kind)):
                continue
            named = first.replace("conv", "bn") == second or (first, second) in PAIRS
            if isinstance(parent, nn.Sequential) or (named and first not in getattr(parent, "unfolded", ())):
                parent._modules[first] = folded(conv, norm)
                parent._modules[second] = nn.Identity()


class PointwiseConv2d(nn.Conv2d):
    """A 1 x 1 convolution by the kernels that are fastest for one thread (see `rows.pointwise`)."""

    def forward(self, x: Tensor) -> Tensor:
        """N x inputs x H x W -> N x outputs x H/stride x W/stride."""
        return pointwise(x, self)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | FrozenBatchNorm) -> nn.Conv2d:
    """One convolution that does what the two did; computed in float64."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a norm without running statistics cannot be folded")
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    bias = norm.bias.double() - norm.running_mean.double() * scale
    if conv.bias is not None:
        bias = bias + conv.bias.double() * scale
    weight: Tensor = conv.weight.double() * scale[:, None, None, None]
    kind = PointwiseConv2d if conv.kernel_size == (1, 1) and conv.groups == 1 else nn.Conv2d
    out = kind(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        conv.groups,
        device="meta",  # no values are drawn for it
    )
    out.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=conv.weight.requires_grad)
    out.bias = nn.Parameter(bias.to(conv.weight.dtype), requires_grad=conv.weight.requires_grad)
    return out
