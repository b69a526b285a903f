"""The adapter on small clips: objects that come late, many objects, two videos at once, options."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recordings import steps

from robust_vos_bench.adapters.aot.adapter import AOTAdapter, Session
from robust_vos_bench.adapters.aot.engine import Tracker
from robust_vos_bench.adapters.aot.sizes import network_image
from robust_vos_bench.adapters.aot.variants import VARIANTS
from robust_vos_bench.datasets import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import entries, find_entry, load_adapter

Mask = NDArray[np.uint8]
H, W = 56, 75


def adapter(name: str = "aot.t", **options: Any) -> AOTAdapter:
    found = load_adapter(name, "random", "cpu", **options)
    assert isinstance(found, AOTAdapter)
    return found


def clip(seed: int = 0, length: int = 5, prompts: dict[int, Mask] | None = None) -> Video:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    frames = [np.ascontiguousarray(np.roll(base, t, 1)[:H, :W]) for t in range(length)]
    return Video.from_arrays(frames, prompts or {0: cells([7, 2])})


def cells(ids: list[int], taken: int = 0) -> Mask:
    """A grid of 4 x 5 rectangles; the given ids take those after the first `taken`."""
    mask = np.zeros((H, W), np.uint8)
    for i, value in enumerate(ids, start=taken):
        y, x = divmod(i, 5)
        mask[14 * y + 2 : 14 * y + 12, 15 * x + 2 : 15 * x + 13] = value
    return mask


def masks(model: AOTAdapter, video: Video) -> Mask:
    return np.stack(list(model.segment(video)))


@pytest.fixture(scope="module")
def tiny() -> AOTAdapter:
    return adapter()


@pytest.mark.parametrize("name", ["aot.t", "deaot.s"])
def test_masks_fit_the_contract(name: str) -> None:
    video = clip()
    out = masks(adapter(name), video)
    assert out.shape == (5, H, W) and out.dtype == np.uint8
    assert (out[0] == video.prompts[0]).all()
    assert set(np.unique(out)) <= {0, 2, 7}
    assert len(np.unique(out[1:])) > 1


def test_frames_before_the_first_prompt_are_background(tiny: AOTAdapter) -> None:
    out = masks(tiny, clip(prompts={2: cells([4])}))
    assert not out[:2].any()
    assert (out[2] == cells([4])).all()


def test_a_late_object_joins_under_its_own_id(tiny: AOTAdapter) -> None:
    late = cells([1], taken=7)
    out = masks(tiny, clip(prompts={0: cells([7, 2]), 2: late}))
    alone = masks(tiny, clip(prompts={0: cells([7, 2])}))
    assert (out[:2] == alone[:2]).all()
    assert (out[2][late == 1] == 1).all()
    assert (out[2][late == 0] == alone[2][late == 0]).all()
    assert not (out[:2] == 1).any()


def test_object_names_do_not_matter(tiny: AOTAdapter) -> None:
    """Ids in ascending order get the same channels whatever their values, gaps and all."""
    low = masks(tiny, clip(prompts={0: cells([1, 2])}))
    high = masks(tiny, clip(prompts={0: cells([40, 200])}))
    assert (high == np.array([0, 40, 200], np.uint8)[low]).all()


def test_a_second_engine_born_in_mid_video_starts_there() -> None:
    """Nine objects, four more at frame 2: the second engine equals one whose video begins at that frame."""
    model = adapter("aot.l", long_term_gap=2)
    first, late = cells(list(range(1, 10))), cells([10, 11, 12, 13], taken=9)
    video = clip(length=7, prompts={0: first, 2: late})
    session = Session(model)
    alone = Tracker(model.network, 2)
    with torch.no_grad():
        for t, frame in enumerate(video.frames):
            out = session.step(frame, video.prompts.get(t), False)
            engines = session.trackers[0].engines
            if t < 2:
                assert [e.objects for e in engines] == [9]
                continue
            assert [e.objects for e in engines] == [10, 3]
            alone.see(network_image(frame, session.trackers[0].size, "cpu"))
            # the second engine sees objects 11 to 13, all others as background
            label = torch.from_numpy(np.where(out > 10, out - 10, 0).astype(np.uint8))[None, None]
            if t == 2:
                alone.refer(label, 3)
                assert len(engines[0].bank) == 2
            else:
                torch.testing.assert_close(engines[1].outputs, alone.engines[0].outputs, atol=1e-4, rtol=1e-4)
                alone.remember(label)
            assert engines[1].bank.references == alone.engines[0].bank.references
    assert set(np.unique(out)) <= set(range(14))


def test_thirteen_objects(tiny: AOTAdapter) -> None:
    out = masks(tiny, clip(length=3, prompts={0: cells(list(range(20, 33)))}))
    assert set(np.unique(out)) <= {0, *range(20, 33)}


def test_videos_in_turns_and_again(tiny: AOTAdapter) -> None:
    one, two = clip(1), clip(2, prompts={0: cells([5, 6, 9]), 3: cells([1], taken=11)})
    alone = masks(tiny, one), masks(tiny, two)
    turns = list(zip(tiny.segment(one), tiny.segment(two), strict=True))
    assert (np.stack([a for a, _ in turns]) == alone[0]).all()
    assert (np.stack([b for _, b in turns]) == alone[1]).all()
    stepped = list(steps(tiny.session(one), one))
    assert (np.stack(stepped) == alone[0]).all()


def test_a_mask_comes_before_the_next_frame_is_read(tiny: AOTAdapter) -> None:
    video = clip()
    read: list[int] = []

    class Source:
        def __len__(self) -> int:
            return len(video)

        def __iter__(self) -> Any:
            for t, frame in enumerate(video.frames):
                read.append(t)
                yield frame

    for t, _ in enumerate(tiny.segment(video.with_frames(Source()))):
        assert read == list(range(t + 1))


def test_no_global_state_changes() -> None:
    def state() -> tuple[Any, ...]:
        threads = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
        return random.getstate(), str(np.random.get_state()), torch.get_rng_state().numpy().tobytes(), threads

    before = state()
    masks(adapter("deaot.t"), clip(length=3))
    assert state() == before


def test_gradients_are_off_and_inference_mode_is_not_needed(tiny: AOTAdapter) -> None:
    with torch.inference_mode():
        inside = masks(tiny, clip(3, length=3))
    with torch.enable_grad():
        outside = masks(tiny, clip(3, length=3))
    assert (inside == outside).all()


def test_mirrored_video_with_flip_gives_mirrored_masks() -> None:
    """With the flipped view beside the plain one, the model cannot tell left from right."""
    model = adapter(flip=True)
    video = clip(4, length=3)
    mirror = Video.from_arrays([f[:, ::-1].copy() for f in video.frames], {0: video.prompts[0][:, ::-1].copy()})
    plain, mirrored = masks(model, video), masks(model, mirror)
    assert np.mean(plain != mirrored[:, :, ::-1]) < 1e-3


def test_the_memory_bound_is_kept_and_matters_only_then() -> None:
    video = clip(5, length=9)
    free = masks(adapter("aot.l", long_term_gap=1), video)
    wide = masks(adapter("aot.l", long_term_gap=1, max_memory_frames=20), video)
    tight_adapter = adapter("aot.l", long_term_gap=1, max_memory_frames=2)
    tight = masks(tight_adapter, video)
    assert (free == wide).all()
    assert (free[:3] == tight[:3]).all() and (free != tight).any()


def test_half_precision_is_near() -> None:
    video = clip(6, length=2)
    full, half = masks(adapter(), video), masks(adapter(amp=True), video)
    assert np.mean(full != half) < 0.05


@pytest.mark.parametrize(
    "options",
    [{"scales": ()}, {"scales": (1.0, -1.0)}, {"max_resolution": 8}, {"long_term_gap": 0}, {"max_memory_frames": 0}],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        adapter(**options)


def test_scales_and_resolution_change_the_network_size() -> None:
    model = adapter(scales=(1.0, 1.5), max_resolution=48)
    assert model.size_rule.max_short == 48
    session = Session(model)
    video = clip()
    session.step(next(iter(video.frames)), video.prompts[0], False)
    assert [tracker.size for tracker in session.trackers] == [(49, 65), (65, 97)]


def test_names() -> None:
    names = {n for n in entries() if n.split(".")[0] in ("aot", "deaot") and ".lite" not in n}
    assert names == set(VARIANTS)
    assert find_entry("aot").name == "aot.r50_l"
    assert find_entry("deaot").name == "deaot.r50_l"


def test_listing_imports_no_torch() -> None:
    code = "import sys, robust_vos_bench.adapters.aot; sys.exit(any(m in sys.modules for m in ('torch', 'cv2')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
