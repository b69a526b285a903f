"""Names and shapes are the official ones; checkpoints load strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from robust_vos_bench.adapters.common.siblings import hint, system_of
from robust_vos_bench.adapters.memory.stcn import STCNAdapter
from robust_vos_bench.adapters.memory.swem import SWEMAdapter
from robust_vos_bench.adapters.memory.swem_network import SWEM
from robust_vos_bench.adapters.memory.xmem import Widths, XMem, XMemAdapter
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import find_entry, load_adapter
from robust_vos_bench.models.checkpoint import describe_diff
from robust_vos_bench.models.options import adapter_class

from .golden import keys

FAMILIES = {
    "stcn": "STCN",
    "stm": "STM",
    "mivos": "MiVOS",
    "rde": "RDE",
    "gsfm": "GSFM",
    "qdmn": "QDMN",
    "xmem": "XMem",
    "tbd": "TBD",
    "hmmn": "HMMN",
    "swem": "SWEM",
    "afb_urr": "AFB-URR",
    "graphmem": "GraphMemVOS",
}
ALONE = ("hmmn", "swem", "afb_urr", "graphmem")
"""Systems that have a folder of their own in the reference data."""


def bare(model: str) -> nn.Module:
    """The family's network without values."""
    adapter: Any = adapter_class(find_entry(model))
    with torch.device("meta"):
        unbuilt = adapter.__new__(adapter)
        unbuilt.checkpoint = None
        network: nn.Module = adapter.build(unbuilt)
    return network


@pytest.mark.parametrize("model", FAMILIES)
def test_inventory(shared: Path, model: str) -> None:
    """Every entry of the official state_dict, and nothing else."""
    ours = {name: tuple(tensor.shape) for name, tensor in bare(model).state_dict().items()}
    folder = model if model in ALONE else "family"
    assert describe_diff(keys(shared, FAMILIES[model], folder), ours) == []


@pytest.mark.parametrize("model", FAMILIES)
def test_a_checkpoint_names_its_system(shared: Path, model: str) -> None:
    """Of the systems here, and of relatives that would be taken for one of them."""
    names = keys(shared, FAMILIES[model], model if model in ALONE else "family")
    assert system_of(names) == (model, FAMILIES[model]) and hint(names, model) == ""
    other = "stm" if model != "stm" else "hmmn"
    assert f"run it with --model {model} --checkpoint FILE" in hint(names, other)


def test_relatives_are_told_apart(shared: Path) -> None:
    """Cutie has parts of XMem, GraphMemVOS of STM."""
    assert system_of(keys(shared, "Cutie-base")) == ("cutie", "Cutie")
    assert system_of(["backbone.conv1.weight"]) is None and hint(["backbone.conv1.weight"], "stm") == ""


def test_the_checkpoint_of_a_sibling_is_named(tmp_path: Path) -> None:
    """STM's file for HMMN: what it is, and what runs it."""
    torch.save({"module.KV_M_r4.Key.weight": torch.zeros(128, 1024, 3, 3)}, tmp_path / "STM_weights.pth")
    with pytest.raises(WeightsError, match=r"does not fit HMMN:(.|\n)*checkpoint of STM: run it with --model stm"):
        load_adapter("hmmn", tmp_path / "STM_weights.pth", "cpu")


def test_swem_looks_at_as_many_bases_as_its_checkpoint(tmp_path: Path) -> None:
    """Names are the same for any number of best bases; widths are not. Too few bases for it are refused."""
    with torch.device("meta"):
        shapes = SWEM(32).state_dict()
    torch.save({n: torch.zeros(()).expand(t.shape) for n, t in shapes.items()}, tmp_path / "SWEM.pth")
    assert SWEMAdapter(tmp_path / "SWEM.pth", n_bases=32).network.top_l == 32
    with pytest.raises(UsageError, match="n_bases is 31; the weights look at the 32 best"):
        SWEMAdapter(tmp_path / "SWEM.pth", n_bases=31)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    """No layer stays random in silence."""
    state = {n: torch.zeros(t.shape) for n, t in bare("stcn").state_dict().items()}
    del state["decoder.pred.weight"]
    torch.save(state, tmp_path / "stcn.pth")
    with pytest.raises(WeightsError, match=r"missing: decoder\.pred\.weight"):
        STCNAdapter(tmp_path / "stcn.pth")


def test_static_stage_gets_zeros_for_other_objects(tmp_path: Path) -> None:
    """A file whose first convolution sees four channels loads into the network of five."""
    state = {n: torch.zeros(t.shape) for n, t in bare("stcn").state_dict().items()}
    name = "value_encoder.conv1.weight"
    state[name] = torch.ones(64, 4, 7, 7)
    state["value_encoder.bn1.weight"] += 1  # on a CPU the norm is folded into the convolution
    state["value_encoder.bn1.running_var"] += 1
    torch.save(state, tmp_path / "stcn.pth")
    loaded = STCNAdapter(tmp_path / "stcn.pth").network.state_dict()[name]
    assert loaded.shape[1] == 5
    torch.testing.assert_close(loaded[:, :4], torch.ones(64, 4, 7, 7), atol=1e-4, rtol=0)
    assert bool((loaded[:, 4] == 0).all())


def test_xmem_is_as_wide_as_its_checkpoint(tmp_path: Path) -> None:
    """A file without sensory state (XMem-no-sensory.pth) makes a network without one."""
    with torch.device("meta"):
        shapes = XMem(Widths(32, 128, 0)).state_dict()
    torch.save({n: torch.zeros(t.shape) for n, t in shapes.items()}, tmp_path / "XMem.pth")
    assert XMemAdapter(tmp_path / "XMem.pth").network.widths == Widths(32, 128, 0)
