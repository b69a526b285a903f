"""What a run will cost: known answers from constructed timings, and one real probe."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robust_vos_bench.conditions import CLEAN, Condition
from robust_vos_bench.runs.cost import probe as probe_module
from robust_vos_bench.runs.cost.estimate import Workers, cost
from robust_vos_bench.runs.cost.probe import sample
from robust_vos_bench.runs.cost.timings import EARLIER, PROBE, Timing, TimingCache, Timings


@pytest.fixture(autouse=True)
def _reuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVOS_BENCH_REUSE")


MODELS = Path(__file__).with_name("models.py")
Rvos = Callable[..., subprocess.CompletedProcess[str]]
NOISE = [Condition("gaussian_noise", severity, "frame") for severity in (1, 3, 5)]
SHOT = Condition("shot_noise", 3, "frame")
FOG = Condition("fog", 2, "drift")
FAMILIES = {"gaussian_noise": "noise", "shot_noise": "noise", "fog": "weather"}


def plan(*names: str, save_masks: bool = False, absent: str = "") -> Any:
    models = [SimpleNamespace(name="static", record=SimpleNamespace(name=name), absent=absent) for name in names]
    return SimpleNamespace(models=models, families=FAMILIES, save_masks=save_masks)


def units(models: int, conditions: list[Condition]) -> list[tuple[int, Condition, str]]:
    return [(m, c, v) for c in conditions for v in ("long", "short") for m in range(models)]


LENGTHS = {"long": 300, "short": 100}
SIZES = {"long": (480, 854), "short": (480, 854)}
RATES = Timings(
    decode=Timing(0.01, PROBE),
    score=Timing(0.005, PROBE),
    corrupt={NOISE[1]: Timing(0.05, PROBE)},
    models={"m": Timing(0.1, PROBE, mib=500, gpu_mib=2000), "n": Timing(0.3, PROBE, mib=700, gpu_mib=3000)},
    base_mib=200,
    mask_bytes=2**20 / 400,
)


def test_hours_of_cpu_workers() -> None:
    found = cost(plan("m", "n"), units(2, [CLEAN, NOISE[1]]), LENGTHS, SIZES, RATES, Workers(2, 0, "cpu", 2))
    assert found.frames == 1600
    seconds = {"decode": 800 * 0.01, "corrupt": 400 * 0.05, "models": 800 * 0.1 + 800 * 0.3, "score": 1600 * 0.005}
    assert found.parts == pytest.approx({name: s / 3600 for name, s in seconds.items()})
    assert found.device_hours == pytest.approx(320 / 3600)
    assert found.wall_hours == pytest.approx(sum(seconds.values()) / 2 / 3600)
    assert found.bottleneck == "models (90 % of the work)"
    assert found.memory_mib == pytest.approx(2 * (200 + 500 + 700) + 150)
    assert found.scratch_mib == pytest.approx(2 * 300 * 480 * 854 * 3 / 2**20)  # two models read one spooled clip
    assert not found.unmeasured


def test_producers_that_do_not_keep_up_are_the_bottleneck() -> None:
    work = units(1, [NOISE[1]])
    slow = cost(plan("m"), work, LENGTHS, SIZES, RATES, Workers(1, 1, "cuda:0", 64))
    assert slow.wall_hours == pytest.approx(400 * 0.1 / 3600)  # 0.06 s a frame is hidden behind 0.1 s
    assert slow.bottleneck.startswith("models")
    fast = Timings(RATES.decode, RATES.score, RATES.corrupt, {"m": Timing(0.02, PROBE)}, 200)
    found = cost(plan("m"), work, LENGTHS, SIZES, fast, Workers(1, 1, "cuda:0", 64))
    assert found.wall_hours == pytest.approx(400 * 0.06 / 3600)
    assert found.bottleneck == "corrupt: models would wait 67 % of the time (--producers 3 would keep up)"
    crowded = cost(plan("m"), work, LENGTHS, SIZES, fast, Workers(8, 8, "cuda:0", 2))
    assert crowded.wall_hours == pytest.approx(400 * 0.065 / 2 / 3600)
    assert "2 cores are too few" in crowded.bottleneck


def test_conditions_are_taken_over_from_their_likes_and_never_made_up() -> None:
    assert RATES.of_condition(CLEAN, FAMILIES) == Timing(0.0, PROBE)
    assert RATES.of_condition(NOISE[1], FAMILIES) == Timing(0.05, PROBE)
    assert RATES.of_condition(NOISE[2], FAMILIES) == Timing(0.05, "like gaussian_noise")
    assert RATES.of_condition(SHOT, FAMILIES) == Timing(0.05, "mean of noise")
    assert RATES.of_condition(FOG, FAMILIES) == Timing(0.05, "mean of all measured")
    assert Timings().of_condition(FOG, FAMILIES) is None
    found = cost(plan("m"), units(1, [NOISE[1], NOISE[2]]), LENGTHS, SIZES, RATES, Workers(1))
    assert "1 of 2" in found.sources["other conditions"] and NOISE[1].label in found.sources
    nothing = cost(plan("m"), units(1, [NOISE[1]]), LENGTHS, SIZES, Timings(models=RATES.models), Workers(1))
    assert nothing.wall_hours is None and nothing.device_hours is not None and nothing.frames == 400


def test_a_model_without_weights_is_not_counted_and_said_so() -> None:
    told = "model 'x' has no weights here."
    found = cost(plan("m", "x", absent=told), units(2, [CLEAN]), LENGTHS, SIZES, RATES, Workers(1))
    assert found.unmeasured == (f"x: {told}",)
    assert found.frames == 800 and found.device_hours == pytest.approx(400 * 0.1 / 3600)


def test_disk_and_earlier_memory() -> None:
    timings = Timings(RATES.decode, RATES.score, {}, {"m": Timing(0.1, EARLIER, mib=900)}, 200, mask_bytes=2**20 / 400)
    found = cost(plan("m", save_masks=True), units(1, [CLEAN]), LENGTHS, SIZES, timings, Workers(3))
    assert found.disk_mib == pytest.approx(1 + 2 * 2500 / 2**20)
    assert found.memory_mib == pytest.approx(3 * 900 + 150)  # an earlier run tells of the whole process


def test_every_family_is_sampled_before_any_twice() -> None:
    chosen = sample([CLEAN, *NOISE, SHOT, FOG], FAMILIES)
    assert chosen == [NOISE[1], FOG, SHOT]


def test_the_probe_measures_once_and_the_plan_says_what(
    tmp_path: Path, rvos: Rvos, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"RVOS_BENCH_CACHE": str(tmp_path / "cache"), "RVOS_BENCH_WEIGHTS": str(tmp_path)}
    words = ["run", "--model", "static,deaot.swinb_l", "--corruption", "pixelate,salt_and_pepper", "--dry-run"]
    start = time.monotonic()
    first = rvos(*words, "--json", env=env)
    assert first.returncode == 0, first.stderr
    assert time.monotonic() - start < 60
    facts = json.loads(first.stdout)
    assert facts["wall_hours"] > 0 and facts["device_hours"] >= 0 and facts["memory_mib"] > 50
    assert facts["bottleneck"] and "(probe)" in facts["measured"]["decode"]
    assert {"decode", "score", "static"} <= set(facts["measured"])
    assert [line for line in facts["not_measured"] if line.startswith("deaot.swinb_l") and "no weights" in line]
    (kept,) = (tmp_path / "cache" / "rates").iterdir()
    before = kept.read_bytes()
    second = rvos(*words, "--no-probe", env=env)
    assert "takes about" in second.stdout and "not counted" in second.stdout
    monkeypatch.setenv("RVOS_BENCH_CACHE", env["RVOS_BENCH_CACHE"])
    assert TimingCache("cpu").path == kept and kept.read_bytes() == before


def test_nothing_is_probed_where_it_is_not_wanted(tmp_path: Path, rvos: Rvos) -> None:
    env = {"RVOS_BENCH_CACHE": str(tmp_path / "cache")}
    done = rvos("run", "--model", "static", "--dry-run", "--no-probe", "--json", env=env)
    facts = json.loads(done.stdout)
    assert facts["wall_hours"] is None and facts["frames_to_segment"] > 0 and facts["not_measured"]
    assert not (tmp_path / "cache" / "rates").exists()


def test_earlier_runs_come_before_the_probe(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    grid = ["--model", f"{MODELS}:Repeat", "--dataset", "folder", "--data-root", clips, "--corruption", "pixelate"]
    grid += ["--severity", 3, "--workers", 1]
    assert rvos("run", *grid, "--output", tmp_path / "one").returncode == 0
    done = rvos("run", *grid, "--output", tmp_path / "two", "--dry-run", "--no-probe", "--json")
    facts = json.loads(done.stdout)
    assert facts["frames_to_segment"] == 0 and facts["reused"] == 6
    again = ["--overwrite", "always", "--dry-run", "--no-probe", "--json"]
    facts = json.loads(rvos("run", *grid, "--output", tmp_path / "two", *again).stdout)
    assert facts["frames_to_segment"] == 2 * (6 + 5 + 7) and facts["reused"] == 0
    assert "earlier runs" in facts["measured"]["repeat"] and "earlier runs" in facts["measured"]["score"]


def test_a_part_that_takes_all_the_time_is_named(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robust_vos_bench.conditions.presets import PresetInfo
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.runs.build import build_model, build_plan
    from robust_vos_bench.runs.cost.estimate import estimate

    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(probe_module, "SECONDS", 6.0)
    model = build_model(f"{MODELS}:Sleeps", options={"fps": 0.05})
    made = build_plan([model], open_dataset("folder", clips), [], PresetInfo("custom", 0, "", ()))
    start = time.monotonic()
    found = estimate(made, list(made.units()), tmp_path / "out", Workers(1))
    assert time.monotonic() - start < 15
    assert found.unmeasured and ("not done after" in found.unmeasured[0] or "not measured yet" in found.unmeasured[0])
    assert found.device_hours is None
