"""Videos at the edge: tiny frames, tiny objects, many objects, objects that go, a first frame without any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models import VOSAdapter, load_adapter, segment_checked


@pytest.fixture(scope="module", params=["hmmn", "swem", "afb_urr", "graphmem"])
def adapter(request: pytest.FixtureRequest) -> VOSAdapter:
    """Untrained, at the frames' own size."""
    found: Any = load_adapter(request.param, "random", "cpu", size=None)
    assert isinstance(found, VOSAdapter)
    return found


def clip(mask: np.ndarray, frames: int = 3, first: int = 0) -> Video:
    """Frames of noise of the mask's size; the mask is given on frame `first`."""
    noise = np.random.default_rng(1).integers(0, 256, (frames, *mask.shape, 3), np.uint8)
    return Video.from_arrays(list(noise), {first: mask.astype(np.uint8)}, name="odd")


def masks(adapter: VOSAdapter, video: Video) -> list[np.ndarray]:
    """Checked against the contract; a given mask is returned on its frame."""
    found = list(segment_checked(adapter, video))
    t = video.first_prompt
    assert len(found) == len(video) and np.array_equal(found[t], video.prompts[t])
    return found


def test_a_video_smaller_than_one_cell(adapter: VOSAdapter) -> None:
    mask = np.zeros((9, 7), np.uint8)
    mask[2:6, 2:5] = 3
    masks(adapter, clip(mask, 4))


def test_an_object_of_three_pixels(adapter: VOSAdapter) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[20, 21:24] = 200
    masks(adapter, clip(mask))


def test_fifty_objects(adapter: VOSAdapter) -> None:
    mask = np.zeros((40, 80), np.uint8)
    for i in range(50):
        y, x = divmod(i, 10)
        mask[y * 8 : y * 8 + 6, x * 8 : x * 8 + 6] = 4 * i + 2
    masks(adapter, clip(mask))


def test_a_first_frame_without_objects(adapter: VOSAdapter) -> None:
    mask = np.zeros((32, 48), np.uint8)
    mask[4:20, 8:30] = 1
    found = masks(adapter, clip(mask, 4, first=2))
    assert not found[0].any() and not found[1].any()


def test_an_object_that_goes_is_remembered_without_harm(adapter: VOSAdapter) -> None:
    """Its mask is empty from frame to frame: probabilities stay finite."""
    mask = np.zeros((32, 64), np.uint8)
    mask[:, :40], mask[8:12, 50:54] = 1, 2
    video = clip(mask, 5)
    session: Any = adapter.session(video)  # type: ignore[attr-defined]
    if hasattr(session, "predict"):
        plain = session.predict
        session.predict = lambda query: gone(plain(query))
    else:
        scores = session.segment
        session.segment = lambda image: unlikely(scores(image))
    for t, frame in enumerate(video.frames):
        session.step(frame, video.prompts.get(t), t == 4)
        assert np.isfinite(session.probabilities.numpy()).all()
        assert t == 0 or not session.probabilities[2].any()


def gone(probabilities: Any) -> Any:
    """Nothing is left of the second object."""
    probabilities[0] += probabilities[2]
    probabilities[2] = 0
    return probabilities


def unlikely(scores: Any) -> Any:
    """The second object is nowhere."""
    scores[2] = -1000
    return scores
