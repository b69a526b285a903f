"""Tables of attacks: robust J&F of each model with its flags, and scores of every source's frames on every model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.robust import worst
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.attacks import flags as doubts
from robust_vos_bench.attacks.flags import Flag
from robust_vos_bench.attacks.splits import read_manifest, splits_in
from robust_vos_bench.attacks.store import AttackRecord, read_video
from robust_vos_bench.attacks.threat import Threat, in_order, read_threat
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.records import ConditionRecord
from robust_vos_bench.runs.store import safe_name


@dataclass(frozen=True)
class Row:
    """One model under attack. Scores are J&F in points, NaN where they were not measured."""

    model: str
    clean: float
    own: Mapping[str, float]
    """Label of a threat -> robust J&F: video by video the worst of all splits of that threat, whoever made them, of
    threats for which there is a split against this model."""
    noise: Mapping[str, float]
    transfer: tuple[float, str]
    """The lowest J&F on frames made against another model, and the label of that condition; NaN and ""."""
    lost: float
    """Percent of the objects lost under the worst own threat that are not lost clean."""
    e50: int | None
    """Smallest budget of linf-prompt that takes more than half of P; None where none of those measured does."""
    flags: tuple[tuple[str, Flag], ...] = ()
    """(label of the threat, flag)."""
    spans: Mapping[str, Interval] = field(default_factory=dict)
    """Label of a threat -> `own` with its 95 % interval over videos (jackknife)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is missing is None."""
        return {
            "model": self.model,
            "P": _number(self.clean),
            "own": {name: _number(v) for name, v in self.own.items()},
            "own_interval": {name: [_number(s.low), _number(s.high)] for name, s in self.spans.items()},
            "noise": {name: _number(v) for name, v in self.noise.items()},
            "worst_transfer": _number(self.transfer[0]),
            "worst_transfer_from": self.transfer[1],
            "lost": _number(self.lost),
            "e50": self.e50,
            "flags": [{"threat": label, "flag": flag.name, "detail": flag.detail} for label, flag in self.flags],
        }


@dataclass(frozen=True)
class Board:
    """All tables of a run over stored splits."""

    threats: tuple[str, ...]
    rows: tuple[Row, ...]
    sources: tuple[str, ...]
    matrix: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    """(threat, source, model) -> J&F."""
    unread: tuple[str, ...] = ()
    """Splits whose flags are not known: they are gone, damaged, or not those that were scored."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "threats": list(self.threats),
            "rows": [row.to_dict() for row in self.rows],
            "flags_unread": list(self.unread),
            "transfer": [
                {"threat": t, "source": s, "model": m, "J&F": _number(v)} for (t, s, m), v in self.matrix.items()
            ],
        }

    @property
    def errors(self) -> list[tuple[str, str, Flag]]:
        """(model, threat, flag) of every number that is no evaluation."""
        return [(row.model, label, flag) for row in self.rows for label, flag in row.flags if flag.is_error]


def board_of(run: Run, folders: Sequence[Path]) -> Board:
    """The tables of a run, with the flags in the stored splits."""
    stored = [(c, read_threat(f"{c.corruption}-e{c.severity}")) for c in run.manifest.conditions if c.is_stored]
    records = _records(folders, {c.label: c.store for c, _ in stored})
    unread = tuple(c.label for c, _ in stored if _source(c) and c.label not in records)
    threats = in_order([threat for _, threat in stored])
    means = 100 * run.matrix.cell_means()
    place = {c.label: i for i, c in enumerate(run.matrix.conditions)}
    cells: dict[tuple[str, str, str], float] = {}
    for m, model in enumerate(run.matrix.models):
        for condition, threat in stored:
            cells[threat.label, _source(condition), model] = float(means[m, place[condition.label]])
    rows = [_row(run, model, stored, cells, records) for model in run.matrix.models]
    sources = list(dict.fromkeys(_source(c) for c, _ in stored if _source(c)))
    matrix = {key: value for key, value in cells.items() if key[1]}
    return Board(tuple(t.label for t in threats if t.needs_model), tuple(rows), tuple(sources), matrix, unread)


