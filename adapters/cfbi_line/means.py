"""Mean embeddings inside and outside objects, accumulated over reference frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-5


class MaskedMeans:
    """Sums and counts over frames; slots that appear later have no pixels in earlier frames."""

    def __init__(self) -> None:
        self._inside: Tensor | None = None
        self._total: Tensor | None = None
        self._count: Tensor | None = None
        self._pixels = 0

    def add(self, embedding: Tensor, masks: Tensor) -> None:
        """Take in one frame: embedding C x h x w, masks bool slots x h x w (what is in no mask is "outside")."""
        # float64: the sum outside is a difference, which float32 spoils where nearly every pixel is inside.
        flat = embedding.flatten(1).double()
        chosen = masks.flatten(1).to(flat.dtype)
        inside, total, count = chosen @ flat.T, flat.sum(1), chosen.sum(1)
        if self._inside is None or self._total is None or self._count is None:
            self._inside, self._total, self._count = inside, total, count
        else:
            slots = max(len(inside), len(self._inside))
            self._inside = _grown(self._inside, slots) + _grown(inside, slots)
            self._count = _grown(self._count, slots) + _grown(count, slots)
            self._total = self._total + total
        self._pixels += flat.shape[1]

    def means(self, slots: int) -> tuple[Tensor, Tensor]:
        """(inside, outside), float32 slots x C each; sums over counts + 1e-5, so that an empty slot has mean 0."""
        if self._inside is None or self._total is None or self._count is None:
            raise ValueError("no frame was added")
        inside, count = _grown(self._inside, slots)[:slots], _grown(self._count, slots)[:slots, None]
        outside = (self._total - inside) / (self._pixels - count + EPS)
        return (inside / (count + EPS)).float(), outside.float()


def _grown(tensor: Tensor, slots: int) -> Tensor:
    missing = slots - len(tensor)
    return F.pad(tensor, (*[0, 0] * (tensor.ndim - 1), 0, missing)) if missing > 0 else tensor


def masked_means(embedding: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """(inside, outside) means of one frame, slots x C each."""
    sums = MaskedMeans()
    sums.add(embedding, masks)
    return sums.means(len(masks))


def object_vectors(reference: MaskedMeans, embedding: Tensor, masks: Tensor) -> Tensor:
    """slots x 4 C: reference inside, reference outside, previous inside, previous outside."""
    slots = len(masks)
    return torch.cat([*reference.means(slots), *masked_means(embedding, masks)], 1)
