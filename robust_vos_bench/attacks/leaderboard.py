"""Leaderboards of attacks: a page per threat and data set, on which a split from anybody can only lower a row."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from robust_vos_bench.analysis.attacked import AttackRecord, SplitRecord
from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.result import Result, joint_matrix
from robust_vos_bench.analysis.robust import worst
from robust_vos_bench.attacks.flags import Flag, merged
from robust_vos_bench.attacks.standing import STANDINGS, TRANSFER, effort_words, standing
from robust_vos_bench.attacks.table import flags_of
from robust_vos_bench.attacks.threat import Threat, in_order, read_threat
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import ModelRecord
from robust_vos_bench.runs.store import safe_name


@dataclass(frozen=True)
class Cell:
    """One model under one budget. Scores are J&F in points, NaN where they were not measured."""

    robust: Interval
    """Video by video the worst of all splits that the threat allows, with the 95 % interval over videos."""
    noise: float
    held_by: tuple[str, ...]
    """The splits that leave least of a video, each with who made it."""
    flags: tuple[Flag, ...]
    attacked: bool
    """Whether a split was made against this model; otherwise only frames made against others were tried."""


@dataclass(frozen=True)
class BoardRow:
    """One model on a page."""

    record: ModelRecord
    clean: float
    cells: Mapping[int, Cell]
    """Budget -> cell."""
    transfer: tuple[float, str]
    """The lowest J&F on frames made against another model, and the label of that condition; NaN and ""."""
    e50: int | None
    """Smallest budget that takes more than half of clean J&F; None where none of those measured does, and for
    a model that was not attacked."""
    standing: str
    """One of `STANDINGS`: of the weakest budget."""
    efforts: tuple[str, ...]
    """How its own splits were searched, in words."""
    runs: tuple[str, ...]
    tools: tuple[str, ...]
    """Versions that made its own splits."""
    passes: int
    """Through the model, forward or forward and backward, of the searches for its own splits."""
    cpu_seconds: float
    """Of these searches; NaN where one was made by a version that did not measure it."""

    @property
    def model(self) -> str:
        """Full variant name."""
        return self.record.name

    def mean(self, budgets: Sequence[int]) -> float:
        """Of the robust J&F at these budgets, those that it has; NaN without any."""
        known = [cell.robust.value for b, cell in self.cells.items() if b in budgets]
        known = [value for value in known if not math.isnan(value)]
        return float(np.mean(known)) if known else math.nan

    @property
    def flags(self) -> list[tuple[int, Flag]]:
        """(budget, flag)."""
        return [(budget, flag) for budget, cell in self.cells.items() for flag in cell.flags]


@dataclass(frozen=True)
class AttackPage:
    """One threat on one data set."""

    name: str
    """File stem."""
    threat: str
    """Kind and frames: "linf-prompt"."""
    dataset: str
    protocol: str
    budgets: tuple[int, ...]
    rows: tuple[BoardRow, ...]
    """Those of a standard preset first, then by the mean over the budgets that all rows of a table have."""
    videos: int
    videos_in_split: int
    objects: int

    def sections(self) -> list[tuple[str, list[BoardRow]]]:
        """The rows by standing; those of two sections are not compared."""
        found = [(name, [row for row in self.rows if row.standing == name]) for name in STANDINGS]
        return [(name, rows) for name, rows in found if rows]


def group_name(result: Result) -> str:
    """What results of attacks share a page by: data set and videos. Also the folder of their packed results."""
    manifest = result.manifest
    words = [manifest.dataset.name.replace(":", "-"), "attacks"]
    if manifest.dataset.videos < manifest.dataset.videos_in_split:
        words.append("part-" + hashlib.sha256(repr(sorted(manifest.videos)).encode()).hexdigest()[:8])
    return "--".join(re.sub(r"[^A-Za-z0-9._-]", "-", word) for word in words)


def file_name(result: Result) -> str:
    """Of the packed result in that folder: a model has one per set of splits, so that none takes another's place."""
    splits = sorted((c.label, str(c.store)) for c in result.manifest.conditions if c.is_stored)
    return f"{safe_name(result.model)}-{hashlib.sha256(repr(splits).encode()).hexdigest()[:8]}.json.gz"


