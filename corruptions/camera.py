"""What goes wrong in the camera: too little light, and dirt or water on the lens."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._optics import to_linear
from ._particles import scale_of
from ._pattern import pattern, per_video

STOPS_LOST = (2.0, 3.0, 4.0, 5.0, 6.0)
WHITE_ELECTRONS = 4000.0
"""Electrons of a white pixel before light is lost (a small sensor at base sensitivity)."""
READ_NOISE = 3.0
"""Electrons of read noise, root mean square."""
GAIN_SHARE = 0.5
"""Share of the lost stops that automatic gain brings back."""
SPECKS = (20.0, 45.0, 80.0, 130.0, 200.0)
DROPS = (40.0, 80.0, 140.0, 220.0, 340.0)
_QUANTILES = 4096


@lru_cache(maxsize=32)
def _sensor_table(stops: float) -> NDArray[np.uint8]:
    """Output code, uint8 (256, quantiles), of each input code at each quantile of the sensor's noise.

    Electrons are Poisson with the mean that the light gives, plus Gaussian read noise, amplified, clipped and coded
    as sRGB. The probability of each of the 256 output codes is computed exactly, then inverted, so that a frame needs
    one table look-up instead of a million Poisson draws.
    """
    from scipy.special import gammaln, ndtr

    white = WHITE_ELECTRONS * 2.0**-stops
    gain = 2.0 ** (stops * (GAIN_SHARE - 1.0)) / white
    mean = to_linear(np.arange(256) / 255.0) * white
    # Electrons at which the output passes from one code to the next.
    edges = to_linear((np.arange(255) + 0.5) / 255.0) / gain
    count = np.arange(int(white + 8.0 * np.sqrt(white)) + 10.0)
    with np.errstate(divide="ignore"):
        log_mean = np.log(np.maximum(mean, 1e-12))
    poisson = np.exp(count * log_mean[:, None] - mean[:, None] - gammaln(count + 1.0))
    below = poisson @ ndtr((edges - count[:, None]) / READ_NOISE)
    quantiles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    table = np.stack([np.searchsorted(row, quantiles) for row in below]).astype(np.uint8)
    table.setflags(write=False)
    return table


@corruption(
    "low_light",
    "camera",
    temporal=("frame", "video"),
    summary="Less light: shot noise and read noise in linear light, gain that brings half of the stops back",
    unit="stops of light lost (white is 4000 electrons at 0; read noise 3 electrons)",
    values=STOPS_LOST,
)
def low_light(frame: Frame, severity: float, draw: Draw) -> Frame:
    """2 / 3 / 4 / 5 / 6 stops less: white is 1000 / 500 / 250 / 125 / 62 electrons and looks 1 to 3 stops darker.

    Noise is drawn for each pixel and channel by itself, fresh on every frame (mode "video": a fixed pattern).
    """
    # Twentieths of a stop: a severity that varies over a video meets the same few tables again.
    table = _sensor_table(round(20.0 * at_severity(STOPS_LOST, severity)) / 20.0)
    places = draw.rng().integers(0, _QUANTILES, size=frame.shape, dtype=np.uint16).astype(np.int32)
    places += frame.astype(np.int32) * _QUANTILES
    return np.take(table.reshape(-1), places)


def _blob(rng: np.random.Generator, centre: tuple[float, float], radius: float) -> NDArray[np.int32]:
    """Outline of an uneven spot, int32 (N, 2) in sixteenths of a pixel (x, y)."""
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    shape = np.ones_like(angle)
    for harmonic in (2, 3, 4, 5):
        shape += rng.normal(0.0, 0.35 / harmonic) * np.cos(harmonic * angle + rng.uniform(0.0, 2.0 * np.pi))
    reach = radius * np.clip(shape, 0.3, 2.0)
    points = np.stack([centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)], axis=1)
    return np.rint(points * 16.0).astype(np.int32)


@per_video(keep=2)
def _dirt(draw: Draw, height: int, width: int, count: int) -> NDArray[np.float32]:
    """Opacity of dark and of light dirt, float32 (2, H, W), 0..0.9.

    Specks have a radius of 0.4 to 3 % of the short side, one dark, the next light; smudges of 8 to 20 % are light.
    """
    import cv2

    # Dirt is soft: beyond 480 rows it is drawn at 480 and enlarged, where wide blurs would take minutes at 4K.
    scale = max(1.0, scale_of(height, width))
    if scale > 1.0:
        small = _dirt(draw, round(height / scale), round(width / scale), count)
        return np.stack([cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in small])
    rng = draw.video_rng("dirt")
    side = min(height, width)
    clear = np.ones((2, height, width), np.float32)
    for number in range(count):
        smudge = number % 12 == 0
        radius = side * (rng.uniform(0.08, 0.2) if smudge else 0.004 * (0.03 / 0.004) ** rng.random())
        opacity = rng.uniform(0.15, 0.35) if smudge else rng.uniform(0.35, 0.9)
        centre = (rng.uniform(0.0, width), rng.uniform(0.0, height))
        outline = _blob(rng, centre, radius)
        # Dirt lies far inside the closest focus: its edge is soft.
        softness = max(0.6, radius * (0.5 if smudge else 0.25))
        reach = int(3 * softness) + 2
        low = np.maximum(outline.min(axis=0) // 16 - reach, 0)
        high = np.minimum(outline.max(axis=0) // 16 + reach + 1, (width, height))
        if (high <= low).any():
            continue
        spot = np.zeros((high[1] - low[1], high[0] - low[0]), np.float32)
        cv2.fillPoly(spot, [outline - (low * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        spot = cv2.GaussianBlur(spot, (0, 0), softness)
        clear[1 - number % 2, low[1] : high[1], low[0] : high[0]] *= 1.0 - np.float32(opacity) * spot
    return np.ascontiguousarray(1.0 - np.clip(clear, 0.1, 1.0))


def _count(density: float, frame: Frame) -> int:
    """How many spots a frame has, for a density per megapixel at 480 rows; at least one."""
    height, width = frame.shape[:2]
    return int(max(1, round(density * height * width / 1e6 / scale_of(height, width) ** 2)))


@corruption(
    "lens_dirt",
    "camera",
    temporal=("video",),
    summary="Specks and smudges on the lens, out of focus, in one place for the whole video",
    unit="specks per megapixel at 480 rows",
    values=SPECKS,
)
def lens_dirt(frame: Frame, severity: float, draw: Draw) -> Frame:
    """20 / 45 / 80 / 130 / 200 specks per megapixel at 480 rows (every twelfth a smudge) that hide 15 to 90 %.

    Half are dark against the light, half are lit dust, so that they show on bright and on dark scenes.
    """
    count = _count(at_severity(SPECKS, severity), frame)
    picture = frame.astype(np.float32)
    colours = np.array(((46.0, 40.0, 32.0), (158.0, 152.0, 142.0)), np.float32)
    for opacity, colour in zip(_dirt(pattern(draw), frame.shape[0], frame.shape[1], count), colours):
        picture += opacity[..., None] * (colour - picture)
    return np.rint(picture).astype(np.uint8)


@per_video(keep=1)
def _drops(draw: Draw, height: int, width: int, count: int) -> tuple[NDArray[np.float32], ...]:
    """Of drops of water: opacity (H, W), sampling maps x and y (H, W) in pixels, and brightness (H, W), float32."""
    rng = draw.video_rng("drops")
    side = min(height, width)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    opacity = np.zeros((height, width), np.float32)
    brightness = np.ones((height, width), np.float32)
    map_x, map_y = columns.copy(), rows.copy()
    for _ in range(count):
        radius = side * 0.012 * (0.06 / 0.012) ** (rng.random() ** 1.5)
        x, y, stretch = rng.uniform(0.0, width), rng.uniform(0.0, height), rng.uniform(1.0, 1.35)
        tall = radius * stretch
        box = (
            slice(max(0, int(y - tall - 2)), min(height, int(y + tall + 3))),
            slice(max(0, int(x - radius - 2)), min(width, int(x + radius + 3))),
        )
        dx, dy = columns[box] - np.float32(x), rows[box] - np.float32(y)
        distance = np.hypot(dx / radius, dy / tall)
        cover = np.clip((1.0 - distance) * max(1.0, radius * 0.35), 0.0, 1.0)
        inside = cover > opacity[box]
        # A drop is a strong lens: it shows a wide view of the scene, small and upside down.
        bend = np.float32(0.22 * side) * np.clip(distance, 0.0, 1.0) ** 1.5
        unit = np.maximum(np.hypot(dx, dy), 1e-3)
        map_x[box] = np.where(inside, x - bend * dx / unit, map_x[box])
        map_y[box] = np.where(inside, y - bend * dy / unit, map_y[box])
        rim = 1.0 - 0.5 * np.clip(distance, 0.0, 1.0) ** 4 + 0.15 * np.clip(-dy / tall, 0.0, 1.0)
        brightness[box] = np.where(inside, rim, brightness[box])
        opacity[box] = np.maximum(opacity[box], cover)
    return opacity, map_x.astype(np.float32), map_y.astype(np.float32), brightness.astype(np.float32)


@corruption(
    "lens_drops",
    "camera",
    temporal=("video",),
    summary="Drops of water on the lens that show the scene small and upside down",
    unit="drops per megapixel at 480 rows",
    values=DROPS,
)
def lens_drops(frame: Frame, severity: float, draw: Draw) -> Frame:
    """40 / 80 / 140 / 220 / 340 drops per megapixel at 480 rows, radius 1.2 to 6 % of the short side.

    Truth stays where it is: under a drop the object is hidden by a picture of somewhere else.
    """
    import cv2

    height, width = frame.shape[:2]
    count = _count(at_severity(DROPS, severity), frame)
    opacity, map_x, map_y, brightness = _drops(pattern(draw), height, width, count)
    soft = cv2.blur(np.ascontiguousarray(frame), (5, 5))
    seen = cv2.remap(soft, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    seen = np.minimum(seen.reshape(frame.shape) * brightness[..., None], 255.0)
    return np.asarray(np.rint(frame + opacity[..., None] * (seen - frame)), np.uint8)
