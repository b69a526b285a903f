"""Frames made ahead by other processes: the same frames, bounded, shared by models, errors passed on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.conditions import CLEAN, CORRUPTIONS, Condition, Draw, corrupt_video
from robust_vos_bench.conditions.corruption import Corruption
from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import DataError
from robust_vos_bench.registry import Item
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.plan import Group
from robust_vos_bench.runs.trace import shares
from robust_vos_bench.runs.work.clip_cache import CachedClip
from robust_vos_bench.runs.work.prefetch import Prefetcher
from robust_vos_bench.runs.work.worker import Worker

MODELS = Path(__file__).with_name("models.py")
NOISE = Condition("salt_and_pepper", 3, "frame")


@pytest.fixture
def prefetcher(clips: Path, tmp_path: Path) -> Iterator[Prefetcher]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = Prefetcher(open_dataset("folder", clips), 2, scratch, ahead=6)
    yield made
    made.close()
    assert not list(scratch.iterdir())


def test_fed_frames_equal_frames_made_in_place(prefetcher: Prefetcher) -> None:
    in_batches = replace(NOISE, device="cpu")
    groups = [Group(NOISE, "a", (0, 1)), Group(CLEAN, "b", (0,)), Group(NOISE, "c", (0,)), Group(in_batches, "a", (0,))]
    for group in groups:
        prefetcher.announce(group)
    for group in groups:
        expected = list(corrupt_video(prefetcher.dataset.video(group.video), group.condition).frames)
        frames = prefetcher.frames(group)
        for _ in group.models:  # a second model reads the same clip
            assert all(np.array_equal(a, b) for a, b in zip(frames, expected, strict=True))
        prefetcher.done(group)


def test_frames_in_flight_are_bounded(prefetcher: Prefetcher) -> None:
    groups = [Group(NOISE, name, (0,)) for name in "abc"]
    for group in groups:
        prefetcher.announce(group)
    for group in groups:
        for _ in prefetcher.frames(group):
            assert sum(clip.in_flight for _, clip in prefetcher._clips) <= prefetcher.ahead + 4
        prefetcher.done(group)


def test_a_damaged_frame_reaches_the_reader_as_an_error(prefetcher: Prefetcher, clips: Path) -> None:
    frame = clips / "JPEGImages" / "a" / "00003.png"
    frame.write_bytes(frame.read_bytes()[:100])
    group = Group(NOISE, "a", (0,))
    prefetcher.announce(group)
    with pytest.raises(DataError, match="00003"):
        list(prefetcher.frames(group))
    prefetcher.done(group)


def test_a_group_is_found_wherever_it_stands(prefetcher: Prefetcher) -> None:
    first, second, third = (Group(NOISE, name, (0,)) for name in "abc")
    for group in (first, second, third):
        prefetcher.announce(group)
    frames = prefetcher.frames(second)
    assert len(prefetcher._clips) == 3, "it is not made a second time"
    assert len(list(frames)) == len(frames)
    prefetcher.done(second)
    prefetcher.done(first)
    assert [group for group, _ in prefetcher._clips] == [third]


def test_a_unit_that_fails_before_its_frames_are_asked_for_frees_them(clips: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    plan = build_plan([build_model("static")], open_dataset("folder", clips), [NOISE], PresetInfo("own", 1, ""))
    worker = Worker(plan, "cpu", tmp_path / "out", producers=1, scratch=scratch)
    assert worker.prefetcher is not None
    try:
        groups = [Group(NOISE, name, (0,)) for name in "ab"]
        for group in groups:
            worker.announce(group)
        (clips / "Annotations" / "a" / "00000.png").write_bytes(b"damaged")
        assert [record.status for group in groups for record, *_ in worker.run(group)] == ["failed", "ok"]
        assert not worker.prefetcher._clips and not list(scratch.iterdir())
    finally:
        worker.close()


@pytest.mark.parametrize("producers", [0, 1])
def test_whatever_is_raised_before_the_model_runs_fails_one_video(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, producers: int
) -> None:
    def boom(mask: np.ndarray, severity: float, draw: Draw) -> np.ndarray:
        raise ValueError("not today")

    monkeypatch.setitem(CORRUPTIONS.builtin(), "boom", Item(Corruption("boom", "test", boom, scope="prompt")))
    data = open_dataset("folder", clips)
    bad = Condition("boom", 1)
    plan = build_plan([build_model("static")], data, [bad], PresetInfo("own", 1, ""))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    worker = Worker(plan, "cpu", tmp_path / "out", producers=producers, scratch=scratch)
    original = type(data).video
    monkeypatch.setattr(type(data), "video", lambda self, name: 1 / 0 if name == "c" else original(self, name))
    try:
        groups = [Group(bad, "a", (0,)), Group(CLEAN, "c", (0,)), Group(CLEAN, "b", (0,))]
        for group in groups:
            worker.announce(group)
        records = [record for group in groups for record, *_ in worker.run(group)]
        assert [record.status for record in records] == ["failed", "failed", "ok"]
        assert records[0].error == "corruption boom-1 failed on video 'a' at frame 0: ValueError: not today"
        assert "ZeroDivisionError" in records[1].error
        assert not list(scratch.iterdir())
    finally:
        worker.close()


def test_producers_do_not_change_the_scores(
    clips: Path, tmp_path: Path, rvos: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    base = ["run", "--model", f"{MODELS}:Repeat,static", "--dataset", "folder", "--data-root", clips]
    base += ["--corruption", "gaussian_noise", "--severity", 3]
    assert rvos(*base, "--output", tmp_path / "plain", "--workers", 1).returncode == 0
    fed = rvos(*base, "--output", tmp_path / "fed", "--workers", 1, "--producers", 2, "--profile")
    assert fed.returncode == 0, fed.stderr
    assert (tmp_path / "plain" / "scores.csv").read_bytes() == (tmp_path / "fed" / "scores.csv").read_bytes()
    assert "device busy" in fed.stderr
    trace = json.loads((tmp_path / "fed" / "trace.json").read_text())["traceEvents"]
    assert {"model", "frames", "score", "unit"} <= {event["name"] for event in trace}


def test_a_spooled_clip_is_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    class Source:
        def __len__(self) -> int:
            return 5

        def __iter__(self) -> Iterator[np.ndarray]:
            for t in range(5):
                made.append(t)
                yield np.full((4, 6, 3), t, np.uint8)

    with CachedClip(Source(), (4, 6), tmp_path) as frames:
        first = iter(frames)
        next(first), next(first)  # a model that stops early
        for _ in range(3):
            assert [int(f[0, 0, 0]) for f in frames] == [0, 1, 2, 3, 4]
    assert made == [0, 1, 2, 3, 4]


def test_a_damaged_frame_is_the_same_error_for_every_model(clips: Path, tmp_path: Path) -> None:
    frame = clips / "JPEGImages" / "a" / "00003.png"
    frame.write_bytes(frame.read_bytes()[:100])
    video = open_dataset("folder", clips).video("a")
    with CachedClip(video.frames, video.size, tmp_path) as frames:
        for _ in range(3):
            made = iter(frames)
            assert len([next(made) for _ in range(3)]) == 3
            with pytest.raises(DataError, match="00003"):
                next(made)


def test_shares_of_a_known_trace() -> None:
    def event(name: str, start: float, seconds: float) -> dict[str, object]:
        return {"ph": "X", "pid": 1, "name": name, "ts": start, "dur": seconds}

    units = [event("unit", 0, 40), event("unit", 60, 40)]
    parts = [event("model", 0, 30), event("frames", 30, 10), event("model", 60, 20), event("score", 80, 20)]
    found = shares([*units, *parts])
    assert found is not None
    assert (found.model, found.frames, found.score, found.idle) == pytest.approx((0.5, 0.1, 0.2, 0.2))
