"""A measure is declared in one place and shown everywhere; its range and its key are checked."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from robust_vos_bench import load_run
from robust_vos_bench.analysis import measures
from robust_vos_bench.analysis.compare import compare
from robust_vos_bench.analysis.measure import Better, Group, Measure, Value
from robust_vos_bench.analysis.measures import BUILT_IN, register_measure
from robust_vos_bench.errors import RvosError, UsageError
from robust_vos_bench.reports.data import page_csv, page_data, run_data
from robust_vos_bench.reports.html import build_report
from robust_vos_bench.reports.leaderboard_files import leaderboard
from robust_vos_bench.reports.text import WIDTH, print_summary
from robust_vos_bench.runs.records import ConditionRecord
from robust_vos_bench.system.json import to_json

Make = Callable[..., Path]
GAP = Measure(
    "gap",
    lambda m: 12.25,
    Better.LOWER,
    0,
    100,
    group=Group.HEADLINE,
    legend="gap: made up.",
    weights="drop",
    interval_formats=frozenset({"json", "markdown"}),
)
HARDEST = Measure(
    "hardest",
    lambda m: Value(34.5, "snow"),
    Better.HIGHER,
    0,
    100,
    heading="hardest weather",
    legend="hardest: made up too.",
    where_key="hardest_name",
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two measures that no rendering knows by name."""
    monkeypatch.setattr(measures, "_registered", {})
    register_measure(GAP)
    register_measure(HARDEST)


def test_a_new_measure_is_in_every_rendering(run_folder: Make, tmp_path: Path, made_up: None) -> None:
    folder = run_folder(gap=0.1)
    run = load_run(folder)
    text = io.StringIO()
    print_summary(Console(file=text, width=WIDTH), run.robustness, "demo")
    assert "gap" in text.getvalue() and "12.2" in text.getvalue() and "gap: made up." in text.getvalue()
    (page,) = leaderboard(folder, output=tmp_path / "boards")
    markdown = (tmp_path / "boards" / f"{page.name}.md").read_text()
    assert "| drop | gap | 95 % CI |" in markdown and re.search(r"\| 12\.2 \| \d+\.\d to \d+\.\d \|", markdown)
    assert "| hardest weather |" in markdown and "| 34.5 snow |" in markdown
    assert "drop = P - mPC. gap: made up. CI:" in markdown and "saved. hardest: made up too. Definitions" in markdown
    row = next(csv.DictReader(io.StringIO(page_csv(page))))
    assert (row["gap"], row["hardest"], row["hardest_name"]) == ("12.2500", "34.5000", "snow")
    data = json.loads(to_json(page_data(page)))["rows"][0]
    assert data["gap"] == 12.25 and data["gap_interval"][0] == pytest.approx(17.2, abs=0.1)
    assert data["beyond"]["hardest"] == 34.5 and data["beyond"]["hardest_name"] == "snow"
    told = json.loads(to_json(run_data(run)))["models"][0]
    assert told["measures"]["gap"] == 12.25 and told["intervals"]["gap"] and told["beyond"]["hardest"] == 34.5
    html = build_report([run], strips=0)
    assert ">gap</th>" in html and re.search(r">12\.2<", html) and "gap: made up." in html
    assert ">hardest weather</th>" in html and ">34.5 snow</td>" in html
    frame = run.robustness.frame()
    assert {"gap", "gap_low", "hardest", "hardest_name"} <= set(frame) and "hardest" not in run.table()
    assert [(d.name, d.better) for d in compare(folder).headline][-1] == ("gap", Better.LOWER)


def test_what_a_rendering_shows_is_the_measures_choice(run_folder: Make, tmp_path: Path, made_up: None) -> None:
    measures._registered["gap"] = dataclasses.replace(GAP, formats=frozenset({"csv"}), interval_formats=frozenset())
    folder = run_folder()
    (page,) = leaderboard(folder, output=tmp_path / "boards")
    assert "gap" not in (tmp_path / "boards" / f"{page.name}.md").read_text() and "gap" in page_csv(page)
    assert "gap" not in page_data(page)["rows"][0]


def test_a_value_outside_its_range_is_an_error(run_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_registered", {})
    register_measure(Measure("share", lambda m: 1.5, Better.HIGHER, 0, 1))
    with pytest.raises(RvosError, match=r"'share' of model 'one' is 1\.5, outside its range 0\.\.1"):
        load_run(run_folder()).robustness["one"]["share"]


@pytest.mark.parametrize("key", ["mPC", "worst_condition"])
def test_a_key_is_given_once(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(measures, "_registered", {})
    with pytest.raises(UsageError, match=f"there is a measure '{key}' already"):
        register_measure(Measure(key, lambda m: 0.0, Better.HIGHER, 0, 1))


def test_the_table_names_what_it_has(run_folder: Make) -> None:
    table = load_run(run_folder()).robustness
    with pytest.raises(UsageError, match="no model 'three' in the table; it has one, two"):
        table["three"]
    with pytest.raises(UsageError, match="no measure 'speed'; there are P, mPC"):
        table["one"]["speed"]
    assert len({m.key for m in BUILT_IN}) == len(BUILT_IN)


def test_scores_need_no_frames(run_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The headline is there without reading J by frame or any mask."""
    run = load_run(run_folder())
    monkeypatch.setattr(type(run), "object_stats", lambda self, model: pytest.fail("frames were read"))
    assert run.table()["mPC"].notna().all() and "<table" in run._repr_html_()


def test_a_condition_and_its_record_tell_the_same() -> None:
    data = (
        b'{"corruption":"shot_noise","severity":3,"temporal":"frame","profile":"burst","seed":2,"clean_reference":true,'
        b'"device":"cuda","label":"shot_noise-3-frame-burst-seed2-cleanref","family":"noise","fingerprint":"ab"}'
    )
    record = msgspec.json.decode(data, type=ConditionRecord)
    assert msgspec.json.encode(record) == data
    assert ConditionRecord.of(record.condition, "noise", "ab") == record
    plain = data.replace(b'"device":"cuda",', b"")
    assert msgspec.json.encode(msgspec.json.decode(plain, type=ConditionRecord)) == plain
