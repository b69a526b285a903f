"""Weather of ImageNet-C: snow, frost, fog, spatter, brightness. Drawn for each frame, for the video, or drifting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._pattern import pattern, per_video

if TYPE_CHECKING:
    from torch import Tensor

_SOURCE = "ImageNet-C (Hendrycks and Dietterich, ICLR 2019)"
_DRIFTING = ("drift", "frame", "video")
_STANDING = ("video", "frame", "drift")
"""The default comes first: what moves in the world drifts, what lies on the lens stays."""
_SNOW = (
    (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2.0, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4.0, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
_FROST = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
_FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)
_SPATTER = (
    (0.65, 0.3, 4, 0.69, 0.6, "water"),
    (0.65, 0.3, 3, 0.68, 0.6, "water"),
    (0.65, 0.3, 2, 0.68, 0.5, "water"),
    (0.65, 0.3, 1, 0.65, 1.5, "mud"),
    (0.67, 0.4, 1, 0.65, 1.5, "mud"),
)
_WATER, _MUD = (175.0, 238.0, 238.0), (63.0, 42.0, 20.0)


def _level(table: tuple[tuple[float, ...], ...], severity: float) -> list[float]:
    return [at_severity(column, severity) for column in zip(*table)]


@corruption(
    "snow",
    "weather",
    temporal=_DRIFTING,
    summary="Falling flakes over a whitened scene",
    unit="mean and std of the noise, zoom (px), floor, radius and sigma of the streaks (px), share of the scene kept",
    values=_SNOW,
    source=_SOURCE,
)
def snow(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Two layers of streaked flakes; in drift they fall along their streaks, half a frame height in a second."""
    from .kernels.weather import add_snow

    mean, std, zoom, floor, radius, sigma, keep = _level(_SNOW, severity)
    size = (frame.shape[0], frame.shape[1])
    angle = pattern(draw).rng("angle").uniform(-135.0, -45.0)
    layer = _flakes(pattern(draw), size, mean, std, zoom, floor, round(radius), sigma, angle, draw.temporal == "drift")
    turned = np.ascontiguousarray(layer[::-1, ::-1])
    if draw.temporal == "drift":
        way = 0.5 * size[0] * draw.frame / draw.fps
        down, right = -math.sin(math.radians(angle)) * way, -math.cos(math.radians(angle)) * way
        layer = _roll(layer, down, right)
        # The further layer moves more slowly.
        turned = _roll(turned, 0.7 * down, 0.7 * right)
    return add_snow(frame, layer, turned, keep)


@per_video(keep=2)
def _flakes(draw: Draw, size: tuple[int, int], *facts: float) -> NDArray[np.uint8]:
    from .kernels.weather import snow_layer

    *shape, periodic = facts
    mean, std, zoom, floor, radius, sigma, angle = shape
    return snow_layer(size, mean, std, zoom, floor, radius, sigma, angle, draw.rng("flakes"), bool(periodic))


_Pixel = TypeVar("_Pixel", bound=np.generic)


def _roll(layer: NDArray[_Pixel], down: float, right: float) -> NDArray[_Pixel]:
    return np.roll(layer, (math.floor(down + 0.5), math.floor(right + 0.5)), (0, 1))


@corruption(
    "frost",
    "weather",
    version=2,
    temporal=_STANDING,
    summary="A photograph of ice on a window laid over the scene",
    unit="weights of scene and ice",
    values=_FROST,
    source=_SOURCE,
)
def frost(frame: Frame, severity: float, draw: Draw) -> Frame:
    """One of six photographs at a random place; in drift the pane moves two percent of the height in a second."""
    from .kernels.colour import blend
    from .kernels.weather import frost_picture

    scene, ice = _level(_FROST, severity)
    rng = pattern(draw).rng("crop")
    height, width = frame.shape[:2]
    picture = frost_picture(int(rng.integers(6)), (height, width))
    room = (max(picture.shape[0] - height, 1), max(picture.shape[1] - width, 1))
    top, left = int(rng.integers(room[0])), int(rng.integers(room[1]))
    if draw.temporal == "drift":
        angle = rng.uniform(0.0, 2.0 * math.pi)
        way = 0.02 * height * draw.frame / draw.fps
        top, left = _bounce(top + way * math.sin(angle), room[0]), _bounce(left + way * math.cos(angle), room[1])
    return blend(frame, picture[top : top + height, left : left + width], scene, ice)


