"""Names and shapes are the official ones; checkpoints load strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from robust_vos_bench.adapters.memory.stcn import STCNAdapter
from robust_vos_bench.adapters.memory.xmem import Widths, XMem, XMemAdapter
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models import find_entry
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
}


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
    assert describe_diff(keys(shared, FAMILIES[model]), ours) == []


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
