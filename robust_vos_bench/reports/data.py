"""Tables as data: JSON and CSV of leaderboard pages and runs; missing is null, respectively empty."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from typing import Any

import pandas as pd
from msgspec import UNSET

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.leaderboard import Page, Row
from robust_vos_bench.analysis.measure import Group, Measure
from robust_vos_bench.analysis.naming import preset_words
from robust_vos_bench.analysis.order import OrderConsistency
from robust_vos_bench.analysis.provenance import made_by, repeats
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.shown import shown_run
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.runs.records import Manifest

DIGITS = 4


def page_data(page: Page) -> dict[str, Any]:
    """Everything on a leaderboard page, numbers to four decimals."""
    return {
        "page": page.name,
        "dataset": page.dataset,
        "preset": page.preset,
        "seed": page.manifest.seed,
        "protocol": page.protocol,
        "videos": page.videos,
        "videos_in_split": page.manifest.dataset.videos_in_split,
        "videos_not_scored": page.unscored,
        "objects": page.objects,
        "conditions": page.conditions,
        **({"left_out": page.left_out} if page.left_out else {}),
        "order_consistency": _order(page.table.order),
        "rows": [_page_row(row) for row in page.rows],
    }


def _page_row(row: Row) -> dict[str, Any]:
    manifest, scores, summary = row.result.manifest, row.scores, row.scores.summary
    model = manifest.models[0]
    headline: dict[str, Any] = {}
    for measure in scores.table.chosen(Group.HEADLINE, "json"):
        headline |= scores.fields(measure, DIGITS)
        if "json" in measure.interval_formats:
            headline[f"{measure.key}_interval"] = _span(scores.interval(measure.key))
    return {
        **_rank(scores),
        "model": row.model,
        **({"registered_model": model.model} if model.model else {}),
        **headline,
        "families": _rounded(summary.families),
        "families_interval": {name: _span(interval) for name, interval in scores.families.items()},
        "corruptions": _rounded(summary.corruptions),
        "severities": _rounded(summary.severities),
        "beyond": robustness_data(scores),
        "cells_done": summary.cells_done,
        "cells_planned": summary.cells_planned,
        "trained_on": model.trained_on,
        "trained_on_test_data": row.overlap,
        "weights_sha256": model.weights_sha256,
        "adapter_version": model.adapter_version,
        "options": model.options,
        "run": manifest.run_id,
        "command": manifest.command,
        "tool": manifest.latest.tool if manifest.latest is not None else None,
        **_invocations(manifest),
        "checksum": row.result.checksum,
    }


def _invocations(manifest: Manifest) -> dict[str, Any]:
    """What made the numbers of a result; nothing for one of an older version, which has but its command."""
    if manifest.invocations_2 is UNSET:
        return {}
    return {"invocations": manifest.invocations}


def robustness_data(row: RobustnessRow) -> dict[str, Any]:
    """The measures beyond the headline; `burst` is null in runs without bursts."""
    found: dict[str, Any] = {}
    for measure in _in_order(row.table, Group.ROBUSTNESS):
        found |= row.fields(measure, DIGITS)
    burst: dict[str, Any] = {}
    for measure in _in_order(row.table, Group.BURST):
        burst |= row.fields(measure, DIGITS)
    return {**found, "burst": {key.removeprefix("burst_"): value for key, value in burst.items()} or None}


def _in_order(table: RobustnessTable, group: Group) -> list[Measure]:
    """In the order in which the measures are declared, which is that of the keys in files."""
    return [m for m in table.measures.values() if m.group is group and "json" in m.formats]


def run_data(run: Run) -> dict[str, Any]:
    """The tables of a report, in points and percent to four decimals, and what made their numbers.

    Without paths, hosts and people: see `analysis.sharing`.
    """
    run = shown_run(run)[0]
    table = run.robustness
    return {
        "run": run.manifest.run_id,
        "dataset": run.manifest.dataset.name,
        "preset": preset_words(run.manifest),
        "models": [_run_row(row) for row in table],
        "order_consistency": _order(table.order),
        "left_out": run.left_out,
        "repeat": repeats(run),
        "made_by": made_by(run),
    }


def _run_row(row: RobustnessRow) -> dict[str, Any]:
    known = {name: _rounded(value) for name, value in dataclasses.asdict(row.summary).items()}
    headline = [m for m in row.table.measures.values() if m.group is Group.HEADLINE]
    spans = {m.key: row.interval(m.key) for m in headline} | row.families
    measures: dict[str, Any] = {}
    for measure in headline:
        measures |= row.fields(measure, DIGITS)
    return {
        **known,
        "measures": measures,
        **_rank(row),
        "intervals": {name: _span(span) for name, span in spans.items() if span is not None},
        "beyond": robustness_data(row),
    }


def page_csv(page: Page) -> str:
    """The main numbers of a page, one row per model."""
    table, rows = page.table, [row.scores for row in page.rows]
    shown = [m for m in table.measures.values() if "csv" in m.formats]
    columns: dict[str, list[Any]] = {
        "rank": [row.rank.rank if row.rank else "" for row in rows],
        "model": [row.model for row in rows],
    }
    for measure in (m for m in shown if m.group is Group.HEADLINE):
        columns[measure.key] = [row[measure.key] for row in rows]
        if "csv" in measure.interval_formats:
            spans = [row.interval(measure.key) or Interval(math.nan, math.nan, math.nan) for row in rows]
            columns[f"{measure.key}_low"] = [span.low for span in spans]
            columns[f"{measure.key}_high"] = [span.high for span in spans]
    columns |= {family: [row.summary.families[family] for row in rows] for family in table.families}
    columns |= {m.key: [row[m.key] for row in rows] for m in shown if m.group is not Group.HEADLINE}
    for measure in table.measures.values():
        if measure.where_key and "csv" in measure.where_formats:
            columns[measure.where_key] = [row.where(measure.key) for row in rows]
    columns["run"] = [row.result.manifest.run_id for row in page.rows]
    return _csv(pd.DataFrame(columns))


def scores_csv(run: Run) -> str:
    """Scores of all objects to four decimals, one row per object: small enough to be part of the report."""
    m = run.matrix
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "condition", "video", "object", "J", "F"])
    for a, model in enumerate(m.models):
        for b, condition in enumerate(m.conditions):
            writer.writerows(
                (model, condition.label, video, i, _decimals(j), _decimals(f))
                for (video, i), j, f in zip(m.objects, m.j[a, b].tolist(), m.f[a, b].tolist())
                if not math.isnan(j)
            )
    return text.getvalue()


def _decimals(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{DIGITS}f}"


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, float_format=f"%.{DIGITS}f", lineterminator="\n")


def _rank(row: RobustnessRow) -> dict[str, Any]:
    return {
        "rank": row.rank.rank if row.rank else None,
        "rank_interval": [row.rank.low, row.rank.high] if row.rank else None,
    }


def _order(order: OrderConsistency) -> dict[str, Any]:
    return {"tau": round(order.tau.value, DIGITS), "interval": _span(order.tau)}


def _span(interval: Interval | None) -> list[float]:
    return [math.nan, math.nan] if interval is None else [round(interval.low, DIGITS), round(interval.high, DIGITS)]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value
