"""Recorded runs of the official code, teacher forced where the fit lies between: scores, logits, masks, labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from recordings import steps

from robust_vos_bench.adapters.frtm import merging
from robust_vos_bench.adapters.frtm.remembered import Remembered
from robust_vos_bench.adapters.frtm.target import Fitting, Target

from .golden import OBJECTS, RUNS, Fits, adapter, clip, features, recorded, start


@pytest.mark.parametrize(("run", "i"), [o for o in OBJECTS if o[0].startswith("rn18")])
def test_scores_of_recorded_weights(shared: Path, run: str, i: int) -> None:
    golden = recorded(shared, run)
    project = torch.from_numpy(golden[f"project_full_obj{i}"]).double()
    weights = torch.from_numpy(golden[f"w1_filter_obj{i}"].reshape(96, 9)).double()
    memory: Remembered = None  # type: ignore[assignment]
    t = start(shared, run, i)
    target = Target(project, weights, memory, Fitting())
    with torch.no_grad():
        _, scores = target.scores(features(shared, run, t + 1)["layer4"])
        assert np.abs(scores[0, 0].numpy() - golden[f"score_t{t + 1}_obj{i}"]).max() < 1e-4
        if i == 1:
            projected, _ = target.scores(features(shared, run, 0)["layer4"])
            assert np.abs(projected[::4].numpy() - golden["proj_feat0_c4_obj1"]).max() < 1e-4
        update = f"filter_after_update_t{t + 3}_obj{i}"
        if update in golden and f"score_t{t + 4}_obj{i}" in golden:  # fitted at the end of the frame before
            weights = torch.from_numpy(golden[update].reshape(96, 9)).double()
            _, scores = replace(target, filter=weights).scores(features(shared, run, t + 4)["layer4"])
            assert np.abs(scores[0, 0].numpy() - golden[f"score_t{t + 4}_obj{i}"]).max() < 1e-4


def frames(run: str) -> range:
    return range(1, 12 if "multi" in run else 8)


@pytest.mark.parametrize(("run", "t"), [(run, t) for run in RUNS for t in frames(run)])
def test_from_recorded_scores_to_labels(shared: Path, run: str, t: int) -> None:
    """Logits, merged masks and labels of every frame, an object that comes late included."""
    golden, video, network = recorded(shared, run), clip(shared, run), adapter(run).network
    ids = golden.meta["ids"]
    with torch.no_grad():
        reduced = network.refiner.reduced(features(shared, run, t))
        scores = [torch.from_numpy(golden[k])[None, None] for k in (f"score_t{t}_obj{i}" for i in ids) if k in golden]
        logits = torch.stack([network.refiner.logits(s, reduced, video.size, False) for s in scores])
    told = golden["logit_mean_std"][t - 1][: len(logits)]
    assert np.abs(logits.mean((1, 2)).numpy() - told[:, 0]).max() < 1e-5
    assert np.abs(logits.std((1, 2)).numpy() - told[:, 1]).max() < 1e-4
    if f"logits_s2_f16_t{t}" in golden:
        assert np.abs(logits[:, ::2, ::2].numpy() - golden[f"logits_s2_f16_t{t}"].astype(np.float32)).max() < 3e-3
    found = torch.sigmoid(logits)
    if t in video.prompts:
        given = torch.from_numpy(video.prompts[t] == ids[-1]).float()
        found = torch.cat([found * (1 - given), given[None]])
    merged = merging.shares(found)
    masks = merging.winners(merged)
    for name, step in (("masks_s4_f16_t1", 4), ("masks_s2_f16_last", 2)):
        if t == (1 if step == 4 else len(golden["labels"]) - 1):
            background = merged[:1] * (merged.argmax(0) == 0)
            apart = torch.cat([background, masks])[:, ::step, ::step].numpy() - golden[name].astype(np.float32)
            assert (np.abs(apart) > 2e-3).mean() < 1e-4
    labels = np.array([0, *ids])[merging.labels(masks).numpy()]
    assert (labels != golden["labels"][t]).mean() < 1e-4


def test_the_given_labels_are_returned(shared: Path) -> None:
    for run in RUNS:
        assert np.array_equal(recorded(shared, run)["labels"][0], clip(shared, run).prompts[0])


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_free_runs(shared: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory weights of every frame equal; labels drift with the fit, whose rounding decides (see docs)."""
    golden, video = recorded(shared, run), clip(shared, run)
    session, fits = adapter(run).session(video), Fits(monkeypatch)
    apart = []
    for t, mask in enumerate(steps(session, video)):
        apart.append(float((mask != golden["labels"][t]).mean()))
        key = f"memory_weights_t{t}_obj1"
        if key in golden and t < len(video) - 1:  # the last frame is not remembered here
            np.testing.assert_allclose(session.targets[0].memory.weights, golden[key], atol=1e-7)
        for i, target in enumerate(session.targets, start=1):
            if (update := f"gn_update_t{t}_obj{i}") in golden and t < len(video) - 1:
                (step,) = fits.last(target)
                assert step.objective == pytest.approx(golden[update][1], rel=0.15)
    assert apart[0] == 0 and max(apart) < (0.03 if "single" in run else 0.12)
