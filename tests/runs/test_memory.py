"""Out of memory in one unit: that cell fails and says how much was in use; the run goes on; a retry picks it up."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.conditions import CLEAN
from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.plan import Group
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.work.worker import Worker
from robust_vos_bench.system import memory

MODELS = Path(__file__).with_name("models.py")


@pytest.fixture
def call(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)

    def run(*more: object) -> int:
        words = ["run", "--model", f"{MODELS}:OutOfMemory", "--dataset", "folder", "--data-root", clips]
        words += ["--corruption", "pixelate", "--severity", 3, "--workers", 1, "--output", tmp_path / "out", *more]
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        return int(str(left.value.code))

    return run


def test_the_cell_fails_the_run_goes_on_and_missing_is_run_again(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call() == 3
    told = capsys.readouterr().err
    assert "out of memory on cpu" in told and "GiB at the peak" in told and "20.00 GiB" in told
    store = RunStore(tmp_path / "out")
    for condition in ("clean", "pixelate-3"):
        records = store.records(condition, "out_of_memory")
        assert records["a"].ok and records["c"].ok and not records["b"].ok
        assert records["b"].peak_rss_mib > 0
    before = (tmp_path / "out" / "cells" / "clean" / "out_of_memory.jsonl").read_text()

    assert call("--overwrite", "never") == 3
    assert (tmp_path / "out" / "cells" / "clean" / "out_of_memory.jsonl").read_text() == before

    (tmp_path / "enough").touch()
    assert call("--overwrite", "missing") == 0
    assert "resuming: 4 done, 2 to do" in capsys.readouterr().err
    assert all(record.ok for record in store.records("clean", "out_of_memory").values())


def test_memory_is_given_back(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = build_plan(
        [build_model(f"{MODELS}:OutOfMemory")], open_dataset("folder", clips), [], PresetInfo("custom", 0, "", ())
    )
    worker = Worker(plan, "cpu", tmp_path)
    assert [record.ok for record, *_ in worker.run(Group(CLEAN, "a", (0,)))] == [True]
    adapter = weakref.ref(worker._adapters[0])
    assert [record.ok for record, *_ in worker.run(Group(CLEAN, "b", (0,)))] == [False]
    gc.collect()
    assert adapter() is None, "the model that ran out of memory is still held"
    assert [record.ok for record, *_ in worker.run(Group(CLEAN, "c", (0,)))] == [True]  # loaded again


def test_what_counts_as_out_of_memory() -> None:
    import torch

    try:
        try:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        except RuntimeError as cause:
            raise ValueError("wrapped") from cause
    except ValueError as error:
        assert memory.ran_out(error)
    assert memory.ran_out(MemoryError())
    assert not memory.ran_out(RuntimeError("CUDA error: device-side assert triggered"))
