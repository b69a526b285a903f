"""Leaderboard pages: which results belong on one page, and what a page says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.analysis.bootstrap import Bootstrap, Interval, Rank, ranks, statistics
from robust_vos_bench.analysis.measures import OrderConsistency, order_consistency
from robust_vos_bench.analysis.result import Result, joint_matrix, read_result, refuse_recipe, results_of, verify
from robust_vos_bench.analysis.robustness import Robustness, beyond
from robust_vos_bench.analysis.summary import Summary, summarise
from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import Manifest
from robust_vos_bench.runs.run import is_whole_preset
from robust_vos_bench.runs.store import safe_name


@dataclass(frozen=True)
class Row:
    """One model on a page."""

    result: Result
    summary: Summary
    rank: Rank | None
    """None where cells are missing: such a model is shown, but not ranked."""
    p: Interval
    mpc: Interval
    rpc: Interval
    families: dict[str, Interval]
    beyond: Robustness
    overlap: tuple[str, ...]
    """Training sets of the model that are the test set."""


@dataclass(frozen=True)
class Page:
    """One data set x preset x seed, under one protocol: the only results that may be compared."""

    name: str
    dataset: str
    preset: str
    seed: int
    protocol: str
    videos: int
    split: int
    """Videos of the whole split."""
    unscored: int
    """Videos without truth to score, not among `videos`."""
    objects: int
    conditions: int
    families: tuple[str, ...]
    rows: tuple[Row, ...]
    order: OrderConsistency
    """Of the models without missing cells."""


def page_name(result: Result) -> str:
    """File stem of the page a result belongs to; results with other conditions or videos get another page."""
    manifest = result.manifest
    seeds = sorted({int(c["seed"]) for c in manifest.conditions if c["corruption"]})
    if len(seeds) > 1:
        raise UsageError(f"model {result.model!r}: a run with several seeds has no place on one page")
    preset = f"{manifest.preset['name']}-v{manifest.preset['version']}"
    words = [manifest.dataset["name"].replace(":", "-"), preset]
    if seeds and seeds[0]:
        words.append(f"seed{seeds[0]}")
    partial = _partial(result)
    if partial:
        words.append(partial)
    return "--".join(re.sub(r"[^A-Za-z0-9._-]", "-", word) for word in words)


def _partial(result: Result) -> str:
    """ "" for the whole preset on the whole split, else a digest of what was chosen."""
    manifest = result.manifest
    if is_whole_preset(manifest) and manifest.dataset["videos"] == manifest.dataset["videos_in_split"]:
        return ""
    labels = sorted(c["label"] for c in manifest.conditions)
    return "part-" + hashlib.sha256(repr((labels, sorted(manifest.videos))).encode()).hexdigest()[:8]


def preset_words(manifest: Manifest) -> str:
    """What a run's conditions are, for a reader: a preset, a part of it, or something made from it."""
    from robust_vos_bench.conditions.presets import load_preset, preset_names

    name = manifest.preset["name"]
    profiles = {c.get("profile", "constant") for c in manifest.conditions if c["corruption"]}
    bursts = f", severity profile {', '.join(sorted(profiles))}" if profiles - {"constant"} else ""
    if name not in preset_names():
        own = f"{name} v{manifest.preset['version']}"
        return f"chosen by hand{_chosen(manifest, [])}{bursts}" if name == "custom" else own + bursts
    if is_whole_preset(manifest):
        return f"{name} v{manifest.preset['version']}"
    seed = max((int(c["seed"]) for c in manifest.conditions), default=0)
    whole = load_preset(name).conditions(seed)
    known = {c.label for c in whole}
    part = all(c["label"] in known for c in manifest.conditions if c["corruption"])
    words = f"part of {name}" if part else f"altered from {name}"
    return f"{words} v{manifest.preset['version']}{_chosen(manifest, whole)}{bursts}"


def _chosen(manifest: Manifest, whole: Sequence[Condition]) -> str:
    """What was taken, where few words say it: severities of all of `whole`, up to three conditions, or a full grid."""
    chosen = [c for c in manifest.conditions if c["corruption"]]
    labels = [c["label"] for c in chosen]
    if not labels:
        return ""
    severities = sorted({int(c["severity"]) for c in chosen})
    levels = f"severit{'y' if len(severities) == 1 else 'ies'} {', '.join(map(str, severities))}"
    if set(labels) == {c.label for c in whole if c.severity in severities}:
        return f", {levels}"
    if len(labels) <= 3:
        return f": {', '.join(labels)}"
    names = list(dict.fromkeys(c["corruption"] for c in chosen))
    kept = {bool(c["clean_reference"]) for c in chosen}
    if len(labels) != len(names) * len(severities) or len(kept) > 1:
        return ""
    what = ", ".join(names) if len(names) <= 6 else f"{len(names)} corruptions"
    return f": {what}, {levels}{', clean reference' if kept == {True} else ''}"


ADVICE = {
    "data": "If its files were changed, run the older one again; if these are two data sets that share a name, keep "
    "their leaderboards in two folders (--output): their scores cannot be set side by side."
}
"""What to do where results differ, if not to run the older one again."""


