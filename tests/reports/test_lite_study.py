"""The study of the lite models: its pages hold what the committed results say, its intervals are those of `compare`."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from robust_vos_bench.analysis.compare import compare
from robust_vos_bench.analysis.result import write_result
from robust_vos_bench.cli import cli as main
from robust_vos_bench.errors import DataError, UsageError

ROOT = Path(__file__).resolve().parents[2]
INTERVAL = re.compile(r"[+-]\d+\.\d\s\([+-]\d+\.\d\sto\s[+-]\d+\.\d\)")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, importable with what lies beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import lite_study

    return lite_study


def test_the_tables_of_the_pages_are_those_of_the_results(module: Any) -> None:
    tables = module.Study(module.kept(module.BOARDS)).tables()
    shown = 0
    for path in module.PAGES:
        page = path.read_text(encoding="utf-8")
        assert module.written(page, tables) == page, "python benchmarks/lite_study.py write"
        shown += len(module.BLOCK.findall(page))
    assert shown == len(tables)
    broken = page.replace("| `aoc.lite` |", "| `aoc.lite` | 99.9 |", 1)
    assert broken != page and module.written(broken, tables) == page


def test_every_interval_in_the_text_stands_in_a_table_of_its_page() -> None:
    page = (ROOT / "docs" / "lite-study.md").read_text(encoding="utf-8").replace("**", "")
    lines = page.splitlines()
    tables = {found for line in lines if line.startswith("|") for found in INTERVAL.findall(line)}
    text = " ".join(line.strip() for line in lines if not line.startswith("|"))
    told = [re.sub(r"\s", " ", found) for found in INTERVAL.findall(text)]
    assert len(told) > 10 and [found for found in told if found not in tables] == []


def test_intervals_are_those_of_compare_and_add_up_across_pages(module: Any) -> None:
    results = module.kept(module.BOARDS)["youtube-vos-p"]
    a, b = results["cfbi.lite"], results["aot.lite"]
    from lite_runs import SIX
    from lite_scores import Scored

    ours, other = Scored(a), Scored(b)
    for name, difference in zip(("P", "mPC", "drop"), compare(a, b).headline):
        found = difference.interval
        expected = f"{found.value:+.1f} ({found.low:+.1f} to {found.high:+.1f})"
        assert (ours.sample(name) - other.sample(name)).text.strip("*") == expected
    total = ours.sample("P") - ours.sample("mPC")
    assert total.text == ours.sample("drop").text
    assert total.value == pytest.approx(ours.sample("drop").value)
    with pytest.raises(KeyError, match="contrast"):
        ours.sample(SIX)


def test_results_of_other_frames_are_refused(module: Any) -> None:
    from lite_tables import Study

    results = module.kept(module.BOARDS)
    mixed = {"demo": results["demo"] | {"cfbi.lite-other": results["youtube-vos-p"]["cfbi.lite"]}}
    with pytest.raises(UsageError, match="cannot be put in one table"):
        Study(results | mixed)


def test_a_result_is_taken_only_under_its_own_conditions_and_once(module: Any, tmp_path: Path) -> None:
    from lite_runs import SETTINGS, kept
    from msgspec.structs import replace

    found = kept(module.BOARDS)
    for name, setting in SETTINGS.items():
        for other, results in found.items():
            assert all(setting.holds(r.manifest) == (name == other) for r in results.values()), (name, other)
    manifest = found["sharp"]["aoc.lite"].manifest
    assert not SETTINGS["sharp"].holds(replace(manifest, conditions=manifest.conditions[:-1]))
    stronger = [c if c.is_clean else replace(c, severity=4) for c in manifest.conditions]
    assert not SETTINGS["sharp"].holds(replace(manifest, conditions=stronger))
    for folder in ("one", "two"):
        write_result(tmp_path / "results" / folder / "a.json.gz", found["sharp"]["aoc.lite"])
    with pytest.raises(DataError, match=r"a second result of aoc\.lite under sharp"):
        kept(tmp_path)


def test_nothing_to_keep_is_said(module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["keep", "--output", str(tmp_path), "--boards", str(tmp_path / "boards")]) == 2
    assert "no complete run" in capsys.readouterr().err and not (tmp_path / "boards").exists()


def test_every_command_is_one_that_the_product_takes(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["list", "--settings", "demo,demo-sharp"]) == 0
    commands = [line.split()[1:] for line in capsys.readouterr().out.splitlines()]
    assert len({command[-1] for command in commands}) == len(commands) > 20
    levelled = next(c for c in commands if "levelled=true" in c)
    for command in (commands[0], levelled):
        made = CliRunner().invoke(main, [*command, "--dry-run", "--no-probe"])
        assert made.exit_code == 0, made.output
    assert module.main(["list", "--models", "aoc.light"]) == 2
    assert "aoc.lite" in capsys.readouterr().err
    assert module.main(["write", "--bogus"]) == 2


def test_networks_go_by_their_names_at_the_size_of_the_study_alone(module: Any) -> None:
    from lite_runs import SETTINGS

    davis, demo = SETTINGS["youtube-vos-p"], SETTINGS["demo"]
    assert davis.named("aoc.lite-video[size=304]") == "aoc.lite-video"
    assert davis.named("aoc.lite-video") == "aoc.lite-video[size=352]"
    assert davis.named("aot.lite[levelled=True,size=304]") == "aot.lite[levelled=True]"
    assert davis.named("labelprop[size=304]") == "labelprop[size=304]"
    assert demo.named("aoc.lite-video") == "aoc.lite-video"
    for setting in SETTINGS.values():
        for model in setting.models:
            (command,) = setting.commands("DAVIS", Path("runs"), [model])
            plain, given = command[2], [b for a, b in pairwise(command) if a == "--option"]
            shown = sorted(option.replace("true", "True") for option in given)
            assert setting.named(f"{plain}[{','.join(shown)}]" if shown else plain) == model


def test_the_default_size_of_the_study_is_that_of_the_adapter(module: Any) -> None:
    from lite_runs import DEFAULT_SIZE, NETWORKS

    from robust_vos_bench.models import load_adapter

    assert {getattr(load_adapter(name, device="cpu"), "size", None) for name in NETWORKS} == {DEFAULT_SIZE}


def test_sizes_are_measured_with_a_run_each(module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sizes

    csv = tmp_path / "sizes.csv"
    flags = ["--dataset", "demo", "--videos", "cat", "--workers", "1", "--runs", str(tmp_path / "runs")]
    for wanted in ("64,96", "96"):  # the second time, the row at 64 is kept
        assert sizes.main([*flags, "--models", "labelprop", "--sizes", wanted, "--output", str(csv)]) == 0
        head, *lines = csv.read_text().splitlines()
        assert head == "model,weights,size,video,J&F"
        values = {line.split(",")[2]: float(line.split(",")[4]) for line in lines}
        assert set(values) == {"64", "96"} and values["64"] != values["96"] and min(values.values()) > 30
    made = [{"model": "labelprop", "size": "64", "video": "dog"}]
    assert len(sizes.kept(csv, made)) == 2, "another video takes no row away"
    assert [row["size"] for row in sizes.kept(csv, [made[0] | {"video": "cat"}])] == ["96"]
    capsys.readouterr()
    assert sizes.main([*flags, "--models", "static"]) == 2
    assert "no option 'size'" in capsys.readouterr().err


def test_sizes_of_other_weights_are_refused(module: Any) -> None:
    from lite_csv import clean_at

    weights = {line.split(",")[0]: line.split(",")[1] for line in (ROOT / "benchmarks" / "sizes.csv").open()}
    assert len(clean_at(352, weights)["aot.lite"]) == 8 and clean_at(353, weights) == {}
    with pytest.raises(DataError, match=r"aot\.lite has other weights"):
        clean_at(352, weights | {"aot.lite": "0" * 64})
