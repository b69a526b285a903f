"""The paired difference of two models: how large, how certain, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.analysis.intervals import Interval, Jackknife, holm
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.measure import Better
from robust_vos_bench.analysis.measures import measures
from robust_vos_bench.analysis.notebook import drawn, table_html
from robust_vos_bench.analysis.packing import results_of
from robust_vos_bench.analysis.result import Result, joint_matrix
from robust_vos_bench.analysis.robust import robust_differences
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.same import check_same
from robust_vos_bench.analysis.words import points, unscored_note
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import ConditionRecord
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    import pandas as pd


Source = str | Path | Result | Run
"""What may be compared."""


@dataclass(frozen=True)
class Difference:
    """One measure of A minus the same of B, in points."""

    name: str
    a: float
    b: float
    interval: Interval
    """95 % interval of A - B."""
    p: float
    """Two-sided; among families Holm-corrected."""
    better: Better = Better.HIGHER
    """Whether a positive difference means that A is better (HIGHER) or worse (LOWER)."""


@dataclass(frozen=True)
class Comparison:
    """A minus B on the same videos and conditions."""

    a: str
    b: str
    videos: int
    objects: int
    headline: tuple[Difference, ...]
    """P, mPC, drop and registered linear measures: as many as the runs allow."""
    families: tuple[Difference, ...]
    corruptions: tuple[tuple[str, float], ...]
    """(corruption, A - B), most in favour of B first."""
    by_video: tuple[tuple[str, float], ...] = field(default=())
    """(video, A - B of mPC), most in favour of B first."""
    note: str = ""
    """What could not be checked."""
    robust: tuple[Difference, ...] = field(default=())
    """By threat ("linf-prompt-e2"), each model on the frames that hurt it most, p Holm-corrected: of runs of stored
    splits that were made against both."""

    def frame(self) -> pd.DataFrame:
        """The headline measures, families and threats: name, a, b, difference, low, high, p."""
        import pandas as pd

        rows = [(d.name, d.a, d.b, d.interval.value, d.interval.low, d.interval.high, d.p) for d in self.rows]
        return pd.DataFrame(rows, columns=["name", "a", "b", "difference", "low", "high", "p"])

    @property
    def rows(self) -> tuple[Difference, ...]:
        """The headline measures, the families, the threats."""
        return (*self.headline, *self.families, *self.robust)

    def to_json(self) -> str:
        """As indented JSON; missing numbers are null."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode()

    def _repr_html_(self) -> str:
        from html import escape

        shown = self.rows
        ends = [v for d in shown for v in (d.interval.low, d.interval.high) if not math.isnan(v)]
        reach = max(map(abs, ends), default=1.0) or 1.0
        rows = [
            [escape(d.name), points(d.a), points(d.b), f"<b>{points(d.interval.value)}</b>"]
            + [drawn(d.interval, -reach, reach), "n/a" if math.isnan(d.p) else f"{d.p:.3f}"]
            for d in shown
        ]
        told = f"<p>A = {escape(self.a)}, B = {escape(self.b)}; the middle of the scale is no difference</p>"
        return told + table_html(["", "A", "B", "A - B", "95 % interval", "p"], rows)


def find_results(source: str | Path) -> list[Result]:
    """Results of `PATH` (run directory or packed result) or of one model of it, `PATH:MODEL`. UsageError if none."""
    path, model = user_path(source), ""
    if not path.exists() and ":" in str(source):
        head, _, model = str(source).rpartition(":")
        path = user_path(head)
    if not path.exists():
        raise UsageError(f"{str(source)!r} is neither a run directory nor a packed result (nor PATH:MODEL of one)")
    results = results_of(path, objects=False, shared=False)
    if model:
        chosen = [r for r in results if r.model == model]
        if not chosen:
            raise UsageError(f"{path} has no model {model!r}; it has {', '.join(r.model for r in results)}")
        return chosen
    return results


def pick_two(sources: Sequence[Source]) -> tuple[Result, Result]:
    """The two models to compare: from one run of two models, or one each from two sources. UsageError if unclear."""
    if len(sources) not in (1, 2):
        raise UsageError(f"compare takes one run of two models or two sources, not {len(sources)}")
    wanted = 3 - len(sources)  # models per source
    picked: list[Result] = []
    for source in sources:
        results = _results(source)
        if len(results) != wanted:
            names = ", ".join(r.model for r in results)
            advice = "name two as PATH:MODEL PATH:MODEL" if wanted == 2 else f"name one as {source}:MODEL"
            held = f"{len(results)} model{'s' * (len(results) != 1)}"
            what = source if isinstance(source, (str, Path)) else repr(source)
            raise UsageError(f"{what} holds {held} ({names}); {advice}")
        picked += results
    return picked[0], picked[1]


def _results(source: Source) -> list[Result]:
    if isinstance(source, Result):
        return [source]
    if isinstance(source, Run):
        return results_of(source, objects=False, shared=False)
    return find_results(source)


