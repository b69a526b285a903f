"""Leaderboards as files: markdown between markers, CSV and JSON, an index, and what authors published."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robust_vos_bench.analysis.bootstrap import DRAWS, Interval, caution
from robust_vos_bench.analysis.leaderboard import Page, Row, build_page, collect, joined, result_path, stored
from robust_vos_bench.analysis.result import write_result
from robust_vos_bench.analysis.robustness import plain
from robust_vos_bench.errors import DataError
from robust_vos_bench.reports.text import left_out, points
from robust_vos_bench.system.atomic import make_folder, write_bytes

START, END = "<!-- rvos-bench:start -->", "<!-- rvos-bench:end -->"


def build(sources: Sequence[Path], folder: Path) -> list[Page]:
    """Add runs or packed results to the leaderboards in `folder` and write every page again.

    A model that is on a page already is replaced. Nothing is written before everything has been checked, so that what
    is refused spoils nothing.
    """
    new = collect(sources)
    every = joined(stored(folder), new)
    pages = [build_page([rows[model] for model in sorted(rows)]) for _, rows in sorted(every.items())]
    for name, rows in new.items():
        for model, result in rows.items():
            write_result(result_path(folder, name, model), result)
    for page in pages:
        put_between_markers(folder / f"{page.name}.md", f"# {page.dataset} · {page.preset}", markdown(page))
        write_bytes(folder / f"{page.name}.csv", csv_text(page).encode())
        write_bytes(folder / f"{page.name}.json", (json.dumps(as_json(page), indent=1) + "\n").encode())
    put_between_markers(folder / "README.md", "# Leaderboards", index(pages, folder))
    return pages


def put_between_markers(path: Path, title: str, body: str) -> None:
    """Replace what stands between the markers of a file; text around them is kept, a new file gets a title."""
    block = f"{START}\n{body.rstrip()}\n{END}"
    text = path.read_text() if path.exists() else f"{title}\n\n{START}\n{END}\n"
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise DataError(f"{path}: expected the markers {START} and {END} once each, in this order")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    make_folder(path.parent)
    write_bytes(path, (before + block + after).encode())


def _videos(page: Page) -> str:
    """How many videos, and of how many where they are not all."""
    whole = page.videos + page.unscored >= page.split
    return f"{page.videos} videos" if whole else f"{page.videos} of the {page.split} videos of the split"


def _span(interval: Interval) -> str:
    return "n/a" if math.isnan(interval.low) else f"{interval.low:.1f} to {interval.high:.1f}"


def escape(text: str) -> str:
    """Text for a markdown table cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def markdown(page: Page) -> str:
    """The table of a page, how to read it, and where each row comes from."""
    lines = [
        f"J&F in points, higher is better · {_videos(page)}, {page.objects} objects · {page.conditions} corrupted "
        f"condition{'s' * (page.conditions != 1)} · seed {page.seed} · protocol {page.protocol}",
        "",
        "| rank | model | P (clean) | mPC | 95 % CI | rPC | drop | "
        + "".join(f"{escape(f)} | " for f in page.families)
        + "worst | run |",
        "|--:|:--|--:|--:|:--:|--:|--:|" + "--:|" * len(page.families) + ":--|:--|",
    ]
    lines += [_markdown_row(page, row) for row in page.rows]
    lines += [
        "",
        "P: clean. mPC: mean over severities, then over corruptions. rPC = mPC / P in percent. drop = P - mPC. "
        f"CI: {DRAWS:,} bootstrap draws of videos, seed 0, paired between models; models whose paired interval with "
        "the leader of their group includes zero share a rank; in brackets the rank's interval. n/a: missing videos; "
        "such rows are not ranked.",
    ]
    if caution(page.videos):
        lines.append(caution(page.videos))
    if page.unscored:
        lines.append(left_out(page.unscored))
    if any(row.overlap for row in page.rows):
        lines.append("† trained on the data it is tested on.")
    lines += ["", *_beyond(page)]
    lines += ["", "| model | weights sha256 | adapter | rvos-bench | command |", "|:--|:--|:--|:--|:--|"]
    for row in page.rows:
        manifest, model = row.result.manifest, row.result.manifest.models[0]
        commit = manifest.tool.get("commit", "")
        version = f"{manifest.tool.get('version', '')} {commit}".strip()
        lines.append(
            f"| {escape(row.result.model)} | {model.weights_sha256[:16] or 'needs none'} | v{model.adapter_version} "
            f"| {escape(version)} | `{escape(' '.join(manifest.command))}` |"
        )
    return "\n".join(lines)


