"""What the loop over a video asks of a network of the STM line."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from .bank import Bank

TOGETHER = 8
"""Objects that go through an encoder or decoder at a time, in systems that bound their memory so."""


@dataclass(frozen=True)
class Query:
    """Features of the current frame; batch 1, h x w at stride 16."""

    key: Tensor
    value: Tensor
    """1 x 512 x h x w, joined to the readout in the decoder."""
    f16: Tensor
    f8: Tensor
    f4: Tensor


class MemoryNetwork(nn.Module):
    """A network with keys and values of frames; its own parts carry the official parameter names."""

    one_encoder: bool = True
    """Keys of memory and query come from one encoder, so that a frame is encoded before it is remembered."""
    normalises: bool = False
    """Takes images in 0..1, padded, and normalises them itself, so that the padding is not the mean colour."""
    crops: bool = False
    """Masks to remember lose what was predicted in the padding."""
    hard_prompts: bool = False
    """Given masks are remembered as they are; elsewhere they are clamped by soft aggregation."""

    channels_last: bool = True
    """Faster with channels last on a CPU."""

    @abstractmethod
    def encode_query(self, image: Tensor) -> Query:
        """1 x 3 x H x W, H and W multiples of 16."""

    @abstractmethod
    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Key (1 or k x C x h x w) and value (k x D x h x w) of a frame with object masks k x 1 x H x W."""

    @abstractmethod
    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """Readout k x D x h x w -> probability of each object k x H x W, not yet aggregated."""

    @abstractmethod
    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """An empty memory for a group of objects."""