def compare(*sources: Source) -> Comparison:
    """Compare two models, A minus B, on the conditions and videos that both have.

    sources: one run (directory or `Run`) of two models, or two of: a run directory, a packed result, PATH:MODEL, a
    `Run` of one model, a `Result`.
    A number is NaN where one of the models failed on something it needs.
    Raises UsageError where the two share nothing or were made with other data, protocol or corruption versions.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> found = rvos.compare(run)
    >>> list(found.frame()["name"][:3])
    ['P', 'mPC', 'drop']
    """
    a, b = pick_two(sources)
    left, right = _narrow(a, b), _narrow(b, a)
    attacked = _robust(a, b)
    check_same([left, right], "be compared", partly=True, data=_same_videos(a, b))
    if left.model == right.model:
        left, right = _renamed(left, "A"), _renamed(right, "B")
    matrix = joint_matrix([left, right])
    if not matrix.objects:
        raise UsageError(f"{left.model!r} and {right.model!r} share no scored video: there is nothing to compare")
    jackknife = Jackknife(matrix)
    families = [name for name in jackknife.statistics if name.startswith("family:")]
    found = [_difference(jackknife, name, name.removeprefix("family:")) for name in families]
    corrected = holm([difference.p for difference in found])
    linear = [m for m in measures() if m.weights in jackknife.statistics]
    return Comparison(
        a=left.model,
        b=right.model,
        videos=len(matrix.videos),
        objects=len(matrix.objects),
        headline=tuple(_difference(jackknife, m.weights, m.key, m.better) for m in linear),
        families=tuple(replace(difference, p=p) for difference, p in zip(found, corrected)),
        corruptions=_by_corruption(matrix),
        by_video=_by_video(matrix, jackknife.statistics.get("mPC")),
        robust=tuple(replace(d, p=p) for d, p in zip(attacked, holm([d.p for d in attacked]))),
        note=" ".join((*_notes(a, b, left), unscored_note(len(matrix.unscored_videos)))).strip(),
    )


def _difference(jackknife: Jackknife, statistic: str, name: str, better: Better = Better.HIGHER) -> Difference:
    weights = jackknife.statistics[statistic]
    interval, p = jackknife.difference(0, 1, weights)
    return Difference(name, jackknife.value(0, weights), jackknife.value(1, weights), interval, p, better)


def _robust(a: Result, b: Result) -> list[Difference]:
    """By threat; the splits of each are its own, so that conditions are not narrowed to those of both."""
    videos = [v for v in a.manifest.videos if v in set(b.manifest.videos)]
    return [Difference(*row) for row in robust_differences(*(_part(r, r.manifest.conditions, videos) for r in (a, b)))]


def _notes(a: Result, b: Result, common: Result) -> Iterator[str]:
    """What a reader must know where the two results differ in more than the model."""
    shared, own, theirs = (len(r.manifest.conditions) for r in (common, a, b))
    if not shared == own == theirs:
        yield f"Conditions that both runs have: {shared}, of {own} of A's and {theirs} of B's."
    if not _same_videos(a, b):
        yield "The runs used different videos: whether those in common are the same files could not be checked."
    ours, other = a.manifest.models[0], b.manifest.models[0]
    versions = ours.adapter_version, other.adapter_version
    if ours.registered_name == other.registered_name and versions[0] != versions[1]:
        yield (
            f"A and B are {ours.registered_name} by two versions of its adapter (v{versions[0]}, v{versions[1]}): what "
            "separates them may be the code. Run the older one again to compare anything else."
        )


def _same_videos(a: Result, b: Result) -> bool:
    return sorted(a.manifest.videos) == sorted(b.manifest.videos)


def _narrow(result: Result, other: Result) -> Result:
    """The part of a result on the conditions and videos that the other has as well."""
    theirs = {c.label for c in other.manifest.conditions}
    conditions = [c for c in result.manifest.conditions if c.label in theirs]
    videos = [v for v in result.manifest.videos if v in set(other.manifest.videos)]
    if not conditions or not videos:
        raise UsageError(f"{result.model!r} and {other.model!r} share no condition or no video")
    return _part(result, conditions, videos)


def _part(result: Result, conditions: list[ConditionRecord], videos: list[str]) -> Result:
    labels, names = {c.label for c in conditions}, set(videos)
    manifest = msgspec.structs.replace(result.manifest, conditions=conditions, videos=videos)
    records = tuple(r for r in result.records if r.condition in labels and r.video in names)
    return msgspec.structs.replace(result, manifest=manifest, records=records)


def _renamed(result: Result, suffix: str) -> Result:
    name = f"{result.model} ({suffix})"
    model = msgspec.structs.replace(result.manifest.models[0], name=name)
    manifest = msgspec.structs.replace(result.manifest, models=[model])
    records = tuple(msgspec.structs.replace(r, model=name) for r in result.records)
    return msgspec.structs.replace(result, manifest=manifest, records=records)


def _by_corruption(matrix: ScoreMatrix) -> tuple[tuple[str, float], ...]:
    means = 100 * matrix.cell_means()
    names = dict.fromkeys(c.corruption for c in matrix.conditions if not c.is_clean and not c.is_stored)
    found = []
    for name in names:
        chosen = [i for i, c in enumerate(matrix.conditions) if c.corruption == name]
        found.append((name, float((means[0, chosen] - means[1, chosen]).mean())))
    return _ordered(found)


def _by_video(matrix: ScoreMatrix, weights: NDArray[np.float64] | None) -> tuple[tuple[str, float], ...]:
    if weights is None:
        return ()
    used = weights != 0
    by_object = 100 * np.tensordot(weights[used], matrix.jf[0, used] - matrix.jf[1, used], axes=1)
    of = matrix.video_of
    rows = [(video, float(by_object[of == v].mean())) for v, video in enumerate(matrix.videos) if (of == v).any()]
    return _ordered(rows)


def _ordered(rows: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """The smallest first, NaN last; sorting by the value alone has no defined order where some are NaN."""
    return tuple(sorted(rows, key=lambda row: (math.isnan(row[1]), row[1])))
