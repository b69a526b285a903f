"""Weather that moves as weather does: rain, snow and fog whose particles and banks keep their identity over time.

Depth is unknown in a video, so distances are assumed: 60 m of air for rain and snow; for fog a ground that recedes
from 20 m at the bottom row to 80 m at the top. The veil follows Koschmieder's law: opacity 1 - exp(-extinction x
distance), extinction 3.912 / visibility. Modes: "drift" (default) moves; "video" stands still; "frame" is drawn anew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._particles import (
    Layer,
    cloud_density,
    flake_tile,
    number_of,
    scale_of,
    seconds,
    shifted,
    streak_tile,
)
from ._pattern import pattern

RAIN_RATE = (10.0, 25.0, 50.0, 100.0, 150.0)
STREAKS = (800.0, 1500.0, 2500.0, 4000.0, 5500.0)
SNOW_VISIBILITY = (5000.0, 2500.0, 1400.0, 800.0, 500.0)
FLAKES = (1200.0, 2400.0, 4000.0, 6500.0, 9500.0)
FOG_VISIBILITY = (800.0, 450.0, 280.0, 180.0, 120.0)
DEPTH = 60.0
"""Metres of air between camera and scene, for the veil of rain and snow."""
SHUTTER = 1.0 / 48.0
"""Seconds of exposure, which make the length of a streak."""

RAIN_LAYERS = (
    Layer("far", 0.6, 700.0, (1.0, 1.0), 0.45),
    Layer("middle", 0.3, 1300.0, (1.0, 1.0), 0.60),
    Layer("near", 0.1, 2400.0, (2.0, 2.0), 0.65),
)
SNOW_LAYERS = (
    Layer("far", 0.62, 35.0, (0.7, 1.2), 0.7),
    Layer("middle", 0.32, 75.0, (1.3, 2.4), 0.8),
    Layer("near", 0.06, 150.0, (3.0, 6.0), 0.85),
)
_MODES = ("drift", "video", "frame")


def veiled(
    frame: Frame, opacity: NDArray[np.floating] | float, colour: tuple[float, float, float]
) -> NDArray[np.float32]:
    """The frame behind a veil of one colour (RGB, grey levels), float32 (H, W, 3); opacity (H, W) or one number."""
    cover = np.asarray(opacity, np.float32)
    cover = cover[..., None] if cover.ndim else cover
    air = np.array(colour, np.float32)
    return np.asarray(frame + cover * (air - frame), np.float32)


def covered(picture: NDArray[np.float32], particles: NDArray[np.float32], colour: tuple[float, float, float]) -> Frame:
    """The picture, uint8, under particles of one colour with the given opacity, float32 (H, W)."""
    picture += particles[..., None] * (np.array(colour, np.float32) - picture)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def rain_opacity(draw: Draw, height: int, width: int, streaks: float, length: float = 1.0) -> NDArray[np.float32]:
    """Opacity of rain streaks, float32 (H, W); `streaks` per megapixel, `length` as a factor of the exposure."""
    scale = scale_of(height, width)
    slant = float(draw.rng("wind").normal(0.0, 0.15))
    time = seconds(draw)
    clear = np.ones((height, width), np.float32)
    for layer in RAIN_LAYERS:
        count = number_of(streaks * layer.share, height, width)
        velocity = np.array((np.sin(slant), np.cos(slant))) * layer.speed * scale
        reach = tuple((velocity * SHUTTER * length).round(1).tolist())
        tile = streak_tile(draw, height, width, layer, count, reach)
        x, y = velocity * time
        clear *= 1.0 - np.float32(layer.opacity / 255.0) * shifted(tile, height, width, x, y)
    return np.asarray(1.0 - clear, np.float32)


def snow_opacity(draw: Draw, height: int, width: int, flakes: float, speed: float = 1.0) -> NDArray[np.float32]:
    """Opacity of snowflakes, float32 (H, W); `flakes` per megapixel, `speed` as a factor of that of calm air."""
    scale = scale_of(height, width)
    rng = draw.rng("wind")
    wind, sway, hertz = rng.uniform(-0.6, 0.6), rng.uniform(2.0, 8.0), rng.uniform(0.2, 0.6)
    time = seconds(draw)
    clear = np.ones((height, width), np.float32)
    for number, layer in enumerate(SNOW_LAYERS):
        count = number_of(flakes * layer.share, height, width)
        tile = flake_tile(draw, height, width, layer, count)
        x = layer.speed * speed * wind * time + sway * (number + 1) / 3.0 * np.sin(2.0 * np.pi * hertz * time + number)
        y = layer.speed * speed * time
        clear *= 1.0 - np.float32(layer.opacity / 255.0) * shifted(tile, height, width, x * scale, y * scale)
    return np.asarray(1.0 - clear, np.float32)


@corruption(
    "drifting_rain",
    "weather",
    temporal=_MODES,
    summary="Rain that falls: streaks in three depths, and the veil of the rain behind them",
    unit="mm/h (extinction 0.248 R^0.67 per km); streaks per megapixel at 480 rows",
    values=tuple(zip(RAIN_RATE, STREAKS)),
)
def drifting_rain(frame: Frame, severity: float, draw: Draw) -> Frame:
    """10 / 25 / 50 / 100 / 150 mm/h: streaks as long as 1/48 s of fall in one wind, behind a grey veil."""
    height, width = frame.shape[:2]
    rate = at_severity(RAIN_RATE, severity)
    # Attenuation of light by rain of rate R, after measured drop-size distributions (1.076 R^0.67 dB/km).
    veil = 1.0 - np.exp(-0.248 * rate**0.67 * DEPTH / 1000.0)
    drops = rain_opacity(pattern(draw), height, width, at_severity(STREAKS, severity))
    return covered(veiled(frame, float(veil), (158.0, 162.0, 168.0)), drops, (205.0, 208.0, 214.0))


@corruption(
    "drifting_snow",
    "weather",
    temporal=_MODES,
    summary="Snow that falls and sways: flakes in three depths, and the white veil behind them",
    unit="visibility, metres (60 m of air); flakes per megapixel at 480 rows",
    values=tuple(zip(SNOW_VISIBILITY, FLAKES)),
)
def drifting_snow(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Visibility of 5000 / 2500 / 1400 / 800 / 500 m, flakes that fall 35 to 150 px/s (at 480 rows) in one wind."""
    height, width = frame.shape[:2]
    veil = 1.0 - np.exp(-3.912 / at_severity(SNOW_VISIBILITY, severity) * DEPTH)
    flakes = snow_opacity(pattern(draw), height, width, at_severity(FLAKES, severity))
    return covered(veiled(frame, float(veil), (214.0, 217.0, 222.0)), flakes, (246.0, 247.0, 250.0))


@corruption(
    "drifting_fog",
    "weather",
    temporal=_MODES,
    summary="Fog in banks that drift, thicker towards the top of the picture",
    unit="visibility, metres (20 to 80 m of air)",
    values=FOG_VISIBILITY,
)
def drifting_fog(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Visibility of 800 / 450 / 280 / 180 / 120 m; density varies by a third and drifts with the wind."""
    height, width = frame.shape[:2]
    extinction = 3.912 / at_severity(FOG_VISIBILITY, severity)
    distance = np.linspace(80.0, 20.0, height, dtype=np.float32)[:, None]
    depth = cloud_density(pattern(draw), height, width) * (distance * np.float32(-extinction))
    picture = veiled(frame, 1.0 - np.exp(depth), (208.0, 211.0, 215.0))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
