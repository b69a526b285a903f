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

from training.draws import USUAL, Draws, Variation, draw
from training.fill import filled
from training.images import CANVAS, Stills
from training.renewal import Renewal, draw_renewal, shown
from training.warps import REACH, rotation, spline

LEAST_AREA = 40
"""Pixels of an object on the first frame below which nobody could ask for it."""


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


def render(stills: Stills, draws: Draws, side: int, renewal: Renewal | None = None) -> Clips:
    """Make the clips on the device that the stills are on; renewal: what of the objects' surfaces is replaced."""
    device = stills.images.device
    d = Draws(**{name: value.to(device) for name, value in vars(draws).items()})
    layers = d.sources.shape[1]
    world = seen_by_camera(d, side)
    if renewal is not None:
        renewal = Renewal(**{name: value.to(device) for name, value in vars(renewal).items()})
    images = stills.images[d.background].float() / 255
    other = stills.images[d.sources[:, -1]].float() / 255
    hole = ((stills.masks[d.background] & 2) > 0) & d.own[:, None, None]
    scene = _sampled(filled(images, hole, other), _places(d.anchor[:, 0], local_places(d, world, 0)), "reflection")
    frames = coloured(scene, d, 0)
    cut = []
    for layer in range(layers):
        picture = stills.images[d.sources[:, layer]].float() / 255
        mask = (stills.masks[d.sources[:, layer]] & 1).float()[:, None]
        local = local_places(d, world, layer + 1)
        found = _sampled(torch.cat([picture, mask], 1), _places(d.anchor[:, layer + 1], local), "zeros")
        colours, alpha = found[:, :, :3], found[:, :, 3:] * d.present[:, layer, None, None, None, None]
        if renewal is not None:
            colours = _renewed(stills, d, renewal, layer, colours, local)
        cut.append((coloured(colours, d, layer + 1), alpha))
    return composed(frames, cut, d.depth)


def composed(frames: Tensor, cut: list[tuple[Tensor, Tensor]], depth: Tensor) -> Clips:
    """Layers, each colours (B x T x 3 x S x S) and alpha (B x T x 1 x S x S), laid over frames in order of depth.

    depth: B x L, from back to front. Layer l is object l + 1; the last layer is not asked for, nor is an object with
    fewer than `LEAST_AREA` pixels on the first frame.
    """
    batch, length, _, side, _ = frames.shape
    device, layers = frames.device, len(cut)
    labels = torch.zeros(batch, length, side, side, dtype=torch.long, device=device)
    colours, alphas = torch.stack([c for c, _ in cut], 1), torch.stack([a for _, a in cut], 1)
    rows = torch.arange(batch, device=device)
    for at in range(layers):
        chosen = depth[:, at]
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
    renewed: bool = False,
    variation: Variation = USUAL,
) -> Clips:
    """Draw and render one batch; the same arguments give the same clips (on a GPU up to float rounding)."""
    draws = draw(stills, seed, key, batch, length, side, objects, variation)
    layers = draws.sources.shape[1]
    renewal = draw_renewal(len(stills), seed, key, batch, layers, variation) if renewed else None
    return render(stills, draws, side, renewal)


def seen_by_camera(d: Draws, side: int) -> Tensor:
    """World coordinates (y, x) of every pixel, B x T x S x S x 2."""
    axis = torch.arange(side, dtype=torch.float32, device=d.times.device)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    middle = (side - 1) / 2
    turn = rotation(-d.spin[:, :1] * d.times) * torch.exp(-d.zoom[:, :1] * d.times)[..., None, None]
    shift = d.velocity[:, None, 0] * d.times[..., None] + d.jitter[:, :, 0]
    seen = torch.einsum("btij,hwj->bthwi", turn, pixels - middle)
    return seen + middle - shift[:, :, None, None]


def local_places(d: Draws, world: Tensor, index: int) -> Tensor:
    """Places in a layer (0: the background), B x T x S x S x 2: (y, x) in pixels of its picture from its anchor."""
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
    return local + bent.permute(0, 2, 3, 1).view_as(local) * half


def _places(anchor: Tensor, local: Tensor) -> Tensor:
    """Where in a picture a layer is looked up, B x T x S x S x 2, (x, y) for `grid_sample`; anchor: B x 2 (y, x)."""
    places = anchor[:, None, None, None] + local
    return (places * (2 / CANVAS) - 1 + 1 / CANVAS).flip(-1)


def _renewed(stills: Stills, d: Draws, renewal: Renewal, layer: int, colours: Tensor, local: Tensor) -> Tensor:
    """The colours of an object, B x T x 3 x S x S, with the surface of another picture's where it is renewed."""
    sources = renewal.sources[:, layer]
    box = stills.boxes[sources]
    unit = local / d.half[:, layer + 1, None, None, None, None]
    other = unit * box[:, None, None, None, 2:].amax(-1, keepdim=True)
    surface = _sampled(stills.images[sources].float() / 255, _places(box[:, :2], other), "reflection")
    return torch.lerp(colours, surface, shown(renewal, layer, unit, d.times))


def _sampled(pictures: Tensor, places: Tensor, beyond: str) -> Tensor:
    """B x C x H x W at B x T x S x S x 2 -> B x T x C x S x S; all frames of a clip in one call."""
    length, side = places.shape[1:3]
    grid = places.flatten(1, 2)
    found = F.grid_sample(pictures, grid, padding_mode=beyond, align_corners=False)
    out: Tensor = found.unflatten(2, (length, side)).transpose(1, 2)
    return out


def coloured(frames: Tensor, d: Draws, index: int) -> Tensor:
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
