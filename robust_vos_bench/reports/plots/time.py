"""J&F by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.plots.canvas import legend, looks, one_axes, plain, style, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def over_time(
    run: Run, video: str, condition: str, *, object: int | None = None, columns: int = 1, ax: Axes | None = None
) -> Axes:
    """J&F of one object by frame: thick under a condition, thin and dashed on the clean video; a line per model.

    object: its id, by default the first of the video. ax: draw into these axes instead of a new figure.

    Raises UsageError where the run has no scores by frame of it (packed results have none).
    """
    if condition not in run.conditions:
        raise UsageError(f"the run has no condition {condition!r}; it has {', '.join(run.conditions)}")
    clean = run.manifest.clean.label if run.manifest.clean else ""
    models = [row.model for row in in_order(run.robustness)]
    cells = {(m, label): run.sources[m].tracks(label) for m in models for label in {clean, condition} - {""}}
    ids = sorted({i for of in cells.values() for name, i in of if name == video})
    chosen = object if object is not None else (ids[0] if ids else 0)
    if chosen not in ids:
        raise UsageError(f"no scores by frame of object {chosen} of {video!r}; known objects: {ids or 'none'}")
    with style():
        axis = one_axes(ax, width_of(columns), 1.9)
        for place, model in enumerate(models):
            for label in dict.fromkeys((clean, condition)):
                track = cells.get((model, label), {}).get((video, chosen))
                if track is not None:
                    thin = {"linestyle": "--", "linewidth": 0.7} if label != condition else {"linestyle": "-"}
                    values = [50 * (j + f) for j, f in zip(track.j, track.f)]
                    axis.plot(track.frames, values, **{**looks(place), "marker": "", **thin})
        axis.set(ylim=(0, 100), xlabel="frame", ylabel="J&F")
        axis.set_title(f"{plain(video)}, object {chosen}: {condition}")
        if ax is None:
            legend(axis, models, columns)
    return axis
