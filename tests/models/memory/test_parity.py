"""Recorded runs of the official code: every frame of the clips, and the first predicted frame by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .golden import clip, compare, play, recorded

RUNS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("stcn", "STCN", "multi3_B", {}),
    ("stcn", "STCN", "late3_B", {}),
    ("stcn", "STCN", "multi3_memevery2_last_B", {"mem_every": 2, "include_last": True}),
    ("stm", "STM", "single_B", {}),
    ("stm", "STM", "multi3_B", {}),
    ("mivos", "MiVOS", "multi3_B", {}),
    ("rde", "RDE", "multi3_B", {}),
    ("rde", "RDE", "late3_B", {}),
    ("gsfm", "GSFM", "multi3_B", {}),
    ("gsfm", "GSFM", "late3_B", {}),
    ("qdmn", "QDMN", "multi3_B", {}),
]
FIRST = {"gsfm": 1e-2}
"""Bound of the first predicted frame where it is not 1e-3: GSFM's Fourier transforms amplify rounding."""


def scene_of(run: str) -> str:
    """The masks that a recorded run began with."""
    return run.split("_")[0]


@pytest.mark.parametrize("model, system, run, options", RUNS[:1])
def test_first_frame(shared: Path, model: str, system: str, run: str, options: dict[str, Any]) -> None:
    """Two frames: the probabilities of the second, and its labels."""
    golden = recorded(shared, system, run).arrays
    played = play(model, clip(shared, scene_of(run), 2), **options)
    assert np.abs(played.probabilities[1][:, ::2, ::2] - golden["prob_s2_f16_1"]).max() < FIRST.get(model, 1e-3)
    assert (played.labels != golden["labels"][:2]).mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("model, system, run, options", RUNS)
def test_whole_clip(shared: Path, model: str, system: str, run: str, options: dict[str, Any]) -> None:
    """Eight frames: memory schedule, late objects, labels, means of the probabilities."""
    golden = recorded(shared, system, run)
    found = compare(play(model, clip(shared, scene_of(run)), **options), golden)
    assert found["first"] < FIRST.get(model, 1e-3)
    assert found["means"] < 1e-3
    assert found["labels"] < 1e-3
