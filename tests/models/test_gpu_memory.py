"""Memory of models as a day on a GPU measured it: what shares of GPUs and estimates make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import DataError
from robust_vos_bench.models import ModelCard, find_entry
from robust_vos_bench.models.gpu_memory import gpu_gib, measured_file
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.cost.estimate import Workers, cost
from robust_vos_bench.runs.cost.timings import PROBE, Timing, Timings
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.ray.nodes import gpu_share

SAMPLE = '# GiB of GPU memory at 480p on a sample card, torch 2.9\n"flow" = 4.5\n"labelprop" = 9\n'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RVOS_BENCH_GPU_GIB", raising=False)
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def plan(*models: str) -> Plan:
    return build_plan([build_model(m) for m in models], open_dataset("demo", limit=1), [], PresetInfo("custom", 0, ""))


def test_measured_numbers_come_before_those_of_the_card(cache: Path) -> None:
    card = find_entry("flow").card
    assert gpu_gib(card) == card.gpu_gib and gpu_gib(ModelCard("mine", gpu_gib=2.0)) == 2.0
    measured_file().write_text(SAMPLE)
    assert measured_file().parent == cache
    assert gpu_gib(card) == 4.5 and gpu_gib(find_entry("labelprop").card) == 9.0
    assert gpu_gib(ModelCard("mine", gpu_gib=2.0)) == 2.0, "not in the file"


def test_tasks_share_a_gpu_by_them() -> None:
    assert gpu_share(plan("flow").models, 24.0) == 1.0, "nothing is known"
    measured_file().write_text(SAMPLE)
    assert gpu_share(plan("flow").models, 24.0) == 0.25  # 4 x 4.5 GiB in 0.9 x 24
    assert gpu_share(plan("flow", "labelprop").models, 40.0) == 0.5
    assert gpu_share(plan("flow", "static").models, 24.0) == 1.0, "one of them was not measured"


def test_estimates_use_them_where_nothing_was_timed() -> None:
    made = plan("flow", "labelprop")
    units = list(made.units())
    lengths, sizes = dict.fromkeys(made.videos, 10), dict.fromkeys(made.videos, (48, 64))

    def gpu(timed: dict[str, Timing], device: str = "cuda:0") -> float | None:
        return cost(made, units, lengths, sizes, Timings(models=timed), Workers(1, device=device)).gpu_mib

    assert gpu({}) is None
    measured_file().write_text(SAMPLE)
    assert gpu({}) == 1024 * 13.5
    assert gpu({"flow": Timing(0.1, PROBE, 0.0, 700.0)}) == 700 + 1024 * 9, "timed here comes first"
    assert gpu({}, "cpu") == 0


@pytest.mark.parametrize("text", ['"flow" = "much"', '"flow" = -1', "flow", '"flow" = true', "\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(text: str) -> None:
    measured_file().write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"gpu_gib\.toml: "):
        gpu_gib(find_entry("flow").card)


def test_a_file_that_a_variable_names_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_GPU_GIB", str(tmp_path / "card.toml"))
    with pytest.raises(DataError, match=r"card\.toml: is not there"):
        gpu_gib(find_entry("flow").card)
    (tmp_path / "card.toml").write_text(SAMPLE)
    assert gpu_gib(find_entry("flow").card) == 4.5


def test_a_day_writes_them_where_they_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run's do not count."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    from types import SimpleNamespace

    from gpu_day import page

    found = {"speed:flow": SimpleNamespace(status="ok", commit="", found={"cases": {"3": {"reserved_mib": 2048.0}}})}
    store: Any = SimpleNamespace(folder=tmp_path, read=lambda: found)
    place = {"card": "Sample", "torch": "2.9"}
    monkeypatch.setattr(page, "page", lambda *words: "")
    for small in (True, False):
        setting: Any = SimpleNamespace(small=small)
        page.write_page(setting, store, (), place, "")
        assert gpu_gib(find_entry("flow").card) == (None if small else 2.6)
    assert (tmp_path / "gpu_gib.toml").read_bytes() == measured_file().read_bytes()