def attack_pages(results: Sequence[Result]) -> list[AttackPage]:
    """The pages of results, a page per data set and threat. Raises UsageError for what cannot share one."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(group_name(result), []).append(result)
    return [page for name in sorted(groups) for page in _pages(name, groups[name])]


def _pages(group: str, results: Sequence[Result]) -> list[AttackPage]:
    models: dict[str, list[_Scores]] = {}
    for result in results:
        _check(results[0], result)
        models.setdefault(result.model, []).append(_Scores.of(result))
    for name, known in models.items():
        for other in known[1:]:
            if _identity(other.result) != _identity(known[0].result):
                raise UsageError(
                    f"{name!r} is there twice, with other weights, options or adapter. Delete the older results below "
                    "`results`, or give the variants different names"
                )
    threats = in_order([t for known in models.values() for s in known for t, _ in s.stored if t.needs_model])
    pages = []
    for kind in dict.fromkeys(t.name for t in threats):
        budgets = tuple(t.budget for t in threats if t.name == kind)
        rows = [row for known in models.values() if (row := _row(kind, budgets, known)) is not None]
        rows = _ordered(rows)
        first = next(iter(models.values()))[0]
        manifest = first.result.manifest
        pages.append(
            AttackPage(
                group.replace("--attacks", f"--attack-{kind}"), kind, manifest.dataset.name,
                f"{manifest.protocol.name} v{manifest.protocol.version}", budgets, tuple(rows),
                len(first.matrix.videos), manifest.dataset.videos_in_split, len(first.matrix.objects),
            )
        )  # fmt: skip
    return pages


def _ordered(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """By standing, then by the mean over the budgets that all rows of that standing have: a row without the budgets
    that leave least is not ahead for that."""
    found: list[BoardRow] = []
    for name in STANDINGS:
        own = [row for row in rows if row.standing == name]
        shared = [b for b in (own[0].cells if own else ()) if all(b in row.cells for row in own)]
        means = {row.model: row.mean(shared) for row in own}
        own.sort(key=lambda r: (math.isnan(means[r.model]), -np.nan_to_num(means[r.model]), r.model))
        found += own
    return found


def _identity(result: Result) -> tuple[Any, ...]:
    model = result.manifest.models[0]
    return model.identity, model.weights_sha256, model.adapter_version, dict(model.options)


def _check(first: Result, other: Result) -> None:
    """Raise UsageError for what may not stand on one page."""
    if other.attacks is UNSET or not all(split.audited for split in other.attacks):
        raise UsageError(f"{other.model!r}: its stored splits are not audited; pack the run with this version")
    if not other.complete:
        raise UsageError(f"{other.model!r}: run {other.manifest.run_id} is not complete; repeat its command first")
    if other.manifest.clean is None:
        raise UsageError(f"{other.model!r}: run {other.manifest.run_id} has no clean condition to compare with")
    a, b = first.manifest, other.manifest
    for what, one, two in (
        ("scoring protocol", a.protocol, b.protocol),
        ("data", a.dataset.index_sha256, b.dataset.index_sha256),
    ):
        if one != two:
            raise UsageError(f"{first.model!r} and {other.model!r} cannot share a page: they differ in {what}")


@dataclass(frozen=True)
class _Scores:
    """One result with its arrays."""

    result: Result
    matrix: ScoreMatrix
    stored: tuple[tuple[Threat, SplitRecord], ...]

    @staticmethod
    def of(result: Result) -> _Scores:
        known = {split.label: split for split in result.attacks} if result.attacks is not UNSET else {}
        stored = [(read_threat(f"{c.corruption}-e{c.severity}"), known[c.label])
                  for c in result.manifest.conditions if c.is_stored]  # fmt: skip
        return _Scores(result, joint_matrix([result]), tuple(stored))

    def points(self, label: str) -> NDArray[np.float64]:
        """J&F in points per object."""
        place = [c.label for c in self.matrix.conditions].index(label)
        found: NDArray[np.float64] = 100 * self.matrix.jf[0, place]
        return found

    def is_own(self, split: SplitRecord) -> bool:
        """Whether a split was made against this model with these weights."""
        source, model = split.made.get("source") or {}, self.result.manifest.models[0]
        return (source.get("name"), source.get("weights_sha256")) == (model.name, model.weights_sha256)

    def said(self, split: SplitRecord) -> str:
        """A split and who made it: the name that they gave, else the run that scored it."""
        return f"{split.label} by {split.maker or 'run ' + self.result.manifest.run_id}"

    def flags(self, threat: Threat, split: SplitRecord) -> tuple[Flag, ...]:
        """What is to be said of a split that was made against this model."""
        name = safe_name(self.result.model)
        cells = {(t.label, _source(s), name): float(self.points(s.label).mean()) for t, s in self.stored}
        records = {s.label: list(s.videos.values()) for _, s in self.stored}
        clean = self.matrix.cell_means()[0, next(i for i, c in enumerate(self.matrix.conditions) if c.is_clean)]
        return merged(flags_of(threat, _source(split), name, 100 * float(clean), cells, records, split.label))


def _source(split: SplitRecord) -> str:
    source = split.made.get("source")
    return safe_name(str(source["name"])) if source else ""


def _row(kind: str, budgets: Sequence[int], known: Sequence[_Scores]) -> BoardRow | None:
    """One model under the budgets of a page; None where none of the page's splits was scored on it."""
    page = [(s, t, split) for s in known for t, split in s.stored if t.name == kind]
    if not page:
        return None
    first = known[0]
    clean = float(next(first.points(c.label) for c in first.matrix.conditions if c.is_clean).mean())
    cells = {budget: cell for budget in budgets if (cell := _cell(kind, budget, known)) is not None}
    own = [(t, split) for s, t, split in page if s.is_own(split)]
    others = [(float(s.points(split.label).mean()), split.label) for s, _, split in page if not s.is_own(split)]
    e50 = next((budget for budget, cell in sorted(cells.items()) if own and cell.robust.value < clean / 2), None)
    return BoardRow(
        record=first.result.manifest.models[0],
        clean=clean,
        cells=cells,
        transfer=min(others, default=(math.nan, "")),
        e50=e50,
        standing=_standing(own),
        efforts=tuple(dict.fromkeys(effort_words(split.made) for _, split in own)),
        runs=tuple(dict.fromkeys(s.result.manifest.run_id for s, _, _ in page)),
        tools=tuple(dict.fromkeys(split.tool for _, split in own)),
        passes=sum(video.passes for _, split in own for video in split.videos.values()),
        cpu_seconds=_cpu_seconds([video for _, split in own for video in split.videos.values()]),
    )


