"""`python benchmarks/gpu_day`: every part on the CPU with tiny sizes, the budget, resuming, steps that die."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

DAY = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_day"
STEPS = """
import os, subprocess, time
from pathlib import Path

def fine(setting):
    return {"pid": os.getpid()}

def dies(setting):
    os._exit(9)

def hangs(setting):
    child = subprocess.Popen(["sleep", "60"])
    (setting.folder / "child").write_text(str(child.pid))
    time.sleep(60)

def ruins(setting):
    raise RuntimeError("CUDA error: an illegal memory access was encountered")

def raises(setting):
    raise LookupError("no such thing")
"""


def day(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DAY), *map(str, words)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=550, check=False)


def stopped(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Functions that misbehave, where the helper's process finds them."""
    (tmp_path / "misbehaving.py").write_text(STEPS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(DAY.parent))
    sys.modules.pop("misbehaving", None)
    import misbehaving  # type: ignore[import-not-found]

    return misbehaving  # type: ignore[no-any-return]


def test_every_part_runs_on_the_cpu_and_the_same_command_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "day"
    early = day("--dry-run-on-cpu", "--output", out, "--minutes", 0)
    assert early.returncode == 3 and "the same command goes on" in early.stderr
    whole = day("--dry-run-on-cpu", "--output", out)
    page = next(out.glob("*.md")).read_text(encoding="utf-8")
    assert whole.returncode == 0, whole.stderr + page
    assert "dry run: no figure here means anything" in page, "nothing of it may be taken for a measurement"
    headings = re.findall(r"^## (.*)$", page, re.M)
    assert len(headings) == 8 and "Not measured yet" not in page and "failed" not in page.replace("failed on video", "")
    assert "**no**" not in page and "Not so" not in page, page
    assert re.search(r"(\d+) of \1 steps are done", page)
    assert re.search(r"`pytest -m gpu .*: .*\d+ (skipped|passed)", page)
    assert not (out / "gpu_gib.toml").exists(), "a CPU says nothing of a GPU's memory"
    again = day("--dry-run-on-cpu", "--output", out)
    assert again.returncode == 0 and again.stderr == "", "nothing is left to do"


def test_a_gpu_that_is_not_there_and_words_that_mean_nothing(tmp_path: Path) -> None:
    for words, said in (
        (("--device", "cuda:99"), "--device cuda:99"),
        (("--device", "cpu"), "--dry-run-on-cpu"),
        (("--dry-run-on-cpu", "--only", "parity,sped"), "sped"),
        (("--dry-run-on-cpu", "--data-root", tmp_path / "nothing"), "no such folder"),
    ):
        done = day("--output", tmp_path / "day", *words)
        assert done.returncode == 2 and said in done.stderr, (words, done.stderr)
    assert not list((tmp_path / "day").glob("*.md"))


def test_a_step_that_dies_hangs_or_ruins_its_gpu_costs_only_itself(steps: ModuleType, tmp_path: Path) -> None:
    from gpu_day.helper import Helper
    from gpu_day.setting import Setting, Step

    helper = Helper(Setting("cpu", tmp_path))
    try:
        first = helper.do(Step("x", "fine", steps.fine), 60)
        assert first.status == "ok"
        raised = helper.do(Step("x", "raises", steps.raises), 60)
        assert raised.status == "failed" and "LookupError: no such thing (misbehaving.py" in raised.error
        assert helper.do(Step("x", "fine", steps.fine), 60).found == first.found, "the same process goes on"
        for work, limit, said in (
            (steps.dies, 60, "exit status 9"),
            (steps.hangs, 1, "no answer after 1 s"),
            (steps.ruins, 60, "CUDA error"),
        ):
            lost = helper.do(Step("x", "bad", work), limit)
            assert lost.status == "failed" and said in lost.error
            if work is steps.hangs:
                assert stopped(int((tmp_path / "child").read_text())), "the run that it had started goes with it"
            after = helper.do(Step("x", "fine", steps.fine), 60)
            assert after.status == "ok" and after.found["pid"] != first.found["pid"], "a new process"
            first = after
    finally:
        helper.close()


