"""Embeddings of grid cells: centred, normalised, concatenated and compressed by what the first frame shows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class Embedding:
    """Turns encoder maps of several strides into one vector per cell whose dot products compare cells.

    The mean of every map and the principal directions of the concatenation come from the first frame it sees: the
    mean is common to all cells of a video and hides what tells them apart, and the directions save half the time.
    """

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self._means: list[Tensor] = []
        self._basis: Tensor | None = None

    def __call__(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps 1 x C_i x h_i x w_i that share their corner cells -> dims x h x w on the grid of the first map."""
        size = maps[0].shape[-2:]
        resized = [
            m if m.shape[-2:] == size else F.interpolate(m, size, mode="bilinear", align_corners=True) for m in maps
        ]
        if not self._means:
            self._means = [m.mean((2, 3), keepdim=True) for m in resized]
        units = [F.normalize(m - mean, dim=1) for m, mean in zip(resized, self._means)]
        joined = torch.cat(units, 1)[0] / len(units) ** 0.5
        flat = joined.reshape(joined.shape[0], -1)
        if self._basis is None:
            covariance = (flat @ flat.T / flat.shape[1]).double()
            _, directions = torch.linalg.eigh(covariance)  # ascending
            self._basis = directions[:, -self.dims :].T.to(flat.dtype).contiguous()
        out: Tensor = (self._basis @ flat).reshape(-1, *size)
        return out
