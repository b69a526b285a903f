"""The finding of a run in a few sentences, each of which its numbers support."""

from __future__ import annotations

import math
from collections.abc import Sequence

from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.levels import in_order
from robust_vos_bench.analysis.rivals import Rival, rivals
from robust_vos_bench.analysis.summary import mean
from robust_vos_bench.analysis.table import RobustnessRow, RobustnessTable
from robust_vos_bench.analysis.without_truth import least_stable
from robust_vos_bench.analysis.words import listed, plural, points

NAMED = 3
"""Models named in a sentence."""


def finding(table: RobustnessTable) -> list[str]:
    """What a table says: which model is best and how much it keeps, what costs most, how certain the order is.

    The first sentence is short enough to stand alone.
    """
    matrix = table.matrix
    if not matrix.objects:
        return _without_scores(table)
    if all(c.is_clean for c in matrix.conditions):
        return ["Nothing is corrupted in this run: it has clean scores only."]
    if all(c.is_clean or c.is_stored for c in matrix.conditions):
        return [
            "This run is of frames that were made by attacks, which are no part of mPC: see the curves over budgets."
        ]
    complete = [row for row in in_order(table) if not math.isnan(row.summary.mpc)]
    sentences: list[str] = []
    if complete:
        sentences += _kept(complete[0], len(table.rows), len(complete))
        sentences += _costs([row for row in complete if not math.isnan(row.summary.p)])
        sentences += _certainty(table)
    absent = [row for row in in_order(table) if row not in complete]
    half = [row.model for row in complete if math.isnan(row.summary.p) and table.matrix.conditions[0].is_clean]
    if half:
        sentences.append(f"Clean cells of {listed(half, NAMED)} are missing.")
    return sentences + (_missing(absent) if absent else [])


def _missing(rows: Sequence[RobustnessRow]) -> list[str]:
    cells = [(row.summary.cells_planned - row.summary.cells_done, row.summary.cells_planned) for row in rows]
    gone = f"{sum(gone for gone, _ in cells)} of {sum(planned for _, planned in cells)} cells are missing"
    names = listed([row.model for row in rows], NAMED)
    sentences = [
        f"{names} {'is' if len(rows) == 1 else 'are'} not ranked: {gone}, and means are never taken over a part."
    ]
    known = [row for row in rows if not math.isnan(row.summary.p)]
    if len(known) == len(rows) > 1:
        best = max(known, key=lambda row: row.summary.p)
        sentences.append(f"Clean, {best.model} is highest of them ({points(best.summary.p)}).")
    return sentences


def _kept(row: RobustnessRow, models: int, complete: int) -> list[str]:
    """One sentence that can be read at a glance, and its numbers."""
    highest = ""
    if complete > 1:
        among = plural(complete, "model") if complete == models else plural(complete, "complete model")
        highest = f"is highest of {among} under corruption"
    score = f"{points(row.summary.mpc)}{_span(row.interval('mPC'))}"
    if math.isnan(row.summary.p):
        numbers = f"J&F is {score} under corruption; there is no clean score beside it."
        return [f"{row.model} {highest}.", numbers] if highest else [f"{row.model}: {numbers}"]
    kept = "all" if row.summary.rpc >= 99.95 else f"{row.summary.rpc:.0f} %"
    keeps = f"keeps {kept} of its clean score"
    first = f"{highest}, and {keeps}" if highest else f"{keeps} under corruption"
    change = round(row.summary.mpc, 1) - round(row.summary.p, 1)
    way = "stays at" if change == 0 else f"{'falls' if change < 0 else 'rises'} from {points(row.summary.p)} to"
    return [f"{row.model} {first}.", f"J&F {way} {score}."]


def _costs(rows: Sequence[RobustnessRow]) -> list[str]:
    """The family (or, in a run of one family, the corruption) that costs most and least, over the models."""
    if not rows:
        return []
    families = len(rows[0].summary.families) > 1
    kinds = [row.summary.families if families else row.summary.corruptions for row in rows]
    losses = {name: mean(row.summary.p - of[name] for row, of in zip(rows, kinds)) for name in kinds[0]}
    losses = {name: loss for name, loss in losses.items() if not math.isnan(loss)}
    if not losses:
        return []
    most, least = max(losses, key=losses.__getitem__), min(losses, key=losses.__getitem__)
    average = " on average over the models" if len(rows) > 1 else ""
    if losses[most] < 0.05:
        return ["Corruption costs nothing that one decimal shows."]
    if len(losses) > 1 and round(losses[most] - losses[least], 1) == 0:
        return [f"Every {'family' if families else 'corruption'} costs {points(losses[most])} points{average}."]
    said = f"{points(losses[most])} points{average}"
    if most == least:
        return [f"Lost to {most}: {said}."]
    return [f"Most is lost to {most} ({said}), least to {least} ({points(losses[least])})."]


def _certainty(table: RobustnessTable) -> list[str]:
    others = rivals(table)[1]
    if not others:
        return []
    near = others[0]
    words = f"Its lead over {near.model}, {near.behind.value:.1f} points{_span(near.behind)}"
    if near.certain:
        return [f"{words}, is certain."]
    sure = next((rival.model for rival in others if rival.certain), "")
    rest = f"; the lead over {sure} is" if sure and sure != near.model else ""
    return [f"{words}, is not certain{_why(near, table)}{rest}."]


def _why(rival: Rival, table: RobustnessTable) -> str:
    if rival.behind.excludes_zero:
        return f": {plural(len(table.matrix.clusters), 'video')} are too few to say so"
    return ""


def _span(interval: Interval | None) -> str:
    if interval is None or math.isnan(interval.low):
        return ""
    return f" (95 %: {points(interval.low)} to {points(interval.high)})"


def _without_scores(table: RobustnessTable) -> list[str]:
    if not table.matrix.unscored_videos:
        return ["No video has been scored yet."]
    found = [(row.model, least_stable(table.matrix, row)) for row in in_order(table)]
    known = [
        f"{model} changes its masks most under {worst[0]} ({worst[1]:.0f} % kept)" for model, worst in found if worst
    ]
    return ["There is no truth to score against.", *([f"{'; '.join(known[:NAMED])}."] if known else [])]