def test_results_of_another_card_are_not_mixed(steps: ModuleType, tmp_path: Path) -> None:
    from gpu_day.store import Result, Store

    from robust_vos_bench.errors import UsageError

    store = Store(tmp_path / "day")
    store.claim({"card": "A", "torch": "2.13"})
    store.claim({"card": "A", "torch": "2.13"})
    with pytest.raises(UsageError, match=r"card was 'A', is 'B'.*another --output"):
        store.claim({"card": "B", "torch": "2.13"})
    store.write(Result("parity:x", "ok", 1.0, {"a": 1}))
    (tmp_path / "day" / "steps" / "torn.json").write_text('{"key": "par')
    assert {key: r.found for key, r in store.read().items()} == {"parity:x": {"a": 1}}


def test_the_order_has_every_network_and_the_important_ones_first(steps: ModuleType, tmp_path: Path) -> None:
    from gpu_day.day import plan
    from gpu_day.models_of_a_day import PUBLISHED_FPS
    from gpu_day.setting import Setting

    from robust_vos_bench.models.registry import builtin_entries

    entries = builtin_entries()
    networks = {n for n, e in entries.items() if e.card.weights and not n.endswith("-corrupted")}
    order = plan(Setting("cuda", tmp_path))
    for part in ("parity", "speed"):
        assert [s.name for s in order if s.part == part][:3] == ["aot.r50_l", "xmem", "sam2.tiny"]
        assert {s.name for s in order if s.part == part} == networks
    keys = [s.key for s in order]
    assert len(keys) == len(set(keys)) and {s.part for s in order} == {
        "parity", "speed", "product", "corruptions", "faults", "sharing", "tests"
    }  # fmt: skip
    assert set(PUBLISHED_FPS) <= set(entries), "a published figure of a model that is not here"


def test_the_page_judges_and_lists_memory_for_cards(steps: ModuleType, tmp_path: Path) -> None:
    """Made results of a GPU: what disagrees is marked, and what failed is named."""
    from gpu_day import parity
    from gpu_day.page import write_page
    from gpu_day.setting import Setting, Step
    from gpu_day.store import Result, Store

    def row(labels: float, probability: float) -> dict[str, object]:
        return {
            "labels_frame_1": labels, "labels_all": labels, "probability_frame_1": probability, "repeats": labels == 0
        }  # fmt: skip

    store = Store(tmp_path)
    for name, labels in (("good", 0.0), ("bad", 0.2)):
        modes = {mode: row(labels, labels) for mode, *_ in parity.MODES}
        store.write(Result(f"parity:{name}", "ok", 1.0, {"modes": modes}))
    case = {"fps": 50.0, "fps_last_third": 49.0, "allocated_mib": 800.0, "reserved_mib": 1024.0}
    cases = {"1": case, "3": case, "10": {**case, "reserved_mib": 2048.0}, "3 amp": {"error": "out of memory"}}
    store.write(Result("speed:aot.t", "ok", 1.0, {"cases": cases}))
    store.write(Result("faults:x", "failed", 1.0, error="no answer after 9 s"))
    wanted = [Step("faults", "x", steps.fine), Step("tests", "t", steps.fine), Step("speed", "aot.t", steps.fine)]
    place = {"card": "Card X9", "torch": "2.13", "small": False}
    path = write_page(Setting("cuda", tmp_path), store, wanted, place, "python benchmarks/gpu_day")
    page = path.read_text(encoding="utf-8")
    assert path.name == "card-x9.md" and page.startswith("# A day on Card X9\n")
    assert re.search(r"\| bad \| differs \|.*\*\*no\*\*", page) and re.search(r"\| good \| agrees \|.*yes", page)
    assert "| aot.t | 50 (49), 800 / 1024 |" in page and "| 51.4 | AOT model zoo, V100, DAVIS |" in page
    assert "**failed**: x: no answer after 9 s" in page and "goes on: t" in page
    assert "| aot.t | 2.6 |" in page and '"aot.t" = 2.6' in (tmp_path / "gpu_gib.toml").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "steps" / "faults_x.json").read_text())["error"] == "no answer after 9 s"
