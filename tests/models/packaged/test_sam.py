"""SAM 2.1: inventory, loading, equal to the package's own predictor, bounded memory, the contract.

At a reduced input size (the network takes any multiple of 32), so that a CPU can run it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory.golden import keys
from recordings import steps

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import MissingExtraError, UsageError, WeightsError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.models.checkpoint import describe_diff
from robust_vos_bench.models.synthetic import Blob, moving_blobs

from . import INSTALL

pytest.importorskip("sam2.modeling.sam2_base", reason=INSTALL)

from robust_vos_bench.adapters.sam2 import build

SIZE = 64


@pytest.fixture(scope="module")
def tiny() -> Any:
    """The tiny variant with recipe weights, in float32."""
    return load_adapter("sam2.tiny", "random", "cpu", size=SIZE)


def three(length: int) -> Video:
    """Three objects, one of which comes late."""
    blobs = (
        Blob(3, (30, 34), (1.0, 1.0), (16, 18)),
        Blob(7, (64, 100), (-1.0, -1.0), (14, 20)),
        Blob(200, (26, 104), (1.0, 0.0), (13, 13), first=2),
    )
    return moving_blobs(blobs, (97, 139), length, seed=1)


@pytest.mark.parametrize("variant, entries", [("tiny", 471)])
def test_inventory(shared: Path, variant: str, entries: int) -> None:
    """Every entry of the official state_dict, and nothing else."""
    found = build.network(variant, 1024).state_dict()
    expected = keys(shared, f"SAM2.1-hiera-{variant}")
    assert len(expected) == entries
    assert describe_diff(expected, {name: tuple(tensor.shape) for name, tensor in found.items()}) == []


def predicted(adapter: Any, video: Video, monkeypatch: pytest.MonkeyPatch) -> dict[int, dict[int, np.ndarray]]:
    """Logits by object and frame of the package's predictor, each object by itself from its first frame."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from sam2 import sam2_video_predictor

    def arrays(video_path: str, image_size: int, **options: object) -> tuple[torch.Tensor, int, int]:
        from PIL import Image

        images = torch.empty(len(video), 3, image_size, image_size)
        for t, frame in enumerate(video.frames):
            squashed = np.array(Image.fromarray(frame).resize((image_size, image_size))) / 255.0
            images[t] = torch.from_numpy(squashed).permute(2, 0, 1)
        images -= torch.tensor((0.485, 0.456, 0.406))[:, None, None]
        images /= torch.tensor((0.229, 0.224, 0.225))[:, None, None]
        return images, *video.size

    monkeypatch.setattr(sam2_video_predictor, "load_video_frames", arrays)
    settings = OmegaConf.create(files("sam2").joinpath("configs/sam2.1/sam2.1_hiera_t.yaml").read_text())
    settings.model._target_ = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    settings.model.image_size = adapter.size
    predictor = instantiate(settings.model, _recursive_=True).eval()
    predictor.load_state_dict(adapter.network.state_dict())
    logits: dict[int, dict[int, np.ndarray]] = {}
    with torch.autocast("cpu", torch.bfloat16):
        for i, first in video.first_frames.items():
            state = predictor.init_state("in memory")
            predictor.add_new_mask(state, first, i, video.prompts[first] == i)
            found = predictor.propagate_in_video(state, start_frame_idx=first)
            logits[i] = {t: mask[0, 0].float().numpy() for t, _, mask in found}
    return logits


@pytest.mark.parametrize("length", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_equal_to_the_packages_predictor(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streaming with a pruned memory gives the logits of the whole-video predictor, bit by bit.

    In 4 frames the length scales the pointers' time codes, in 20 the oldest frames are dropped.
    """
    adapter: Any = load_adapter("sam2.tiny", "random", "cpu", size=SIZE, amp=True)
    video = three(length)
    expected = predicted(adapter, video, monkeypatch)
    session = adapter.session(video)
    for t, labels in enumerate(steps(session, video)):
        known = [i for i, first in video.first_frames.items() if first <= t]
        scores = np.stack([expected[i][t] for i in known])
        np.testing.assert_array_equal(session.logits.numpy(), scores)
        best = np.where(scores.max(0) > 0, np.array(known, np.uint8)[scores.argmax(0)], 0)
        prompt = video.prompts.get(t, np.zeros(video.size, np.uint8))
        np.testing.assert_array_equal(labels, np.where(prompt > 0, prompt, best))


def test_the_length_of_the_video_matters(tiny: Any) -> None:
    """Time codes of pointers are scaled by the length below 16 frames: the same frames, told otherwise, differ."""
    video = three(5)
    longer = video.with_frames([*video.frames, *video.frames])
    logits = []
    for each in (video, Video.from_arrays(list(longer.frames), dict(video.prompts))):
        session = tiny.session(each)
        for t, frame in enumerate(video.frames):
            session.step(frame, video.prompts.get(t), False)
        logits.append(session.logits)
    assert not torch.equal(*logits)


def test_memory_is_bounded(tiny: Any) -> None:
    """After many frames each object holds its given frame and what can still be read."""
    video = three(24)
    session = tiny.session(video)
    for t, frame in enumerate(video.frames):
        session.step(frame, video.prompts.get(t), False)
    for track in session.tracker.tracks:
        assert len(track.memory["cond_frame_outputs"]) == 1
        assert sorted(track.memory["non_cond_frame_outputs"]) == list(range(8, 24))


def test_tiny_keeps_the_contract(tiny: Any) -> None:
    report = check_adapter(tiny)
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level == "broken"] == []


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["small", "base_plus", "large"])
def test_the_others_keep_the_contract(variant: str) -> None:
    report = check_adapter(load_adapter(f"sam2.{variant}", "random", "cpu", size=SIZE))
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level == "broken"] == []


def test_precision_is_left_as_it_was(tiny: Any) -> None:
    """Autocast and gradients inside the adapter are not seen outside."""
    adapter: Any = load_adapter("sam2.tiny", "random", "cpu", size=SIZE, amp=True)
    masks = adapter.segment(three(2))
    next(masks)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    assert not tiny.amp  # in float32 on a CPU unless asked for


def test_a_checkpoint_loads_strictly(tiny: Any, tmp_path: Path) -> None:
    """Official files hold the state under "model"."""
    state = {name: tensor.clone() for name, tensor in tiny.network.state_dict().items()}
    torch.save({"model": state}, tmp_path / "whole.pt")
    loaded = load_adapter("sam2.tiny", tmp_path / "whole.pt", "cpu", size=SIZE).network.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    del state["no_obj_ptr"]
    torch.save({"model": state}, tmp_path / "torn.pt")
    with pytest.raises(WeightsError, match="missing: no_obj_ptr"):
        load_adapter("sam2.tiny", tmp_path / "torn.pt", "cpu", size=SIZE)


def test_a_namesake_package_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """EdgeTAM and others install a package of the same name without these settings."""
    monkeypatch.setattr(build, "files", lambda package: tmp_path)
    with pytest.raises(MissingExtraError, match="took its name"):
        load_adapter("sam2.tiny", "random", "cpu")


def test_sizes_that_cannot_work_are_refused() -> None:
    with pytest.raises(UsageError, match="multiple of 32"):
        load_adapter("sam2.tiny", "random", "cpu", size=500)