def _markdown_row(page: Page, row: Row) -> str:
    s = row.summary
    rank = "–" if row.rank is None else str(row.rank)
    mark = " †" if row.overlap else ""
    return (
        f"| {rank} | {escape(row.result.model)}{mark} | {points(s.p)} | **{points(s.mpc)}** | {_span(row.mpc)} "
        f"| {points(s.rpc)} | {points(s.drop)} | "
        + "".join(f"{points(s.families.get(f, math.nan))} | " for f in page.families)
        + f"{points(s.worst)} {escape(s.worst_label)} | {row.result.manifest.run_id} |"
    )


def _beyond(page: Page) -> list[str]:
    """The table beyond the mean, and the one of recovery where a burst was run."""
    lines = [
        "| model | area | worst corruption | worst severity | lost clean % | lost % | stability |",
        "|:--|--:|:--|:--|--:|--:|--:|",
    ]
    for row in page.rows:
        b = row.beyond
        worst = "n/a" if not b.worst_corruption else f"{points(b.worst_corruption_score)} {escape(b.worst_corruption)}"
        level = "n/a" if not b.worst_severity else f"{points(b.worst_severity_score)} at {b.worst_severity}"
        cells = [points(b.area), worst, level, points(b.lost_clean), points(b.lost), points(b.stability)]
        lines.append(f"| {escape(row.result.model)} | {' | '.join(cells)} |")
    lines += [
        "",
        "area: under the severity curve. lost: share of objects whose J stays below 0.1 to the end. stability: mean "
        "IoU with the clean run's masks, where they were saved. Definitions: [metrics](../docs/metrics.md).",
    ]
    if not math.isnan(page.order.tau.value):
        tau = page.order.tau
        lines.append(
            f"Order of the {page.order.models} complete models, clean against corrupted: Kendall's tau "
            f"{tau.value:.2f} ({tau.low:.2f} to {tau.high:.2f})."
        )
    bursts = {row.result.model: row.beyond.burst for row in page.rows if row.beyond.burst is not None}
    if bursts:
        lines += [
            "",
            "| model | objects | J before | in the burst | after | clean run after | recovery % | back % | frames |",
            "|:--|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for model, burst in bursts.items():
            values = (burst.before, burst.during, burst.after, burst.clean, burst.ratio, burst.back, burst.frames)
            lines.append(f"| {escape(model)} | {burst.objects} | {' | '.join(points(v) for v in values)} |")
        lines += [
            "",
            "Recovery from bursts: J after them as a share of the clean run's J in the same frames; back: share of "
            "objects that come back to 90 % of it, and the median number of frames that they take.",
        ]
    return lines


def as_json(page: Page) -> dict[str, Any]:
    """Everything on a page as plain data; missing is null."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    def span(value: Interval) -> list[float | None]:
        return [number(value.low), number(value.high)]

    rows = []
    for row in page.rows:
        manifest, model, s = row.result.manifest, row.result.manifest.models[0], row.summary
        rows.append(
            {
                "rank": row.rank.rank if row.rank else None,
                "rank_interval": [row.rank.low, row.rank.high] if row.rank else None,
                "model": row.result.model,
                "P": number(s.p),
                "P_interval": span(row.p),
                "mPC": number(s.mpc),
                "mPC_interval": span(row.mpc),
                "rPC": number(s.rpc),
                "rPC_interval": span(row.rpc),
                "drop": number(s.drop),
                "worst": number(s.worst),
                "worst_condition": s.worst_label,
                "families": {k: number(v) for k, v in s.families.items()},
                "families_interval": {k: span(v) for k, v in row.families.items()},
                "corruptions": {k: number(v) for k, v in s.corruptions.items()},
                "severities": {str(k): number(v) for k, v in s.severities.items()},
                "beyond": plain(dataclasses.asdict(row.beyond)),
                "cells_done": s.cells_done,
                "cells_planned": s.cells_planned,
                "trained_on": list(model.trained_on),
                "trained_on_test_data": list(row.overlap),
                "weights_sha256": model.weights_sha256,
                "adapter_version": model.adapter_version,
                "options": model.options,
                "run": manifest.run_id,
                "command": manifest.command,
                "tool": manifest.tool,
                "checksum": row.result.checksum,
            }
        )
    return {
        "page": page.name,
        "dataset": page.dataset,
        "preset": page.preset,
        "seed": page.seed,
        "protocol": page.protocol,
        "videos": page.videos,
        "videos_in_split": page.split,
        "videos_not_scored": page.unscored,
        "objects": page.objects,
        "conditions": page.conditions,
        "order_consistency": {"tau": number(page.order.tau.value), "interval": span(page.order.tau)},
        "rows": rows,
    }


def csv_text(page: Page) -> str:
    """The headline numbers, a row a model."""
    text = io.StringIO()
    fields = ["rank", "model", "P", "mPC", "mPC_low", "mPC_high", "rPC", "drop", *page.families]
    fields += ["area", "lost", "stability", "worst_corruption", "worst_severity", "worst_condition", "run"]
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for row in page.rows:
        s = row.summary
        numbers = {
            "P": s.p,
            "mPC": s.mpc,
            "mPC_low": row.mpc.low,
            "mPC_high": row.mpc.high,
            "rPC": s.rpc,
            "drop": s.drop,
            "area": row.beyond.area,
            "lost": row.beyond.lost,
            "stability": row.beyond.stability,
        }
        numbers |= {f: s.families.get(f, math.nan) for f in page.families}
        writer.writerow(
            {
                "rank": row.rank.rank if row.rank else "",
                "model": row.result.model,
                "worst_corruption": row.beyond.worst_corruption,
                "worst_severity": row.beyond.worst_severity or "",
                "worst_condition": s.worst_label,
                "run": row.result.manifest.run_id,
                **{k: "" if math.isnan(v) else f"{v:.4f}" for k, v in numbers.items()},
            }
        )
    return text.getvalue()


def index(pages: Sequence[Page], folder: Path) -> str:
    """All pages with their leaders, then the scores that authors published."""
    lines = ["| data set | preset | models | videos | conditions | best mPC | page |", "|:--|:--|--:|--:|--:|:--|:--|"]
    for page in pages:
        best = next((r for r in page.rows if r.rank), None)
        leader = f"{points(best.summary.mpc)} {escape(best.result.model)}" if best else "n/a"
        lines.append(
            f"| {escape(page.dataset)} | {escape(page.preset)} | {len(page.rows)} | {page.videos} | {page.conditions} "
            f"| {leader} | [{page.name}]({page.name}.md) |"
        )
    published = folder / "published.toml"
    if published.exists():
        lines += ["", *_published(published)]
    return "\n".join(lines)


def _published(path: Path) -> list[str]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: {error}") from error
    lines = [
        "## Published by authors",
        "",
        "Not measured here, not comparable with the pages above, and never mixed with them.",
        "",
        "| model | data set | metric | value | source |",
        "|:--|:--|:--|--:|:--|",
    ]
    for score in found.get("score", ()):
        cells = [score["model"], score["dataset"], score["metric"], str(score["value"]), score["source"]]
        lines.append(f"| {' | '.join(escape(cell) for cell in cells)} |")
    lines += ["", *(f"- *{name}*: {escape(text)}" for name, text in found.get("sources", {}).items())]
    return lines
