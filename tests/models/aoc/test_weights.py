"""Names, recipe, loading, and what happens while no weights exist."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.aoc import MODELS
from robust_vos_bench.adapters.aoc.model import RPCM
from robust_vos_bench.adapters.aoc.network import AOCNet
from robust_vos_bench.adapters.aoc.weights import ALIASES, UNTRAINED, canonical, with_aliases
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import checkpoint, find_entry, load_adapter

PAPER = [entry.name for entry in MODELS if ".lite" not in entry.name]
"""The lite models of ours have tests of their own."""


def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Untrained values of an entry, none of which is a constant."""
    return np.asarray(UNTRAINED.values(name, shape))


@pytest.mark.parametrize(("keys", "reading"), [("aoc_resnet101", "strict"), ("rpcm_resnet101", None)])
def test_official_names_shapes_and_order(shared: Path, keys: str, reading: str | None) -> None:
    expected = json.loads((shared / "models" / "aoc" / "keys" / f"{keys}.json").read_text())
    with torch.device("meta"):
        state = AOCNet(reading).state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == expected
    assert list(state) == list(expected)


def test_recipe_gives_aliases_one_value() -> None:
    for alias, original in ALIASES.items():
        assert canonical(f"{alias}weight") == f"{original}weight"
        np.testing.assert_array_equal(values(f"{alias}weight", (100,)), values(f"{original}weight", (100,)))
    assert canonical("dynamic_seghead.bn1.weight") == "dynamic_seghead.bn1.weight"


def test_recipe_is_balanced_where_the_text_says() -> None:
    bias = values("dynamic_seghead.IA_final_bg.bias", (129,))
    assert bias[-1] > 3 > np.abs(bias[:-1]).max()
    plain = values("dynamic_seghead.CLB2.CL_1.mlp_layer.weight", (256, 256)).std() * 16
    scaled = values("dynamic_seghead.CLB2.mlp_layer.weight", (256, 912)).std() * 912**0.5
    assert plain == pytest.approx(1, abs=0.02)
    assert scaled == pytest.approx(0.3, abs=0.01)


def test_checkpoint_of_the_official_training_code_loads(
    rpcm: RPCM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # optimizer beside it, module. prefix, one copy of a twice-named tensor lost, the other different
    state = {f"module.{name}": torch.zeros_like(tensor) for name, tensor in AOCNet(None).state_dict().items()}
    state["module.semantic_embedding.0.bias"] = torch.full((256,), 2.0)
    state["module.seperate_conv.bias"] = torch.full((256,), 5.0)
    del state["module.semantic_embedding.4.weight"]
    state["module.bn2.weight"] = torch.full((100,), 3.0)
    file = tmp_path / "save_step_100.pth"
    torch.save({"state_dict": state, "optimizer": {}}, file)
    network = AOCNet(None)
    rpcm.load(network, file)
    assert network.seperate_conv.bias[0] == 2.0
    assert network.bn2.weight[0] == 3.0
    assert network.dynamic_seghead.conv1.weight.abs().max() == 0


def test_wrong_files_are_named(rpcm: RPCM, tmp_path: Path) -> None:
    state = AOCNet(None).state_dict()
    state["dynamic_prehead.conv.weight"] = torch.zeros(64, 24, 1, 1)
    state["classifier.weight"] = torch.zeros(2)
    del state["fg_bias"]
    file = tmp_path / "half.pth"
    torch.save({"state_dict": state}, file)
    with pytest.raises(WeightsError) as caught:
        rpcm.load(AOCNet(None), file)
    for text in ("half.pth", "missing: fg_bias", "unexpected: classifier.weight", "dynamic_prehead.conv.weight"):
        assert text in str(caught.value)


def test_aliases_are_completed_from_either_name() -> None:
    one = torch.ones(1)
    assert with_aliases({"bn1.bias": one})["semantic_embedding.1.bias"] is one
    assert with_aliases({"semantic_embedding.1.bias": one})["bn1.bias"] is one


@pytest.mark.parametrize("name", PAPER)
def test_without_weights_the_model_says_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("RVOS_BENCH_WEIGHTS", raising=False)
    monkeypatch.setattr(checkpoint, "packaged_folder", lambda: tmp_path)  # else `aoc` stands for the lite model
    with pytest.raises(WeightsError) as caught:
        load_adapter(name)
    assert caught.value.exit_code == 4
    for text in ("never published", "--checkpoint FILE", "--checkpoint random"):
        assert text in str(caught.value)


def test_names() -> None:
    assert PAPER == ["aoc", "aoc.base", "rpcm", "rpcm.norpa"]
    assert {entry.card.family for entry in MODELS} == {"aoc", "rpcm"}
    assert all(find_entry(entry.name) is entry for entry in MODELS)


def test_listing_needs_no_torch() -> None:
    program = "import sys, robust_vos_bench.adapters.aoc; print(sorted({'torch', 'cv2', 'scipy'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("aoc", {"conditioning": "loose"}),
        ("aoc", {"mem_every": 0}),
        ("rpcm", {"max_long_edge": 10}),
        ("rpcm", {"conditioning": "map"}),
    ],
)
def test_wrong_options_are_refused(name: str, option: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        load_adapter(name, "random", "cpu", **option)
