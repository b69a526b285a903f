"""Names and shapes are the official ones; refiner and backbone load from their files, and wrong files are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from robust_vos_bench.adapters.frtm.network import FRTM, Depth
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.checkpoint import describe_diff
from robust_vos_bench.models.torch_adapter import fill_untrained
from robust_vos_bench.models.untrained import Untrained

FILES: dict[Depth, str] = {"resnet101": "resnet101-5d3b4d8f.pth", "resnet18": "resnet18-5c106cde.pth"}


@pytest.mark.parametrize("depth", ["resnet101", "resnet18"])
def test_inventory(shared: Path, depth: Depth) -> None:
    """Every entry of the official state_dict, and nothing else."""
    found = json.loads((shared / "models" / "frtm" / "keys" / f"frtm_{depth}.json").read_text())
    with torch.device("meta"):
        network = FRTM(depth)
    ours = {f"refiner.{name}": tuple(tensor.shape) for name, tensor in network.refiner.state_dict().items()}
    assert describe_diff({name: tuple(shape) for name, shape in found.items()}, ours) == [] and len(ours) == 140
    assert network.channels == (1024 if depth == "resnet101" else 256)


@pytest.fixture
def network() -> FRTM:
    """With other numbers than recipe weights."""
    made = FRTM("resnet18")
    fill_untrained(made, Untrained(scales={"running_mean": (0, 0.1)}))
    return made


@pytest.fixture
def checkpoint(network: FRTM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As published: `model` holds the refiner; no backbone lies anywhere."""
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path / "weights"))
    state = {f"refiner.{name}": tensor for name, tensor in network.refiner.state_dict().items()}
    torch.save({"model": state}, tmp_path / "rn18_all.pth")
    return tmp_path / "rn18_all.pth"


def backbone(network: FRTM, folder: Path, **changed: Any) -> None:
    """torchvision's file: with a classifier, without counters."""
    state = {n: t for n, t in network.feature_extractor.state_dict().items() if not n.endswith("num_batches_tracked")}
    state |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000), **changed}
    (folder / "weights" / "frtm").mkdir(parents=True)
    torch.save(state, folder / "weights" / "frtm" / FILES["resnet18"])


def test_both_files_load(network: FRTM, checkpoint: Path) -> None:
    backbone(network, checkpoint.parent)
    loaded: Any = load_adapter("frtm.resnet18", checkpoint, "cpu")
    image = torch.rand(1, 3, 40, 50) * 255
    with torch.no_grad():
        maps, expected = loaded.network.feature_extractor(image), network.eval().feature_extractor(image)
        scores = torch.rand(1, 1, 3, 4)
        ours, theirs = (
            n.refiner.logits(scores, n.refiner.reduced(expected), (40, 50), False) for n in (loaded.network, network)
        )
    assert [tuple(maps[f"layer{i}"].shape[2:]) for i in (2, 3, 4, 5)] == [(10, 13), (5, 7), (3, 4), (2, 2)]
    for name in maps:
        torch.testing.assert_close(maps[name], expected[name], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_missing_backbone_is_named(checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match=r"(?s)resnet18-5c106cde\.pth: .*weights get resnet18-5c106cde\.pth"):
        load_adapter("frtm.resnet18", checkpoint, "cpu")


def test_a_wrong_backbone_is_named(network: FRTM, checkpoint: Path) -> None:
    backbone(network, checkpoint.parent, **{"layer4.2.conv1.weight": torch.zeros(512, 2048, 1, 1)})
    with pytest.raises(WeightsError, match=r"(?s)resnet18-5c106cde.*unexpected: layer4\.2\.conv1\.weight"):
        load_adapter("frtm.resnet18", checkpoint, "cpu")


def test_a_checkpoint_of_another_system_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"key_proj.d_proj.weight": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"of XMem: run it with --model xmem --checkpoint FILE"):
        load_adapter("frtm", file, "cpu")


def test_the_checkpoint_of_the_other_backbone_is_named(checkpoint: Path) -> None:
    message = "FRTM with ResNet-18, and this model has ResNet-101: run it with --model frtm.resnet18 --checkpoint FILE"
    with pytest.raises(WeightsError, match=message):
        load_adapter("frtm", checkpoint, "cpu")


def test_a_missing_tensor_is_named(network: FRTM, checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["model"]
    del state["refiner.project.conv2.weight"]
    torch.save({"model": state}, checkpoint)
    with pytest.raises(WeightsError, match=r"missing: project\.conv2\.weight"):
        load_adapter("frtm.resnet18", checkpoint, "cpu")
