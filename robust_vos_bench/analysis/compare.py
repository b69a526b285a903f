"""The paired difference of two models: how large, how sure, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robust_vos_bench.analysis.bootstrap import Bootstrap, Interval, holm, statistics
from robust_vos_bench.analysis.leaderboard import check_same
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.result import Result, joint_matrix, read_result, results_of
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.text import left_out


@dataclass(frozen=True)
class Difference:
    """One statistic of A minus the same of B, in points."""

    name: str
    a: float
    b: float
    interval: Interval
    p: float
    """Two-sided; among families Holm-corrected."""


@dataclass(frozen=True)
class Comparison:
    """A minus B on the same videos and conditions; positive means that A is better (except `drop`)."""

    a: str
    b: str
    videos: int
    objects: int
    headline: tuple[Difference, ...]
    """P, mPC, drop: as many as the runs allow."""
    families: tuple[Difference, ...]
    corruptions: tuple[tuple[str, float], ...]
    """(corruption, A - B), most in favour of B first."""
    by_video: tuple[tuple[str, float], ...] = field(default=())
    """(video, A - B of mPC), most in favour of B first."""
    note: str = ""
    """What could not be checked."""


def find_results(source: str) -> list[Result]:
    """Results of `PATH` (run directory or packed result) or of one model of it, `PATH:MODEL`."""
    path, model = Path(source), ""
    if not path.exists() and ":" in source:
        head, _, model = source.rpartition(":")
        path = Path(head)
    if not path.exists():
        raise UsageError(f"{source!r} is neither a run directory nor a packed result (nor PATH:MODEL of one)")
    results = results_of(path, facts=False) if path.is_dir() else [read_result(path)]
    if model:
        chosen = [r for r in results if r.model == model]
        if not chosen:
            raise UsageError(f"{path} has no model {model!r}; it has {', '.join(r.model for r in results)}")
        return chosen
    return results


def pick_two(sources: Sequence[str]) -> tuple[Result, Result]:
    """The two models to compare: from one run of two models, or one each from two sources."""
    if len(sources) == 1:
        results = find_results(sources[0])
        if len(results) != 2:
            names = ", ".join(r.model for r in results)
            raise UsageError(f"{sources[0]} holds {len(results)} models ({names}); name two as PATH:MODEL PATH:MODEL")
        return results[0], results[1]
    picked = []
    for source in sources:
        results = find_results(source)
        if len(results) != 1:
            names = ", ".join(r.model for r in results)
            raise UsageError(f"{source} holds {len(results)} models ({names}); name one as {source}:MODEL")
        picked.append(results[0])
    return picked[0], picked[1]


def compare(a: Result, b: Result, draws: int = 10_000, seed: int = 0) -> Comparison:
    """Compare two results on the conditions and videos that both have; n/a is what one failed on.

    Raises UsageError where they share nothing or were made with other data, protocol or corruption versions.
    """
    left, right = _narrow(a, b), _narrow(b, a)
    check_same([left, right], "be compared", partly=True, data=_same_videos(a, b))
    if left.model == right.model:
        left, right = _renamed(left, "A"), _renamed(right, "B")
    matrix = joint_matrix([left, right])
    if not matrix.objects:
        raise UsageError(f"{left.model!r} and {right.model!r} share no scored video: there is nothing to compare")
    boot = Bootstrap(matrix, draws, seed)
    stats = statistics(matrix)

    def difference(name: str, p: float | None = None) -> Difference:
        found, own = boot.difference(0, 1, stats[name])
        label = name.removeprefix("family:")
        return Difference(label, boot.value(0, stats[name]), boot.value(1, stats[name]), found, own if p is None else p)

    families = [name for name in stats if name.startswith("family:")]
    corrected = holm([boot.difference(0, 1, stats[name])[1] for name in families])
    return Comparison(
        a=left.model,
        b=right.model,
        videos=len(matrix.videos),
        objects=len(matrix.objects),
        headline=tuple(difference(name) for name in ("P", "mPC", "drop") if name in stats),
        families=tuple(difference(name, p) for name, p in zip(families, corrected)),
        corruptions=_by_corruption(matrix),
        by_video=_by_video(matrix, stats.get("mPC")),
        note=" ".join((*_notes(a, b, left), left_out(len(matrix.unscored_videos)))).strip(),
    )


def _notes(a: Result, b: Result, common: Result) -> Iterator[str]:
    """What a reader must know of two results that are not of one grid."""
    shared, own, theirs = (len(r.manifest.conditions) for r in (common, a, b))
    if not shared == own == theirs:
        yield f"Conditions that both runs have: {shared}, of {own} of A's and {theirs} of B's."
    if not _same_videos(a, b):
        yield "The runs took other videos: that those in common are the same files could not be checked."


def _same_videos(a: Result, b: Result) -> bool:
    return sorted(a.manifest.videos) == sorted(b.manifest.videos)


def _narrow(result: Result, other: Result) -> Result:
    """The part of a result on the conditions and videos that the other has as well."""
    import msgspec

    theirs = {c["label"] for c in other.manifest.conditions}
    conditions = [c for c in result.manifest.conditions if c["label"] in theirs]
    videos = [v for v in result.manifest.videos if v in set(other.manifest.videos)]
    if not conditions or not videos:
        raise UsageError(f"{result.model!r} and {other.model!r} share no condition or no video")
    labels, names = {c["label"] for c in conditions}, set(videos)
    manifest = msgspec.structs.replace(result.manifest, conditions=conditions, videos=videos)
    records = tuple(r for r in result.records if r.condition in labels and r.video in names)
    return msgspec.structs.replace(result, manifest=manifest, records=records)


def _renamed(result: Result, suffix: str) -> Result:
    import msgspec

    name = f"{result.model} ({suffix})"
    model = msgspec.structs.replace(result.manifest.models[0], name=name)
    manifest = msgspec.structs.replace(result.manifest, models=[model])
    records = tuple(msgspec.structs.replace(r, model=name) for r in result.records)
    return msgspec.structs.replace(result, manifest=manifest, records=records)


def _by_corruption(matrix: ScoreMatrix) -> tuple[tuple[str, float], ...]:
    means = 100 * matrix.cell_means()
    names = dict.fromkeys(c.corruption for c in matrix.conditions if not c.is_clean)
    found = []
    for name in names:
        chosen = matrix.condition_index(corruption=name)
        found.append((name, float((means[0, chosen] - means[1, chosen]).mean())))
    return _ordered(found)


def _by_video(matrix: ScoreMatrix, weights: np.ndarray | None) -> tuple[tuple[str, float], ...]:
    if weights is None:
        return ()
    used = weights != 0
    by_object = 100 * np.tensordot(weights[used], matrix.jf[0, used] - matrix.jf[1, used], axes=1)
    of = matrix.video_of
    rows = [(video, float(by_object[of == v].mean())) for v, video in enumerate(matrix.videos) if (of == v).any()]
    return _ordered(rows)


def _ordered(rows: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """The smallest first, unknown ones last: among them `sorted` would leave the others in any order."""
    return tuple(sorted(rows, key=lambda row: (math.isnan(row[1]), row[1])))
