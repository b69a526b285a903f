"""Cutie: inventories, strict loading without downloads, recorded runs of the official code, sizes, the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory.golden import clip, compare, keys, play, recorded
from PIL import Image

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.models.checkpoint import describe_diff

from . import INSTALL

pytest.importorskip("cutie.inference.inference_core", reason=INSTALL)

from robust_vos_bench.adapters.cutie import build
from robust_vos_bench.adapters.cutie.adapter import inner_size

LONG_TERM: dict[str, Any] = {
    "long_term": True,
    "mem_every": 1,
    "max_mid_term_frames": 3,
    "min_mid_term_frames": 2,
    "num_prototypes": 32,
}


@pytest.fixture(scope="module")
def small() -> Any:
    """The small variant with recipe weights."""
    return load_adapter("cutie.small", "random", "cpu")


@pytest.mark.parametrize("variant", ["base", "small"])
def test_inventory(shared: Path, variant: str) -> None:
    """Every entry of the official state_dict, and nothing else."""
    found = build.network(build.settings(variant)).state_dict()
    expected = keys(shared, f"Cutie-{variant}")
    assert describe_diff(expected, {name: tuple(tensor.shape) for name, tensor in found.items()}) == []


def test_building_asks_nobody_for_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's constructors would fetch two ImageNet files."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"asked for {arguments}")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torch.utils.model_zoo.load_url", refuse)
    build.network(build.settings("small"))


def test_a_checkpoint_loads_strictly(small: Any, tmp_path: Path) -> None:
    """The package's own loader leaves missing tensors random in silence."""
    state = {name: tensor.clone() for name, tensor in small.network.state_dict().items()}
    torch.save(state, tmp_path / "whole.pth")
    loaded = load_adapter("cutie.small", tmp_path / "whole.pth", "cpu").network.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    del state["mask_decoder.pred.weight"]
    state["mask_encoder.conv1.weight"] = state["mask_encoder.conv1.weight"][:, :4]
    torch.save(state, tmp_path / "torn.pth")
    with pytest.raises(WeightsError, match=r"missing: mask_decoder\.pred\.weight") as told:
        load_adapter("cutie.small", tmp_path / "torn.pth", "cpu")
    assert "shape: mask_encoder.conv1.weight" in str(told.value)


def test_first_frame(shared: Path) -> None:
    """Two frames of the recorded run: the probabilities of the second, and its labels."""
    golden = recorded(shared, "Cutie-base", "multi3_B").arrays
    played = play("cutie", clip(shared, "multi3", 2))
    assert np.abs(played.probabilities[1][:, ::2, ::2] - golden["prob_s2_f16_1"]).max() < 1e-3
    assert (played.labels != golden["labels"][:2]).mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "run, options", [("multi3_B", {}), ("late3_B", {}), ("multi3_longterm_B", LONG_TERM)], ids=lambda v: str(v)[:16]
)
def test_whole_clip(shared: Path, run: str, options: dict[str, Any]) -> None:
    """Eight frames of the official repository's code, at the tolerances of the recordings."""
    golden = recorded(shared, "Cutie-base", run)
    found = compare(play("cutie", clip(shared, run.split("_")[0]), **options), golden)
    assert found["first"] < 1e-3 and found["means"] < 1e-3 and found["labels"] < 1e-3, found


def test_small_keeps_the_contract(small: Any) -> None:
    report = check_adapter(small)
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level in ("broken", "warning")] == []


@pytest.mark.slow
def test_base_keeps_the_contract() -> None:
    report = check_adapter(load_adapter("cutie", "random", "cpu"))
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level in ("broken", "warning")] == []


@pytest.mark.parametrize(
    "frame, size, expected",
    [
        ((480, 854), 480, (480, 854)),
        ((720, 1280), 480, (480, 853)),
        ((1280, 720), 480, (853, 480)),
        ((240, 427), 480, (240, 427)),
        ((720, 1280), None, (720, 1280)),
    ],
)
def test_frames_are_only_ever_reduced(frame: tuple[int, int], size: int | None, expected: tuple[int, int]) -> None:
    assert inner_size(frame, size) == expected


def test_masks_are_reduced_as_pillow_does(small: Any) -> None:
    """The official reader resizes masks with Pillow's nearest, frames with antialias."""
    mask = np.zeros((150, 201), np.uint8)
    mask[31:112, 17:150] = 7
    mask[60:90, 140:199] = 250
    adapter = load_adapter("cutie.small", "random", "cpu", size=96)
    video = Video.from_arrays(np.zeros((2, 150, 201, 3), np.uint8), mask)
    session: Any = adapter.session(video)  # type: ignore[attr-defined]
    expected = np.asarray(Image.fromarray(mask).resize((128, 96), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(session.sized(mask, [7, 250]).numpy(), expected)
    assert [found.shape for found in adapter.segment(video)] == [(150, 201)] * 2


def test_small_frames_have_fewer_cells_than_are_read(small: Any) -> None:
    """The package fails where top_k exceeds the cells of a frame; here that is said, and fewer are read."""
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 10:40] = 3
    frames = np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3), np.uint8)
    masks = list(small.segment(Video.from_arrays(frames, mask)))
    assert len(masks) == 3
    assert small.diagnostics == ["top_k 30 exceeds the 12 cells of a frame; only 12 are read"]


@pytest.mark.parametrize(
    "options", [{"mem_every": 0}, {"max_memory_frames": 1}, {"min_mid_term_frames": 1}, {"max_long_term_elements": 200}]
)
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        load_adapter("cutie", "random", "cpu", **options)
