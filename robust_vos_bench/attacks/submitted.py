"""Results of attacked runs for others: with how each split was made, its flags, and an audit of every one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET

from robust_vos_bench.analysis.attacked import SplitRecord
from robust_vos_bench.analysis.packing import results_of
from robust_vos_bench.analysis.reopen import dataset_of
from robust_vos_bench.analysis.result import Result, checksum
from robust_vos_bench.analysis.run import Run, load_run
from robust_vos_bench.analysis.sharing import shareable
from robust_vos_bench.attacks.audit import audit, raise_for_problems
from robust_vos_bench.attacks.splits import read_manifest, splits_in
from robust_vos_bench.attacks.store import read_video
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.records import ConditionRecord
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.version import __version__


def is_attacked(run: Run) -> bool:
    """Whether frames of stored splits are among the conditions of a run."""
    return any(c.is_stored for c in run.manifest.conditions)


def submitted(
    source: Path | Run,
    folders: Sequence[Path] = (),
    maker: str = "",
    data_root: Path | None = None,
    quiet: bool = True,
    dataset: str | None = None,
) -> list[Result]:
    """The results of an attacked run, one per model, each with what its splits tell.

    folders: where the splits lie; by default beside the run, as `rvos-bench attack` leaves them. maker: who made those
    splits. quiet: without a bar. dataset: as in `dataset_of`. A packed result has all that already, and is taken as it
    is. Every split is audited against the data set. Raises UsageError where splits are not found or a packed result
    tells nothing of them,
    DataError where a split does not hold.
    """
    run = source if isinstance(source, Run) else load_run(source)
    results = results_of(run)
    if all(result.attacks is not UNSET for result in results):
        return results
    if not run.folder.is_dir():
        raise UsageError(
            f"{run.folder}: holds scores of stored splits, but not how these were made; pack the run again with this "
            "version, its splits beside it or named with --attacked"
        )
    stored = [c for c in run.manifest.conditions if c.is_stored]
    known = _found(stored, [*folders] or [run.folder.absolute().parent], run.folder)
    data = dataset_of(run.manifest, data_root, run.manifest.videos, dataset)
    with Bar("auditing", len(known) * (1 + len(data.videos)), "checks", quiet) as bar:
        verdicts = []
        for split in known.values():
            for verdict in audit(split, data):
                verdicts.append(verdict)
                bar.what = f"auditing {verdict.split}"
                bar.step()
    raise_for_problems(verdicts)
    records = tuple(_record(known[c.label], c, run.manifest.videos, maker) for c in stored)
    return [with_splits(result, records) for result in results]


def with_splits(result: Result, splits: tuple[SplitRecord, ...]) -> Result:
    """A result that tells of its splits, without what is private."""
    sum_ = checksum(result.manifest, result.records, result.objects, splits)
    return shareable(msgspec.structs.replace(result, attacks=splits, checksum=sum_))


def _found(stored: Sequence[ConditionRecord], folders: Sequence[Path], run: Path) -> dict[str, Path]:
    """Label of a condition -> its split. Raises UsageError where one is missing."""
    there: dict[tuple[str, str], Path] = {}
    for folder in folders:
        try:
            splits = splits_in(folder)
        except DataError:
            continue
        for split in splits:
            there[split.absolute().name, str(read_manifest(split)["store"])[:32]] = split
    wanted = {c.label: (c.label, str(c.store)) for c in stored}
    missing = [label for label, key in wanted.items() if key not in there]
    if missing:
        raise UsageError(
            f"{run}: {len(missing)} of the {len(wanted)} stored splits that it scored are not in "
            f"{', '.join(map(str, folders))}, or have other pixels now (first: {missing[0]}). Their flags and their "
            "effort are part of the result: give their folder with --attacked"
        )
    return {label: there[key] for label, key in wanted.items()}


def _record(split: Path, condition: ConditionRecord, videos: Sequence[str], maker: str) -> SplitRecord:
    manifest = read_manifest(split)
    records = {name: read_video(split, name) for name in videos}
    return SplitRecord(
        label=condition.label,
        store=str(condition.store),
        made=dict(manifest["attack"]),
        videos={name: record.attack.short() for name, record in records.items() if record is not None},
        tool=str(manifest.get("tool", {}).get("version", "")),
        maker=maker,
        audited=__version__,
    )
