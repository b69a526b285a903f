"""An attack with gradients on the randomised model of a small network: never below the bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import robust_vos_bench as rvos
from robust_vos_bench.datasets import Dataset, Truth, Video, open_dataset
from robust_vos_bench.models import VOSAdapter
from robust_vos_bench.scoring import PackedTruth, VideoScorer

torch = pytest.importorskip("torch", reason="needs torch")
SIGMA = 0.25


def noisy(frame: np.ndarray, change: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A draw of the changed frame: float, values 0..255, rounded and clipped."""
    noise = 255.0 * SIGMA * rng.standard_normal(frame.shape)
    return np.clip(np.rint(frame + 255.0 * change + noise), 0.0, 255.0)


def attack(adapter: VOSAdapter, video: Video, truth: Truth, radius: float, steps: int, draws: int) -> np.ndarray:
    """A change of the first frame (values 0..1) of L2 norm `radius`, by EOT: gradients over fresh draws of the noise.

    Loss: 1 - soft Jaccard of the object over all later frames; steps along the normalised mean gradient with momentum,
    back onto the sphere after each. Rounding and clipping pass gradients through.
    """
    frames = [np.asarray(frame) for frame in video.frames]
    masks = [mask for mask in truth.masks if mask is not None]
    target = [torch.from_numpy(np.ascontiguousarray(mask == 1)) for mask in masks]
    rng = np.random.default_rng(11)
    change, pace = np.zeros(frames[0].shape), np.zeros(frames[0].shape)
    clean = [torch.from_numpy(np.moveaxis(frame, -1, 0).astype(np.float32)) for frame in frames]
    for step in range(steps):
        total = np.zeros(frames[0].shape)
        for _ in range(draws):
            first = np.moveaxis(noisy(frames[0], change, rng), -1, 0).astype(np.float32)
            leaf = torch.from_numpy(np.ascontiguousarray(first)).requires_grad_()
            loss = torch.zeros(())
            for t, scores in enumerate(adapter.roll_out([leaf, *clean[1:]], video)):  # type: ignore[attr-defined]
                if t and scores is not None:
                    shown = torch.softmax(scores.values, 0)[1]
                    both = (shown * target[t]).sum()
                    loss = loss + 1.0 - both / (shown.sum() + target[t].sum() - both)
            (gradient,) = torch.autograd.grad(loss, leaf)
            total += np.moveaxis(gradient.numpy().astype(np.float64), 0, -1)
        assert np.isfinite(total).all() and total.any()
        pace = 0.75 * pace + total / np.linalg.norm(total)
        change = change + radius * (1.0 if step == 0 else 0.5) * pace / np.linalg.norm(pace)
        change *= radius / np.linalg.norm(change)
    return change


def median_score(adapter: VOSAdapter, video: Video, truth: Truth, change: np.ndarray, draws: int) -> float:
    """Median J&F over fresh draws, by the adapter itself and the official scorer."""
    frames, packed, rng = [np.asarray(frame) for frame in video.frames], PackedTruth(truth), np.random.default_rng(99)
    found = []
    for _ in range(draws):
        first = noisy(frames[0], change, rng).astype(np.uint8)
        scorer = VideoScorer(packed, "davis")
        for t, mask in enumerate(adapter.segment(video.with_frames([first, *frames[1:]]))):
            scorer.add(t, mask)
        found.append(np.mean([(o.j_mean + o.f_mean) / 2.0 for o in scorer.result()]))
    return float(np.median(found))


def attacked(
    model: str, data: Dataset, name: str, ratio: float, steps: int, draws: int, output: Path
) -> dict[str, float]:
    """Bound, and the medians of the unchanged and of the attacked video."""
    done = rvos.certify(
        model, dataset=data, videos=name, draws=110, radius=ratio, pixels=False, output=output, workers=1,
        device="cpu", progress=False, offline=True,
    )  # fmt: skip
    bound = done.rows[0].bounds[0]
    adapter, video, truth = rvos.load_adapter(model, device="cpu"), data.video(name), data.truth(name)
    assert truth is not None and bound.value is not None
    change = attack(adapter, video, truth, bound.radius, steps, draws)
    assert np.linalg.norm(change) <= bound.radius * (1.0 + 1e-9)
    return {
        "bound": bound.value,
        "unchanged": median_score(adapter, video, truth, np.zeros_like(change), 40),
        "attacked": median_score(adapter, video, truth, change, 40),
    }


@pytest.mark.slow
@pytest.mark.parametrize("model", ("aot.lite", "cfbi.lite"))
def test_eot_on_the_sphere_is_never_below_the_bound(model: str, tmp_path: Path) -> None:
    if not hasattr(rvos.load_adapter(model, device="cpu"), "roll_out"):
        pytest.skip("needs models through which gradients pass (roll_out)")
    data = open_dataset("demo", videos=["cat"])
    found = attacked(model, data, "cat", 1.0, 6, 3, tmp_path / "run")
    assert found["attacked"] < found["unchanged"], f"the attack changes nothing, so it shows nothing: {found}"
    assert found["bound"] <= found["attacked"], found
