"""Names, shapes and recipe weights of all variants, and files in the official layout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from robust_vos_bench.adapters.aot.adapter import AOTAdapter
from robust_vos_bench.adapters.aot.network import AOT
from robust_vos_bench.adapters.aot.untrained import UNTRAINED
from robust_vos_bench.adapters.aot.variants import VARIANTS
from robust_vos_bench.adapters.encoders.fold import fold_frozen_norms
from robust_vos_bench.adapters.encoders.mobilenetv2 import MobileNetV2
from robust_vos_bench.adapters.encoders.resnet import FrozenBatchNorm
from robust_vos_bench.datasets import Video
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models import checkpoint, load_adapter

from .golden import OFFICIAL


def shapes(variant: str) -> dict[str, list[int]]:
    with torch.device("meta"):
        return {name: list(tensor.shape) for name, tensor in AOT(VARIANTS[variant]).state_dict().items()}


def weights(variant: str) -> dict[str, Tensor]:
    """The recipe under the official names, as a file would hold them."""
    return {
        name: torch.from_numpy(values)
        for name, shape in shapes(variant).items()
        if (values := UNTRAINED.values(name, tuple(shape))) is not None
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_shapes_are_the_official_ones(variant: str, shared: Path) -> None:
    keys = json.loads((shared / "models" / "aot" / "keys" / f"{OFFICIAL[variant]}.json").read_text())
    assert shapes(variant) == keys


@pytest.mark.parametrize(
    "variant",
    ["aot.t", "deaot.t", pytest.param("aot.swinb_l", marks=pytest.mark.slow)]
    + [pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS if v not in ("aot.t", "deaot.t", "aot.swinb_l")],
)
def test_recipe_digest(variant: str, shared: Path) -> None:
    digests = json.loads((shared / "models" / "aot" / "golden" / "weights_digest.json").read_text())
    state = dict(weights(variant))
    if "swin" in variant:
        tables = {n: b for n, b in AOT(VARIANTS[variant]).named_buffers() if n.endswith("relative_position_index")}
        assert len(tables) == 22
        state.update(tables)
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + np.ascontiguousarray(state[name].numpy()).tobytes())
    assert digest.hexdigest() == digests[OFFICIAL[variant]]["sha256"]


@pytest.fixture
def clip() -> Video:
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (50, 70, 3), dtype=np.uint8) for _ in range(3)]
    mask = np.zeros((50, 70), np.uint8)
    mask[10:30, 10:30], mask[20:45, 40:60] = 3, 9
    return Video.from_arrays(frames, mask)


@pytest.mark.parametrize("layout", ["training", "parallel", "model", "bare"])
def test_official_layouts_round_trip(layout: str, tmp_path: Path, clip: Video) -> None:
    state = weights("deaot.t")
    file: object = state
    if layout == "training":  # what training saves, raw and EMA alike
        group = {"params": [0], "lr": 2e-4, "name": "encoder.features.0.0.weight"}
        moments = {0: {"step": torch.tensor(5.0), "exp_avg": torch.zeros(3)}}
        scaler = {"scale": 65536.0, "growth_factor": 2.0}
        file = {"state_dict": state, "optimizer": {"state": moments, "param_groups": [group]}, "scaler": scaler}
    elif layout == "parallel":
        file = {"state_dict": {f"module.{n}": t for n, t in state.items()}}
    elif layout == "model":
        file = {"model": state}
    path = tmp_path / "file.pth"
    torch.save(file, path)
    ours = load_adapter("deaot.t", path, "cpu").segment(clip)
    wanted = load_adapter("deaot.t", "random", "cpu").segment(clip)
    assert all((a == b).all() for a, b in zip(ours, wanted, strict=True))


def test_derived_entries_may_be_absent_or_extra(tmp_path: Path) -> None:
    state = weights("aot.t")
    del state["LSTT.mask_token"]
    state["encoder.features.0.1.num_batches_tracked"] = torch.tensor(7)
    torch.save({"state_dict": state}, tmp_path / "file.pth")
    load_adapter("aot.t", tmp_path / "file.pth", "cpu")


@pytest.mark.parametrize(
    ("file", "wanted", "named"),
    [
        ("aot.t", "aot.r50_l", "fits aot.t"),
        ("aot.b", "aot.s", "fits aot.b or aot.l"),
        ("deaot.r50_l", "aot.r50_l", "fits deaot.r50_l"),
    ],
)
def test_a_file_of_another_variant_is_named(file: str, wanted: str, named: str, tmp_path: Path) -> None:
    torch.save({"state_dict": weights(file)}, tmp_path / "wrong.pth")
    with pytest.raises(WeightsError, match=named) as error:
        load_adapter(wanted, tmp_path / "wrong.pth", "cpu")
    assert "wrong.pth" in str(error.value)


def test_a_missing_key_is_an_error(tmp_path: Path) -> None:
    """The official loader leaves such a tensor at its random initial value and says nothing."""
    state = weights("aot.t")
    del state["decoder.conv_out.bias"]
    torch.save({"state_dict": state}, tmp_path / "cut.pth")
    with pytest.raises(WeightsError, match=r"missing: decoder\.conv_out\.bias"):
        load_adapter("aot.t", tmp_path / "cut.pth", "cpu")


def test_without_weights_it_says_what_to_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoint, "packaged_folder", lambda: tmp_path)  # else `aot` stands for the lite model
    with pytest.raises(WeightsError) as error:
        load_adapter("aot")
    message = str(error.value)
    assert "R50_AOTL_PRE_YTB_DAV.pth" in message
    assert "1qJDYn3Ibpquu4ffYoQmVjg1YCbr2JQep" in message
    assert str(tmp_path / "aot") in message
    assert error.value.exit_code == 4


def test_weights_are_found_by_their_official_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "deaot").mkdir()
    torch.save({"state_dict": weights("deaot.t")}, tmp_path / "deaot" / "DeAOTT_PRE_YTB_DAV.pth")
    assert isinstance(load_adapter("deaot.t", device="cpu"), AOTAdapter)


def test_folding_norms_changes_rounding_only() -> None:
    encoder = MobileNetV2(FrozenBatchNorm).eval()
    filled = {
        n: torch.from_numpy(np.asarray(UNTRAINED.values(f"encoder.{n}", tuple(t.shape))))
        for n, t in encoder.state_dict().items()
    }
    encoder.load_state_dict(filled)
    image = torch.randn(1, 3, 65, 81, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = encoder(image)
        fold_frozen_norms(encoder)
        assert not any(isinstance(m, FrozenBatchNorm) for m in encoder.modules())
        for a, b in zip(before, encoder(image), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
