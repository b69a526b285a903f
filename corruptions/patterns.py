"""Regular patterns of ImageNet-C-bar: a wave, bent rings, a board of squares."""

from __future__ import annotations

import math

from robust_vos_bench.conditions.corruption import corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._bar import DRIFTING, SOURCE, side_of, strength, strengths, wind
from ._particles import seconds
from ._pattern import pattern

_WAVE = strengths((1.0, 1.5, 2.0, 4.5, 5.0), 196.0)
_RINGS = strengths((3.0, 5.0, 8.0, 9.0, 10.0), 128.0)
_BOARD = strengths((2.0, 3.0, 4.0, 5.0, 6.0), 1.0)


@corruption(
    "single_frequency_greyscale",
    "pattern",
    temporal=DRIFTING,
    summary="One grey sine wave of any direction and any frequency up to two pixels a cycle",
    unit="amplitude, grey levels",
    values=_WAVE,
    source=SOURCE,
)
def single_frequency_greyscale(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Frequencies are per pixel of the frame, as in the source; in drift the wave passes twice in three seconds."""
    from .kernels.patterns import add_wave

    rng = pattern(draw).rng("wave")
    major = rng.uniform(-math.pi, math.pi)
    minor = rng.uniform(-abs(major), abs(major))
    phase = rng.uniform(0.0, 2.0 * math.pi) - 2.0 * math.pi * seconds(draw) * 2.0 / 3.0
    down, right = (major, minor) if rng.integers(2) else (minor, major)
    return add_wave(frame, down, right, phase, strength(_WAVE, severity))


@corruption(
    "cocentric_sine_waves",
    "pattern",
    temporal=DRIFTING,
    summary="Bent rings around a point, a grey sawtooth across each",
    unit="height of the sawtooth, grey levels",
    values=_RINGS,
    source=SOURCE,
)
def cocentric_sine_waves(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Rings of up to a tenth of the side (spelled as in the source); in drift they open, one ring in three seconds."""
    from .kernels.patterns import add_rings

    height, width = frame.shape[:2]
    side = side_of(height, width)
    rng = pattern(draw).rng("rings")
    centre = (rng.uniform(0.0, height), rng.uniform(0.0, width))
    petals, amplitude = rng.uniform(0.0, 10.0), rng.uniform(0.0, 0.1) * side
    # Thinner than this the sawtooth is noise, of the same strength.
    ring = max(rng.uniform(0.0, 0.1) * side, 0.5)
    return add_rings(frame, centre, petals, amplitude, ring, seconds(draw) / 3.0, strength(_RINGS, severity))


@corruption(
    "checkerboard_cutout",
    "pattern",
    temporal=("video", "frame", "drift"),
    summary="Grey squares of a turned chess board: they hide 10 to 30 % of the picture",
    unit="share of the squares of one colour that are there",
    values=_BOARD,
    source=SOURCE,
)
def checkerboard_cutout(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Squares of a tenth to a quarter of the side, grey 128; in drift the board slides over the picture."""
    from .kernels.patterns import cut_squares

    full = side_of(*frame.shape[:2])
    shared = pattern(draw)
    rng = shared.rng("board")
    angle, side = rng.uniform(0.0, 2.0 * math.pi), max(rng.uniform(0.1, 0.25) * full, 1.0)
    start = rng.uniform(0.0, 64.0, 2)
    down, right = wind(shared, full)
    turned = (
        math.cos(angle) * down + math.sin(angle) * right,
        math.cos(angle) * right - math.sin(angle) * down,
    )
    place = (float(start[0]) + turned[0] / side, float(start[1]) + turned[1] / side)
    return cut_squares(frame, rng.random((64, 64)), side, angle, place, strength(_BOARD, severity))
