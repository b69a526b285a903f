"""Applying conditions: laziness, order, checks, clean reference, moved masks, bad input."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from robust_vos_bench.conditions import (
    CLEAN,
    CORRUPTIONS,
    Condition,
    Draw,
    condition_fingerprint,
    corrupt_truth,
    corrupt_video,
    corruption,
    find_corruption,
    load_preset,
)
from robust_vos_bench.datasets.video import Frame, Truth, Video
from robust_vos_bench.errors import ContractError, DataError, RvosError, UsageError
from robust_vos_bench.registry import Item
from robust_vos_bench.scoring import VideoScorer

FRAMEWISE = tuple(
    name
    for preset in ("common", "common-extra", "common-bar", "youtube-vos-p")
    for name in load_preset(preset).corruptions
)


def clip(photo: np.ndarray, frames: int = 5, size: tuple[int, int] = (60, 81)) -> Video:
    mask = np.zeros(size, np.uint8)
    mask[15:40, 20:50] = 1
    mask[45:55, 60:75] = 7
    pictures = [np.ascontiguousarray(photo[100 + t : 100 + t + size[0], 200 : 200 + size[1]]) for t in range(frames)]
    return Video.from_arrays(pictures, mask, name="clip")


@pytest.fixture
def registered() -> Iterator[Callable[..., None]]:
    """Registers a throw-away corruption and takes it out again."""
    added = []

    def register(name: str, function: Callable[..., object], **fields: object) -> None:
        corruption(name, "test", **fields)(function)
        added.append(name)

    yield register
    for name in added:
        CORRUPTIONS.remove(name)


def test_clean_is_the_video_itself(photo: np.ndarray) -> None:
    video = clip(photo)
    assert corrupt_video(video, CLEAN) is video


@pytest.mark.parametrize("name", FRAMEWISE)
def test_frames_do_not_depend_on_order(name: str, photo: np.ndarray) -> None:
    video = clip(photo)
    for temporal in find_corruption(name).temporal or ("",):
        frames = corrupt_video(video, Condition(name, 2, temporal)).frames
        straight = list(frames)
        shuffled = {t: frames[t] for t in (3, 0, 4, 2, 1)}  # type: ignore[index]
        copied = pickle.loads(pickle.dumps(frames))
        for t, frame in enumerate(straight):
            assert frame.dtype == np.uint8 and frame.shape == (60, 81, 3)
            assert (frame == shuffled[t]).all() and (frame == copied[t]).all()
        assert (np.stack(list(frames)) == np.stack(straight)).all()
        assert (frames[-1] == straight[-1]).all()  # type: ignore[index]
        assert any((frame != clean).any() for frame, clean in zip(straight, video.frames))


@pytest.mark.parametrize("name", FRAMEWISE)
def test_input_and_global_generators_stay_as_they_are(name: str, photo: np.ndarray) -> None:
    import random

    video = clip(photo, 1)
    before = next(iter(video.frames)).copy()
    np.random.seed(3)
    random.seed(3)
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()  # type: ignore[union-attr]
    list(corrupt_video(video, Condition(name, 3)).frames)
    assert (next(iter(video.frames)) == before).all()
    assert (np.random.get_state()[1] == numpy_state).all() and random.getstate() == python_state


@pytest.mark.parametrize("size", ((1, 1), (1, 40), (40, 1), (2, 3), (31, 33)))
@pytest.mark.parametrize("name", FRAMEWISE)
def test_tiny_and_odd_frames(name: str, size: tuple[int, int], photo: np.ndarray) -> None:
    frame = np.ascontiguousarray(photo[: size[0], : size[1]])
    video = Video.from_arrays([frame, frame], np.ones(size, np.uint8))
    spec = find_corruption(name)
    for temporal in spec.temporal or ("",):
        for severity in (1, spec.levels):
            for result in corrupt_video(video, Condition(name, severity, temporal)).frames:
                assert result.shape == (*size, 3) and result.dtype == np.uint8


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMEWISE)
def test_4k(name: str) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (2160, 3840, 3), dtype=np.uint8)
    spec = find_corruption(name)
    draw = Draw(name, 1, spec.levels, 0, "", "", 0, 1, temporal=spec.temporal[0] if spec.temporal else "frame")
    assert spec.function(frame, float(spec.levels), draw).shape == frame.shape


@pytest.mark.parametrize("name", FRAMEWISE)
def test_non_contiguous_and_read_only_frames(name: str, photo: np.ndarray) -> None:
    view = photo[100:160, 300:200:-1]
    frozen = np.ascontiguousarray(view)
    draw = Draw(name, 1, 2, 0, "", "", 0, 1)
    expected = find_corruption(name).function(frozen.copy(), 2.0, draw)
    frozen.flags.writeable = False
    assert (find_corruption(name).function(view, 2.0, draw) == expected).all()
    assert (find_corruption(name).function(frozen, 2.0, draw) == expected).all()


@pytest.mark.parametrize("severity", (0, -1, 6, 2.5, True))
def test_severity_outside_the_range_is_named(severity: object, photo: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"fog has severities 1\.\.5"):
        corrupt_video(clip(photo), Condition("fog", severity))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"mean_blur has severities 1\.\.3"):
        corrupt_video(clip(photo), Condition("mean_blur", 4))


def test_wrong_choices(photo: np.ndarray) -> None:
    with pytest.raises(UsageError, match="does not offer the temporal mode 'drift'"):
        corrupt_video(clip(photo), Condition("gaussian_noise", 1, "drift"))
    with pytest.raises(UsageError, match="it draws nothing"):
        corrupt_video(clip(photo), Condition("contrast", 1, "video"))
    with pytest.raises(UsageError, match=r"unknown severity profile 'rampp'.*'ramp'"):
        corrupt_video(clip(photo), Condition("fog", 1, profile="rampp"))
    with pytest.raises(UsageError, match="Did you mean 'fog'"):
        corrupt_video(clip(photo), Condition("fogg", 1))


def test_wrong_output_breaks_the_contract(registered: Callable[..., None], photo: np.ndarray) -> None:
    registered("cropped", lambda frame, severity, draw: frame[1:])
    registered("floats", lambda frame, severity, draw: frame / 2.0)
    registered("short", lambda frames, severity, draw: iter(list(frames)[1:]), scope="clip")
    registered("long", lambda frames, severity, draw: iter([f for f in frames for _ in range(2)]), scope="clip")
    for name, message in (
        ("cropped", r"'clip', frame 0: expected RGB uint8 \(60, 81, 3\), got uint8 \(59, 81, 3\)"),
        ("floats", "got float64"),
        ("short", "expected 5 frames, got 4"),
        ("long", "expected 5 frames, got more than 5"),
    ):
        with pytest.raises(ContractError, match=message):
            list(corrupt_video(clip(photo), Condition(name, 1)).frames)


def test_a_corruption_that_raises_is_named(registered: Callable[..., None], photo: np.ndarray) -> None:
    def clips(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
        for t, frame in enumerate(frames):
            yield frame if t < 2 else boom(frame, severity, draw)

    def boom(frame: Frame, severity: float, draw: Draw) -> Frame:
        if draw.frame == 2 or severity == 2:
            raise ValueError("not  today")
        return frame

    def refused(frame: Frame, severity: float, draw: Draw) -> Frame:
        raise DataError("its pictures are missing")

    registered("frames", boom)
    registered("clips", lambda frames, severity, draw: clips(frames, 2, draw), scope="clip")
    registered("prompts", boom, scope="prompt")
    registered("moves", lambda frame, severity, draw: frame, move_mask=boom)
    registered(
        "batches", lambda frame, severity, draw: frame, batch=lambda many, level, draws: boom(many, level, draws[0])
    )
    registered("refused", refused)
    for condition, t in (
        (Condition("frames", 1), 2),
        (Condition("clips", 1), 2),
        (Condition("prompts", 2), 0),
        (Condition("moves", 2), 0),
        (Condition("batches", 2, device="cpu"), 0),
    ):
        said = rf"corruption {condition.label} failed on video 'clip' at frame {t}: ValueError: not today"
        with pytest.raises(RvosError, match=said):
            list(corrupt_video(clip(photo), condition).frames)
    with pytest.raises(DataError, match=r"^its pictures are missing"):
        list(corrupt_video(clip(photo), Condition("refused", 1)).frames)


def test_exit_is_a_failure_and_lack_of_memory_stays_what_it_is(
    registered: Callable[..., None], photo: np.ndarray
) -> None:
    def leaves(frame: Frame, severity: float, draw: Draw) -> Frame:
        raise SystemExit(0) if severity == 1 else MemoryError("no room")

    registered("leaves", leaves)
    with pytest.raises(RvosError, match="corruption leaves-1 failed on video 'clip' at frame 0: SystemExit: 0"):
        list(corrupt_video(clip(photo), Condition("leaves", 1)).frames)
    with pytest.raises(MemoryError, match="no room"):
        list(corrupt_video(clip(photo), Condition("leaves", 2)).frames)


@pytest.mark.parametrize("scope", ["clip", "prompt"])
def test_masks_move_with_single_frames_only(scope: str) -> None:
    def flipped(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
        yield from frames

    with pytest.raises(UsageError, match=rf"corruption 'flipped' \(in .*\) has scope '{scope}' and move_mask"):
        corruption("flipped", "test", scope=scope, move_mask=lambda mask, severity, draw: mask)(flipped)
    assert "flipped" not in CORRUPTIONS.usable()


def test_clips_stream_and_keep_their_reference_clean(registered: Callable[..., None], photo: np.ndarray) -> None:
    alive = 0
    most = 0

    def delayed(frames: Iterable[Frame], severity: float, draw: Draw) -> Iterator[Frame]:
        nonlocal alive, most
        held: list[Frame] = []
        for frame in frames:
            held.append(255 - frame)
            most = max(most, len(held))
            if len(held) > 2:
                yield held.pop(0)
        yield from held

    registered("inverted", delayed, scope="clip")
    video = clip(photo, 6)
    video = video.with_prompts(
        {0: video.prompts[0] * (video.prompts[0] == 1), 3: video.prompts[0] * (video.prompts[0] == 7)}
    )
    corrupted = corrupt_video(video, Condition("inverted", 1, clean_reference=True))
    for _ in range(2):
        for t, (clean, frame) in enumerate(zip(video.frames, corrupted.frames)):
            assert (frame == (clean if t in (0, 3) else 255 - clean)).all()
    assert most == 3
    with pytest.raises(UsageError, match="cannot vary over time"):
        corrupt_video(video, Condition("inverted", 1, profile="ramp"))


def test_clean_reference_keeps_prompt_frames(photo: np.ndarray) -> None:
    video = clip(photo)
    for name in ("gaussian_noise", "elastic_transform"):
        corrupted = corrupt_video(video, Condition(name, 5, clean_reference=True))
        changed = [(a != b).any() for a, b in zip(video.frames, corrupted.frames)]
        assert changed == [False, True, True, True, True]
        assert (corrupted.prompts[0] == video.prompts[0]).all()


def test_prompt_corruptions_change_prompts_only(registered: Callable[..., None], photo: np.ndarray) -> None:
    registered("emptied", lambda mask, severity, draw: np.where(mask == 7, 0, mask).astype(np.uint8), scope="prompt")
    registered("smaller", lambda mask, severity, draw: mask[1:], scope="prompt")
    video = clip(photo)
    damaged = corrupt_video(video, Condition("emptied", 1))
    assert damaged.object_ids == (1,) and damaged.frames is video.frames
    with pytest.raises(ContractError, match="on the mask of 'clip', frame 0"):
        corrupt_video(video, Condition("smaller", 1))


@pytest.mark.parametrize("temporal", ("frame", "video", "drift"))
def test_masks_move_with_the_pixels(temporal: str) -> None:
    """A picture of the mask, corrupted, is where the moved mask says."""
    mask = np.zeros((200, 301), np.uint8)
    mask[40:150, 60:200] = 3
    picture = np.repeat(np.where(mask == 3, 255, 0).astype(np.uint8)[..., None], 3, 2)
    video = Video.from_arrays([picture] * 4, mask)
    truth = Truth("clip", mask.shape, video.frame_names, [mask, None, mask, mask], {3: 0})
    condition = Condition("elastic_transform", 5, temporal)
    corrupted = corrupt_video(video, condition)
    moved = corrupt_truth(truth, condition, video)
    assert moved.masks[1] is None and len(moved) == 4
    for t in (0, 2, 3):
        seen, told = corrupted.frames[t][..., 0] >= 128, moved.masks[t] == 3  # type: ignore[index]
        assert (seen & told).sum() / (seen | told).sum() > 0.995
        assert (told != (mask == 3)).any()
    assert (corrupted.prompts[0] == moved.masks[0]).all()
    assert set(np.unique(moved.masks[2])) == {0, 3}  # type: ignore[arg-type]
    assert corrupt_truth(truth, Condition("fog", 3), video) is truth
    assert corrupt_truth(truth, CLEAN, video) is truth


def test_the_same_frames_count_at_every_severity() -> None:
    """Also for objects of one pixel at the border, which the elastic field pushes out of the picture."""
    masks = [np.zeros((64, 96), np.uint8) for _ in range(6)]
    for t, mask in enumerate(masks):
        mask[20:40, 20:40] = 1
        if t < 2:
            for label, column in enumerate(range(0, 96, 5), 2):
                mask[0, column] = label
    video = Video.from_arrays([np.zeros((64, 96, 3), np.uint8)] * 6, masks[0])
    truth = Truth("clip", (64, 96), video.frame_names, masks, video.first_frames)
    lost = 0
    for severity in (0, 1, 3, 5):
        condition = Condition("elastic_transform", severity) if severity else CLEAN
        moved = corrupt_truth(truth, condition, video)
        lost += len(np.setdiff1d(masks[1], moved.masks[1]))  # type: ignore[arg-type]
        scorer = VideoScorer(moved, "ranges")
        for t in scorer.frames:
            scorer.add(t, masks[t])
        frames = {score.object: score.indices for score in scorer.result()}
        assert frames == {i: (1, 2, 3, 4, 5) if i == 1 else (1,) for i in video.object_ids}, severity
    assert lost, "some objects do leave the picture here"


def test_moved_prompt_never_loses_an_object() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((90, 120), np.uint8)
    for label in range(1, 200):
        mask[rng.integers(90), rng.integers(120)] = label
    ids = set(np.unique(mask))
    video = Video.from_arrays([np.zeros((90, 120, 3), np.uint8)], mask)
    for seed in range(5):
        moved = corrupt_video(video, Condition("elastic_transform", 5, seed=seed)).prompts[0]
        assert set(np.unique(moved)) == ids


def test_seed_dataset_video_and_severity_change_the_draw(photo: np.ndarray) -> None:
    video = clip(photo, 2)
    base = corrupt_video(video, Condition("gaussian_noise", 3)).frames[0]  # type: ignore[index]
    for other in (
        corrupt_video(video, Condition("gaussian_noise", 3, seed=1)),
        corrupt_video(replace(video, name="other"), Condition("gaussian_noise", 3)),
        corrupt_video(replace(video, dataset="davis2017:val"), Condition("gaussian_noise", 3)),
    ):
        assert (other.frames[0] != base).mean() > 0.5  # type: ignore[index]


def test_fingerprint_changes_with_what_decides_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Condition("fog", 3, "drift")
    prints = [
        condition_fingerprint(c)
        for c in (
            CLEAN,
            base,
            replace(base, severity=4),
            replace(base, temporal="video"),
            replace(base, seed=1),
            replace(base, profile="ramp"),
            replace(base, clean_reference=True),
            Condition("snow", 3, "drift"),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert condition_fingerprint(Condition("fog", 3, "drift")) == prints[1]
    spec = find_corruption("fog")
    monkeypatch.setitem(CORRUPTIONS.builtin(), "fog", Item(replace(spec, version=spec.version + 1)))
    assert condition_fingerprint(base) != prints[1]


def test_listing_is_light() -> None:
    code = (
        "import sys; from robust_vos_bench.conditions import corruptions, select; corruptions(); select();"
        "print([m for m in ('cv2', 'torch', 'pandas', 'numba', 'scipy', 'skimage', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_kernels_compile_without_a_writable_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    from robust_vos_bench.corruptions.kernels.jit import jit

    original = numba.njit

    def read_only(*arguments: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return original(*arguments, **options)

    monkeypatch.setattr(numba, "njit", read_only)
    assert jit(lambda x: x + 1)(2) == 3
