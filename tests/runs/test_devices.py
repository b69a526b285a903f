"""Devices that cannot be, that hide, that are ruined in the middle of a run or disappear."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import DeviceLostError, UsageError
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.local import engine as local
from robust_vos_bench.runs.local.devices import check_devices, worker_devices
from robust_vos_bench.runs.run import run_plan
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system import memory
from robust_vos_bench.system.gpu import ruined_by

MODEL = """
import numpy as np
from robust_vos_bench import ModelCard, StreamingAdapter

RUINED = False

class Ruins(StreamingAdapter):
    card = ModelCard("ruins")

    def reset(self, video):
        self.name = video.name

    def step(self, frame, prompt, last):
        # As CUDA does: after the first error every call of this process fails.
        global RUINED
        RUINED = RUINED or self.name == "b"
        if RUINED:
            try:
                raise RuntimeError("CUDA error: device-side assert triggered\\nCompile with ...")
            finally:
                if RUINED:
                    raise RuntimeError("CUDA error: initialization error")
        return np.zeros(frame.shape[:2], np.uint8)

class AlsoThere(StreamingAdapter):
    card = ModelCard("also")

    def reset(self, video):
        self.name = video.name

    def step(self, frame, prompt, last):
        if RUINED:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return np.zeros(frame.shape[:2], np.uint8)
"""


@pytest.mark.parametrize("words", ["cuda:0,cpu", "cpu,cuda", "auto,cuda:1"])
def test_gpus_and_the_cpu_do_not_mix(words: str) -> None:
    with pytest.raises(UsageError, match=r"stands alone.*not on both"):
        worker_devices(words, None, 4)


@pytest.mark.parametrize("word", ["gpu", "cuda:x", "cuda:", "cuda:-1", "cudafoo", "cuda:0:1", ",", ""])
def test_words_that_are_no_device(word: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        worker_devices(word, None, 4)


def test_one_worker_for_each_gpu_that_is_named() -> None:
    assert worker_devices("cuda:0, cuda:1", None, 9) == ["cuda:0", "cuda:1"]
    assert worker_devices("cuda:0,cuda:0", None, 9) == ["cuda:0", "cuda:0"], "two processes may share a GPU"


@pytest.mark.parametrize(
    ("count", "cuda", "visible", "said"),
    [
        (0, None, None, "built without CUDA"),
        (0, "13.0", None, "the driver shows none"),
        (0, "13.0", "", "CUDA_VISIBLE_DEVICES is ''"),
        (1, "13.0", None, r"1 GPU\(s\) here \(cuda:0\) and not"),
        (2, "13.0", None, r"2 GPU\(s\) here \(cuda:0 to cuda:1\) and not"),
    ],
)
def test_a_gpu_that_is_not_there_is_named_with_the_reason(
    count: int, cuda: str | None, visible: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    check_devices([f"cuda:{i}" for i in range(count)])
    with pytest.raises(UsageError, match=rf"--device cuda:{count}: .*{said}"):
        check_devices([f"cuda:{count}"])


def test_the_command_refuses_a_device_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:7", "cuda:0,cpu", "cuda:x", "tpu"):
        out = tmp_path / "out"
        with pytest.raises(SystemExit) as left:
            main(["run", "--model", "static", "--limit", "1", "--device", device, "--output", str(out)])
        assert left.value.code == 2, device
        assert device.split(",")[0] in capsys.readouterr().err
        assert not list(out.glob("cells/*/*")), "nothing was computed"


def test_a_ruined_gpu_context_costs_one_unit(
    clips: Path, tmp_path: Path, rvos: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Every later call of such a process fails: it is replaced, and both models of the other videos are done."""
    (tmp_path / "mine.py").write_text(MODEL)
    data = ("--dataset", "folder", "--data-root", clips, "--corruption", "clean")
    done = rvos("run", "-m", "mine.py:Ruins,mine.py:AlsoThere", *data, "-w", 1, "--producers", 1, "-o", "out")
    assert done.returncode == 3, done.stderr
    store = RunStore(tmp_path / "out")
    records = {m: store.records("clean", m) for m in ("ruins", "also")}
    assert {v: r.status for v, r in records["ruins"].items()} == {"a": "ok", "b": "failed", "c": "ok"}
    assert {v: (r.status, r.attempts) for v, r in records["also"].items()} == dict.fromkeys("abc", ("ok", 1))
    failed = records["ruins"]["b"]
    assert "device-side assert triggered" in failed.error and failed.attempts == 1, "the first error, not what followed"
    logged = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert sum(e["event"] == "failed" for e in logged) == 1


def test_only_errors_of_the_gpu_ruin_a_process() -> None:
    assert ruined_by(RuntimeError("CUDA error: an illegal memory access was encountered")) is not None
    for harmless in (RuntimeError("shapes differ"), ValueError("CUDA error: in words"), MemoryError()):
        assert ruined_by(harmless) is None
    import torch

    assert ruined_by(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")) is None


@pytest.mark.parametrize("devices", [("cuda:0",), ("cpu", "cuda:0")])
def test_a_gpu_that_disappears_ends_the_run_only_where_it_is_the_last(
    devices: tuple[str, ...], clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run believes that the GPU is there; the worker's process does not find it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(local, "check_devices", lambda names: None)
    dataset = open_dataset("folder", clips)
    plan = build_plan([build_model("static")], dataset, [], PresetInfo("custom", 0, "", ()))
    if len(devices) == 1:
        with pytest.raises(DeviceLostError, match="cuda:0 was there when the run began and is gone") as lost:
            run_plan(plan, tmp_path / "out", devices)
        assert lost.value.exit_code == 3
    else:
        manifest = run_plan(plan, tmp_path / "out", devices)
        assert manifest.units.ok == 3, "the other device does all of it"


def test_torch_without_memory_on_a_cpu_is_out_of_memory() -> None:
    import torch

    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 55, dtype=torch.uint8)
    assert memory.ran_out(error.value) and not memory.ran_out(RuntimeError("shapes differ"))
