"""The benchmark's median filter as a defence: what is attacked is what is scored, and gradients pass."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import robust_vos_bench as rvos

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize("side", [3, 5])
def test_the_filter_with_gradients_is_the_one_without(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from filtered import median

    frame = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)
    values = torch.from_numpy(frame.copy()).permute(2, 0, 1).float().requires_grad_()
    found = median(values, side)
    np.testing.assert_array_equal(found.detach().permute(1, 2, 0).numpy(), cv2.medianBlur(frame, side))
    found.sum().backward()
    assert (
        values.grad is not None and float(values.grad.sum()) == found.numel()
    )  # each goes to the value that was taken
    sys.modules.pop("filtered")


def test_a_filtered_model_is_attacked_through_the_filter() -> None:
    data = rvos.open_dataset("demo")
    video, truth = data.video("cat"), data.truth("cat")
    assert truth is not None
    short = rvos.Video.from_arrays([np.asarray(f)[:96, :128] for f in list(video.frames)[:3]],
                                   np.ascontiguousarray(video.prompts[0][:96, :128]), name="cat")  # fmt: skip
    masks = [np.ascontiguousarray(mask[:96, :128]) for mask in list(truth.masks)[:3] if mask is not None]
    known = type(truth)("cat", short.size, short.frame_names, masks, short.first_frames)
    model = rvos.load_adapter(f"{BENCHMARKS / 'filtered.py'}:Filtered", base="aot.lite", side=3)
    found = rvos.attack_video(model, short, known, rvos.Threat("linf", budget=16, frames="prompt"), steps=4)
    assert not [flag for flag in found.flags if flag.is_error]
    assert found.score < found.clean - 5
