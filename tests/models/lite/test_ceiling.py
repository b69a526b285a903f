"""`benchmarks/ceiling.py`: what is told to the memory is what is remembered, the grid keeps what it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.models import load_adapter

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def ceiling(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, importable with what lies beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import ceiling

    return ceiling


@pytest.mark.parametrize("model", ["aoc.lite", "cfbi.lite", "aot.lite"])
def test_a_memory_that_is_told_what_it_predicted_predicts_the_same(ceiling: Any, model: str) -> None:
    video = open_dataset("demo").video("cat")
    adapter = load_adapter(model, device="cpu")
    closed = list(adapter.segment(video))
    again = list(ceiling.told(adapter, video, [np.asarray(mask > 0, np.uint8) for mask in closed]))
    assert all(np.array_equal(a, b) for a, b in zip(closed, again, strict=True))
    other = [np.roll(mask, 40, 1) for mask in closed]
    misled = list(ceiling.told(adapter, video, other))
    assert not np.array_equal(misled[-1], closed[-1])


def test_the_grid_keeps_a_disk_and_loses_a_line(ceiling: Any) -> None:
    rows, columns = np.mgrid[:480, :854]
    disk = ((rows - 200) ** 2 + (columns - 300) ** 2 < 90**2).astype(np.uint8)
    line = ((rows - 200) % 40 == 0).astype(np.uint8)
    kept = ceiling.on_grid(disk)
    assert (kept & disk).sum() / (kept | disk).sum() > 0.98
    assert ceiling.on_grid(line).sum() < 0.5 * line.sum()
    small = disk[60:360, 150:450]
    assert (ceiling.on_grid(small) & small).sum() / (ceiling.on_grid(small) | small).sum() > 0.98, "never enlarged"


def test_videos_with_several_objects_are_refused(ceiling: Any, capsys: pytest.CaptureFixture[str]) -> None:
    several = next(v for v in open_dataset("demo").videos if len(open_dataset("demo").truth(v).first_frames) > 1)
    assert ceiling.main(["--dataset", "demo", "--videos", several, "--workers", "1"]) == 4
    assert f"{several}: a video with one object" in capsys.readouterr().err