def check_same(
    results: Sequence[Result], purpose: str = "share a page", partly: bool = False, data: bool = True
) -> None:
    """Refuse to mix results that only look alike: other videos, data bytes, protocol or corruption versions.

    purpose: what is refused, for the message. partly: other videos and presets are no obstacle; conditions of one
    label must still be of one version. data: whether the digests tell anything: a run's is over all of its own videos.
    """
    first = results[0].manifest
    for result in results[1:]:
        other = result.manifest
        one_preset = not partly and first.preset["name"] == other.preset["name"]
        for what, checked, a, b in (
            ("scoring protocol", True, first.protocol, other.protocol),
            ("data set", True, first.dataset["name"], other.dataset["name"]),
            ("videos", not partly, sorted(first.videos), sorted(other.videos)),
            ("data", data, first.dataset["index_sha256"], other.dataset["index_sha256"]),
            ("preset version", one_preset, first.preset["version"], other.preset["version"]),
            (
                "version of corruptions",
                True,
                {c["label"]: c["fingerprint"] for c in first.conditions},
                {c["label"]: c["fingerprint"] for c in other.conditions},
            ),
        ):
            if checked and a != b:
                raise UsageError(
                    f"{results[0].model!r} and {result.model!r} cannot {purpose}: they differ in {what}. "
                    + ADVICE.get(what, "Run the older one again.")
                )


def build_page(results: Sequence[Result]) -> Page:
    """The page of results that belong together."""
    check_same(results)
    matrix = joint_matrix(list(results))
    boot = Bootstrap(matrix)
    stats = statistics(matrix)
    if "mPC" not in stats or "P" not in stats:
        raise UsageError(f"run {results[0].manifest.run_id} has no corrupted condition: nothing to rank")
    placed = ranks(boot, stats["mPC"])
    rows = [
        Row(
            result=result,
            summary=summary,
            rank=placed.get(i),
            p=boot.interval(i, stats["P"]),
            mpc=boot.interval(i, stats["mPC"]),
            rpc=boot.ratio(i, stats["mPC"], stats["P"]),
            families={f: boot.interval(i, stats[f"family:{f}"]) for f in summary.families},
            beyond=beyond(matrix, summary, result.facts, result.manifest.conditions),
            overlap=overlap(result),
        )
        for i, (result, summary) in enumerate(zip(results, summarise(matrix)))
    ]
    rows.sort(key=lambda row: (row.rank is None, -(row.mpc.value if row.rank else 0.0), row.result.model))
    manifest = results[0].manifest
    return Page(
        name=page_name(results[0]),
        dataset=manifest.dataset["name"],
        preset=preset_words(manifest),
        seed=max((int(c["seed"]) for c in manifest.conditions), default=0),
        protocol=f"{manifest.protocol['name']} v{manifest.protocol['version']}",
        videos=len(matrix.videos),
        split=int(manifest.dataset["videos_in_split"]),
        unscored=len(matrix.unscored_videos),
        objects=len(matrix.objects),
        conditions=len(matrix.conditions) - 1,
        families=tuple(dict.fromkeys(c.family for c in matrix.conditions if not c.is_clean)),
        rows=tuple(rows),
        order=order_consistency(boot),
    )


def overlap(result: Result) -> tuple[str, ...]:
    """Training sets that are (a version of) the split the model was tested on."""
    test = re.sub(r"[^a-z0-9]", "", result.manifest.dataset["name"].lower())
    return tuple(t for t in result.manifest.models[0].trained_on if re.sub(r"[^a-z0-9]", "", t.lower()) == test)


def stored(folder: Path) -> dict[str, dict[str, Result]]:
    """What the leaderboards in `folder` are made of: page -> model -> result. DataError for a damaged file."""
    pages: dict[str, dict[str, Result]] = {}
    for path in sorted((folder / "results").glob("*/*.json.gz")):
        result = read_result(path)
        pages.setdefault(path.parent.name, {})[result.model] = result
    return pages


def collect(sources: Iterable[Path]) -> dict[str, dict[str, Result]]:
    """Read and check run directories and packed results: page -> model -> result. Nothing is written.

    Raises UsageError for recipe weights and for two results of one model that are not of the same weights, options and
    code; DataError for damaged files and runs without scores.
    """
    pages: dict[str, dict[str, Result]] = {}
    for source in sources:
        for result in results_of(source) if source.is_dir() else [read_result(source)]:
            refuse_recipe(result)
            verify(result, str(source))
            page = pages.setdefault(page_name(result), {})
            rival = page.get(result.model)
            if rival is not None and rival.manifest.models != result.manifest.models:
                raise UsageError(
                    f"{source}: {result.model!r} is there twice, with other weights, options or code. A page has one "
                    "row a model: leave one of them out, or name the variants apart."
                )
            page[result.model] = result
    return pages


def joined(old: dict[str, dict[str, Result]], new: dict[str, dict[str, Result]]) -> dict[str, dict[str, Result]]:
    """Pages with new results on them; UsageError where an incomplete result would replace a complete one."""
    pages = {name: dict(rows) for name, rows in old.items()}
    for name, rows in new.items():
        for model, result in rows.items():
            before = pages.setdefault(name, {}).get(model)
            if before is not None and before.complete and not result.complete:
                raise UsageError(
                    f"{model!r} has a complete result on {name} already, and run {result.manifest.run_id} is not "
                    "complete: finish it first, or delete the old result under `results`."
                )
            pages[name][model] = result
    return pages


def result_path(folder: Path, page: str, model: str) -> Path:
    """Where the leaderboards in `folder` keep the result of a row."""
    return folder / "results" / page / f"{safe_name(model)}.json.gz"
