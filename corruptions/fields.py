"""Structured noise of ImageNet-C-bar: blue, brownish, Perlin's, plasma."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._bar import DRIFTING, SOURCE, SOURCE_SIDE, side_of, strength, strengths, wind
from ._particles import seconds
from ._pattern import pattern, per_video

_BLUE = tuple(round(level - 2.5, 6) for level in strengths((0.8, 1.6, 2.4, 4.0, 5.6), 3.0))
_BROWN = strengths((1.0, 2.0, 3.0, 4.0, 5.0), 64.0)
_PERLIN = strengths((4.6, 5.2, 5.8, 7.6, 8.8), 0.5)
_PLASMA = strengths((4.75, 7.0, 8.5, 9.25, 10.0), 64.0)


@corruption(
    "blue_noise_sample",
    "noise",
    temporal=("frame", "video"),
    summary="Single pixels black where blue noise is low: 1 to 21 % of them, never in clumps",
    unit="threshold of noise of standard deviation 1",
    values=_BLUE,
    source=SOURCE,
)
def blue_noise_sample(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Black below the threshold; the noise rises in proportion to frequency."""
    from robust_vos_bench.conditions.corruption import at_severity

    from .kernels.fields import keep_above

    noise = _blue(pattern(draw), (frame.shape[0], frame.shape[1]))
    return keep_above(frame, noise, at_severity(_BLUE, severity))


@per_video(keep=2)
def _blue(draw: Draw, size: tuple[int, int]) -> NDArray[np.float32]:
    from .kernels.fields import blue_noise

    return blue_noise(size, draw.rng("noise"))


@corruption(
    "brownish_noise",
    "noise",
    temporal=DRIFTING,
    summary="Stains of colour as large as the picture",
    unit="standard deviation, grey levels",
    values=_BROWN,
    source=SOURCE,
)
def brownish_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Noise with amplitude 1 / (1 + k^2) at k cycles along the longer side; in drift the stains move."""
    from .kernels.fields import TILE, add_tiles

    longer = max(frame.shape[:2])
    step = TILE / longer
    down, right = wind(pattern(draw), float(longer))
    return add_tiles(frame, _brown(pattern(draw)), step, down * step, right * step, strength(_BROWN, severity))


@per_video(keep=2)
def _brown(draw: Draw) -> NDArray[np.float32]:
    from .kernels.fields import brown_tile

    return np.stack([brown_tile(draw.rng(channel)) for channel in ("red", "green", "blue")])


@corruption(
    "perlin_noise",
    "noise",
    temporal=DRIFTING,
    summary="Marbled smoke: turbulence of Perlin noise mixed in",
    unit="share of the noise in the mixture",
    values=_PERLIN,
    source=SOURCE,
)
def perlin_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Five octaves from cells of a seventh of the side; in drift the smoke moves."""
    from .kernels.fields import mix_perlin

    side = side_of(*frame.shape[:2])
    step = SOURCE_SIDE / (32.0 * side)
    start = pattern(draw).rng("place").uniform(0.0, 256.0, 2)
    down, right = wind(pattern(draw), side)
    place = (float(start[0]) + down * step, float(start[1]) + right * step)
    return mix_perlin(frame, _lattice(pattern(draw)), step, *place, strength(_PERLIN, severity))


@per_video(keep=2)
def _lattice(draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    from .kernels.fields import perlin_lattice

    return perlin_lattice(draw.rng("lattice"))


@corruption(
    "plasma_noise",
    "noise",
    temporal=DRIFTING,
    summary="Clouds of vivid colour, folded finer and finer",
    unit="amplitude, grey levels",
    values=_PLASMA,
    source=SOURCE,
)
def plasma_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Sines folded into each other 4 to 6 times; in drift they change as the source's `time` goes, 0.2 in a second."""
    from .kernels.fields import add_plasma

    rng = pattern(draw).rng("clouds")
    time = rng.uniform(0.0, 6.0 * math.pi) + 0.2 * seconds(draw)
    iterations, sharpness = int(rng.integers(4, 7)), rng.uniform(0.5, 1.0)
    scale = rng.uniform(0.075, 0.2) * side_of(*frame.shape[:2])
    return add_plasma(frame, time, iterations, sharpness, scale, strength(_PLASMA, severity))
