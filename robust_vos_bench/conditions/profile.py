"""Severity over time: how hard each frame of a video is hit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.errors import unknown

PROFILES = ("constant", "ramp", "burst", "intermittent", "fourier")
"""Names of the severity profiles, the default first."""
VERSION = 2
"""Version of where the profiles that draw put their severity; raised when that changes. Part of the fingerprint of
conditions that have such a profile. Version 1 drew another place for every severity."""
_DRAWN = ("burst", "intermittent", "fourier")


def check_profile(profile: str) -> None:
    """UsageError with the nearest names where there is no such profile."""
    if profile not in PROFILES:
        raise unknown("severity profile", profile, PROFILES, f"Profiles are {', '.join(PROFILES)}.")


def profile_version(profile: str) -> int | None:
    """`VERSION` of a profile that draws; None of one that does not and has never changed."""
    return VERSION if profile in _DRAWN else None


def severity_over_time(profile: str, severity: float, draw: Draw) -> np.ndarray:
    """Severity of every frame of the clip, float64 (num_frames,), between 0 (clean) and `severity`.

    constant: the severity itself. ramp: rises linearly and reaches it on the last frame. burst: one stretch of a
    third of the clip at full severity, clean around it, with a rise and fall of a tenth of the clip. intermittent:
    on and off in turns of 0.25 to 1 second each. fourier: drifts between 0 and the severity as a mixture of four
    sines (frequencies 0.2 to 1.5 cycles per clip). Random places, lengths and phases are drawn once per video, without
    regard to the severity: severities hit the same frames and differ in strength alone.
    """
    check_profile(profile)
    n = draw.num_frames
    rng = replace(draw, severity=0).video_rng("profile")
    if profile == "constant":
        share = np.ones(n)
    elif profile == "ramp":
        share = np.arange(1, n + 1) / n
    elif profile == "burst":
        share = _burst(n, rng)
    elif profile == "intermittent":
        share = _intermittent(n, draw.fps, rng)
    else:
        share = _fourier(n, rng)
    return np.asarray(share * severity, dtype=np.float64)


def _burst(n: int, rng: np.random.Generator) -> np.ndarray:
    length = max(n / 3.0, 1.0)
    edge = max(n / 10.0, 1e-9)
    middle = rng.uniform(length / 2.0, n - length / 2.0) if n > 1 else 0.5
    distance = np.abs(np.arange(n) + 0.5 - middle) - length / 2.0
    return np.asarray(np.clip(1.0 - distance / edge, 0.0, 1.0))


def _intermittent(n: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    share = np.zeros(n)
    start, on = 0, bool(rng.integers(2))
    while start < n:
        length = max(1, math.floor(rng.uniform(0.25, 1.0) * fps + 0.5))
        share[start : start + length] = float(on)
        start, on = start + length, not on
    return share


def _fourier(n: int, rng: np.random.Generator, waves: int = 4) -> np.ndarray:
    weights = rng.dirichlet(np.ones(waves))
    cycles = rng.uniform(0.2, 1.5, waves)
    phases = rng.uniform(0.0, 2.0 * np.pi, waves)
    time = np.arange(n) / max(n, 1)
    wave = (weights * np.sin(2.0 * np.pi * cycles * time[:, None] + phases)).sum(1)
    return np.asarray(0.5 + 0.5 * wave)
