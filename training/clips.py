"""Synthetic clips: objects cut from still images move over a background that moves, all deforming over time.

Layers from back to front: a background, up to three labelled objects and at times one that nobody asks for, in random
order of depth. Most clips show a picture with its own object in place, its hole in the background filled, so that not
every object edge is a cut; the others are pasted. Every layer has a pose of its own (translation, rotation, scale,
aspect) and a thin-plate deformation, both growing over time, seen by a camera that moves as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.fill import filled
from training.images import CANVAS, Stills
from training.keys import generator
from training.warps import CONTROLS, REACH, rotation, spline

LEAST_AREA = 40
"""Pixels of an object on the first frame below which nobody could ask for it."""
OWN_OBJECT = 0.75
"""Share of clips whose first object is the background picture's own."""
STRANGER = 0.35
"""Share of clips with an object that is not asked for."""
COUNTS = (0.45, 0.35, 0.20)
"""Shares of batches with 1, 2 and 3 objects."""
SCALES = (0.45, 1.9)
"""Least and largest enlargement of a picture."""


@dataclass(frozen=True)
class Clips:
    """A batch of clips."""

    frames: Tensor
    """float32 B x T x 3 x S x S, RGB 0..1 in steps of 1/255."""
    labels: Tensor
    """int64 B x T x S x S: 0 background, k object k."""
    valid: Tensor
    """Bool B x (1 + k): slots that are asked for (background always)."""

    @property
    def slots(self) -> int:
        """Background and objects."""
        return self.valid.shape[1]


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
    stills: Stills, seed: int, key: tuple[str | int, ...], batch: int, length: int, side: int, objects: int | None
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
    extent = torch.exp(uniform(0, 1, batch, layers) * torch.log(torch.tensor(0.56 * side / 18))) * 18
    scale = (extent / half).clamp(*SCALES)
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
    bend = normal(0.05, batch, every, CONTROLS**2, 2) * move[..., None]
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
    light = torch.exp(normal(0.03, batch, length, every))
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
        normal(0.10, batch, every) * vigour * steady,
        normal(0.05, batch, every) * vigour * steady,
        normal(0.05, batch, every) * vigour * steady,
        jitter * steady[:, None],
        bend,
        colour,
        light,
    )


def render(stills: Stills, draws: Draws, side: int) -> Clips:
    """Make the clips on the device that the stills are on."""
    device = stills.images.device
    d = Draws(**{name: value.to(device) for name, value in vars(draws).items()})
    batch, length = d.times.shape
    layers = d.sources.shape[1]
    world = _seen_by_camera(d, side)
    images = stills.images[d.background].float() / 255
    other = stills.images[d.sources[:, -1]].float() / 255
    hole = ((stills.masks[d.background] & 2) > 0) & d.own[:, None, None]
    scene = _sampled(filled(images, hole, other), _places(d, world, 0), "reflection")
    frames = _coloured(scene, d, 0)
    labels = torch.zeros(batch, length, side, side, dtype=torch.long, device=device)
    cut = []
    for layer in range(layers):
        picture = stills.images[d.sources[:, layer]].float() / 255
        mask = (stills.masks[d.sources[:, layer]] & 1).float()[:, None]
        found = _sampled(torch.cat([picture, mask], 1), _places(d, world, layer + 1), "zeros")
        alpha = found[:, :, 3:] * d.present[:, layer, None, None, None, None]
        cut.append((_coloured(found[:, :, :3], d, layer + 1), alpha))
    colours, alphas = torch.stack([c for c, _ in cut], 1), torch.stack([a for _, a in cut], 1)
    rows = torch.arange(batch, device=device)
    for at in range(layers):
        chosen = d.depth[:, at]
        alpha = alphas[rows, chosen]
        frames = frames * (1 - alpha) + colours[rows, chosen] * alpha
        name = torch.where(chosen == layers - 1, 0, chosen + 1)  # the last layer is not asked for
        labels = torch.where(alpha[:, :, 0] > 0.5, name[:, None, None, None], labels)
    frames = torch.round(frames.clamp(0, 1) * 255) / 255
    area = torch.stack([(labels[:, 0] == slot).sum((1, 2)) for slot in range(layers)], 1)
    valid = area >= LEAST_AREA
    valid[:, 0] = True
    labels = torch.where(valid.gather(1, labels.flatten(1)).view_as(labels), labels, 0)
    return Clips(frames, labels, valid)


