"""Results for others: packed files, and leaderboards of corruptions and of attacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robust_vos_bench.analysis.leaderboard import Page
from robust_vos_bench.analysis.result import Result, read_result, refuse_recipe, verify, write_result
from robust_vos_bench.analysis.run import Run, load_run
from robust_vos_bench.analysis.sharing import shareable
from robust_vos_bench.api.settings import folders
from robust_vos_bench.attacks.board_sheet import board_csv, board_data, sheet_of
from robust_vos_bench.attacks.leaderboard import AttackPage, attack_pages, file_name, group_name
from robust_vos_bench.attacks.submitted import is_attacked, submitted
from robust_vos_bench.errors import IncompleteError, UsageError
from robust_vos_bench.reports import leaderboard_files
from robust_vos_bench.reports import pack as packs
from robust_vos_bench.reports.markdown import sheet_markdown, write_between_markers
from robust_vos_bench.runs.store import safe_name
from robust_vos_bench.system.atomic import make_folder, write_bytes
from robust_vos_bench.system.json import to_json
from robust_vos_bench.system.paths import user_path

Folders = str | Path | Sequence[str | Path]


def pack(
    run: str | Path,
    masks: str | None = None,
    model: str | None = None,
    output: str | Path | None = None,
    layout: str | None = None,
    attacked: Folders = (),
    maker: str = "",
    data_root: str | Path | None = None,
    progress: bool = False,
    dataset: str | None = None,
) -> Path:
    """Check a run, pack it into one file for others, and return its path.

    The scores of one model as `.json.gz`, or, with masks (a condition label such as "clean"), its saved masks of that
    condition as `.zip`. model: needed where the run has several. output: by default a file beside the run. layout: of
    the zip, "annotations", "videos" or "objects"; by default as the data set's server wants it.

    Scores of stored splits are packed with how each split was made and its flags, after an audit of every split.
    attacked: where the splits lie, by default beside the run. maker: who made them, as a leaderboard shall say.
    data_root: folder of the data, where it is no longer where the run found it. dataset: how the data is opened, where
    it is a class in a file ("my_data.py:MyData"). progress: a bar of the audit on stderr.

    Raises UsageError for an unclear choice, IncompleteError for a run that is not finished, DataError for damage and
    for splits that do not hold.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model="static", corruption="fog-3", limit=2, progress=False)
    >>> rvos.pack(run.folder).name.endswith(".json.gz")
    True
    """
    folder = user_path(run)
    if masks is not None or layout is not None or not (folder / "run.json").is_file():
        return packs.pack(folder, masks, model, output, layout)
    opened = load_run(folder)
    if not is_attacked(opened):
        return packs.pack(folder, masks, model, output, layout)
    path = None if output is None else user_path(output)
    chosen = packs.choose(folder, model)
    refuse_recipe(chosen)
    if not chosen.complete:
        raise IncompleteError(f"{folder}: {chosen.model!r} is not complete. Repeat the run's command to finish it.")
    root = None if data_root is None else user_path(data_root)
    found = submitted(opened, folders(attacked), maker, root, not progress, dataset)
    result = next(r for r in found if r.model == chosen.model)
    verify(result, str(folder))
    where = path or folder.parent / f"{safe_name(result.model)}-{result.manifest.run_id}.json.gz"
    write_result(where, result)
    return where


def leaderboard(
    *runs: str | Path | Run,
    output: str | Path = "leaderboards",
    joint: bool = False,
    site: bool = False,
    attacked: Folders = (),
    maker: str = "",
    data_root: str | Path | None = None,
    progress: bool = False,
    dataset: str | None = None,
) -> list[Page | AttackPage]:
    """Add runs or packed results to the leaderboards in a folder, write every page again, and return the pages.

    runs: run directories, packed results (`.json.gz`), or what `load_run` and `load_runs` return; without any, the
    pages are made from `output`/results alone. joint: one page of all of them, on the videos and conditions that they
    have in common, which says what it leaves out. site: also write them as static HTML pages, to `output`/site.
    A model that is on a page already is replaced. Everything is checked before anything is written. Raises UsageError
    for untrained weights and for results that cannot share a page, DataError for damaged files.

    Runs of stored splits have pages of their own, one per data set and threat: every split is audited, and one from
    anybody can only lower a row. attacked, maker, data_root, dataset, progress: as in `pack`, for run directories.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> [page] = rvos.leaderboard(run, output="boards")
    """
    folder = user_path(output)
    opened = [run if isinstance(run, Run) else load_run(user_path(run)) for run in runs]
    of_attacks = [one for one in opened if is_attacked(one)]
    others = [one for one in opened if not is_attacked(one)]
    if joint and of_attacks:
        raise UsageError("results of attacks need no --joint: they share a page wherever the videos are the same")
    root = None if data_root is None else user_path(data_root)
    results = _kept(folder)
    new: dict[Path, Result] = {}
    for one in of_attacks:
        for result in submitted(one, folders(attacked), maker, root, not progress, dataset):
            refuse_recipe(result)
            verify(result, str(one.folder))
            new[folder / "results" / group_name(result) / file_name(result)] = result
    pages = attack_pages(list((results | new).values()))
    sheets = [sheet_of(page) for page in pages]
    known = leaderboard_files.leaderboard(*others, output=folder, joint=joint, site=site, sheets=sheets)
    for path, result in new.items():
        write_result(path, result)
    for page, sheet in zip(pages, sheets):
        write_between_markers(folder / f"{page.name}.md", f"# {sheet.title}", sheet_markdown(sheet))
        csv, data = board_csv(page).encode(), (to_json(board_data(page), indent=1) + "\n").encode()
        places = [folder, folder / "site"] if site else [folder]
        for place in places:
            make_folder(place)
            write_bytes(place / f"{page.name}.csv", csv)
            write_bytes(place / f"{page.name}.json", data)
    return [*known, *pages]


def _kept(folder: Path) -> dict[Path, Result]:
    """The results of attacks below a folder of leaderboards."""
    found = {}
    for path in sorted((folder / "results").glob("*--attacks*/*.json.gz")):
        result = shareable(read_result(path))
        if result.is_attacked:
            found[path] = result
    return found
