"""The corruptions of RobustPVOS, whose intensity drifts smoothly over the video.

Lee et al., Robust Promptable Video Object Segmentation, CVPR 2026. Every parameter follows its own curve over the
clip: a Dirichlet-weighted mixture of four sines (0.2 to 1.5 cycles a clip, amplitude 0 to 1 of the static value,
random phase), seeded by video. The released renderer pins a library version that ignores the parameters of its noise,
fog and snow; here they act. Static values are the renderer's for severities 1 to 5 (the paper uses 5), with its upper
limits; its lower limits, which would flatten the curves, are left out. Where the renderer drew a direction, an angle
or a flake anew on every frame, mode "video" or "drift" (default) keeps one for the video and "frame" does as it did.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._optics import blur_with, trail_kernel
from ._particles import cloud_density
from ._pattern import pattern, per_video
from .drifting import covered, rain_opacity, snow_opacity, veiled

_SOURCE = "RobustPVOS (Lee et al., CVPR 2026)"
WAVES = 4


def _ladder(first: float, step: float) -> tuple[float, ...]:
    return tuple(round(first + step * level, 4) for level in range(5))


JITTER = (_ladder(0.9, 0.02), _ladder(0.1, 0.02), _ladder(0.9, 0.02), _ladder(0.9, 0.02))
JITTER_LIMITS = (1.0, 0.3, 1.0, 0.3)
FOG_LOW, FOG_HIGH, FOG_ALPHA = _ladder(0.1, 0.05), _ladder(0.15, 0.05), _ladder(0.05, 0.02)
VARIANCE_LOW, VARIANCE_HIGH = _ladder(50.0, 25.0), _ladder(75.0, 25.0)
SHIFT_LOW, SHIFT_HIGH = _ladder(0.1, 0.05), _ladder(0.15, 0.05)
INTENSITY_LOW, INTENSITY_HIGH = _ladder(0.85, 0.03), _ladder(0.9, 0.03)
BLUR_LENGTH = _ladder(5.0, 3.0)
DROP_SIZE, DROP_SPEED, RAIN_PASSES = _ladder(0.15, 0.05), _ladder(0.02, 0.02), _ladder(1.0, 1.0)
RESIZE = _ladder(1.1, 0.1)
FLAKE_DENSITY, SNOW_LOW, SNOW_HIGH = _ladder(0.01, 0.02), _ladder(0.01, 0.02), _ladder(0.03, 0.02)


@per_video(keep=16)
def _curve(draw: Draw, parameter: str, frames: int) -> NDArray[np.float64]:
    rng = draw.video_rng(f"curve {parameter}")
    weights = rng.dirichlet(np.ones(WAVES))
    cycles, amplitudes, phases = rng.uniform(0.2, 1.5, WAVES), rng.random(WAVES), rng.random(WAVES)
    if frames < 2:
        return np.ones(max(1, frames))
    time = np.arange(frames) / (frames - 1)
    waves = np.sin(2.0 * np.pi * cycles[:, None] * (time + phases[:, None]))
    low, high = waves.min(1, keepdims=True), waves.max(1, keepdims=True)
    swing = 2.0 * (waves - low) / np.maximum(high - low, 1e-8) - 1.0
    curve: NDArray[np.float64] = weights @ (1.0 + amplitudes[:, None] * swing)
    curve.setflags(write=False)
    return curve


def intensity_curve(draw: Draw, parameter: str) -> NDArray[np.float64]:
    """A parameter over the clip as a factor of its static value: float64 (num_frames,), within 0 to 2.

    Each sine is stretched to swing over its whole amplitude within the clip, as the source does. A clip of one frame
    has the static value. The same at every severity.
    """
    return _curve(pattern(draw), parameter, draw.num_frames)


def _now(draw: Draw, parameter: str, static: float, limit: float = np.inf) -> float:
    curve = intensity_curve(draw, parameter)
    return float(min(static * curve[min(draw.frame, len(curve) - 1)], limit))


def _between(draw: Draw, parameter: str, low: float, high: float, limit: float = np.inf) -> float:
    """Midway between two bounds that drift on their own curves.

    The renderer draws between them anew on every frame, which would make the strength jump instead of drift.
    """
    return (_now(draw, f"{parameter} low", low, limit) + _now(draw, f"{parameter} high", high, limit)) / 2.0


@corruption(
    "pvos_color_jitter",
    "digital",
    profiles=False,
    temporal=("video", "frame"),
    summary="Brightness, contrast, saturation and hue off by drifting amounts",
    unit="largest change of brightness, contrast, saturation (factors) and hue (turns)",
    values=tuple(zip(*JITTER)),
    source=_SOURCE,
)
def pvos_color_jitter(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Each of the four off by a share of its drifting amount: +-0.25 to 0.75 of it, one draw per video.

    Mode "frame": a share within +-1, drawn on every frame, as the renderer did (a strobe).
    """
    import cv2

    amounts = [
        _now(draw, name, at_severity(levels, severity), limit)
        for name, levels, limit in zip(("brightness", "contrast", "saturation", "hue"), JITTER, JITTER_LIMITS)
    ]
    rng = draw.rng("direction") if draw.temporal == "frame" else pattern(draw).video_rng("direction")
    size, sign = rng.random(4), np.where(rng.random(4) < 0.5, -1.0, 1.0)
    share = sign * size if draw.temporal == "frame" else sign * (0.25 + 0.5 * size)
    brightness, contrast, saturation = (1.0 + share[k] * amounts[k] for k in range(3))
    picture = np.minimum(frame * np.float32(brightness), 255.0)
    middle = float(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).mean())
    picture = np.clip(middle + np.float32(contrast) * (picture - np.float32(middle)), 0.0, 255.0)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).reshape(*frame.shape[:2], 1)
    picture = np.clip(grey + np.float32(saturation) * (picture - grey), 0.0, 255.0)
    hsv = cv2.cvtColor(np.rint(picture).astype(np.uint8), cv2.COLOR_RGB2HSV)
    turned = (np.arange(256) + round(share[3] * amounts[3] * 180.0)) % 180
    hsv[..., 0] = turned.astype(np.uint8)[hsv[..., 0]]
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