def _row(
    run: Run,
    model: str,
    stored: Sequence[tuple[ConditionRecord, Threat]],
    cells: Mapping[tuple[str, str, str], float],
    records: Mapping[str, Sequence[AttackRecord]],
) -> Row:
    name = safe_name(model)
    clean = next((c for c in run.matrix.conditions if c.is_clean), None)
    p = math.nan
    if clean is not None:
        place = run.matrix.models.index(model), list(run.matrix.conditions).index(clean)
        p = 100 * float(run.matrix.cell_means()[place])
    spans = {t.label: _robust(run, model, t, stored) for c, t in stored if _source(c) == name}
    own = {label: span.value for label, span in spans.items()}
    noise = {t.label: cells[t.label, "", model] for c, t in stored if not _source(c)}
    others = [(cells[t.label, _source(c), model], c.label) for c, t in stored if _source(c) not in ("", name)]
    transfer = min((one for one in others if not math.isnan(one[0])), default=(math.nan, ""))
    flags: list[tuple[str, Flag]] = []
    for condition, threat in stored:
        if _source(condition) == name:
            flags += [
                (threat.label, flag) for flag in flags_of(threat, name, model, p, cells, records, condition.label)
            ]
    prompt = sorted((t.budget, own[t.label]) for _, t in stored if t.name == "linf-prompt" and t.label in own)
    e50 = next((budget for budget, score in prompt if score < p / 2), None)
    return Row(model, p, own, noise, transfer, _lost(run, model, own, stored, name), e50, tuple(flags), spans)


def _robust(run: Run, model: str, threat: Threat, stored: Sequence[tuple[ConditionRecord, Threat]]) -> Interval:
    """Mean over objects of their J&F under the split that leaves least of their video, of those within the threat: a
    split from anybody can only lower it. NaN where a video is missing."""
    matrix, m = run.matrix, run.matrix.models.index(model)
    labels = {c.label for c, t in stored if t.needs_model and t.within(threat)}
    rows = [100 * matrix.jf[m, i] for i, c in enumerate(matrix.conditions) if c.label in labels]
    return worst(matrix, rows)[0]


def flags_of(
    threat: Threat,
    source: str,
    model: str,
    clean: float,
    cells: Mapping[tuple[str, str, str], float],
    records: Mapping[str, Sequence[AttackRecord]],
    label: str,
) -> list[Flag]:
    """What is to be said of one own cell of a model: of its videos, and against the model's other cells."""
    found: list[Flag] = []
    known = records.get(label, ())
    for record in known:
        found += [flag for flag in record.flags if flag.name != "converged"]
    found += converged_of(known)
    searched = [r for r in known if r.by_loss]
    if threat.kind == "linf" and searched:
        found += doubts.monotone(sum(r.chosen in r.candidates for r in searched), len(searched))
    score = cells[threat.label, source, model]
    same = f"{threat.frames}-e{threat.budget}"
    if threat.kind == "linf":
        black = cells.get((f"square-{same}", source, model), math.nan)
        found += doubts.weaker("black box", f"square-{same}", score, black)
        for (other, maker, target), value in cells.items():
            if other == threat.label and target == model and maker not in ("", source):
                found += doubts.weaker("transfer", maker, score, value)
    noisy = cells.get((f"noise-{same}", "", model), math.nan)
    if threat.kind in ("linf", "square") and not math.isnan(noisy):
        found += doubts.noise(clean, score, noisy)
    return list(doubts.merged(found))


def converged_of(records: Sequence[AttackRecord]) -> list[Flag]:
    """Whether the searches of some videos had come to an end."""
    return doubts.converged([curve for record in records for curve in _curves(record)])


def _curves(record: AttackRecord) -> list[list[float]]:
    """Curves of the search whose frames are stored; of all where those of a smaller threat are."""
    trace = record.trace
    return trace.get(record.chosen) or [curve for curves in trace.values() for curve in curves]


def _lost(
    run: Run, model: str, own: Mapping[str, float], stored: Sequence[tuple[ConditionRecord, Threat]], source: str
) -> float:
    known = {label: score for label, score in own.items() if not math.isnan(score)}
    if not known:
        return math.nan
    worst = min(known, key=lambda label: known[label])
    condition = next(c.label for c, t in stored if t.label == worst and _source(c) == source)
    clean = next((c.label for c in run.matrix.conditions if c.is_clean), "")
    lost = {
        (s.condition, s.video, s.object): s.lost for s in run.object_stats(model) if s.condition in (condition, clean)
    }
    before = [key for key, gone in lost.items() if key[0] == clean and not gone]
    after = [lost[condition, video, i] for _, video, i in before if (condition, video, i) in lost]
    return 100 * float(np.mean(after)) if after else math.nan


def _records(folders: Sequence[Path], scored: Mapping[str, object]) -> dict[str, list[AttackRecord]]:
    """Label of a split -> the records of its videos, where all can be read; scored: the digests of what was scored."""
    found: dict[str, list[AttackRecord]] = {}
    for folder in folders:
        try:
            splits = splits_in(folder)
        except DataError:
            continue
        for split in splits:
            manifest, label = read_manifest(split), split.absolute().name
            known = [read_video(split, name) for name in manifest["videos"]]
            if str(manifest["store"])[:32] == scored.get(label) and None not in known:
                found[label] = [record.attack for record in known if record is not None]
    return found


def _source(condition: ConditionRecord) -> str:
    return condition.source if isinstance(condition.source, str) else ""


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
