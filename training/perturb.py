"""Damage that the recipe `corrupted` does to training clips; none of it is what a test preset does.

The presets blur, add noise, lay weather over the scene, shift brightness, contrast and saturation, compress, lose
resolution or frames, scatter pixels, dim the light. What is here leaves that alone: it acts on colour tables, on
regular patterns, on rectangles, on lines and on planes. A model trained with it has seen that frames may be bad, but
not one of the ways in which it is tested. `docs/reference-weights.md` lists each with its nearest test corruption.

Each function takes one clip (float32 T x 3 x S x S, 0..1), a strength in (0, 1] and a generator on the CPU, and
returns a clip of the same shape, values not yet clipped. What it draws holds for the whole clip, with what is said to
drift drifting.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from training.keys import generator

CLEAN = 0.25
"""Share of clips left alone."""
SECOND = 0.35
"""Share of damaged clips that are damaged twice."""


def _uniform(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng)


def _axes(clip: Tensor) -> tuple[Tensor, Tensor]:
    """Rows S x 1 and columns 1 x S, 0..S-1."""
    index = torch.arange(clip.shape[-1], device=clip.device, dtype=clip.dtype)
    return index[:, None], index[None]


def channel_mixing(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Each channel becomes a mixture of all three; at full strength they may change places."""
    order = torch.eye(3)[torch.randperm(3, generator=rng)]
    mixed = order + 0.3 * torch.randn(3, 3, generator=rng)
    matrix = (1 - strength) * torch.eye(3) + strength * mixed / mixed.sum(1, keepdim=True).clamp(0.5, 2)
    return torch.einsum("ij,tjhw->tihw", matrix.to(clip.device), clip)


