"""Everything random about a batch of synthetic clips (see `training/clips.py`), drawn on the CPU from a key."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.images import Stills
from training.keys import generator
from training.warps import CONTROLS

OWN_OBJECT = 0.75
"""Share of clips whose first object is the background picture's own."""
STRANGER = 0.35
"""Share of clips with an object that is not asked for."""
COUNTS = (0.45, 0.35, 0.20)
"""Shares of batches with 1, 2 and 3 objects."""


@dataclass(frozen=True)
class Variation:
    """How much clips vary: the sizes of objects, and how much they change over time."""

    extent: float = 0.56
    """Half the longer side of the largest objects, as a share of the side of the clip."""
    scales: tuple[float, float] = (0.45, 1.9)
    """Least and largest enlargement of a picture."""
    bend: float = 0.05
    """Deviation of the displacement of control points, a unit of time, in half boxes; and likewise:"""
    spin: float = 0.10
    zoom: float = 0.05
    stretch: float = 0.05
    light: float = 0.03
    """Deviation of the logarithm of the gain of light from frame to frame."""
    renewed: float = 0.4
    """Share of objects whose surface is replaced (see `training/renewal.py`)."""
    front: tuple[float, float] = (-1.0, 1.0)
    """Height of the front of that at the last frame."""
    renewed_from: int = 2000
    """Steps after which surfaces are replaced."""

    def with_sizes_of(self, other: Variation) -> Variation:
        """This, with the sizes of another."""
        return replace(self, extent=other.extent, scales=other.scales)

    def with_changes_of(self, other: Variation) -> Variation:
        """This, with all but the sizes of another."""
        return replace(other, extent=self.extent, scales=self.scales)


USUAL = Variation()
LARGE = Variation(extent=1.15, scales=(0.45, 3.5))
"""Objects up to 2.3 times as long as the clip's side: parts of them, as on large frames."""
STRONG = Variation(
    bend=0.08, spin=0.2, zoom=0.1, stretch=0.12, light=0.10, renewed=0.7, front=(-0.5, 2.0), renewed_from=1000
)
"""Objects that turn, deform and renew their surface more."""


@dataclass(frozen=True)
class Draws:
    """Everything random about a batch, on the CPU; lengths in pixels of the crop, angles in radians."""

    background: Tensor
    """B, index of the picture."""
    sources: Tensor
    """B x L, picture of each layer's object."""
    own: Tensor
    """Bool B: layer 0 is the background's own object."""
    present: Tensor
    """Bool B x L; only the last layer may be absent."""
    depth: Tensor
    """B x L, layers from back to front."""
    scale: Tensor
    """B x (1 + L): enlargement of the background and of each layer."""
    angle: Tensor
    """B x (1 + L)."""
    flip: Tensor
    """B x (1 + L), 1 or -1."""
    centre: Tensor
    """B x (1 + L) x 2 in the crop, of the background's anchor and of each object's box."""
    anchor: Tensor
    """B x (1 + L) x 2 in the picture, the point that lies at `centre`."""
    half: Tensor
    """B x (1 + L), half the longer side of the object's box in the picture; for the background half the crop."""
    times: Tensor
    """B x T."""
    velocity: Tensor
    """B x (1 + L) x 2, and likewise, all a unit of time; index 0 is the camera."""
    spin: Tensor
    zoom: Tensor
    stretch: Tensor
    jitter: Tensor
    """B x T x (1 + L) x 2, displacement on top of the steady motion."""
    bend: Tensor
    """B x (1 + L) x 16 x 2, spline displacement a unit of time."""
    colour: Tensor
    """B x (1 + L) x 6: gain of each channel, brightness, contrast, saturation."""
    light: Tensor
    """B x T x (1 + L), gain over time."""


