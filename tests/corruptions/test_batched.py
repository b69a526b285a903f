"""Batches on a torch device: equal to the CPU's frames, whatever the batch; off unless asked for; told in every key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.conditions import Condition, Draw, condition_fingerprint, corrupt_video, corruptions, select
from robust_vos_bench.conditions.batch import BATCH_PIXELS, batch_size, corrupt_batch, find_device
from robust_vos_bench.datasets.video import Frame, Video
from robust_vos_bench.errors import ContractError, UsageError

OFFERED = tuple(name for name, spec in corruptions().items() if spec.batch is not None)


def clip(photo: np.ndarray, size: tuple[int, int], frames: int = 4) -> Video:
    pictures = [np.ascontiguousarray(photo[60 + t : 60 + t + size[0], 150 : 150 + size[1]]) for t in range(frames)]
    return Video.from_arrays(pictures, np.ones(size, np.uint8))


def both(video: Video, condition: Condition, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """(our CPU code, torch on the device), T x H x W x 3."""
    ours = np.stack(list(corrupt_video(video, condition).frames))
    return ours, np.stack(list(corrupt_video(video, replace(condition, device=device)).frames))


def test_the_pixelwise_and_blur_families_are_offered() -> None:
    assert set(OFFERED) >= {
        *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "brightness", "contrast", "saturate"),
        *("gaussian_blur", "defocus_blur", "motion_blur", "zoom_blur", "glass_blur"),
        *("additive_noise", "mean_blur", "salt_and_pepper"),
    }


@pytest.mark.parametrize("name", OFFERED)
def test_frames_are_those_of_the_cpu(name: str, photo: np.ndarray) -> None:
    """Every severity and mode; the same keyed draws, so noise is equal to the bit as well."""
    video = clip(photo, (96, 121))
    for temporal in corruptions()[name].temporal or ("",):
        for severity in range(1, corruptions()[name].levels + 1):
            ours, batched = both(video, Condition(name, severity, temporal))
            assert (ours == batched).all(), (temporal, severity)


@pytest.mark.parametrize("size", ((1, 1), (1, 40), (40, 1), (2, 3), (9, 9)))
def test_tiny_frames(size: tuple[int, int], photo: np.ndarray) -> None:
    video = clip(photo, size, 2)
    for name in OFFERED:
        for severity in (1, corruptions()[name].levels):
            ours, batched = both(video, Condition(name, severity))
            assert (ours == batched).all(), (name, severity)


@pytest.mark.parametrize("name", ("shot_noise", "glass_blur", "contrast", "motion_blur"))
def test_a_frame_does_not_depend_on_its_batch(name: str, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    condition = Condition(name, 3, device="cpu")
    frames = corrupt_video(clip(photo, (40, 51), 7), condition).frames
    straight = list(frames)
    monkeypatch.setattr("robust_vos_bench.conditions.batch.MOST_FRAMES", 3)
    for other in (list(frames), frames[1:6], [frames[t] for t in range(7)]):  # type: ignore[index]
        first = 1 if len(other) == 5 else 0
        assert all((a == b).all() for a, b in zip(other, straight[first:]))


@pytest.mark.parametrize("profile", ("burst", "fourier"))
@pytest.mark.parametrize("name", ("gaussian_noise", "gaussian_blur", "saturate"))
def test_severity_over_time_and_clean_reference(name: str, profile: str, photo: np.ndarray) -> None:
    video = clip(photo, (40, 51), 8)
    ours, batched = both(video, Condition(name, 4, profile=profile, clean_reference=True))
    assert (ours == batched).all()
    assert (batched[0] == next(iter(video.frames))).all() and (batched != np.stack(list(video.frames))).any()


def test_a_batch_holds_what_fits() -> None:
    assert batch_size((480, 854)) == 9 and batch_size((2160, 3840)) == 1
    assert batch_size((1, 1)) == 32 and batch_size((BATCH_PIXELS, 2)) == 1


def test_off_unless_asked_for(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robust_vos_bench.conditions.selection.find_device", find_device)
    for given in ("", "cpu"):
        chosen, _ = select("blur", device=given)
        assert {c.device for c in chosen} == {""} and "device" not in chosen[0].to_dict()
    monkeypatch.setattr("robust_vos_bench.conditions.selection.find_device", lambda name: name)
    chosen, _ = select(["clean", "gaussian_blur", "fog"], device="cuda:1")
    assert {c.corruption: c.device for c in chosen} == {"": "", "gaussian_blur": "cuda:1", "fog": ""}
    with pytest.raises(UsageError, match="fog cannot be made on a device"):
        corrupt_video(clip(photo, (8, 8)), Condition("fog", 1, device="cpu"))


def test_keys_tell_who_made_the_frames() -> None:
    here = Condition("gaussian_blur", 3)
    there = replace(here, device="cuda")
    assert condition_fingerprint(here) != condition_fingerprint(there)
    assert condition_fingerprint(there) == condition_fingerprint(replace(here, device="cuda:1"))
    assert there.to_dict() == {**here.to_dict(), "device": "cuda"} and there.label == here.label


def test_devices_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="'cuda:1': torch sees 1 CUDA devices"):
        select("gaussian_blur", device="cuda:1")
    for name in ("gpu", "meta"):
        with pytest.raises(UsageError, match=f"'{name}'"):
            find_device(name)


def test_a_wrong_batch_breaks_the_contract(photo: np.ndarray) -> None:
    frames: list[Frame] = [photo, photo]
    draws = [Draw("mine", 1, 1, 0, "", "", t, 2) for t in range(2)]
    with pytest.raises(ContractError, match="mine broke its contract: expected 2 frames"):
        list(corrupt_batch(lambda given, severity, draws: given[:1], frames, [1.0, 1.0], draws, "cpu"))


def test_no_global_generator_is_touched(photo: np.ndarray) -> None:
    import torch

    torch.manual_seed(1)
    before = torch.get_rng_state()
    for name in OFFERED:
        list(corrupt_video(clip(photo, (20, 20)), Condition(name, 2, device="cpu")).frames)
    assert (torch.get_rng_state() == before).all() and torch.is_grad_enabled()


@pytest.fixture
def cuda() -> Iterator[str]:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    yield "cuda"


@pytest.mark.gpu
@pytest.mark.parametrize("name", OFFERED)
def test_parity_on_a_gpu(name: str, photo: np.ndarray, cuda: str) -> None:
    video = clip(photo, (240, 321))
    for temporal in corruptions()[name].temporal or ("",):
        for severity in range(1, corruptions()[name].levels + 1):
            ours, batched = both(video, Condition(name, severity, temporal), cuda)
            difference = np.abs(ours.astype(int) - batched)
            assert (difference <= 1).mean() >= 0.999, (temporal, severity)


@pytest.mark.gpu
def test_a_gpu_repeats_itself(photo: np.ndarray, cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    video = clip(photo, (240, 321), 9)
    for name in OFFERED:
        condition = Condition(name, 3, device=cuda)
        first = list(corrupt_video(video, condition).frames)
        monkeypatch.setattr("robust_vos_bench.conditions.batch.MOST_FRAMES", 4)
        assert all((a == b).all() for a, b in zip(first, corrupt_video(video, condition).frames)), name
        monkeypatch.undo()


def test_flag_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flag wins over the environment, which wins over the default; a device that is missing stops the command."""
    import torch
    from click.testing import CliRunner

    from robust_vos_bench.cli.corrupt import command as corrupt
    from robust_vos_bench.cli.run import command as run

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    words = ["--corruption", "gaussian_blur", "--limit", "1", "--dry-run", "--output", str(tmp_path / "out")]
    for verb in (corrupt, run):
        assert CliRunner().invoke(verb, words).exit_code == 0
        for given, environment in ((["--corrupt-device", "cuda"], {}), ([], {"RVOS_BENCH_CORRUPT_DEVICE": "cuda"})):
            refused = CliRunner().invoke(verb, words + given, env=environment)
            assert isinstance(refused.exception, UsageError) and "'cuda'" in str(refused.exception)
        chosen = CliRunner().invoke(
            verb, [*words, "--corrupt-device", "cpu"], env={"RVOS_BENCH_CORRUPT_DEVICE": "cuda"}
        )
        assert chosen.exit_code == 0, chosen.output