def _bounce(place: float, room: int) -> int:
    """The place folded back into 0..room-1."""
    folded = math.floor(place + 0.5) % (2 * room)
    return min(folded, 2 * room - 1 - folded)


@corruption(
    "fog",
    "weather",
    temporal=_DRIFTING,
    summary="Plasma fractal clouds, white, over a darkened scene",
    unit="thickness (of 1, white), decay of the fractal",
    values=_FOG,
    source=_SOURCE,
)
def fog(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Diamond-square fog; in drift it moves sideways by 5 to 10 percent of the width in a second."""
    from .kernels.weather import add_fog, plasma_size

    thickness, decay = _level(_FOG, severity)
    side = plasma_size((frame.shape[0], frame.shape[1]))
    field = _fractal(pattern(draw), side, decay)
    top = left = 0
    if draw.temporal == "drift":
        wind = pattern(draw).video_rng("wind")
        way = wind.uniform(0.05, 0.1) * frame.shape[1] * draw.frame / draw.fps
        left = math.floor(way * (1 if wind.integers(2) else -1) + 0.5)
        top = math.floor(way * wind.uniform(-0.2, 0.2) + 0.5)
    return add_fog(frame, field, thickness, top % side, left % side)


@per_video(keep=2)
def _fractal(draw: Draw, side: int, decay: float) -> NDArray[np.float32]:
    from .kernels.weather import plasma

    return plasma(side, decay, draw.rng("fractal"))


@corruption(
    "spatter",
    "weather",
    temporal=_STANDING,
    summary="Drops of water (1 to 3) or mud (4, 5) on the lens",
    unit="mean, std and sigma (px) of the liquid, floor, opacity of water or sigma of mud (px), kind",
    values=_SPATTER,
    source=_SOURCE,
)
def spatter(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Spatter of the nearest whole level; in drift it runs down by three percent of the height in a second."""
    from .kernels.weather import tint

    level = min(max(math.floor(severity + 0.5), 1), 5)
    size = (frame.shape[0], frame.shape[1])
    layer = _splash(pattern(draw), size, level, draw.temporal == "drift")
    if draw.temporal == "drift":
        layer = _roll(layer, 0.03 * size[0] * draw.frame / draw.fps, 0.0)
    water = _SPATTER[level - 1][-1] == "water"
    return tint(frame, layer, _WATER if water else _MUD, covers=not water)


@per_video(keep=2)
def _splash(draw: Draw, size: tuple[int, int], level: int, periodic: bool) -> NDArray[np.float32]:
    from .kernels.weather import liquid, mud_spots, unwrap, water_drops

    mean, std, sigma, floor, last, kind = _SPATTER[level - 1]
    field = liquid(size, mean, std, sigma, draw.rng("liquid"), periodic)
    layer = water_drops(field, floor) * np.float32(last) if kind == "water" else mud_spots(field, floor, last)
    return np.ascontiguousarray(unwrap(layer, size)) if periodic else layer


def _brightness_batch(frames: Tensor, severity: float, draws: Sequence[Draw]) -> Tensor:
    from .kernels.batched.colour import brighten

    return brighten(frames, at_severity(_BRIGHTNESS, severity))


@corruption(
    "brightness",
    "weather",
    batch=_brightness_batch,
    summary="Brighter by a constant",
    unit="added to HSV value, of 1",
    values=_BRIGHTNESS,
    source=_SOURCE,
)
def brightness(frame: Frame, severity: float, draw: Draw) -> Frame:
    """HSV value raised, hue and saturation kept."""
    from .kernels.colour import brighten

    return brighten(frame, at_severity(_BRIGHTNESS, severity))
