"""The fit: its terms against their definition, its derivatives, and its objective against the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from robust_vos_bench.adapters.frtm.errors_on_grid import Errors, pixel_weights
from robust_vos_bench.adapters.frtm.network import tensor_of
from robust_vos_bench.adapters.frtm.remembered import Remembered
from robust_vos_bench.adapters.frtm.solver import Cells, FilterAlone, Problem, WholeModel, conjugate_gradients, fitted
from robust_vos_bench.adapters.frtm.target import FAST, Fitting, Target, initial

from .golden import OBJECTS, Fits, adapter, clip, recorded, sample_features, samples, unfolded

SHAPES = [((5, 7), (40, 51)), ((1, 1), (9, 7)), ((2, 3), (31, 40)), ((4, 4), (4, 4))]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def enlarged(scores: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(scores[:, None], size, mode="bilinear", align_corners=False)[:, 0]


@pytest.mark.parametrize(("grid", "size"), SHAPES)
def test_errors_on_the_grid_are_those_of_pixels(grid: tuple[int, int], size: tuple[int, int]) -> None:
    """Sums, and half their gradients, of two samples with weights and soft labels of any kind."""
    labels, weights, scores = noise(2, *size), noise(2, *size, seed=1).abs(), noise(2, *grid, seed=2)
    errors = Errors.joined([Errors.of(label, weight, grid) for label, weight in zip(labels, weights)])
    scores.requires_grad_(True)
    sums = (weights * (enlarged(scores, size) - labels)).square().sum((1, 2))
    (gradient,) = torch.autograd.grad(sums.sum(), scores)
    torch.testing.assert_close(errors.sums(scores.detach()), sums.detach(), rtol=1e-10, atol=1e-9)
    half = errors.applied(scores.detach()) - errors.pulled
    torch.testing.assert_close(half, gradient / 2, rtol=1e-9, atol=1e-9)


def problems() -> list[tuple[Problem, list[Tensor]]]:
    """Both, of two samples of 6 channels on 3 x 4 cells."""
    errors = Errors.joined([Errors.of(noise(20, 30, seed=i), noise(20, 30, seed=9 + i), (3, 4)) for i in range(2)])
    weights = torch.tensor([0.7, 0.3])
    whole, alone = Cells(noise(2, 6, 3, 4)), Cells(noise(2, 96, 3, 4))
    project, filters = noise(96, 6, seed=3), noise(96, 9, seed=4)
    return [(WholeModel(whole, errors, weights), [project, filters]), (FilterAlone(alone, errors, weights), [filters])]


def residuals(problem: Problem, parameters: list[Tensor]) -> Tensor:
    """As they are written down: two convolutions, enlarged, weighted; and the penalties."""
    x = problem.cells.rows.permute(0, 3, 1, 2)
    if len(parameters) == 2:
        x = F.conv2d(x, parameters[0][:, :, None, None])
    scores = F.conv2d(x, parameters[-1].unflatten(1, (3, 3))[None], padding=1)[:, 0]
    found = enlarged(scores, (20, 30))
    parts = [
        w.sqrt() * noise(20, 30, seed=9 + i) * (found[i] - noise(20, 30, seed=i))
        for i, w in enumerate(problem.weights[:, 0, 0])
    ]
    return torch.cat(
        [part.flatten() for part in parts] + [m * p.flatten() for m, p in zip(problem.damping, parameters)]
    )


@pytest.mark.parametrize("which", [0, 1])
def test_derivatives_are_those_of_autograd(which: int) -> None:
    """Objective, J^T r and J^T J d, with any gradient mode of the caller."""
    problem, parameters = problems()[which]
    step = [noise(*p.shape, seed=20 + i) for i, p in enumerate(parameters)]
    around = [[p + sign * s for p, s in zip(parameters, step)] for sign in (1, -1)]
    moved = (residuals(problem, around[0]) - residuals(problem, around[1])) / 2  # exact: they are of second degree
    leaves = [p.clone().requires_grad_(True) for p in parameters]
    r = residuals(problem, leaves)
    pulled = [torch.autograd.grad(r, leaves, v.detach(), retain_graph=True) for v in (r, moved)]
    r = r.detach()
    for mode in (torch.no_grad, torch.enable_grad, torch.inference_mode):
        with mode():
            assert problem.objective(parameters) == pytest.approx(float(r.square().sum()), rel=1e-10)
            slope, normal = problem.slope(parameters), problem.normal(parameters, step)
        for ours, theirs in zip(slope, pulled[0]):
            torch.testing.assert_close(-ours.clone(), theirs, rtol=1e-9, atol=1e-7)
        for ours, theirs in zip(normal, pulled[1]):
            torch.testing.assert_close(ours.clone(), theirs, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("fletcher_reeves", [False, True])
def test_conjugate_gradients_solve(fletcher_reeves: bool) -> None:
    """Two tensors of ten numbers: ten steps are the exact solution, with either rule; fewer are less."""
    half = noise(10, 10)
    matrix = half @ half.T + torch.eye(10, dtype=torch.float64)
    right = noise(10, seed=1)

    def product(p: list[Tensor]) -> list[Tensor]:
        return list((matrix @ torch.cat(p)).split([6, 4]))

    found = conjugate_gradients(product, right.split([6, 4]), (0.5, 2.0), 10, fletcher_reeves)  # type: ignore[arg-type]
    torch.testing.assert_close(torch.cat(found), torch.linalg.solve(matrix, right), rtol=1e-6, atol=1e-8)
    few = conjugate_gradients(product, right.split([6, 4]), (0.5, 2.0), 3, fletcher_reeves)  # type: ignore[arg-type]
    assert float((torch.cat(few) - torch.cat(found)).norm()) > 1e-3


def test_nothing_to_do_is_done_in_no_steps() -> None:
    assert torch.equal(conjugate_gradients(lambda p: list(p), [torch.zeros(3)], (1.0,), 5)[0], torch.zeros(3))


def test_a_fit_lowers_its_objective() -> None:
    for problem, parameters in problems():
        found = [problem.objective(fitted(problem, parameters, (5, 10, 10)[:count])) for count in range(4)]
        assert found[3] < found[2] < found[1] < found[0]


def test_first_weights_are_those_of_torch_seeded_with_zero(shared: Path) -> None:
    """And the global generator is left alone."""
    before = torch.get_rng_state()
    for run, step in (("rn18_multi3", 16), ("rn101_single_skip3", 64)):
        project, weights = initial(adapter(run).network.channels, torch.Generator().manual_seed(0))
        assert np.array_equal(project[:, ::step], recorded(shared, run)["w0_project_sub_obj1"])
        assert np.array_equal(weights, recorded(shared, run)["w0_filter_obj1"].reshape(96, 9))
    assert torch.equal(before, torch.get_rng_state())
    sums = [float(p.double().sum()) for p in initial(1024, torch.Generator().manual_seed(0))]
    np.testing.assert_allclose(sums, [2.203088, 0.148615], atol=1e-5)


@pytest.mark.parametrize(("run", "i"), OBJECTS)
def test_pixel_weights(shared: Path, run: str, i: int) -> None:
    found = [pixel_weights(torch.from_numpy(mask)) for mask in samples(shared, run, i).masks]
    ours = np.array([[float(w.min()) for w in found], [float(w.max()) for w in found]])
    np.testing.assert_allclose(ours, recorded(shared, run)[f"pixw_minmax_obj{i}"], rtol=1e-6)


def test_pixel_weights_of_odd_masks() -> None:
    """No pixel, less than ten, all of them: positive and finite; a small object counts as a tenth of the frame."""
    mask = torch.zeros(40, 50)
    assert torch.equal(pixel_weights(mask), torch.ones(40, 50))
    mask[0, :9] = 1
    assert torch.equal(pixel_weights(mask), torch.ones(40, 50))
    mask[0, :20] = 1
    found = pixel_weights(mask).square()
    assert float(found[0, 0]) == pytest.approx(10) and float(found[1, 0]) == pytest.approx(0.9 / 0.99)
    assert torch.equal(pixel_weights(torch.ones(40, 50)), torch.ones(40, 50))


@pytest.mark.parametrize(("run", "i"), [o for o in OBJECTS if o[0] != "rn18_late3_skip3" or o[1] == 3])
def test_the_first_fit_against_the_float32_run(shared: Path, run: str, i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first step equal; later official objectives are larger, as those steps suffer from rounding.

    By up to 29 % of ours: so are they in the official code's own run in float64.
    """
    golden = recorded(shared, run)
    found = sample_features(shared, run, i)
    stats = [float(found.mean()), float(found.std()), float(found.max())]
    np.testing.assert_allclose(stats, golden[f"feat_stats_obj{i}"], rtol=1e-5)
    masks, fits = torch.from_numpy(samples(shared, run, i).masks), Fits(monkeypatch)
    with torch.no_grad():
        target = Target.begun(found, masks, torch.Generator().manual_seed(0), Fitting())
    rows, log = golden[f"gn_init_obj{i}"], [step for fit in fits.all for step in fit]
    assert [step.steps for step in log] == rows[:, 0].tolist()
    assert log[0].objective == pytest.approx(rows[0, 1], rel=1e-5)
    assert log[0].slope == pytest.approx(rows[0, 2], rel=1e-5)
    for step, row in zip(log, rows):
        assert 0.75 * row[1] < step.objective < 1.001 * row[1]
    assert float(target.filter.norm()) == pytest.approx(rows[-1, 3], rel=0.05)
    assert float(target.project.norm()) == pytest.approx(rows[-2, 3], rel=0.05)
    sub = golden[f"w1_project_sub_obj{i}"]
    assert np.abs(target.project[:, :: target.project.shape[1] // 16].numpy() - sub).max() < 0.1


@pytest.mark.parametrize("run", ["rn18_multi3", "rn101_single_skip3"])
def test_features_of_samples(shared: Path, run: str) -> None:
    """Of one object, on every second cell; norms are folded here."""
    found = sample_features(shared, run, 1)
    golden = recorded(shared, run)["feat_aug_s2_obj1"]
    assert np.abs(found[:, :: found.shape[1] // 16, ::2, ::2].numpy() - golden).max() < 1e-4


@pytest.mark.parametrize("i", [1, 2, 3])
def test_the_fit_in_float64(shared: Path, i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two linearisations equal, the others in their objective; then eight frames and the first update."""
    run, golden = "rn18_multi3", recorded(shared, "rn18_fit64")
    images, masks = (torch.from_numpy(part) for part in (samples(shared, run, i).images, samples(shared, run, i).masks))
    backbone, frames = unfolded().feature_extractor, list(clip(shared, run).frames)
    fits = Fits(monkeypatch)
    with torch.no_grad():
        first = backbone(tensor_of(images), 4)["layer4"]
        target = Target.begun(first, masks, torch.Generator().manual_seed(0), Fitting())
        rows = golden[f"gn_init_obj{i}"]
        for k, (step, row) in enumerate(zip([step for fit in fits.all for step in fit], rows, strict=True)):
            assert step.objective == pytest.approx(row[1], rel=1e-6 if k < 2 else 1e-3)
            if k < 2:
                assert step.slope == pytest.approx(row[2], rel=1e-6)
        assert np.abs(target.project[:, ::16].numpy() - golden[f"project_obj{i}_c16"]).max() < 1e-4
        weights = golden[f"filter_obj{i}"].reshape(96, 9)
        assert np.linalg.norm(target.filter.numpy() - weights) < 0.05 * np.linalg.norm(weights)
        for t in range(1, 9):
            target.seen = t
            projected, scores = target.scores(backbone(tensor_of(torch.from_numpy(frames[t])[None]), 4)["layer4"])
            if t in (1, 8):
                assert np.abs(scores[0, 0].numpy() - golden[f"score_t{t}_obj{i}"]).max() < 3e-2
            target.learn(projected, torch.from_numpy(recorded(shared, run)["labels"][t] == i).float())
    np.testing.assert_allclose(target.memory.weights, golden[f"memory_weights_obj{i}"], atol=1e-7)
    (step,) = fits.last(target)
    assert step.objective == pytest.approx(golden[f"gn_update_obj{i}"][1], rel=1e-2)
    weights = golden[f"filter_updated_obj{i}"].reshape(96, 9)
    assert np.linalg.norm(target.filter.numpy() - weights) < 0.05 * np.linalg.norm(weights)


def test_the_fast_schedule() -> None:
    assert list(FAST.first) == [5, 10, 10, 10] and list(FAST.later) == [5]


def remembered(slots: int) -> tuple[Remembered, Errors]:
    errors = Errors(torch.zeros(5, 4, 1, 1), torch.zeros(5, 1, 1), torch.zeros(5))
    one = Errors(torch.zeros(1, 4, 1, 1), torch.zeros(1, 1, 1), torch.zeros(1))
    return Remembered(slots, torch.zeros(5, 96, 1, 1), errors), one


def test_slots_of_a_long_video() -> None:
    """In the official order; the first frame goes at the 93rd insertion."""
    memory, one = remembered(80)
    order = [memory.add(torch.zeros(96, 1, 1), one) for _ in range(94)]
    assert order == [*range(5, 80), *range(5, 11), 1, 2, 3, 4, *range(11, 18), 0, 18]
    assert float(memory.weights.sum()) == pytest.approx(1) and len(memory.features) == 80


def test_a_small_memory_keeps_its_size() -> None:
    """Eight slots: what is added takes the place of what weighs least; the sample is the new one."""
    memory, one = remembered(8)
    for k in range(30):
        lightest = int(memory.weights.argmin())
        slot = memory.add(torch.full((96, 1, 1), float(k + 1)), one)
        assert slot == lightest and float(memory.features[slot][0, 0, 0]) == k + 1
    found, errors, weights = memory.all()
    assert len(found) == len(errors.constant) == len(weights) == 8


def test_five_samples_need_five_slots() -> None:
    with pytest.raises(ValueError, match="5 samples do not fit into 4 slots"):
        remembered(4)
