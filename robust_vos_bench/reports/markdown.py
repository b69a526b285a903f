"""Leaderboard pages and their index as Markdown, between markers so that text around them is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from robust_vos_bench.analysis.intervals import caution
from robust_vos_bench.analysis.leaderboard import Page
from robust_vos_bench.analysis.measure import Group
from robust_vos_bench.analysis.published import read_published
from robust_vos_bench.analysis.words import points, unscored_note
from robust_vos_bench.errors import DataError
from robust_vos_bench.reports.grids import Grid, column, grid, headline_columns, legend, measure_grid
from robust_vos_bench.reports.published import cell_words, published_table
from robust_vos_bench.reports.sheets import Sheet
from robust_vos_bench.runs.records import Manifest
from robust_vos_bench.system.atomic import make_folder, write_bytes

START, END = "<!-- rvos-bench:start -->", "<!-- rvos-bench:end -->"


def write_between_markers(path: Path, title: str, body: str) -> None:
    """Replace what stands between the markers of a file; text around them is kept, a new file gets a title.

    Raises DataError where the file has not exactly one pair of markers.
    """
    block = f"{START}\n{body.rstrip()}\n{END}"
    text = path.read_text() if path.exists() else f"{title}\n\n{START}\n{END}\n"
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise DataError(f"{path}: expected the markers {START} and {END} once each, in this order")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    make_folder(path.parent)
    write_bytes(path, (before + block + after).encode())


def text_below(path: Path) -> list[str]:
    """Paragraphs that somebody has written below the end marker of a page, each on one line; none without a page."""
    _, _, below = path.read_text(encoding="utf-8").partition(END) if path.exists() else ("", "", "")
    return [" ".join(part.split()) for part in below.split("\n\n") if part.strip()]


def escape(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def render(template: str, **content: Any) -> str:
    """One of the Markdown templates of this package; in it, `cell` is `escape`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("robust_vos_bench.reports"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = escape
    return environment.get_template(template).render(**content)


def page_markdown(page: Page) -> str:
    """The tables of a page, how to read them, and where each row comes from."""
    table, rows = page.table, [row.scores for row in page.rows]
    notes = [*page.left_out, caution(page.videos), unscored_note(page.unscored)]
    if any(row.overlap for row in page.rows):
        notes.append("† trained on the data it is tested on.")
    whole = page.videos + page.unscored >= page.manifest.dataset.videos_in_split
    return render(
        "leaderboard.md.j2",
        page=page,
        videos=f"{page.videos} videos"
        if whole
        else f"{page.videos} of the {page.manifest.dataset.videos_in_split} videos of the split",
        headline=grid(
            column("rank", ("–" if row.rank is None else row.rank for row in page.rows), "right"),
            column("model", (row.model + " †" * bool(row.overlap) for row in page.rows)),
            headline_columns(table, rows, "markdown", families=True),
            column("run", (row.result.manifest.run_id for row in page.rows)),
        ),
        robustness=measure_grid(table, rows, Group.ROBUSTNESS, "markdown"),
        bursts=measure_grid(table, rows, Group.BURST, "markdown"),
        legends={group.value: legend(table, group, "markdown") for group in Group},
        notes=[note for note in notes if note],
        order={"tau": table.order.tau, "models": table.order.models, "known": not math.isnan(table.order.tau.value)},
        provenance=_provenance(page),
    )


def _provenance(page: Page) -> Grid:
    manifests = [row.result.manifest for row in page.rows]
    models = [manifest.models[0] for manifest in manifests]
    versions = [", ".join(dict.fromkeys(str(i.tool) for i in manifest.invocations)) for manifest in manifests]
    return grid(
        column("model", (row.model for row in page.rows)),
        column("weights sha256", (model.weights_sha256[:16] or "needs none" for model in models)),
        column("adapter", (f"{model.model or ''} v{model.adapter_version}".strip() for model in models)),
        column("rvos-bench", versions),
        column("command", map(_command, manifests), code=True),
    )


def _command(manifest: Manifest) -> str:
    """What repeats a result: a command, or a Python call, on one line."""
    latest = manifest.latest
    if latest is None or latest.command or not latest.call:
        return " ".join(manifest.command)
    return " ".join(line for line in latest.call.splitlines() if line.startswith("rvos."))


def sheet_markdown(sheet: Sheet) -> str:
    """A page of plain tables."""
    return render("sheet.md.j2", sheet=sheet)


def index_markdown(pages: Sequence[Page], sheets: Sequence[Sheet] = ()) -> str:
    """All pages with their leaders, other boards, then the scores that authors published."""
    best = [next((row for row in page.rows if row.rank), None) for page in pages]
    leaders = [f"{points(row.scores['mPC'])} {row.model}" if row else "n/a" for row in best]
    known = grid(
        column("data set", (page.dataset for page in pages)),
        column("preset", (page.preset for page in pages)),
        column("models", (len(page.rows) for page in pages), "right"),
        column("videos", (page.videos for page in pages), "right"),
        column("conditions", (page.conditions for page in pages), "right"),
        column("best mPC", leaders),
        column("page", (f"[{page.name}]({page.name}.md)" for page in pages)),
    )
    found = read_published()
    table = published_table(found)
    columns = [
        column(f"{data} {metric}", (cell_words(cells[k], table.sources) or "–" for _, cells in table.rows), "right")
        for k, (data, metric) in enumerate(table.columns)
    ]
    published = grid(column("model", (model for model, _ in table.rows)), columns)
    heads = ("data set", "threat", "models", "videos", "budgets", "highest mean")
    others = grid(
        [column(head, (sheet.summary[k] for sheet in sheets), "right" if k in (2, 3) else "left")
         for k, head in enumerate(heads)],
        column("page", (f"[{sheet.name}]({sheet.name}.md)" for sheet in sheets)),
    )  # fmt: skip
    return render(
        "index.md.j2", pages=known, attacks=others if sheets else None, published=published, sources=table.sources
    )
