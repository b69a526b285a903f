"""Rain and snow as particles on endless tiles that move over the picture, and the uneven density of fog."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.draw import Draw

from ._pattern import per_video

SMALLEST = 64
"""Tiles are at least this many pixels high and wide, so that a particle fits on the tile of a tiny frame."""


@dataclass(frozen=True)
class Layer:
    """Particles at one distance: lengths in pixels at 480 rows, speeds in pixels per second at 480 rows."""

    name: str
    share: float
    """Of all particles, how many are in this layer."""
    speed: float
    size: tuple[float, float]
    """Thickness of streaks or radius of flakes, smallest and largest."""
    opacity: float


def scale_of(height: int, width: int) -> float:
    """What a length in pixels at 480 rows is multiplied with: the short side over 480, at least a tenth."""
    return max(min(height, width) / 480.0, 0.1)


def number_of(density: float, height: int, width: int) -> int:
    """Particles on the tile of a frame, for a density per megapixel at 480 rows; at least one."""
    area = max(height, SMALLEST) * max(width, SMALLEST)
    return max(1, round(density * area / 1e6 / scale_of(height, width) ** 2))


def seconds(draw: Draw) -> float:
    """The time of a frame; 0 unless things move (mode "drift")."""
    return draw.frame / draw.fps if draw.temporal == "drift" else 0.0


def _fold(canvas: NDArray[np.uint8], height: int, width: int, margin: int) -> NDArray[np.uint8]:
    """The canvas without its margin, what was drawn there brought in on the other side."""
    canvas[margin : 2 * margin] = np.maximum(canvas[margin : 2 * margin], canvas[height + margin :])
    canvas[height : height + margin] = np.maximum(canvas[height : height + margin], canvas[:margin])
    middle = canvas[margin : height + margin]
    middle[:, margin : 2 * margin] = np.maximum(middle[:, margin : 2 * margin], middle[:, width + margin :])
    middle[:, width : width + margin] = np.maximum(middle[:, width : width + margin], middle[:, :margin])
    return np.ascontiguousarray(middle[:, margin : width + margin])


@per_video(keep=6)
def streak_tile(
    draw: Draw, height: int, width: int, layer: Layer, count: int, reach: tuple[float, float]
) -> NDArray[np.uint8]:
    """Opacity of `count` streaks, each a line of the vector `reach` (x, y) in pixels; uint8, endless both ways."""
    import cv2

    rng = draw.rng(f"streaks {layer.name}")
    rows, columns = max(height, SMALLEST), max(width, SMALLEST)
    margin = min(rows, columns) // 2
    scale = min(1.0, (margin - 4) / max(1.0, *np.abs(reach)))
    canvas = np.zeros((rows + 2 * margin, columns + 2 * margin), np.uint8)
    numbers = rng.random((count, 4))
    start = numbers[:, :2] * (columns, rows) + margin
    end = start + np.array(reach) * scale * (0.7 + 0.6 * numbers[:, 2:3])
    bright = 70 + 185 * numbers[:, 3]
    thickness = max(1, round(sum(layer.size) / 2.0 * scale_of(height, width)))
    for (x0, y0), (x1, y1), value in zip((start * 16).astype(int), (end * 16).astype(int), bright.tolist()):
        cv2.line(canvas, (int(x0), int(y0)), (int(x1), int(y1)), int(value), thickness, cv2.LINE_AA, 4)
    return _fold(np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0), np.uint8), rows, columns, margin)


@per_video(keep=6)
def flake_tile(draw: Draw, height: int, width: int, layer: Layer, count: int) -> NDArray[np.uint8]:
    """Opacity of `count` soft flakes; uint8, endless both ways."""
    import cv2

    rng = draw.rng(f"flakes {layer.name}")
    rows, columns = max(height, SMALLEST), max(width, SMALLEST)
    margin = min(rows, columns) // 2
    canvas = np.zeros((rows + 2 * margin, columns + 2 * margin), np.uint8)
    numbers = rng.random((count, 6))
    centres = (numbers[:, :2] * (columns, rows) + margin) * 16
    low, high = layer.size
    radii = (low + (high - low) * numbers[:, 2]) * scale_of(height, width)
    flat = 0.65 + 0.35 * numbers[:, 3]
    for (x, y), radius, ratio, turn, bright in zip(
        centres.astype(int), np.maximum(radii, 0.5), flat, numbers[:, 4] * 180.0, 150 + 105 * numbers[:, 5]
    ):
        axes = (int(radius * 16), max(8, int(radius * ratio * 16)))
        cv2.ellipse(canvas, (int(x), int(y)), axes, float(turn), 0.0, 360.0, int(bright), cv2.FILLED, cv2.LINE_AA, 4)
    softness = max(0.5, 0.3 * float(np.mean(layer.size)) * scale_of(height, width))
    canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), softness), np.uint8)
    return _fold(canvas, rows, columns, margin)


def shifted(tile: NDArray[np.uint8], height: int, width: int, x: float, y: float) -> NDArray[np.uint8]:
    """What a window of H x W shows of an endless tile that has moved by (x, y) pixels, with sub-pixel steps."""
    import cv2

    rows, columns = tile.shape
    matrix = np.array([[1.0, 0.0, (-x) % columns], [0.0, 1.0, (-y) % rows]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(tile, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
    return np.asarray(moved, np.uint8).reshape(height, width)


@per_video(keep=4)
def _cloud(draw: Draw, stream: str) -> NDArray[np.float32]:
    """Endless 256 x 256 noise with a spectrum that falls with frequency; mean 0, standard deviation 1."""
    rng = draw.rng(stream)
    across = np.fft.rfftfreq(256) * 256
    down = np.fft.fftfreq(256) * 256
    frequency = np.hypot(down[:, None], across)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((256, 256))) * frequency**-1.7
    cloud = np.fft.irfft2(spectrum)
    return np.asarray(cloud / cloud.std(), np.float32)


def cloud_density(draw: Draw, height: int, width: int) -> NDArray[np.float32]:
    """Density of fog over the picture, float32 (H, W) in 0.3 to 1.7 with mean about 1: two banks that pass each other.

    A bank crosses the picture in 8 to 20 s; one tile spans 1.5 picture widths.
    """
    import cv2

    time = seconds(draw)
    density = np.ones((height, width), np.float32)
    for bank in ("near", "far"):
        rng = draw.rng(f"wind {bank}")
        speed = 256.0 / 1.5 / rng.uniform(8.0, 20.0)
        heading = rng.uniform(-0.4, 0.4) + (0.0 if bank == "near" else np.pi)
        step = 256.0 / (1.5 * max(width, height))
        matrix = np.array(
            [
                [step, 0.0, (-np.cos(heading) * speed * time) % 256.0],
                [0.0, step, (-np.sin(heading) * speed * time) % 256.0],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        bank_noise = cv2.warpAffine(
            _cloud(draw, f"cloud {bank}"), matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP
        )
        density += np.float32(0.25) * bank_noise.reshape(height, width)
    return np.clip(density, 0.3, 1.7)
