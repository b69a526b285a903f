"""Recorded runs of the official code, the clips they ran on, and what is made of them once for many tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recordings import Recording
from torch import Tensor

from robust_vos_bench.adapters.frtm import target
from robust_vos_bench.adapters.frtm.adapter import FRTMAdapter
from robust_vos_bench.adapters.frtm.augmentation import Samples, augmented
from robust_vos_bench.adapters.frtm.network import FRTM, tensor_of
from robust_vos_bench.adapters.frtm.solver import Problem, fitted
from robust_vos_bench.adapters.frtm.target import Target
from robust_vos_bench.adapters.frtm.untrained import UNTRAINED
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.torch_adapter import fill_untrained

RUNS = ("rn18_multi3", "rn18_late3_skip3", "rn101_single_skip3")
OBJECTS = [(run, i) for run in RUNS for i in ((1,) if "single" in run else (1, 2, 3))]
MODEL = {"rn18": "frtm.resnet18", "rn101": "frtm"}


@lru_cache
def recorded(shared: Path, run: str) -> Recording:
    """The arrays and settings of one run."""
    return Recording.read(shared / "models" / "frtm" / "golden" / f"{run}.npz")


@lru_cache
def clip(shared: Path, run: str) -> Video:
    """The frames in the order of a run, 238 x 427, with its masks."""
    golden = recorded(shared, run)
    arrays = Recording.read(shared / "models" / "family" / "golden" / "inputs.npz").arrays
    scene = golden.meta["scene"]
    if scene == "late3":
        prompts = {0: arrays["mask_late_t0"], 4: np.where(arrays["mask_late_t4"] == 3, 3, 0)}
    else:
        prompts = {0: arrays[f"mask_{scene}"]}
    masks = {t: np.asarray(mask).astype(np.uint8) for t, mask in prompts.items()}
    return Video.from_arrays([arrays["frames"][i] for i in golden.meta["order"]], masks, name=run)


@lru_cache
def adapter(run: str) -> FRTMAdapter:
    """The model of a run with recipe weights, and its interval between fits."""
    every = 3 if run.endswith("skip3") else 8
    found: Any = load_adapter(MODEL[run.split("_")[0]], "random", "cpu", update_every=every)
    assert isinstance(found, FRTMAdapter)
    return found


@lru_cache
def unfolded() -> FRTM:
    """The network of the ResNet-18 runs before norms are folded: the fit magnifies even that rounding."""
    network = FRTM("resnet18")
    fill_untrained(network, UNTRAINED)
    return network.eval()


def start(shared: Path, run: str, i: int) -> int:
    """The frame on which an object appears."""
    return next(t for t, mask in clip(shared, run).prompts.items() if (mask == i).any())


@lru_cache
def samples(shared: Path, run: str, i: int) -> Samples:
    """Of an object's first frame, drawn as official."""
    video, t = clip(shared, run), start(shared, run, i)
    mask = (video.prompts[t] == i).astype(np.uint8)
    return augmented(list(video.frames)[t], mask, np.random.RandomState(0))


@lru_cache
def sample_features(shared: Path, run: str, i: int) -> Tensor:
    """Of these samples, 5 x C x 15 x 27."""
    images = torch.from_numpy(samples(shared, run, i).images)
    with torch.no_grad():
        return adapter(run).network.feature_extractor(tensor_of(images), 4)["layer4"]


@lru_cache
def features(shared: Path, run: str, t: int) -> dict[str, Tensor]:
    """All maps of a frame."""
    frame = torch.from_numpy(list(clip(shared, run).frames)[t])[None]
    with torch.no_grad():
        return adapter(run).network.feature_extractor(tensor_of(frame))


@dataclass(frozen=True)
class Step:
    """One linearisation: what was there before it moved."""

    steps: int
    """Of conjugate gradients."""
    objective: float
    slope: float
    """Length of J^T r."""


class Fits:
    """A note of every fit, made step by step while `patch` lasts."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.all: list[list[Step]] = []
        """In order: a target's first one, of both convolutions; then those of its filter."""
        self._of: dict[int, list[Step]] = {}
        plain = Target.fit

        def fit(one: Target) -> None:
            plain(one)
            self._of[id(one)] = self.all[-1]

        patch.setattr(target, "fitted", self._fitted)
        patch.setattr(Target, "fit", fit)

    def last(self, one: Target) -> list[Step]:
        """The steps of this target's last fit."""
        return self._of[id(one)]

    def _fitted(
        self, problem: Problem, parameters: Sequence[Tensor], schedule: Sequence[int], fletcher_reeves: bool = False
    ) -> list[Tensor]:
        theta, log = [p.double() for p in parameters], []
        for steps in schedule:
            slope = sum(float(part.square().sum()) for part in problem.slope(theta)) ** 0.5
            log.append(Step(steps, problem.objective(theta), slope))
            theta = fitted(problem, theta, (steps,), fletcher_reeves)
        self.all.append(log)
        return theta
