"""Figures and tables of runs as files for a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_vos_bench.analysis.joint import load_runs
from robust_vos_bench.analysis.naming import preset_words
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.words import plural
from robust_vos_bench.errors import UsageError, unknown
from robust_vos_bench.reports.latex import robustness_latex
from robust_vos_bench.system.atomic import make_folder, replacing, write_bytes
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("pdf", "svg", "png")
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
"""Without dates and versions: the same run gives the same bytes."""


def kinds() -> dict[str, Callable[..., Axes | list[Axes]]]:
    """Name of a figure -> what draws it."""
    from robust_vos_bench.reports import plots

    return {
        "severity": plots.severity_curves,
        "drops": plots.drop_map,
        "scatter": plots.clean_against_corrupted,
        "differences": plots.paired_differences,
    }


KINDS = ("severity", "drops", "scatter", "differences")


def plot(
    *runs: str | Path | Run,
    kind: str | Sequence[str] = (),
    output: str | Path = "figures",
    format: str | Sequence[str] = "pdf",
    columns: int = 0,
    model: str | None = None,
    latex: bool = False,
    dpi: int = 300,
) -> list[Path]:
    """Write figures of runs for a paper, and return their paths. Several runs are joined as by `load_runs`.

    kind: "severity", "drops", "scatter", "differences"; by default every one that the runs have numbers for. output:
    the folder. format: "pdf", "svg", "png". columns: of the paper, 1 or 2; by default 2 for severity and 1 for the
    others. model: whose drops are shown, by default the mean of all. latex: write `table.tex` too: measures and
    families with intervals, the best bold, the second underlined. dpi: of PNG.

    To change a figure, take the axes of `robust_vos_bench.reports.plots` instead.

    Raises UsageError for unknown words and where the runs lack the numbers, and MissingExtraError without matplotlib.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> made = rvos.plot(run, kind="scatter", output="figures")
    >>> [path.suffix for path in made]
    ['.pdf']
    """
    asked = [kind] if isinstance(kind, str) else list(kind)
    formats = [format] if isinstance(format, str) else list(format)
    for word, known, what in [*((k, KINDS, "figure") for k in asked), *((f, FORMATS, "format") for f in formats)]:
        if word not in known:
            raise unknown(what, word, known)
    run = load_runs(*runs)
    folder = user_path(output)
    drawn: dict[str, Axes | list[Axes]] = {}
    reasons = []
    for name in asked or KINDS:
        options = {"model": model} if name == "drops" and model is not None else {}
        try:
            drawn[name] = kinds()[name](run, columns=columns or (2 if name == "severity" else 1), **options)
        except UsageError as error:
            if asked or model is not None:
                raise
            reasons.append(str(error))
    if not drawn and not latex:
        raise UsageError(f"{'; '.join(dict.fromkeys(reasons))}")
    make_folder(folder)
    made = [_save(axes, folder / f"{name}.{ending}", ending, dpi) for name, axes in drawn.items() for ending in formats]
    if latex:
        made.append(folder / "table.tex")
        write_bytes(made[-1], robustness_latex(run.robustness, _caption(run)).encode())
    return made


def _save(axes: Axes | list[Axes], path: Path, ending: str, dpi: int) -> Path:
    from robust_vos_bench.reports.plots.canvas import style

    figure = (axes[0] if isinstance(axes, list) else axes).get_figure(root=True)
    assert figure is not None
    with style(), replacing(path) as part:
        figure.savefig(part, format=ending, dpi=dpi, metadata=_METADATA[ending])
    return path


def _caption(run: Run) -> str:
    videos = plural(len(run.matrix.videos), "video")
    return (
        f"J&F on {run.manifest.dataset.name} ({videos}), {preset_words(run.manifest)}; in brackets 95 % intervals "
        "over videos. Best in bold, second underlined."
    )