@corruption(
    "pvos_fog",
    "weather",
    profiles=False,
    temporal=("drift", "video", "frame"),
    summary="Fog whose thickness and unevenness drift",
    unit="fog coefficient, lower and upper; unevenness",
    values=tuple(zip(FOG_LOW, FOG_HIGH, FOG_ALPHA)),
    source=_SOURCE,
)
def pvos_fog(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Optical depth 2.5 x the mean of both coefficients (56 % opaque at severity 5), uneven by banks that drift."""
    low = _now(draw, "fog low", at_severity(FOG_LOW, severity))
    high = _now(draw, "fog high", at_severity(FOG_HIGH, severity))
    uneven = _now(draw, "fog alpha", at_severity(FOG_ALPHA, severity)) / 0.1
    density = cloud_density(pattern(draw), frame.shape[0], frame.shape[1])
    depth = np.maximum(1.0 + np.float32(uneven) * (density - 1.0), 0.0) * np.float32(-2.5 * (low + high) / 2.0)
    return np.clip(np.rint(veiled(frame, 1.0 - np.exp(depth), (218.0, 219.0, 221.0))), 0, 255).astype(np.uint8)


@corruption(
    "pvos_gaussian_noise",
    "noise",
    profiles=False,
    temporal=("frame", "video"),
    summary="Gaussian noise whose variance drifts",
    unit="variance, grey levels squared, lower and upper",
    values=tuple(zip(VARIANCE_LOW, VARIANCE_HIGH)),
    source=_SOURCE,
)
def pvos_gaussian_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Noise of variance 150 to 175 at severity 5 (static), independent for each pixel and channel."""
    variance = _between(draw, "variance", at_severity(VARIANCE_LOW, severity), at_severity(VARIANCE_HIGH, severity))
    noise = draw.rng("noise").standard_normal(frame.shape, dtype=np.float32)
    noise *= np.float32(np.sqrt(variance))
    noise += frame
    return np.clip(np.rint(noise, out=noise), 0, 255, out=noise).astype(np.uint8)


@corruption(
    "pvos_iso_noise",
    "noise",
    profiles=False,
    temporal=("frame", "video"),
    summary="Noise of high sensitivity: hue and brightness, both drifting",
    unit="colour shift (turns) and intensity, lower and upper",
    values=tuple(zip(SHIFT_LOW, SHIFT_HIGH, INTENSITY_LOW, INTENSITY_HIGH)),
    source=_SOURCE,
)
def pvos_iso_noise(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Gaussian noise on the hue, and Poisson noise that lifts the lightness, stronger on lively pictures.

    Hue: standard deviation shift x intensity turns. Lightness (0..1): plus Poisson counts / 255 x (1 - lightness),
    the mean count being the lightness deviation of the frame x intensity x 255.
    """
    import cv2

    shift = _between(draw, "shift", at_severity(SHIFT_LOW, severity), at_severity(SHIFT_HIGH, severity))
    bounds = at_severity(INTENSITY_LOW, severity), at_severity(INTENSITY_HIGH, severity)
    intensity = _between(draw, "intensity", *bounds)
    hls = np.asarray(cv2.cvtColor(frame.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2HLS), np.float32)
    rng = draw.rng("noise")
    hls[..., 0] += rng.standard_normal(frame.shape[:2], dtype=np.float32) * np.float32(360.0 * shift * intensity)
    hls[..., 0] %= 360.0
    counts = rng.poisson(float(hls[..., 1].std()) * intensity * 255.0, frame.shape[:2]).astype(np.float32)
    hls[..., 1] += counts / np.float32(255.0) * (1.0 - hls[..., 1])
    picture = cv2.cvtColor(hls, cv2.COLOR_HLS2RGB) * np.float32(255.0)
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)


@corruption(
    "pvos_motion_blur",
    "blur",
    profiles=False,
    temporal=("video", "frame"),
    summary="Linear blur whose length drifts",
    unit="kernel side, px",
    values=BLUR_LENGTH,
    source=_SOURCE,
)
def pvos_motion_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """A line of 5 / 8 / 11 / 14 / 17 px (static), at least 3, in one direction for the video."""
    length = max(3.0, _now(draw, "length", at_severity(BLUR_LENGTH, severity)))
    angle = (draw if draw.temporal == "frame" else pattern(draw)).rng("angle").uniform(0.0, np.pi)
    along = np.linspace(-0.5, 0.5, 4 * int(length) + 1) * (length - 1.0)
    return blur_with(frame, trail_kernel(np.stack([np.cos(angle) * along, np.sin(angle) * along])))


@corruption(
    "pvos_rain",
    "weather",
    profiles=False,
    temporal=("drift", "video", "frame"),
    summary="Rain whose drop size, speed and amount drift",
    unit="drop size, speed, passes",
    values=tuple(zip(DROP_SIZE, DROP_SPEED, RAIN_PASSES)),
    source=_SOURCE,
)
def pvos_rain(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Streaks: opacity by drop size, length by speed, 1200 per megapixel (at 480 rows) a pass; a grey veil."""
    size = _now(draw, "drop size", at_severity(DROP_SIZE, severity), 0.4)
    speed = _now(draw, "speed", at_severity(DROP_SPEED, severity), 0.2)
    passes = _now(draw, "passes", at_severity(RAIN_PASSES, severity))
    length = round(0.5 + 10.0 * speed, 1)
    drops = rain_opacity(pattern(draw), frame.shape[0], frame.shape[1], 1200.0 * passes, length)
    strength = np.float32(size / 0.35)
    veil = min(0.9, 0.13 * passes * size)
    return covered(veiled(frame, veil, (158.0, 162.0, 168.0)), np.minimum(drops * strength, 1.0), (208.0, 210.0, 214.0))


@corruption(
    "pvos_resampling_blur",
    "blur",
    profiles=False,
    temporal=("video",),
    summary="Scaled down and up again by a factor that drifts",
    unit="factor",
    values=RESIZE,
    source=_SOURCE,
)
def pvos_resampling_blur(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Bilinear both ways by 1.1 / 1.2 / 1.3 / 1.4 / 1.5 (static), at least 1.05."""
    import cv2

    factor = max(1.05, _now(draw, "factor", at_severity(RESIZE, severity)))
    height, width = frame.shape[:2]
    small = (max(1, int(width / factor)), max(1, int(height / factor)))
    low = cv2.resize(np.ascontiguousarray(frame), small, interpolation=cv2.INTER_LINEAR_EXACT)
    back = cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(back, np.uint8).reshape(frame.shape)


@corruption(
    "pvos_snow",
    "weather",
    profiles=False,
    temporal=("drift", "video", "frame"),
    summary="Snow whose amount and whiteness drift",
    unit="flake density; snow point, lower and upper",
    values=tuple(zip(FLAKE_DENSITY, SNOW_LOW, SNOW_HIGH)),
    source=_SOURCE,
)
def pvos_snow(frame: Frame, severity: float, draw: Draw) -> Frame:
    """100,000 x density flakes per megapixel (at 480 rows), behind them a white veil of 3 x the mean snow point."""
    density = _now(draw, "density", at_severity(FLAKE_DENSITY, severity), 0.2)
    low = _now(draw, "snow low", at_severity(SNOW_LOW, severity))
    high = _now(draw, "snow high", at_severity(SNOW_HIGH, severity))
    flakes = snow_opacity(pattern(draw), frame.shape[0], frame.shape[1], 1e5 * density)
    veil = min(0.9, 1.5 * (low + high))
    return covered(veiled(frame, veil, (232.0, 233.0, 236.0)), flakes, (247.0, 248.0, 250.0))
