"""What goes wrong over time: frames that do not arrive, exposure, focus, hands and resolution that change.

What is scored where frames are held: the frame *index* stays and so does the truth. Frame t is still compared with
the truth of the real moment t, although the model was shown an earlier moment, because a system that acts on its
masks acts at t. A perfect segmentation of what is shown therefore loses by the motion during the hold. Frame 0 is
always live.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.corruption import at_severity, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame

from ._optics import blur_with, disk_kernel, linear_gain_table, trail_kernel
from ._pattern import pattern

FREEZE_SECONDS = (0.2, 0.4, 0.7, 1.0, 1.5)
LIVE_SECONDS = 0.75
DROP_SHARE = (0.1, 0.2, 0.35, 0.5, 0.7)
HOLD_FRAMES = (2, 3, 4, 6, 8)
FLICKER_STOPS = (0.3, 0.6, 1.0, 1.5, 2.0)
FOCUS_RADIUS = (2.0, 4.0, 6.0, 9.0, 13.0)
SHAKE_LENGTH = (5.0, 10.0, 16.0, 24.0, 34.0)
RESOLUTION_FACTOR = (2.0, 3.0, 4.0, 6.0, 8.0)
SEGMENT_SECONDS = 0.5


def _hold(frames: Iterable[Frame], live: NDArray[np.bool_]) -> Iterator[Frame]:
    """Frames that are live as they are, the last live one in place of the others."""
    shown: Frame | None = None
    for t, frame in enumerate(frames):
        if shown is None or live[min(t, len(live) - 1)]:
            shown = frame
        yield shown


@corruption(
    "frozen_frames",
    "video",
    scope="clip",
    profiles=False,
    clean_reference=True,
    temporal=("video",),
    summary="The picture freezes, then jumps to the present",
    unit="seconds a freeze lasts on average (live stretches: 0.75 s)",
    values=FREEZE_SECONDS,
)
def frozen_frames(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """Live and frozen stretches in turn: live 0.75 s, frozen 0.2 / 0.4 / 0.7 / 1.0 / 1.5 s, each x 0.5 to 1.5."""
    rng = pattern(draw).video_rng("freezes")
    seconds = at_severity(FREEZE_SECONDS, severity)
    live = np.ones(max(1, draw.num_frames), bool)
    start = 1 + int(rng.uniform(0.0, LIVE_SECONDS) * draw.fps)
    while start < len(live):
        frozen = max(1, round(seconds * draw.fps * rng.uniform(0.5, 1.5)))
        live[start : start + frozen] = False
        start += frozen + max(1, round(LIVE_SECONDS * draw.fps * rng.uniform(0.5, 1.5)))
    return _hold(frames, live)


@corruption(
    "dropped_frames",
    "video",
    scope="clip",
    profiles=False,
    clean_reference=True,
    temporal=("video",),
    summary="Single frames are lost at random; the one before is shown instead",
    unit="share of frames lost",
    values=DROP_SHARE,
)
def dropped_frames(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """Each frame after the first is lost with probability 0.1 / 0.2 / 0.35 / 0.5 / 0.7."""
    lost = pattern(draw).video_rng("drops").random(max(1, draw.num_frames)) < at_severity(DROP_SHARE, severity)
    return _hold(frames, ~lost)


@corruption(
    "repeated_frames",
    "video",
    scope="clip",
    profiles=False,
    clean_reference=True,
    summary="A lower frame rate: every k-th frame, shown k times",
    unit="times that a frame is shown",
    values=HOLD_FRAMES,
)
def repeated_frames(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
    """Every 2nd / 3rd / 4th / 6th / 8th frame, repeated until the next: 24 frames/s become 12 / 8 / 6 / 4 / 3."""
    every = max(1, round(at_severity(HOLD_FRAMES, severity)))
    return _hold(frames, np.arange(max(1, draw.num_frames)) % every == 0)


def _waves(draw: Draw, stream: str, low: float, high: float, waves: int = 3) -> NDArray[np.float64]:
    """(3, waves): weights that sum to 1, frequencies in Hz, phases in radians; one draw per video."""
    rng = pattern(draw).video_rng(stream)
    return np.stack(
        [rng.dirichlet(np.ones(waves)), rng.uniform(low, high, waves), rng.uniform(0.0, 2.0 * np.pi, waves)]
    )


@corruption(
    "exposure_flicker",
    "video",
    temporal=("drift",),
    summary="Exposure that wavers, in linear light",
    unit="stops, largest deviation either way",
    values=FLICKER_STOPS,
)
def exposure_flicker(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Gain of up to +-0.3 / 0.6 / 1.0 / 1.5 / 2.0 stops: three sines of 0.5 to 6 Hz, and a tenth of fresh jitter."""
    import cv2

    weights, hertz, phases = _waves(draw, "flicker", 0.5, 6.0)
    wave = float(np.sum(weights * np.sin(2.0 * np.pi * hertz * draw.frame / draw.fps + phases)))
    jitter = float(draw.frame_rng("jitter").uniform(-1.0, 1.0))
    stops = at_severity(FLICKER_STOPS, severity) * (0.9 * wave + 0.1 * jitter)
    return np.asarray(cv2.LUT(np.ascontiguousarray(frame), linear_gain_table(2.0**stops)), np.uint8)


