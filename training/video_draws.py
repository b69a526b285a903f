"""Everything random about a batch of clips from videos (see `training/video_clips.py`), drawn on the CPU from a key."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.draws import Draws, Variation, draw
from training.images import Stills
from training.keys import generator
from training.videos import Videos

FROM_VIDEO = 0.5
"""Share of added objects that are cut out of another video, moving as they do there; the others are stills."""
CROSSING = 0.5
"""Share of added objects that pass over or behind the video's own object: occlusion, and return from it."""
GAPS = 2, 20
"""Least and largest usual gap between frames of a clip, in frames of the film."""
HIDDEN = 0.5
"""Share of clips with a crossing in which the film's own object lies behind everything else."""
REVERSED = 0.5
"""Share of clips that run backwards."""
COVERING, LARGEST = 1.1, 3.0
"""How much longer than the film's object one that hides it is at least, and its largest enlargement for that."""
SCALES = 0.5, 1.6
"""Least and largest enlargement of a video."""
CAMERA = 0.4
"""The camera added to that of the film moves this much of what it does over stills."""


@dataclass(frozen=True)
class VideoDraws:
    """A batch: poses and colours as for stills, and which frames are shown. Layer 0 is the film's own object."""

    base: Draws
    video: Tensor
    """int64 B x (1 + L): video of the background and of each layer's object; -1: a still, `base.sources`."""
    at: Tensor
    """int64 B x (1 + L) x T: index of the frame in that video."""


def moments(times: tuple[int, ...], length: int, rng: torch.Generator) -> list[int]:
    """Indices of frames for a clip, all different where the video has enough, in or against the order of time.

    Gaps are drawn in frames of the film; in two clips of five the first one is up to three times as long.
    """
    chance = torch.rand(5, generator=rng, dtype=torch.float64).tolist()
    gap = GAPS[0] * (GAPS[1] / GAPS[0]) ** chance[0]
    gaps = gap * (0.5 + torch.rand(length - 1, generator=rng, dtype=torch.float64))
    gaps[0] *= 1 + 2 * chance[2] if chance[1] < 0.4 else 1
    span = times[-1] - times[0]
    offsets = torch.cat([torch.zeros(1, dtype=torch.float64), gaps.cumsum(0)])
    offsets *= min(1.0, span / float(offsets[-1]))
    start = times[0] + chance[3] * (span - float(offsets[-1]))
    shown = torch.tensor(times, dtype=torch.float64)
    found: list[int] = []
    for number, wanted in enumerate((start + offsets).tolist()):
        nearest = int((shown - wanted).abs().argmin())
        least = found[-1] + 1 if found else 0
        found.append(min(max(nearest, least), max(least, len(times) - (length - number)), len(times) - 1))
    if chance[4] >= REVERSED:
        return found
    # The longer gap stays the first one: a reference may lie long ago, in whichever direction.
    return [found[0] + found[-1] - index for index in found]


