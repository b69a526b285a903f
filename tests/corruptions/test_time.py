"""Randomness and severity over time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from robust_vos_bench.conditions import Condition, Draw, corrupt_video, corruptions, load_preset
from robust_vos_bench.conditions.profile import PROFILES, severity_over_time
from robust_vos_bench.datasets.video import Video

BAR = tuple(n for n in load_preset("common-bar").corruptions if n != "blue_noise_sample")
DRIFTING = ("elastic_transform", "fog", "frost", "motion_blur", "snow", "spatter", *BAR)
STOCHASTIC = (
    *DRIFTING,
    "blue_noise_sample",
    "glass_blur",
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "speckle_noise",
)


def still(photo: np.ndarray, frames: int = 8) -> Video:
    picture = np.ascontiguousarray(photo[100:220, 150:330])
    return Video.from_arrays([picture] * frames, np.ones((120, 180), np.uint8), name="still")


def flicker(video: Video, condition: Condition) -> tuple[float, float]:
    """(mean change between neighbouring frames, mean change from clean) of a still video, grey levels."""
    frames = [frame.astype(float) for frame in corrupt_video(video, condition).frames]
    clean = next(iter(video.frames)).astype(float)
    between = float(np.mean([np.abs(a - b).mean() for a, b in pairwise(frames)]))
    return between, float(np.mean([np.abs(frame - clean).mean() for frame in frames]))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_video_mode_draws_once(name: str, photo: np.ndarray) -> None:
    between, change = flicker(still(photo), Condition(name, 3, "video"))
    assert between == 0.0 and change > 1.0


@pytest.mark.parametrize("name", STOCHASTIC)
def test_frame_mode_draws_afresh(name: str, photo: np.ndarray) -> None:
    between, change = flicker(still(photo), Condition(name, 3, "frame"))
    assert between > 0.05 * change


@pytest.mark.parametrize("severity", (1, 3, 5))
@pytest.mark.parametrize("name", DRIFTING)
def test_drift_is_coherent(name: str, severity: int, photo: np.ndarray) -> None:
    """A still image moves, but by much less than the corruption changes it, and by less than with fresh draws."""
    between, change = flicker(still(photo), Condition(name, severity, "drift"))
    fresh, _ = flicker(still(photo), Condition(name, severity, "frame"))
    assert between < 0.4 * change
    assert between < 0.7 * fresh


@pytest.mark.parametrize("name", DRIFTING)
def test_drift_moves(name: str, photo: np.ndarray) -> None:
    frames = corrupt_video(still(photo, 48), Condition(name, 3, "drift")).frames
    assert (frames[0] != frames[47]).any()  # type: ignore[index]


@pytest.mark.parametrize("name", ("fog", "snow", "spatter"))
def test_drift_is_as_strong_as_a_single_draw(name: str, photo: np.ndarray) -> None:
    video = still(photo, 1)
    changes = {
        mode: np.mean([flicker_free(video, Condition(name, 3, mode, seed=seed)) for seed in range(24)])
        for mode in ("video", "drift")
    }
    assert changes["drift"] == pytest.approx(changes["video"], rel=0.08)


def flicker_free(video: Video, condition: Condition) -> float:
    clean = next(iter(video.frames)).astype(float)
    return float(np.abs(next(iter(corrupt_video(video, condition).frames)) - clean).mean())


def draw(frames: int, seed: int = 0) -> Draw:
    return Draw("fog", 1, 3, seed, "test", "clip", 0, frames, fps=10.0)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("frames", (1, 2, 7, 60))
def test_profiles_stay_between_clean_and_the_severity(profile: str, frames: int) -> None:
    for seed in range(10):
        values = severity_over_time(profile, 4.0, draw(frames, seed))
        assert values.shape == (frames,)
        assert values.min() >= 0.0 and values.max() <= 4.0
        assert (values == severity_over_time(profile, 4.0, draw(frames, seed))).all()


def test_shapes_of_profiles() -> None:
    assert (severity_over_time("constant", 3.0, draw(9)) == 3.0).all()
    assert severity_over_time("ramp", 3.0, draw(6)).tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    on, turns, means = [], [], []
    for seed in range(200):
        burst = severity_over_time("burst", 1.0, draw(60, seed))
        on.append((burst >= 1.0).sum())
        assert (np.diff(np.flatnonzero(burst > 0)) == 1).all()
        turning = severity_over_time("intermittent", 1.0, draw(60, seed))
        assert set(turning) <= {0.0, 1.0}
        turns.append(np.count_nonzero(np.diff(turning)))
        means.append(severity_over_time("fourier", 1.0, draw(60, seed)))
    assert min(on) >= 19 and max(on) <= 21
    # 60 frames at 10 a second, turns of 2.5 to 10 frames.
    assert min(turns) >= 5 and max(turns) <= 30
    fourier = np.array(means)
    assert fourier.mean() == pytest.approx(0.5, abs=0.05)
    assert np.abs(np.diff(fourier)).max() < 0.12


@pytest.mark.parametrize("name", sorted(n for n, c in corruptions().items() if c.profiles and c.scope == "frame"))
def test_ramp_grows_from_nothing(name: str, photo: np.ndarray) -> None:
    """Fractional severities work: the first of 20 frames is hardly touched, the last as strong as without profile."""
    video = still(photo, 20)
    condition = Condition(name, 3 if corruptions()[name].levels >= 3 else 1, profile="ramp")
    ramp = corrupt_video(video, condition).frames
    full = corrupt_video(video, Condition(name, condition.severity)).frames
    clean = next(iter(video.frames)).astype(float)
    first, last = (np.abs(ramp[t] - clean).mean() for t in (0, 19))  # type: ignore[index]
    assert (ramp[19] == full[19]).all()  # type: ignore[index]
    assert first < 0.5 * last + 0.5


def test_intermittent_switches_off_entirely(photo: np.ndarray) -> None:
    video = still(photo, 60)
    changed = [
        (frame != clean).any()
        for frame, clean in zip(corrupt_video(video, Condition("fog", 3, "video", "intermittent")).frames, video.frames)
    ]
    assert 5 < sum(changed) < 55
