"""Objects whose surface is replaced little by little, as when they turn: what comes into view was never seen before.

On still pictures every visible part of an object is in the first frame, and a network may learn that whatever
resembles nothing there is background. On videos it is then lost: the other side of a motorcycle, the folds of a dress.
Here a front runs over some of the objects and leaves the surface of another picture's object behind, in place and shape
the same; the labels say that it is still the object.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.draws import USUAL, Variation
from training.keys import generator
from training.warps import CONTROLS, REACH, spline

START = -2.5
"""Height of the front at the first frame, on a field of about unit variance."""
SHARPNESS = 6.0


@dataclass(frozen=True)
class Renewal:
    """What is renewed in a batch of clips, drawn on the CPU."""

    sources: Tensor
    """B x L, the pictures whose objects show through."""
    fields: Tensor
    """B x L x 16 x 2, heights at the control points of a spline over the object's box (the first column counts)."""
    fronts: Tensor
    """B x L, height of the front at the last frame; minus infinity where nothing is renewed."""


def draw_renewal(
    pictures: int, seed: int, key: tuple[str | int, ...], batch: int, layers: int, variation: Variation = USUAL
) -> Renewal:
    """The draws of one batch; a function of its arguments alone."""
    rng = generator(seed, *key, "renewal")
    renewed = torch.rand(batch, layers, generator=rng) < variation.renewed
    least, largest = variation.front
    fronts = least + (largest - least) * torch.rand(batch, layers, generator=rng)
    return Renewal(
        torch.randint(pictures, (batch, layers), generator=rng),
        torch.randn(batch, layers, CONTROLS**2, 2, generator=rng),
        torch.where(renewed, fronts, -torch.inf),
    )


def shown(renewal: Renewal, layer: int, unit: Tensor, times: Tensor) -> Tensor:
    """How much of the other surface is seen, B x T x 1 x S x S in 0..1.

    unit: B x T x S x S x 2 (y, x), places in the object's box [-1, 1]. times: B x T, the first is 0.
    """
    field = spline(renewal.fields[:, layer])[:, :1]
    length, side = unit.shape[1:3]
    places = unit.flip(-1).flatten(1, 2) / REACH
    height = F.grid_sample(field, places, padding_mode="border", align_corners=True)
    height = height.unflatten(2, (length, side)).transpose(1, 2)
    gone = (times / times[:, -1:])[..., None, None, None]
    front = START + (renewal.fronts[:, layer, None, None, None, None] - START) * gone
    none = torch.isneginf(renewal.fronts[:, layer])[:, None, None, None, None]
    return torch.where(none, 0.0, torch.sigmoid(SHARPNESS * (front - height)))
