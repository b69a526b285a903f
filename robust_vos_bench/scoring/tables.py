"""Scores as JSON, as the official CSV files, and as text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from robust_vos_bench.scoring.objects import ObjectScore
from robust_vos_bench.scoring.protocols import PROTOCOL_VERSION, Protocol
from robust_vos_bench.scoring.statistics import GLOBAL_NAMES, STATISTICS, global_scores


def seen_unseen(objects: Iterable[ObjectScore], seen: frozenset[str]) -> dict[str, float]:
    """J and F over objects of seen and of unseen categories, and G, the plain mean of the four.

    The averages that YouTube-VOS publishes, over our own protocol; NaN where a group has no object.
    """
    groups: dict[str, list[ObjectScore]] = {"seen": [], "unseen": []}
    for score in objects:
        if not score.frames:
            continue
        groups["seen" if score.category in seen else "unseen"].append(score)
    values = {
        f"{measure.upper()}_{group}": float(np.mean([getattr(s, f"{measure}_mean") for s in scores]))
        if scores
        else math.nan
        for measure in ("j", "f")
        for group, scores in groups.items()
    }
    return {"G": float(np.mean(list(values.values()))), **values}


def as_json(objects: Sequence[ObjectScore], protocol: Protocol, seen: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The document of `rvos-bench score --json`; floats keep every bit, NaN becomes null."""
    document: dict[str, Any] = {
        "protocol": protocol.label,
        "protocol_version": PROTOCOL_VERSION,
        "global": {name: _number(value) for name, value in global_scores(objects).items()},
        "objects": [],
    }
    if protocol.rule is not None:
        document["authors"] = {name: _number(value) for name, value in protocol.rule.overall(objects).items()}
    if seen and any(score.category for score in objects):
        document["seen_unseen"] = {name: _number(value) for name, value in seen_unseen(objects, seen).items()}
    if unscored := _unscored(objects):
        document["unscored_objects"] = unscored
    for score in objects:
        entry: dict[str, Any] = {"sequence": score.video, "object": score.object}
        entry |= {name: _number(getattr(score, attribute)) for name, attribute in STATISTICS.items()}
        entry |= {name: _number(value) for name, value in score.extra.items()}
        if score.category:
            entry["category"] = score.category
        document["objects"].append(entry)
    return document


def official_csv(objects: Sequence[ObjectScore], split: str, protocol: Protocol | None = None) -> dict[str, str]:
    """File name -> text of the two files that the official script writes, three decimals, in its layout.

    By the rule of another data set's authors: their global numbers, and J, F and what the rule adds for each object.
    """
    rule = None if protocol is None else protocol.rule
    overall = global_scores(objects) if rule is None else rule.overall(objects)
    names = () if rule is None else rule.extra
    rows = [
        (f"{s.video}_{s.object}", *(_three(v) for v in (s.j_mean, s.f_mean, *(s.extra[name] for name in names))))
        for s in objects
    ]
    return {
        f"global_results-{split}.csv": _csv([tuple(overall), [_three(value) for value in overall.values()]]),
        f"per-sequence_results-{split}.csv": _csv([("Sequence", "J-Mean", "F-Mean", *names), *rows]),
    }


def as_text(objects: Sequence[ObjectScore], protocol: Protocol, seen: frozenset[str] = frozenset()) -> str:
    """A table for people: one line per object, then the global line, three decimals."""
    overall = global_scores(objects)
    extra = () if protocol.rule is None else protocol.rule.extra
    lines = [["object", *GLOBAL_NAMES, *extra]]
    for s in objects:
        values = [s.jf, *(getattr(s, attribute) for attribute in STATISTICS.values())]
        values += [s.extra[name] for name in extra]
        lines.append([f"{s.video}_{s.object}", *(_three(v) or "-" for v in values)])
    means = [*(overall[name] for name in GLOBAL_NAMES), *(_mean_extra(objects, name) for name in extra)]
    lines.append([f"mean of {len(objects) - len(_unscored(objects))}", *(_three(value) or "-" for value in means)])
    widths = [max(len(line[c]) for line in lines) for c in range(len(lines[0]))]
    text = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:]))])
        for line in lines
    ]
    rule = "-" * len(text[0])
    out = [text[0], rule, *text[1:-1], rule, text[-1]]
    if protocol.rule is not None:
        authors = protocol.rule.overall(objects)
        out += ["", "  ".join(f"{name} {_three(value) or '-'}" for name, value in authors.items())]
    elif seen and any(s.category for s in objects):
        out += ["", "  ".join(f"{name} {_three(v) or '-'}" for name, v in seen_unseen(objects, seen).items())]
    if unscored := _unscored(objects):
        what = f"{len(unscored)} of {len(objects)} objects have no scored frame"
        out += ["", f"{what} and are in no mean: {', '.join(unscored[:5])}{', ...' if len(unscored) > 5 else ''}"]
    return "\n".join([*out, "", f"protocol {protocol.label}: {protocol.whose}"])


def _mean_extra(objects: Iterable[ObjectScore], name: str) -> float:
    """Mean over the objects that have this number; NaN where none has."""
    known = [score.extra[name] for score in objects if not math.isnan(score.extra[name])]
    return float(np.mean(known)) if known else math.nan


def _unscored(objects: Sequence[ObjectScore]) -> list[str]:
    """Video and id of the objects without a scored frame."""
    return [f"{score.video}_{score.object}" for score in objects if not score.frames]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _three(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _csv(rows: Iterable[Iterable[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
