"""What CFBI keeps of frames: embeddings by scale, the pool of reference pixels, sums for the attention vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ..cfbi_line.labels import one_hot, sample, thin
from ..cfbi_line.means import MaskedMeans
from ..cfbi_line.pool import ReferencePool


@dataclass(frozen=True)
class Scale:
    """How one embedding is matched."""

    windows: tuple[int, ...]
    """Radii of local matching in grid cells, in the order of the network's channels."""
    stride: int = 1
    """Step of local matching inside its windows."""
    reduce: bool = False
    """Local matching on the halved grid."""
    channels: int | None = None
    """Channels used for matching (the first ones); None = all."""


@dataclass(frozen=True)
class MatchingOptions:
    """Choices of a run that are no part of the network."""

    rate: int = 1
    """Atrous rate of global matching: reference pixels are thinned to rows and columns divisible by it (4x only)."""
    min_pixels: int = 0
    """Slots with at most min_pixels * rate^2 reference pixels stay whole; 0 thins all."""
    half: bool = False
    """Distances in half precision."""


class Embedding(NamedTuple):
    """What the network computes from one image alone."""

    scales: tuple[Tensor, ...]
    """C x h x w at stride 4 (CFBI), at strides 4, 8, 16 (CFBI+)."""
    low: Tensor
    """The backbone's map at stride 4, 1 x C x h x w; the decoder's skip connection."""


class References:
    """All annotated frames so far."""

    def __init__(self, scales: Sequence[Scale], options: MatchingOptions) -> None:
        self.scales = tuple(scales)
        self.options = options
        self.pools = [ReferencePool() for _ in scales]
        self.means = MaskedMeans()

    def add(self, embedding: Embedding, labels: Tensor, slots: int) -> None:
        """Take in a frame: its embedding and integer labels H x W at full size."""
        options = self.options
        for i, (scale, pool, features) in enumerate(zip(self.scales, self.pools, embedding.scales)):
            masks = one_hot(sample(labels, (features.shape[-2], features.shape[-1])), slots)
            matched = thin(masks, options.rate, options.min_pixels) if i == 0 else masks
            pool.add(features[: scale.channels], matched)
            if i == 0:
                # With min_pixels the official code thins the mask in place, and the attention vector reads it after:
                # pixels off the lattice count as outside their own object.
                self.means.add(features, matched if options.min_pixels else masks)