def make_clips(
    stills: Stills,
    seed: int,
    key: tuple[str | int, ...],
    batch: int,
    length: int,
    side: int,
    objects: int | None = None,
) -> Clips:
    """Draw and render one batch; the same arguments give the same clips (on a GPU up to float rounding)."""
    return render(stills, draw(stills, seed, key, batch, length, side, objects), side)


def _seen_by_camera(d: Draws, side: int) -> Tensor:
    """World coordinates (y, x) of every pixel, B x T x S x S x 2."""
    axis = torch.arange(side, dtype=torch.float32, device=d.times.device)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    middle = (side - 1) / 2
    turn = rotation(-d.spin[:, :1] * d.times) * torch.exp(-d.zoom[:, :1] * d.times)[..., None, None]
    shift = d.velocity[:, None, 0] * d.times[..., None] + d.jitter[:, :, 0]
    seen = torch.einsum("btij,hwj->bthwi", turn, pixels - middle)
    return seen + middle - shift[:, :, None, None]


def _places(d: Draws, world: Tensor, index: int) -> Tensor:
    """Where in its picture a layer (0: the background) is looked up, B x T x S x S x 2, (x, y) for `grid_sample`."""
    times = d.times
    centre = d.centre[:, index, None].expand(-1, times.shape[1], -1)
    angle, zoom, stretch = d.angle[:, index, None].expand_as(times), torch.zeros_like(times), torch.zeros_like(times)
    if index:
        centre = centre + d.velocity[:, index, None] * times[..., None] + d.jitter[:, :, index]
        angle = angle + d.spin[:, index, None] * times
        zoom, stretch = d.zoom[:, index, None] * times, d.stretch[:, index, None] * times
    scale = d.scale[:, index, None] * torch.exp(zoom)
    size = scale[..., None] * torch.exp(torch.stack([stretch, -stretch], -1))
    turned = torch.einsum("btij,bthwj->bthwi", rotation(-angle), world - centre[:, :, None, None])
    local = turned / size[:, :, None, None]
    local = torch.stack([local[..., 0], local[..., 1] * d.flip[:, index, None, None, None]], -1)
    half = d.half[:, index, None, None, None, None]
    field = spline(d.bend[:, index, None] * times[..., None, None]).flatten(0, 1)
    unit = (local / half).flatten(0, 1)
    bent = F.grid_sample(field, unit.flip(-1) / REACH, padding_mode="border", align_corners=True)
    local = local + bent.permute(0, 2, 3, 1).view_as(local) * half
    places = d.anchor[:, index, None, None, None] + local
    return (places * (2 / CANVAS) - 1 + 1 / CANVAS).flip(-1)


def _sampled(pictures: Tensor, places: Tensor, beyond: str) -> Tensor:
    """B x C x H x W at B x T x S x S x 2 -> B x T x C x S x S; all frames of a clip in one call."""
    length, side = places.shape[1:3]
    grid = places.flatten(1, 2)
    found = F.grid_sample(pictures, grid, padding_mode=beyond, align_corners=False)
    return found.unflatten(2, (length, side)).transpose(1, 2)


def _coloured(frames: Tensor, d: Draws, index: int) -> Tensor:
    """A layer's colours changed by its draws: B x T x 3 x S x S."""
    gain, brightness = d.colour[:, index, :3], d.colour[:, index, 3:4]
    contrast, saturation = d.colour[:, index, 4:5], d.colour[:, index, 5:6]
    light = d.light[:, :, index, None]

    def shaped(values: Tensor) -> Tensor:
        return (light * values[:, None])[..., None, None]  # B x T x 3 x 1 x 1

    grey = frames.mean(2, keepdim=True)
    pivot = shaped(gain * (0.45 * (1 - contrast) + brightness))
    out = torch.addcmul(pivot, frames, shaped(gain * contrast * saturation))
    return torch.addcmul(out, grey, shaped(gain * contrast * (1 - saturation)))
