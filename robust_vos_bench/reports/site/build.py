"""Writes the site: an index of all results, a page per board, published scores, how to submit, and files of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from robust_vos_bench.analysis.access import ACCESS
from robust_vos_bench.analysis.finding import finding
from robust_vos_bench.analysis.leaderboard import Page
from robust_vos_bench.analysis.published import read_published
from robust_vos_bench.reports.data import page_csv, page_data
from robust_vos_bench.reports.export import as_markdown
from robust_vos_bench.reports.grids import column, grid, headline_columns
from robust_vos_bench.reports.latex import DASHES, SIGNS, robustness_latex
from robust_vos_bench.reports.markdown import text_below
from robust_vos_bench.reports.pages import render_page, template_text
from robust_vos_bench.reports.published import cell_words, published_table
from robust_vos_bench.reports.sheets import Sheet
from robust_vos_bench.reports.site.names import page_names
from robust_vos_bench.reports.site.rows import Board, Entry, board_entries, scatter
from robust_vos_bench.system.atomic import make_folder, write_bytes
from robust_vos_bench.system.json import to_json

FOLDER = "site"


def write_site(folder: Path, pages: Sequence[Page], sheets: Sequence[Sheet] = ()) -> Path:
    """Write the site of the leaderboards in a folder below it, and return its index. sheets: boards of attacks.

    The same results give the same bytes. Files of earlier pages stay, so that links to them keep working.
    """
    names = page_names(folder, pages)
    boards = [
        Board(names[page.name], page, i, finding(page.table), text_below(folder / f"{page.name}.md"))
        for i, page in enumerate(pages)
    ]
    entries = {board.name: board_entries(board) for board in boards}
    site = folder / FOLDER
    make_folder(site)
    every = [entry for board in boards for entry in entries[board.name]]
    index = site / "index.html"
    _write(index, _page(boards, every, None, bool(sheets)))
    for board in boards:
        _write(site / f"{board.name}.html", _page(boards, entries[board.name], board, bool(sheets)))
        _files(site, board)
    published = read_published()
    table = published_table(published)
    _write(
        site / "published.html",
        render_page(
            "published.html.j2",
            title="Published scores",
            boards=boards,
            table=table,
            words=cell_words,
            attacked=bool(sheets),
        ),
    )
    _write(
        site / "submit.html",
        render_page("submit.html.j2", title="How to submit a result", boards=boards, attacked=bool(sheets)),
    )
    if sheets:
        content = {"title": "Robustness against adversarial attacks", "sheets": sheets, "attacked": True}
        _write(site / "attacks.html", render_page("attacks.html.j2", **content))
    return index


def _page(boards: Sequence[Board], entries: list[Entry], board: Board | None, attacked: bool) -> str:
    """The index of all boards, or one of them."""
    families = list(dict.fromkeys(family for entry in entries for family in entry.scores))
    return render_page(
        "board.html.j2",
        title=board.title if board else "Robustness of video object segmentation: leaderboards",
        boards=boards,
        attacked=attacked,
        board=board,
        entries=entries,
        families=families,
        access=ACCESS,
        scatter=scatter(entries, board is None),
        board_script=_script(),
    )


def _script() -> Markup:
    script = template_text("board.js")
    for name, signs in (("signs", SIGNS), ("dashes", DASHES)):
        script = script.replace(f"/*{name}*/", to_json(signs))
    return Markup(script)


def _files(site: Path, board: Board) -> None:
    """CSV, JSON, Markdown and LaTeX of a whole board."""
    page = board.page
    rows = [row.scores for row in page.rows]
    shown = grid(
        column("rank", ("–" if row.rank is None else row.rank for row in page.rows), "right"),
        column("model", (row.model for row in page.rows)),
        headline_columns(page.table, rows, "markdown", families=True),
    )
    caption = f"J&F on {page.dataset} ({board.videos}) under {page.preset}, with 95 % intervals over videos."
    _write(site / f"{board.name}.csv", page_csv(page))
    _write(site / f"{board.name}.json", to_json(page_data(page), indent=1) + "\n")
    _write(site / f"{board.name}.md", f"# {board.title}\n\n{as_markdown(shown)}\n")
    _write(site / f"{board.name}.tex", robustness_latex(page.table, caption))


def _write(path: Path, text: str) -> None:
    write_bytes(path, text.encode())
