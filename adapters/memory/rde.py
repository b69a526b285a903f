"""RDE (Li et al. 2022): STCN with a memory of constant size.

It holds one recurrent embedding, the newest remembered frame, and the given one.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.models.adapter import Checkpoint

from .adapter import MemoryAdapter
from .bank import Bank, FrameBank
from .stcn import STCN


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


class RecurrentBank:
    """Memory of constant size: embedding, newest frame, and the group's first frame twice (as the official code)."""

    def __init__(self, compress: Compress, top_k: int | None) -> None:
        self.compress, self.top_k = compress, top_k
        self._first: tuple[Tensor, Tensor] | None = None
        self._embedding: tuple[Tensor, Tensor] | None = None
        self._newest: tuple[Tensor, Tensor] | None = None

    def add(self, key: Tensor, value: Tensor, temporary: bool, reference: bool = False) -> None:
        """Remember a frame (`Bank.add`); a temporary one enters the embedding like any other."""
        if self._first is None or self._embedding is None:
            self._first = self._embedding = (key, value)
            return
        self._embedding = self.compress((self._embedding[0], key), (self._embedding[1], value))
        self._newest = (key, value)

    def read(self, key: Tensor) -> Tensor:
        """Query keys 1 x C x h x w -> readout k x D x h x w."""
        if self._first is None or self._embedding is None:
            raise RuntimeError("an empty memory was read")
        parts = [self._embedding, self._first]
        if self._newest is not None:
            parts += [self._first, self._newest]
        whole = FrameBank("l2", self.top_k)
        for part in parts:
            whole.add(*part, temporary=False)
        return whole.read(key)


class RDE(STCN):
    """RDE-VOS (Li et al. 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.mem_compress = Compress()

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """A memory of constant size; `max_frames` is always kept."""
        return RecurrentBank(self.mem_compress, top_k)


class RDEAdapter(MemoryAdapter):
    """RDE in its mode `two-frames-compress` with the official settings of DAVIS.

    YouTube-VOS was published with mem_every=4 and top_k=20 and weights of its own; the memory is of constant size.
    """

    network: RDE

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        mem_every: Annotated[int, Meta(ge=1)] = 3,
        top_k: Annotated[int, Meta(ge=1)] | None = 40,
        **options: Any,
    ) -> None:
        super().__init__(checkpoint, device, mem_every=mem_every, top_k=top_k, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return RDE()