@corruption(
    "focus_hunting",
    "video",
    temporal=("drift",),
    summary="Autofocus that runs out of focus and back",
    unit="largest radius of the blur disk, px at 480 rows",
    values=FOCUS_RADIUS,
)
def focus_hunting(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Blur disk between 0 and 2 / 4 / 6 / 9 / 13 px (for 480 rows), in and out 0.5 to 1.5 times per second."""
    rng = pattern(draw).video_rng("hunting")
    hertz, phase = rng.uniform(0.5, 1.5), rng.uniform(0.0, 2.0 * np.pi)
    share = 0.5 - 0.5 * np.cos(2.0 * np.pi * hertz * draw.frame / draw.fps + phase)
    radius = at_severity(FOCUS_RADIUS, severity) * min(frame.shape[:2]) / 480.0 * share
    return blur_with(frame, disk_kernel(float(radius)))


@corruption(
    "camera_shake",
    "video",
    temporal=("drift",),
    summary="Blur along the path of an unsteady hand during each exposure; the picture stays in place",
    unit="mean length of the path, px at 480 rows",
    values=SHAKE_LENGTH,
)
def camera_shake(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Path of 5 / 10 / 16 / 24 / 34 px on average (for 480 rows): hand tremor of 2 to 9 Hz, shutter open all the time.

    The path is centred, so that objects stay where the truth has them; only blur remains.
    """
    length = at_severity(SHAKE_LENGTH, severity) * min(frame.shape[:2]) / 480.0
    times = (draw.frame + np.linspace(0.0, 1.0, 65)) / draw.fps
    path = []
    for axis in ("x", "y"):
        weights, hertz, phases = _waves(draw, f"shake {axis}", 2.0, 9.0, waves=4)
        # Weights are shares of speed; root mean square speed over time is then known in closed form.
        speed = np.sqrt(np.sum(weights**2) / 2.0) * np.sqrt(2.0)
        angle = 2.0 * np.pi * hertz[:, None] * times + phases[:, None]
        path.append((weights / (2.0 * np.pi * hertz)) @ np.sin(angle) / speed)
    return blur_with(frame, trail_kernel(np.stack(path) * length * draw.fps))


@corruption(
    "resolution_drops",
    "video",
    temporal=("video",),
    summary="Adaptive streaming: stretches of lower resolution, scaled back up",
    unit="largest factor by which the resolution falls",
    values=RESOLUTION_FACTOR,
)
def resolution_drops(frame: Frame, severity: float, draw: Draw) -> Frame:
    """Every half second a rung: a factor of f^(1/3), f^(2/3) or f, with f = 2 / 3 / 4 / 6 / 8; bilinear both ways."""
    import cv2

    segment = int(draw.frame / draw.fps / SEGMENT_SECONDS)
    rung = pattern(draw).video_rng(f"segment {segment}").integers(1, 4)
    factor = at_severity(RESOLUTION_FACTOR, severity) ** (int(rung) / 3.0)
    height, width = frame.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    low = cv2.resize(np.ascontiguousarray(frame), small, interpolation=cv2.INTER_AREA)
    back = cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(back, np.uint8).reshape(frame.shape)
