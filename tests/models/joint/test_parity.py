"""Recorded runs of the official code: every step of every object, free-running."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recordings import Recording

from robust_vos_bench.adapters.joint.network import JOINT
from robust_vos_bench.models import load_adapter

from .golden import Noted, clip, compare, largest

# What torch says when oneDNN is switched off and on, on every machine without an Intel GPU.
pytestmark = pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")


@pytest.fixture(scope="module")
def network() -> JOINT:
    """Untrained."""
    adapter: Any = load_adapter("joint", "random", "cpu")
    found: JOINT = adapter.network
    return found


def held(shared: Path, network: JOINT, run: str, patch: pytest.MonkeyPatch, frames: int | None = None) -> set[str]:
    """Play (the first frames of) a recorded run; returns the fields that were compared.

    With torch's own convolutions: those of oneDNN round by processor, and with AVX-512 four times as much.
    """
    with torch.backends.mkldnn.flags(enabled=False):
        return _held(shared, network, run, patch, frames, fields=True)


def _held(
    shared: Path, network: JOINT, run: str, patch: pytest.MonkeyPatch, frames: int | None, fields: bool
) -> set[str]:
    golden = Recording.read(shared / "models" / "joint" / "golden" / f"{run}.npz")
    video = clip(shared, golden, frames)
    noted = Noted(network, golden, patch)
    compared, wrong = set(), 0
    for t, mask in noted.play(video):
        probabilities = noted.session.probabilities[1:].numpy()
        for number, note in zip(noted.session.ids.ids, noted.notes):
            compared |= compare(note, golden, f"_t{t}_obj{number}") if fields else set()
        if t == 1:
            stats = [(float(note.mean()), float(note.std())) for note in layers(noted)]
            assert largest(stats, golden["backbone_stats"]) < 1e-4
        if t:
            assert list(golden[f"ids_t{t}"]) == noted.session.ids.ids
            means = golden["prob_mean"][t - 1, : len(probabilities)]
            assert largest(probabilities.mean((1, 2)), means) < 2e-6
        if f"prob_s2_f16_t{t}" in golden:
            assert largest(probabilities[:, ::2, ::2], golden[f"prob_s2_f16_t{t}"]) < 2e-3
        wrong += int((mask != golden["labels"][t]).sum())
    assert wrong / np.prod(golden["labels"][: len(video)].shape) <= 2e-5
    return compared


def layers(noted: Noted) -> list[Any]:
    """The backbone's maps of the first object."""
    return [noted.notes[0][f"layer{i}"] for i in (1, 2, 3, 4)]


def test_two_frames_of_one_object(shared: Path, network: JOINT, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published size of regions."""
    compared = held(shared, network, "single_480", monkeypatch, 2)
    assert {"init_layer3_c128", "gn_losses", "enc_learner", "enc_transformer", "logit_crop_s4_f16", "paste"} <= compared


def test_three_frames_of_three_objects(shared: Path, network: JOINT, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is remembered, and the filters are fitted again."""
    compared = held(shared, network, "multi3_240", monkeypatch, 3)
    assert {"sample_weights", "prevmask_crop_mean", "filter_c64", "patch_u8_s4", "logit_crop_s2_f16"} <= compared


def test_what_comes_out_with_the_convolutions_of_a_run(
    shared: Path, network: JOINT, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masks, probabilities and the statistics of the backbone, with oneDNN where this machine has it."""
    _held(shared, network, "multi3_240", monkeypatch, 3, fields=False)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["single_480", "multi3_240", "late3_240_interval2_mem3"])
def test_whole_clips(shared: Path, network: JOINT, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one has an object that comes late, and a memory of three frames that overflows."""
    compared = held(shared, network, run, monkeypatch)
    golden = Recording.read(shared / "models" / "joint" / "golden" / f"{run}.npz")
    assert compared == {re.sub(r"_t\d+_obj\d+$", "", key) for key in golden.arrays if "_obj" in key}
