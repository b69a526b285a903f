"""Leaderboards as files: packed results, and per page Markdown, CSV and JSON, with an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robust_vos_bench.analysis.joint import load_runs
from robust_vos_bench.analysis.leaderboard import Page, build_page, collect, joined, result_path, stored
from robust_vos_bench.analysis.result import write_result
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.reports.data import page_csv, page_data
from robust_vos_bench.reports.markdown import index_markdown, page_markdown, write_between_markers
from robust_vos_bench.reports.sheets import Sheet
from robust_vos_bench.system.atomic import write_bytes
from robust_vos_bench.system.json import to_json
from robust_vos_bench.system.paths import user_path


def leaderboard(
    *runs: str | Path | Run,
    output: str | Path = "leaderboards",
    joint: bool = False,
    site: bool = False,
    sheets: Sequence[Sheet] = (),
) -> list[Page]:
    """Add runs or packed results to the leaderboards in a folder, write every page again, and return the pages.

    runs: run directories, packed results (`.json.gz`), or what `load_run` and `load_runs` return; without any, the
    pages are made from `output`/results alone. joint: one page of all of them, on the videos and conditions that they
    have in common, which says what it leaves out. site: also write them as static HTML pages, to `output`/site.
    sheets: other boards, which the index and the site show as well.
    A model that is on a page already is replaced. Everything is checked before anything is written. Raises UsageError
    for untrained weights and for results that cannot share a page, DataError for damaged files.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> [page] = rvos.leaderboard(run, output="boards")
    """
    folder = user_path(output)
    given = [load_runs(*runs)] if joint and runs else [r if isinstance(r, Run) else user_path(r) for r in runs]
    new = collect(given)
    every = joined(stored(folder), new)
    pages = [build_page([rows[model] for model in sorted(rows)]) for _, rows in sorted(every.items())]
    for name, rows in new.items():
        for model, result in rows.items():
            write_result(result_path(folder, name, model), result)
    for page in pages:
        write_between_markers(folder / f"{page.name}.md", f"# {page.dataset} · {page.preset}", page_markdown(page))
        write_bytes(folder / f"{page.name}.csv", page_csv(page).encode())
        write_bytes(folder / f"{page.name}.json", (to_json(page_data(page), indent=1) + "\n").encode())
    write_between_markers(folder / "README.md", "# Leaderboards", index_markdown(pages, sheets))
    if site:
        from robust_vos_bench.reports.site.build import write_site

        write_site(folder, pages, sheets)
    return pages