def draw(
    stills: Stills,
    seed: int,
    key: tuple[str | int, ...],
    batch: int,
    length: int,
    side: int,
    objects: int | None,
    variation: Variation = USUAL,
) -> Draws:
    """The draws of one batch; a function of its arguments alone. objects: 1..3, or None to draw it as well."""
    rng = generator(seed, *key)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=rng)

    def normal(sigma: float, *shape: int) -> Tensor:
        return sigma * torch.randn(shape, generator=rng)

    share = float(uniform(0, 1, 1))
    k = objects or (1 if share < COUNTS[0] else 2 if share < COUNTS[0] + COUNTS[1] else 3)
    layers, n = k + 1, len(stills)
    background = torch.randint(n, (batch,), generator=rng)
    sources = torch.randint(n, (batch, layers), generator=rng)
    own = uniform(0, 1, batch) < OWN_OBJECT
    sources[:, 0] = torch.where(own, background, sources[:, 0])
    present = torch.ones(batch, layers, dtype=torch.bool)
    present[:, -1] = uniform(0, 1, batch) < STRANGER
    depth = torch.rand(batch, layers, generator=rng).argsort(1)

    boxes = stills.boxes.cpu()[sources]
    half = boxes[..., 2:].amax(-1)
    extent = torch.exp(uniform(0, 1, batch, layers) * torch.log(torch.tensor(variation.extent * side / 18))) * 18
    scale = (extent / half).clamp(*variation.scales)
    centre = torch.stack([uniform(0.2, 0.8, batch, 2), *[uniform(0.05, 0.95, batch, 2) for _ in range(layers - 1)]], 1)
    centre = centre * side
    angle, flip = normal(0.2, batch, layers), 1.0 - 2 * (uniform(0, 1, batch, layers) < 0.5).float()
    sizes = stills.sizes.cpu()[background].float()
    scale_b = torch.exp(uniform(-0.4, 0.55, batch))
    anchor_b = sizes * uniform(0.25, 0.75, batch, 2)
    centre_b = torch.full((batch, 2), (side - 1) / 2)
    angle[:, 0] = torch.where(own, angle[:, 0] * 0.5, angle[:, 0])  # a whole picture is rarely tilted
    scale_b = torch.where(own, scale[:, 0], scale_b)
    anchor_b = torch.where(own[:, None], boxes[:, 0, :2], anchor_b)
    centre_b = torch.where(own[:, None], centre[:, 0], centre_b)
    angle_b = torch.where(own, angle[:, 0], normal(0.1, batch))
    flip_b = torch.where(own, flip[:, 0], 1.0 - 2 * (uniform(0, 1, batch) < 0.5).float())

    gaps = uniform(0.5, 1.5, batch, length - 1)
    far = uniform(0, 1, batch) < 0.4  # the first gap: a reference may lie long ago
    gaps[:, 0] = torch.where(far, gaps[:, 0] * uniform(1, 3, batch), gaps[:, 0])
    times = torch.cat([torch.zeros(batch, 1), gaps.cumsum(1)], 1)
    every = layers + 1
    vigour = torch.exp(normal(0.6, batch, every)) * (uniform(0, 1, batch, every) < 0.9)
    move = vigour[..., None]
    velocity = normal(0.05 * side, batch, every, 2) * move
    jitter = normal(0.008 * side, batch, length, every, 2) * move[:, None]
    jitter[:, 0] = 0
    bend = normal(variation.bend, batch, every, CONTROLS**2, 2) * move[..., None]
    bend[:, 0] *= 0.3  # the background is stiffer
    steady = torch.tensor([0.5] + [1.0] * layers)  # and the camera calmer than what it looks at
    colour = torch.cat(
        [
            torch.exp(normal(0.07, batch, every, 3)),
            normal(0.05, batch, every, 1),
            torch.exp(normal(0.15, batch, every, 2)),
        ],
        2,
    )
    colour[:, 1] = torch.where(own[:, None], colour[:, 0], colour[:, 1])  # part of the picture
    light = torch.exp(normal(variation.light, batch, length, every))
    light[:, :, 1] = torch.where(own[:, None], light[:, :, 0], light[:, :, 1])
    return Draws(
        background,
        sources,
        own,
        present,
        depth,
        torch.cat([scale_b[:, None], scale], 1),
        torch.cat([angle_b[:, None], angle], 1),
        torch.cat([flip_b[:, None], flip], 1),
        torch.cat([centre_b[:, None], centre], 1),
        torch.cat([anchor_b[:, None], boxes[..., :2]], 1),
        torch.cat([torch.full((batch, 1), side / 2) / scale_b[:, None], half], 1),
        times,
        velocity * steady[:, None],
        normal(variation.spin, batch, every) * vigour * steady,
        normal(variation.zoom, batch, every) * vigour * steady,
        normal(variation.stretch, batch, every) * vigour * steady,
        jitter * steady[:, None],
        bend,
        colour,
        light,
    )
