"""The first predicted frame, free-running, against every recorded intermediate of the official code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recordings import Recording

from robust_vos_bench.adapters.aoc.conditioning import ConditioningBlock
from robust_vos_bench.adapters.aoc.model import AOC, RPCM
from robust_vos_bench.adapters.cfbi_line.preparation import prepare

from .golden import Replay, clip, golden

BLOCKS = {
    "layer1_ch32s2": "layer1",
    "layer2_ch32s2": "layer2",
    "layer5_ch32s2": "layer5",
    "aspp_ch32s2": "ASPP",
    "m1_ch32s2": "M1_Bottleneck_3",
    "m2_ch32s2": "M2_Bottleneck_3",
}


def observed(adapter: RPCM) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """Outputs of the modules that the golden files hold, and the hooks to remove."""
    found: dict[str, torch.Tensor] = {}
    head = adapter.network.dynamic_seghead

    def keep(key: str, module: torch.nn.Module, inputs: bool = False) -> Any:
        def hook(_: Any, arguments: Any, output: torch.Tensor) -> None:
            found[key] = (arguments[0] if inputs else output).clone()

        return module.register_forward_hook(hook)

    hooks = [keep(key, head.get_submodule(name)) for key, name in BLOCKS.items()]
    hooks.append(keep("prehead_in_s2", adapter.network.dynamic_prehead, inputs=True))
    hooks.append(keep("prehead_out_ch8s2", adapter.network.dynamic_prehead))
    hooks.append(keep("head", head.get_submodule("IA1.IA"), inputs=True))
    for b in range(2, 6):
        if isinstance(block := getattr(head, f"CLB{b}", None), ConditioningBlock):
            hooks.append(keep(f"clb{b}_parts", block.mlp_layer, inputs=True))
            hooks.append(keep(f"clb{b}_code", block.mlp_layer))
    return found, hooks


def compare(found: dict[str, torch.Tensor], recorded: Recording, prefix: str = "f1_") -> int:
    """Every recorded intermediate of frame 1; returns how many there were."""
    compared = 0
    for key, expected in recorded.arrays.items():
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or name in ("img_in", "low_ch32s2"):
            continue
        if "_cl" in name and name[-1].isdigit() and name.startswith("clb"):
            parts = found[f"{name[:4]}_parts"]
            width = (parts.shape[1] - 400) // 2
            actual = parts.split([width, width, 400], 1)[int(name[-1]) - 1]
        else:
            actual = found[name]
            step = {"ch32s2": 32, "ch8s2": 8}.get(name.rsplit("_", 1)[-1], 1)
            if actual.ndim == 4:
                actual = actual[:, ::step, ::2, ::2]
        tolerance = 2e-5 if name in ("head", "prehead_in_s2") else 3e-3 if "_cl" in name else 5e-4
        np.testing.assert_allclose(actual.numpy(), expected, atol=tolerance, rtol=1e-4, err_msg=key)
        compared += 1
    return compared


def check_prediction(replay: Replay, recorded: Recording, t: int = 1) -> None:
    predicted = replay.frames[t]
    np.testing.assert_allclose(predicted.probabilities[:, ::8, ::8].numpy(), recorded[f"prob_sub8_{t}"], atol=5e-4)
    np.testing.assert_allclose(predicted.logits.numpy(), recorded[f"logits_{t}"], atol=2e-3)
    assert (predicted.labels != recorded["labels"][t - 1]).sum() <= 40
    assert predicted.references == recorded["n_ref"][t]


def run(adapter: RPCM, shared: Path, name: str, scene: str) -> tuple[Replay, int]:
    recorded = golden(shared, f"{name}_{scene}")
    found, hooks = observed(adapter)
    try:
        replay = Replay(adapter).run(clip(shared, scene, 2))
    finally:
        for hook in hooks:
            hook.remove()
    check_prediction(replay, recorded)
    return replay, compare(found, recorded)


def test_aoc_three_objects(shared: Path, aoc: AOC) -> None:
    assert run(aoc, shared, "aoc", "multi3")[1] == 9 + 16


@pytest.mark.slow
def test_aoc_one_object(shared: Path, aoc: AOC) -> None:
    assert run(aoc, shared, "aoc", "single")[1] == 9 + 16


def test_rpcm_three_objects(shared: Path, rpcm: RPCM) -> None:
    assert run(rpcm, shared, "rpcm", "multi3")[1] == 9


@pytest.mark.slow
def test_rpcm_late_object(shared: Path, rpcm: RPCM) -> None:
    assert run(rpcm, shared, "rpcm", "late")[1] == 1


@pytest.mark.slow
def test_rpcm_second_frame_runs_free(shared: Path, rpcm: RPCM) -> None:
    replay = Replay(rpcm).run(clip(shared, "multi3", 3))
    check_prediction(replay, golden(shared, "rpcm_multi3"), 2)


@pytest.mark.parametrize(
    ("reading", "prefix", "tolerance", "pixels"), [("inclusive", "incl_", 1e-2, 120), ("map", "map_", 2e-3, 40)]
)
def test_other_readings_of_the_conditioning_block(
    shared: Path, aoc: AOC, reading: str, prefix: str, tolerance: float, pixels: int
) -> None:
    # under "inclusive" two of the selections are near ties (scores apart by 6e-6 and 2e-6): float rounding decides
    # which location is kept, and one location moves logits by 5e-3 and 80 pixels
    variants = golden(shared, "aoc_multi3_variants")
    blocks = [m for m in aoc.network.modules() if isinstance(m, ConditioningBlock)]
    found, hooks = observed(aoc)
    try:
        for block in blocks:
            block.reading = reading
        predicted = Replay(aoc).run(clip(shared, "multi3", 2)).frames[1]
    finally:
        for block in blocks:
            block.reading = "strict"
        for hook in hooks:
            hook.remove()
    assert compare(found, variants, f"{prefix}f1_") == 12
    expected, strict = variants[f"{prefix}logits_1"], golden(shared, "aoc_multi3")["logits_1"]
    np.testing.assert_allclose(predicted.logits.numpy(), expected, atol=tolerance)
    assert np.abs(predicted.logits.numpy() - expected).mean() < np.abs(strict - expected).mean() / 3
    assert (predicted.labels != variants[f"{prefix}label_1"]).sum() <= pixels


@pytest.mark.parametrize("t", [0, 1])
def test_embeddings_and_input(shared: Path, aoc: AOC, t: int) -> None:
    image = prepare(list(clip(shared, "multi3", 2).frames)[t], (241, 433))
    embedded = aoc.network.embed(image)
    expected = golden(shared, f"camel_f{t}_embedding")[f"f{t}_embedding"][0]
    np.testing.assert_allclose(embedded.embedding.numpy(), expected, atol=3e-5)
    for name in ("aoc_multi3", "rpcm_multi3"):  # weights by name: both networks have the same backbone
        recorded = golden(shared, name)
        np.testing.assert_allclose(image[:, :, ::6, ::6].numpy(), recorded[f"f{t}_img_in"], atol=1e-6)
        np.testing.assert_allclose(embedded.low[:, ::32, ::2, ::2].numpy(), recorded[f"f{t}_low_ch32s2"], atol=1e-4)
