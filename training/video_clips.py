"""Clips of the video stage: a film with its own object, and objects of other films and of stills laid over it.

The film's object is real: its motion, its turning, the light on it, with real gaps of time. What is laid over it
crosses in front of it or behind it, so that objects are hidden and come back; the labels say what is to be seen. Every
fourth step shows clips of stills as before, so that what was learnt from them stays.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.clips import Clips, coloured, composed, local_places, make_clips, seen_by_camera
from training.draws import USUAL, Draws, Variation
from training.images import Stills
from training.keys import generator
from training.video_draws import VideoDraws, draw_video, moments
from training.videos import Videos

STILLS_EVERY = 4
"""Every so many steps clips come from stills alone."""


def make_video_clips(
    videos: Videos,
    stills: Stills,
    seed: int,
    step: int,
    batch: int,
    length: int,
    side: int,
    variation: Variation = USUAL,
    device: str = "cpu",
) -> Clips:
    """The clips of one step; the same arguments give the same clips (on a GPU up to float rounding)."""
    key = ("video", step)
    if step % STILLS_EVERY == STILLS_EVERY - 1:
        return make_clips(stills, seed, key, batch, length, side, renewed=True, variation=variation)
    return render_video(
        videos, stills, draw_video(videos, stills, seed, key, batch, length, side, variation), side, device
    )


def render_video(videos: Videos, stills: Stills, draws: VideoDraws, side: int, device: str = "cpu") -> Clips:
    """Make the clips: layer 0 is cut out of the film where it lies and laid over it again, in its order of depth."""
    d = Draws(**{name: value.to(device) for name, value in vars(draws.base).items()})
    world = seen_by_camera(d, side)
    places = [local_places(d, world, 0)] * 2 + [local_places(d, world, n) for n in range(2, draws.video.shape[1])]
    films = [_looked_up(videos, stills, draws, n, d.anchor[:, n], places[n]) for n in range(len(places)) if n != 1]
    scene = films[0]
    cut = [(coloured(scene[:, :, :3], d, 1), scene[:, :, 3:])]
    for layer, found in enumerate(films[1:], 1):
        alpha = found[:, :, 3:] * d.present[:, layer, None, None, None, None]
        cut.append((coloured(found[:, :, :3], d, layer + 1), alpha))
    return composed(coloured(scene[:, :, :3], d, 0), cut, d.depth)


def _looked_up(videos: Videos, stills: Stills, draws: VideoDraws, index: int, anchor: Tensor, local: Tensor) -> Tensor:
    """Colours and mask of a layer (0: the film) at places B x T x S x S x 2 from its anchor: B x T x 4 x S x S.

    Beyond the border the film is mirrored, its object and label alike; objects of layers end there.
    """
    found = []
    for sample, number in enumerate(draws.video[:, index].tolist()):
        if number < 0:
            source = int(draws.base.sources[sample, index - 1])
            mask = (stills.masks[source] & 1)[None] * 255
            pictures = torch.cat([stills.images[source], mask])[None].expand(local.shape[1], -1, -1, -1)
        else:
            pictures = torch.stack([videos.frame(number, at) for at in draws.at[sample, index].tolist()])
        pictures = pictures.to(local.device).float() / 255
        size = torch.tensor(pictures.shape[-2:], device=local.device)
        grid = ((anchor[sample] + local[sample]) * (2 / size) - 1 + 1 / size).flip(-1)
        found.append(
            F.grid_sample(pictures, grid, padding_mode="zeros" if index else "reflection", align_corners=False)
        )
    return torch.stack(found)


def watched(videos: Videos, number: int, side: int, device: str = "cpu", length: int = 8) -> Clips:
    """A clip of one watched video alone, nothing laid over it, scaled to fill the clip: always the same."""
    rng = generator(0, "watched", videos.names[number])
    at = moments(videos.times[number], length, rng)
    box, size = videos.boxes[number][at[0]], videos.sizes[number].float()
    scale = side / float(size.min())
    axis = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) / scale
    reach = (side - 1) / 2 / scale
    middle = torch.maximum(torch.minimum(box[:2], size - 1 - reach), torch.full((2,), reach))
    places = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1) + middle
    pictures = torch.stack([videos.frame(number, index) for index in at]).float() / 255
    grid = (places * (2 / size) - 1 + 1 / size).flip(-1).expand(length, -1, -1, -1)
    found = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)[None].to(device)
    nothing = torch.zeros_like(found[:, :, 3:])
    layers = [(found[:, :, :3], found[:, :, 3:]), (found[:, :, :3], nothing)]
    return composed(found[:, :, :3], layers, torch.tensor([[1, 0]], device=device))
