"""Whatever a model does to one video, every other unit of the run is scored, with equal numbers, and can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.seconds import fuzz
from fuzz.unruly import RAISES, YIELDS
from hypothesis import strategies as st
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.process_settings import ProcessSettings

MODEL = f"{Path(__file__).with_name('unruly.py')}:Unruly"
FAILS = [
    *(f"yield:{name}" for name in YIELDS),
    *(f"raise:{name}" for name in RAISES),
    *("do:fewer", "do:more", "do:diagnostics", "do:diagnostics text", "do:memory that nobody has"),
]
PASSES = [
    f"do:{name}"
    for name in (
        *("thread", "thread error", "folder", "environment", "warnings", "numpy", "pillow", "torch"),
        *("recursion", "memory", "thread that stays", "thread that writes", "umask", "gc", "temporary", "sockets"),
        *("opencv", "modules", "closes", "process"),
    )
]


def clips(root: Path) -> Path:
    """Three videos of one square that moves; b has a second object."""
    for seed, (name, frames) in enumerate({"a": 4, "b": 5, "c": 6}.items()):
        rng = np.random.default_rng(seed)
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / name).mkdir(parents=True)
        for t in range(frames):
            mask = np.zeros((20, 28), np.uint8)
            mask[4:12, 3 + t : 11 + t] = 1
            if name == "b":
                mask[14:18, 20:26] = 2
            picture = rng.integers(0, 255, (20, 28, 3), dtype=np.uint8)
            Image.fromarray(picture).save(root / "JPEGImages" / name / f"{t:05d}.png")
            Image.fromarray(mask).save(root / "Annotations" / name / f"{t:05d}.png")
    return root


def scores(done: rvos.Run, model: str, condition: str) -> dict[str, Any]:
    return {video: (r.status, r.objects) for video, r in done.records(model, condition).items()}


@pytest.mark.timeout(0)
def test_one_video_of_one_model_disturbs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, number = clips(tmp_path / "clips"), 0
    settings: dict[str, Any] = {"dataset": "folder", "data_root": data, "corruption": "brightness", "severity": 1}
    settings |= {"workers": 1, "device": "cpu", "progress": False, "allow_failures": True}
    plain = rvos.run({"good": MODEL}, output="plain", **settings)

    def check(example: tuple[str, str]) -> None:
        nonlocal number
        what, where = example
        number += 1
        words = {"odd": {"what": what, "where": where}}
        outside = ProcessSettings.taken()
        done = rvos.run({"odd": MODEL, "good": MODEL}, option=words, output=f"run-{number}", **settings)
        assert outside.changed_to(ProcessSettings.taken()) == []
        store = RunStore(tmp_path / f"run-{number}")
        for condition in ("clean", "brightness-1"):
            wanted = scores(plain, "good", condition)
            assert scores(done, "good", condition) == wanted
            found = scores(done, "odd", condition)
            assert {v: s for v, s in found.items() if v != where} == {v: s for v, s in wanted.items() if v != where}
            record = store.records(condition, "odd")[where]  # as another process reads it
            if what in FAILS:
                assert record.failed and record.error and not record.objects
                assert record.error_code in ((5,) if what.startswith("yield") else (1, 4, 5))
            else:
                assert found[where] == wanted[where], record.error
        assert done.manifest.units.failed == (2 if what in FAILS else 0)

    fuzz(st.tuples(st.sampled_from(FAILS + PASSES), st.sampled_from("abc")), check, batch=8)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", ["os._exit(3)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_a_model_that_ends_its_process_fails_its_video_alone(what: str, tmp_path: Path) -> None:
    file = tmp_path / "ends.py"
    file.write_text(
        "import os\nfrom fuzz.unruly import Unruly\nfrom robust_vos_bench import ModelCard\n"
        f"class Ends(Unruly):\n    card = ModelCard('ends')\n    def act(self, name):\n        {what}\n"
    )
    settings: dict[str, Any] = {"dataset": "folder", "data_root": clips(tmp_path / "clips"), "corruption": "clean"}
    done = rvos.run(
        [f"{file}:Ends", "static"],
        option={f"{file}:Ends": {"what": "do:x"}},
        workers=2,
        device="cpu",
        progress=False,
        allow_failures=True,
        output=tmp_path / "out",
        **settings,
    )
    records = done.records("ends[what=do:x]", "clean") if "ends" not in done.models else done.records("ends", "clean")
    assert {v: r.status for v, r in records.items()} == {"a": "ok", "b": "failed", "c": "ok"}
    assert all(r.ok for r in done.records("static", "clean").values())
