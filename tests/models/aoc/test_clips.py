"""Whole recorded clips with the recorded labels (and clusterings) fed back: free-running is chaotic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.adapters.aoc.memory import UNCERTAIN
from robust_vos_bench.adapters.aoc.model import AOC, RPCM

from .golden import Replay, clip, golden

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "scene"), [("aoc", "single"), ("aoc", "multi3"), ("rpcm", "multi3"), ("rpcm", "late")]
)
def test_clip(shared: Path, aoc: AOC, rpcm: RPCM, name: str, scene: str) -> None:
    recorded = golden(shared, f"{name}_{scene}")
    adapter = aoc if name == "aoc" else rpcm
    clusters = recorded if name == "aoc" else None
    replay = Replay(adapter, recorded["labels"], clusters).run(clip(shared, scene, 8))
    for t in range(1, 8):
        predicted = replay.frames[t]
        probabilities = predicted.probabilities[:, ::8, ::8].numpy()
        np.testing.assert_allclose(probabilities, recorded[f"prob_sub8_{t}"], atol=5e-4, err_msg=f"frame {t}")
        if t in (1, 2, 6):
            np.testing.assert_allclose(predicted.logits.numpy(), recorded[f"logits_{t}"], atol=2e-3)
        assert (predicted.labels != recorded["labels"][t - 1]).sum() <= 40
        assert predicted.references == recorded["n_ref"][t]
    remembered = {t: p.remembered for t, p in replay.frames.items() if p.remembered is not None}
    assert sorted(remembered) == ([3, 5] if scene == "late" else [5])
    if "refmask_last_6" in recorded:
        newest = remembered[5]
        assert newest is not None
        assert (newest == UNCERTAIN).any()
        assert (newest != recorded["refmask_last_6"]).sum() <= 40
