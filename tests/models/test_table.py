"""docs/models.md names every registered model, and no model that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from robust_vos_bench.api.listing import list_models, only
from robust_vos_bench.models.registry import absent_systems, builtin_entries

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its head."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


SYSTEMS = rows("Systems of 2019 to 2022")
BEYOND = rows("Newer systems, and followers over them")
OURS = rows("Ours, without published weights")


def test_every_name_in_the_tables_is_registered() -> None:
    shown = [name for row in SYSTEMS + BEYOND for name in names(row[2])] + [n for row in OURS for n in names(row[0])]
    assert len(shown) > 30
    assert [name for name in shown if name not in builtin_entries() and name not in absent_systems()] == []


def test_every_registered_model_is_in_the_tables() -> None:
    """The project's own trained networks excepted, which share one sentence."""
    shown = {name for row in SYSTEMS + BEYOND for name in names(row[2])} | {n for row in OURS for n in names(row[0])}
    known = [*builtin_entries(), *absent_systems()]
    assert [name for name in known if name not in shown and ".lite" not in name] == []


def test_there_are_24_systems_and_six_beyond() -> None:
    assert len(SYSTEMS) == 24
    assert [row[0].split(",")[0] for row in BEYOND] == ["Cutie", "SAM 2.1", "SAM 3", "EdgeTAM", "SAMURAI", "XMem++"]
    assert all(len(row) == 6 for row in SYSTEMS + BEYOND)


def way_of(row: list[str]) -> str:
    """ "native", "extra" or "masks"."""
    return re.split(r"[ ,;]", row[1])[0]


def test_all_24_systems_are_found_by_their_names() -> None:
    """Those of the table, and what people would type: the system's own name in small letters."""
    rows = list_models()
    listed = {row["name"] for row in rows}
    by_any_name = listed | {name.partition(".")[0] for name in listed} | {a for row in rows for a in row["aliases"]}
    for system in SYSTEMS + BEYOND:
        shown = [name for name in names(system[2]) if name in listed]
        assert shown == names(system[2]) != [], system
        assert {row["name"] for row in only("models", rows, shown)} >= set(shown)
        for title in re.split(r", and |, | over ", re.sub(r" \(.*?\)|, [A-Z]+ 20\d\d|, 20\d\d", "", system[0]))[:1]:
            plain = title.casefold().replace(" ", "").replace("2.1", "2")
            spellings = {plain, plain.replace("-", "_"), plain.replace("-net", ""), plain.partition(":")[0]}
            assert spellings & by_any_name or "memory of SAM 2" in system[1], system


def test_what_cannot_run_is_told_apart() -> None:
    for row in list_models():
        assert row["available"] == (row["name"] in builtin_entries())
    for name, system in absent_systems().items():
        cell = next(row for row in SYSTEMS + BEYOND if names(row[2]) == [name])
        assert system.title == cell[0]
        for number in re.findall(r"\d\d\.\d", cell[5]):
            assert number in system.scores, name
        assert len(re.findall(r"\d\d\.\d", cell[5])) == len(re.findall(r"\d\d\.\d", system.scores))


def test_each_row_says_how_to_run_it() -> None:
    for row in SYSTEMS + BEYOND:
        way = way_of(row)
        assert way in ("native", "extra", "masks") and names(row[2]), row
        for name in names(row[2]):
            assert (name in absent_systems()) == (way == "masks"), name
            if way == "masks":
                continue
            entry = builtin_entries()[name]
            assert bool(entry.card.extra) == (way == "extra"), name
            if way == "extra":
                assert f"[{entry.card.extra}]" in row[1]


def test_scores_name_their_source() -> None:
    """Every cell with a number ends with where it comes from; none comes from memory."""
    sources = ("poster", "README", "model zoo", "CoVOS", "EdgeTAM", "abstract", "Papers with Code")
    for row in SYSTEMS + BEYOND:
        if re.search(r"\d\d\.\d", row[5]):
            told = re.findall(r"\(([^)]*)\)", row[5])
            assert told and row[5].endswith(")"), row
            assert all(any(source in each for source in sources) for each in told), row


def test_pages_that_are_linked_exist() -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / target).is_file(), target