def _cpu_seconds(videos: Sequence[AttackRecord]) -> float:
    known = [video.cpu_seconds for video in videos]
    return sum(known) if known and all(known) else math.nan


def _standing(own: Sequence[tuple[Threat, SplitRecord]]) -> str:
    """The best split of each budget counts, and of these the weakest."""
    best: dict[int, str] = {}
    for threat, split in own:
        here = standing(threat, split.made)
        best[threat.budget] = min(here, best.get(threat.budget, here), key=STANDINGS.index)
    if not best:
        return TRANSFER
    return max(best.values(), key=STANDINGS.index)


def _cell(kind: str, budget: int, known: Sequence[_Scores]) -> Cell | None:
    """The worst of all splits of all results that lie within the threat, video by video."""
    threat = read_threat(f"{kind}-e{budget}")
    inside = [(s, t, split) for s in known for t, split in s.stored if t.needs_model and t.within(threat)]
    here = [(s, t, split) for s, t, split in inside if (t.name, t.budget) == (kind, budget)]
    if not here:
        return None
    span, chosen = worst(known[0].matrix, [s.points(split.label) for s, _, split in inside])
    held = [inside[i] for i in chosen]
    own = [(s, t, split) for s, t, split in here if s.is_own(split)]
    doubted = [one for one in own if any(one[2] is split for _, _, split in held)] or own
    noise = [s.points(split.label).mean() for s in known for t, split in s.stored
             if t == threat.noise]  # fmt: skip
    return Cell(
        robust=span,
        noise=float(min(noise, default=math.nan)),
        held_by=tuple(dict.fromkeys(s.said(split) for s, _, split in held)),
        flags=merged(flag for s, t, split in doubted for flag in s.flags(t, split)),
        attacked=bool(own),
    )