def draw_video(
    videos: Videos,
    stills: Stills,
    seed: int,
    key: tuple[str | int, ...],
    batch: int,
    length: int,
    side: int,
    variation: Variation,
) -> VideoDraws:
    """The draws of one batch; a function of its arguments alone."""
    base = draw(stills, seed, key, batch, length, side, None, variation)
    rng = generator(seed, *key, "video")
    layers = base.sources.shape[1]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=rng)

    video = torch.randint(len(videos), (batch, layers + 1), generator=rng)
    video = torch.where(uniform(0, 1, batch, layers + 1) < FROM_VIDEO, video, -1)
    film = torch.randint(len(videos), (batch,), generator=rng)
    video[:, :2] = film[:, None]
    at = torch.zeros(batch, layers + 1, length, dtype=torch.long)
    scale, anchor, half = base.scale.clone(), base.anchor.clone(), base.half.clone()
    centre, velocity, depth = base.centre.clone(), base.velocity.clone(), base.depth.clone()
    extent = torch.exp(uniform(0, 1, batch, layers) * math.log(variation.extent * side / 18)) * 18
    for sample in range(batch):
        for index in range(layers + 1):
            number = int(video[sample, index])
            if number < 0 or index == 1:
                continue
            at[sample, index] = torch.tensor(moments(videos.times[number], length, rng))
            box = videos.boxes[number][at[sample, index, 0]]
            longer = float(box[2:].max())
            wanted = float(extent[sample, max(index - 1, 0)]) / longer
            anchor[sample, index], half[sample, index] = box[:2], longer
            if index:
                scale[sample, index] = min(max(wanted, SCALES[0]), SCALES[1])
                continue
            size = videos.sizes[number].float()
            least = 1.02 * side / float(size.min())  # the film fills the clip
            s = max(min(max(wanted, SCALES[0]), SCALES[1]), least)
            place = uniform(0.25, 0.75, 2) * side
            # As far towards the wanted place as the border of the film allows.
            low, high = side - s * (size - box[:2]), s * box[:2]
            centre[sample, 0] = torch.maximum(torch.minimum(place, high), low)
            scale[sample, 0], half[sample, 0] = s, side / 2 / s
    at[:, 1] = at[:, 0]
    for values in (scale, anchor, centre):
        values[:, 1] = values[:, 0]
    half[:, 1] = half[:, 0]
    velocity[:, 0] *= CAMERA
    crossing = uniform(0, 1, batch, layers - 1) < CROSSING
    direction, beyond = uniform(0, 2 * math.pi, batch, layers - 1), uniform(0.8, 1.3, batch, layers - 1)
    # The film's own object lies behind all others where it is to be hidden, by objects not much smaller than it.
    hidden = (uniform(0, 1, batch) < HIDDEN) & crossing.any(1)
    own = scale[:, 0] * torch.stack([videos.boxes[int(v)][int(a), 2:].max() for v, a in zip(film, at[:, 0, 0])])
    for layer in range(layers - 1):
        chosen, index = crossing[:, layer], layer + 2
        covering = torch.maximum(scale[:, index], COVERING * own / half[:, index]).clamp(max=LARGEST)
        scale[:, index] = torch.where(chosen & hidden, covering, scale[:, index])
        reach = scale[:, index] * half[:, index]
        distance = (beyond[:, layer] * (reach + own)).clamp(max=side)
        heading = torch.stack([direction[:, layer].sin(), direction[:, layer].cos()], -1) * distance[:, None]
        centre[:, index] = torch.where(chosen[:, None], centre[:, 0] - heading, centre[:, index])
        velocity[:, index] = torch.where(chosen[:, None], 2 * heading / base.times[:, -1:], velocity[:, index])
    order = torch.where(depth == 0, -1.0, torch.arange(layers).float().expand(batch, -1))
    depth = torch.where(hidden[:, None], depth.gather(1, order.argsort(1)), depth)
    angle, flip, colour, light = base.angle.clone(), base.flip.clone(), base.colour.clone(), base.light.clone()
    angle[:, 0] *= 0.5
    for values in (angle, flip, colour):
        values[:, 1] = values[:, 0]
    light[:, :, 1] = light[:, :, 0]
    jitter, spin, zoom, bend = base.jitter.clone(), base.spin.clone(), base.zoom.clone(), base.bend.clone()
    jitter[:, :, 0] *= CAMERA
    spin[:, 0] *= CAMERA
    zoom[:, 0] *= CAMERA
    bend[:, :1] = 0  # the film deforms by itself
    poses = replace(
        base,
        depth=depth,
        scale=scale,
        angle=angle,
        flip=flip,
        centre=centre,
        anchor=anchor,
        half=half,
        velocity=velocity,
        spin=spin,
        zoom=zoom,
        jitter=jitter,
        bend=bend,
        colour=colour,
        light=light,
    )
    return VideoDraws(poses, video, at)