def tone_curves(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """A power of its own for every channel, between 1/3 and 3."""
    power = torch.exp(_uniform(rng, -1.1, 1.1, 3) * strength).to(clip.device)
    return clip.clamp(1e-4, 1) ** power[:, None, None]


def posterised(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Few levels a channel, three at full strength."""
    levels = round(12 - 9 * strength)
    return torch.floor(clip * levels).clamp(max=levels - 1) / (levels - 1)


def solarised(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Values above a threshold are turned over."""
    threshold = float(_uniform(rng, 0.35, 0.8, 1))
    turned = torch.where(clip > threshold, 2 * threshold - clip, clip)
    return clip + strength * (turned - clip)


def cut_out(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Rectangles of one colour that drift across the picture."""
    clip, side = clip.clone(), clip.shape[-1]
    for _ in range(1 + round(3 * strength)):
        size = _uniform(rng, 0.06, 0.1 + 0.25 * strength, 2) * side
        at = _uniform(rng, 0, 1, 2) * (side - size)
        drift = 0.04 * side * torch.randn(2, generator=rng)
        colour = torch.rand(3, generator=rng).to(clip.device)[:, None, None]
        for t in range(len(clip)):
            top, left = (at + t * drift).round().int().clamp(0, side).tolist()
            bottom, right = (at + t * drift + size).round().int().clamp(0, side).tolist()
            clip[t, :, top:bottom, left:right] = colour
    return clip


def grid_mask(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """A grid of blank squares over the whole picture, of a third of its area at most."""
    period = float(_uniform(rng, 12, 40, 1))
    share = (0.33 * strength) ** 0.5
    rows, columns = _axes(clip)
    shift = _uniform(rng, 0, period, 2).tolist()
    blank = ((rows + shift[0]) % period < share * period) & ((columns + shift[1]) % period < share * period)
    return torch.where(blank, float(_uniform(rng, 0, 1, 1)), clip)


def halos(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Sharpened far too much: bright and dark seams along edges."""
    reach = 1 + 2 * int(_uniform(rng, 1, 4, 1))
    smooth = F.avg_pool2d(clip, reach, 1, reach // 2, count_include_pad=False)
    return clip + (1 + 4 * strength) * (clip - smooth)


def uneven_light(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Multiplied by a polynomial of third order in the place, a colour cast of its own a channel, drifting."""
    rows, columns = (2 * a / clip.shape[-1] - 1 for a in _axes(clip))
    basis = torch.stack(torch.broadcast_tensors(rows, columns, rows * columns, rows**2, columns**2, rows**3))
    weights = _uniform(rng, -1, 1, 1, 1, 6) + 0.3 * _uniform(rng, -1, 1, 1, 3, 6)
    weights = weights + 0.15 * torch.arange(len(clip))[:, None, None] * _uniform(rng, -1, 1, 1, 1, 6)
    field = torch.einsum("tck,khw->tchw", (0.8 * strength * weights).to(clip.device), basis)
    return clip * torch.exp(field.clamp(-2, 1))


def interlaced(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Every other line shows the frame before: combs where something moves."""
    before = torch.cat([clip[:1], clip[:-1]])
    height = 1 + int(strength * 3 * float(torch.rand((), generator=rng)))
    rows, _ = _axes(clip)
    return torch.where((rows // height) % 2 == 0, clip, before)


def dithered(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Two to five levels a channel with ordered dithering, a 4 x 4 threshold matrix."""
    two = torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    four = torch.cat([torch.cat([4 * two, 4 * two + 2], 1), torch.cat([4 * two + 3, 4 * two + 1], 1)])
    side = clip.shape[-1]
    tiles = -(-side // 4)
    threshold = ((four + 0.5) / 16).repeat(tiles, tiles)[:side, :side].to(clip.device)
    steps = round(4 - 3 * strength)
    return torch.floor(clip * steps + threshold) / steps


def line_jitter(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Lines in bands displaced sideways, up to three pixels: a television out of step."""
    side = clip.shape[-1]
    moved = []
    for frame in clip:
        bands = torch.randn(1, 1, side // 4 + 2, generator=rng)
        shift = F.interpolate(bands, side, mode="linear", align_corners=True)[0, 0]
        shift = (shift * 1.5 * strength).clamp(-3, 3).round().long().to(clip.device)
        columns = (torch.arange(side, device=clip.device)[None] + shift[:, None]).clamp(0, side - 1)
        moved.append(frame.gather(2, columns.expand(3, -1, -1)))
    return torch.stack(moved)


def stripes(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """A wave of light and dark across the picture that runs on from frame to frame."""
    period, angle = float(_uniform(rng, 4, 30, 1)), float(_uniform(rng, 0, math.pi, 1))
    speed, phase = float(_uniform(rng, -2, 2, 1)), float(_uniform(rng, 0, 6.3, 1))
    rows, columns = _axes(clip)
    place = (rows * math.sin(angle) + columns * math.cos(angle)) * (2 * math.pi / period)
    time = torch.arange(len(clip), device=clip.device)[:, None, None, None]
    return clip + 0.25 * strength * torch.sin(place + phase + speed * time)


def plane_shift(clip: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Red, green and blue out of register by up to six pixels."""
    reach = 6 * strength
    planes = []
    for channel in range(3):
        dy, dx = _uniform(rng, -reach, reach, 2).round().int().tolist()
        planes.append(torch.roll(clip[:, channel], (dy, dx), (1, 2)))
    return torch.stack(planes, 1)


PERTURBATIONS: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    made.__name__: made
    for made in (
        channel_mixing,
        tone_curves,
        posterised,
        solarised,
        cut_out,
        grid_mask,
        halos,
        uneven_light,
        interlaced,
        dithered,
        line_jitter,
        stripes,
        plane_shift,
    )
}
"""All of them, by name."""


def perturbed(frames: Tensor, seed: int, key: tuple[str | int, ...]) -> Tensor:
    """Clips B x T x 3 x S x S, each left alone or damaged once or twice; a function of seed and key."""
    names = sorted(PERTURBATIONS)
    out = []
    for number, clip in enumerate(frames):
        rng = generator(seed, "perturb", *key, number)
        chances = torch.rand(2, generator=rng).tolist()
        count = 0 if chances[0] < CLEAN else 2 if chances[1] < SECOND else 1
        for at in torch.randperm(len(names), generator=rng)[:count].tolist():
            strength = float(_uniform(rng, 0.15, 1, 1))
            clip = PERTURBATIONS[names[at]](clip, strength, rng).clamp(0, 1)
        out.append(torch.round(clip * 255) / 255)
    return torch.stack(out)
