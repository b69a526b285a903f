"""The report: one self-contained HTML file of one or more runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from robust_vos_bench.analysis.joint import load_runs
from robust_vos_bench.analysis.reopen import dataset_of
from robust_vos_bench.analysis.run import Run, load_run
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.pages import render_page
from robust_vos_bench.reports.section import make_section, videos_words
from robust_vos_bench.system.atomic import write_bytes
from robust_vos_bench.system.paths import user_path


def report(
    *runs: str | Path | Run,
    output: str | Path | None = None,
    video: str | None = None,
    strips: int = 10,
    rerun: bool = False,
    data_root: str | Path | None = None,
    dataset: str | None = None,
) -> Path:
    """Write one self-contained HTML page of runs, and return its path.

    runs: run directories, packed results, or what `load_run` and `load_runs` return. Several share their tables and
    plots, on the videos and conditions that all of them have (see `load_runs`); where that cannot be, each has its own.
    output: default `report.html` in the first run directory, or beside a packed result. video: whose J and F are drawn
    over time (by default, and where a run lacks it, the one with the worst drop). strips: how many film strips of worst
    drops. rerun: run models again for strips whose masks were not saved (slow). data_root: folder of the data, where it
    is no longer where the run found it. dataset: how the data is opened, where it is a class in a file, as in `run`.

    The page holds no path, host or person of this machine (`analysis.sharing`).

    Raises UsageError for an unknown video or another data set than the run's, and DataError for what is not a run.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> rvos.report(run, output="page.html", strips=1).name
    'page.html'
    """
    if not runs:
        raise UsageError("a report needs at least one run")
    loaded = [run if isinstance(run, Run) else load_run(run) for run in runs]
    path = page_path(loaded[0].folder) if output is None else user_path(output)
    root = None if data_root is None else user_path(data_root)
    write_bytes(path, build_report(loaded, video, strips, rerun, root, dataset).encode())
    return path


def page_path(run: Path) -> Path:
    """Where the page of a run directory or of a packed result is written by default."""
    return run / "report.html" if run.is_dir() else run.with_name(f"{run.name.removesuffix('.json.gz')}.html")


def together(runs: Sequence[Run]) -> tuple[list[Run], str]:
    """Several runs as one where that can be, else as they are; and why it cannot be, or ""."""
    try:
        return [load_runs(*runs)], ""
    except UsageError as error:
        return list(runs), str(error)


def build_report(
    runs: Sequence[Run],
    video: str | None = None,
    strips: int = 10,
    rerun: bool = False,
    data_root: Path | None = None,
    dataset: str | None = None,
) -> str:
    """The page as text; see `report`."""
    runs, apart = together(runs)
    videos = list(dict.fromkeys(name for run in runs for name in run.manifest.videos))
    if video is not None and video not in videos:
        raise UsageError(f"no run has a video {video!r}; there are {', '.join(videos)}")
    if dataset is not None:  # a wrong word is no reason for a page without pictures
        for run in runs:
            dataset_of(run.manifest, data_root, dataset=dataset)
    sections = [make_section(run, video, strips, rerun, data_root, dataset) for run in runs]
    return render_page(
        "report.html.j2",
        sections=sections,
        title=sections[0].title if len(sections) == 1 else f"{len(sections)} runs on {_data_of(runs)}",
        apart=apart,
        command=shlex.join,
        videos_words=videos_words,
    )


def _data_of(runs: Sequence[Run]) -> str:
    return ", ".join(dict.fromkeys(run.manifest.dataset.name for run in runs))
