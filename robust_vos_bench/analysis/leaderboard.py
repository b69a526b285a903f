"""Leaderboard pages: which results belong on a page, and the robustness table of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from msgspec import UNSET

from robust_vos_bench.analysis.naming import page_name, preset_words
from robust_vos_bench.analysis.order import Rank
from robust_vos_bench.analysis.packing import results_of
from robust_vos_bench.analysis.result import Result, joint_matrix, read_result, refuse_recipe, verify
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.same import check_same
from robust_vos_bench.analysis.sharing import shareable
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import Manifest
from robust_vos_bench.runs.store import safe_name


@dataclass(frozen=True)
class Row:
    """One model on a page."""

    result: Result
    scores: RobustnessRow
    overlap: tuple[str, ...]
    """Training sets of the model that are the test set."""

    @property
    def model(self) -> str:
        """Full variant name."""
        return self.result.model

    @property
    def rank(self) -> Rank | None:
        """None where cells are missing: such a model is shown, but not ranked."""
        return self.scores.rank


@dataclass(frozen=True)
class Page:
    """One data set x preset x seed, under one protocol: the only results that may be compared."""

    name: str
    """File stem."""
    manifest: Manifest
    """Of one of the results; data set, preset, protocol and conditions are those of all."""
    table: RobustnessTable
    rows: tuple[Row, ...]
    """Ranked models by mPC, then the others."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.manifest.dataset.name

    @property
    def preset(self) -> str:
        """What the conditions are, in words."""
        return preset_words(self.manifest)

    @property
    def protocol(self) -> str:
        """Scoring protocol with its version."""
        return f"{self.manifest.protocol.name} v{self.manifest.protocol.version}"

    @property
    def videos(self) -> int:
        """Number of scored videos."""
        return len(self.table.matrix.videos)

    @property
    def unscored(self) -> int:
        """Number of videos without truth to score, which are not among `videos`."""
        return len(self.table.matrix.unscored_videos)

    @property
    def objects(self) -> int:
        """Number of scored objects."""
        return len(self.table.matrix.objects)

    @property
    def left_out(self) -> list[str]:
        """Sentences on what its results were cut from, where they are what several runs have in common."""
        manifests = [row.result.manifest for row in self.rows]
        return list(dict.fromkeys(text for m in manifests if m.left_out is not UNSET for text in m.left_out))

    @property
    def conditions(self) -> int:
        """Number of corrupted conditions."""
        return len(self.table.matrix.conditions) - 1

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.dataset)} · {escape(self.preset)}</p>{self.table._repr_html_()}"


def build_page(results: Sequence[Result]) -> Page:
    """The page of results that belong together.

    Raises UsageError where they do not, or where the runs have no clean or no corrupted condition.
    """
    check_same(results)
    objects = {result.model: result.objects for result in results}
    table = RobustnessTable(joint_matrix(results), objects.__getitem__)
    if not {"P", "mPC"} <= table.jackknife.statistics.keys():
        raise UsageError(
            f"run {results[0].manifest.run_id} has no corrupted condition: there is nothing to rank. Runs "
            "of stored splits have boards of their own: `rvos-bench leaderboard`, or robust_vos_bench.leaderboard"
        )
    rows = [Row(result, row, overlap(result)) for result, row in zip(results, table)]
    return Page(page_name(results[0]), results[0].manifest, table, tuple(sorted(rows, key=_place)))


def _place(row: Row) -> tuple[bool, float, str]:
    interval = row.scores.interval("mPC")
    return row.rank is None, -interval.value if row.rank and interval else 0.0, row.model


def overlap(result: Result) -> tuple[str, ...]:
    """Training sets of a model that are the split it was tested on, or a version of it."""
    test = re.sub(r"[^a-z0-9]", "", result.manifest.dataset.name.lower())
    return tuple(t for t in result.manifest.models[0].trained_on if re.sub(r"[^a-z0-9]", "", t.lower()) == test)


def stored(folder: Path) -> dict[str, dict[str, Result]]:
    """The results below `folder`: page -> model -> result. Raises DataError for a damaged file."""
    pages: dict[str, dict[str, Result]] = {}
    for path in sorted((folder / "results").glob("*/*.json.gz")):
        result = read_result(path)
        if result.is_attacked:
            continue  # of the boards of attacks
        result = shareable(result)
        pages.setdefault(path.parent.name, {})[result.model] = result
    return pages


def collect(sources: Iterable[Path | Run]) -> dict[str, dict[str, Result]]:
    """Read and check runs and packed results: page -> model -> result, without what is private. Nothing is written.

    Raises UsageError for recipe weights and for two results of one model that are not of the same weights, options and
    code; DataError for damaged files and runs without scores.
    """
    pages: dict[str, dict[str, Result]] = {}
    for source in sources:
        where = str(source.folder) if isinstance(source, Run) else str(source)
        for result in results_of(source):
            refuse_recipe(result)
            verify(result, where)
            page = pages.setdefault(page_name(result), {})
            rival = page.get(result.model)
            if rival is not None and rival.manifest.models != result.manifest.models:
                raise UsageError(
                    f"{where}: {result.model!r} is there twice, with other weights, options or code. A page has one "
                    "row per model: leave one of them out, or give the variants different names."
                )
            page[result.model] = result
    return pages


def joined(old: dict[str, dict[str, Result]], new: dict[str, dict[str, Result]]) -> dict[str, dict[str, Result]]:
    """Pages with the new results added; UsageError where an incomplete result would replace a complete one."""
    pages = {name: dict(rows) for name, rows in old.items()}
    for name, rows in new.items():
        for model, result in rows.items():
            before = pages.setdefault(name, {}).get(model)
            if before is not None and before.complete and not result.complete:
                raise UsageError(
                    f"{model!r} has a complete result on {name} already, and run {result.manifest.run_id} is not "
                    "complete. Finish that run first, or delete the old result below `results`."
                )
            pages[name][model] = result
    return pages


def result_path(folder: Path, page: str, model: str) -> Path:
    """The file of a row's result below `folder`."""
    return folder / "results" / page / f"{safe_name(model)}.json.gz"
