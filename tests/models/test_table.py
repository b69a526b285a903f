"""docs/models.md names every registered model, and no model that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from robust_vos_bench.models.registry import builtin_entries

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its head."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


SYSTEMS = rows("The 24 systems")
BEYOND = rows("Beyond the list")
OURS = rows("Ours, without published weights")


def test_every_name_in_the_tables_is_registered() -> None:
    shown = [name for row in SYSTEMS + BEYOND for name in names(row[2])] + [n for row in OURS for n in names(row[0])]
    assert len(shown) > 30
    assert [name for name in shown if name not in builtin_entries()] == []


def test_every_registered_model_is_in_the_tables() -> None:
    """The project's own trained networks excepted, which share one sentence."""
    shown = {name for row in SYSTEMS + BEYOND for name in names(row[2])} | {n for row in OURS for n in names(row[0])}
    assert [name for name in builtin_entries() if name not in shown and ".lite" not in name] == []


def test_there_are_24_systems_and_six_beyond() -> None:
    assert len(SYSTEMS) == 24
    assert [row[0].split(",")[0] for row in BEYOND] == ["Cutie", "SAM 2.1", "SAM 3", "EdgeTAM", "SAMURAI", "XMem++"]
    assert all(len(row) == 6 for row in SYSTEMS + BEYOND)


def test_each_row_says_how_to_run_it() -> None:
    for row in SYSTEMS + BEYOND:
        way = re.split(r"[ ,;]", row[1])[0]
        assert way in ("native", "extra", "masks", "later"), row
        assert bool(names(row[2])) == (way != "later"), row
        for name in names(row[2]):
            entry = builtin_entries()[name]
            assert bool(entry.card.extra) == (way == "extra"), name
            assert (name == "masks") == (way == "masks"), name
            if way == "extra":
                assert f"[{entry.card.extra}]" in row[1]


def test_scores_name_their_source() -> None:
    """Every cell with a number ends with where it comes from; none comes from memory."""
    sources = ("poster", "README", "model zoo", "CoVOS", "EdgeTAM", "abstract")
    for row in SYSTEMS + BEYOND:
        if re.search(r"\d\d\.\d", row[5]):
            told = re.findall(r"\(([^)]*)\)", row[5])
            assert told and row[5].endswith(")"), row
            assert all(any(source in each for source in sources) for each in told), row


def test_pages_that_are_linked_exist() -> None:
    for target in re.findall(r"\]\((?!https://)([^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / target).is_file(), target
