"""From a run to results: one per model, cut to what others need and without what is private."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET

from robust_vos_bench.analysis.result import Result, checksum
from robust_vos_bench.analysis.run import Run, load_run
from robust_vos_bench.analysis.sharing import shareable
from robust_vos_bench.analysis.source import PackedSource
from robust_vos_bench.runs.records import SCHEMA, CellCounts, Manifest, ModelRecord, UnitRecord


def results_of(run: str | Path | Run, objects: bool = True, shared: bool = True) -> list[Result]:
    """The results of a run, one per model. Failed and missing units are not in them.

    run: a run directory, a packed result, or what `load_run` and `load_runs` return. objects: with object statistics
    from frames and saved masks; without them only the scores are read. shared: without paths and names of this machine
    (see `sharing`). Raises DataError where there is no run.
    """
    opened = run if isinstance(run, Run) else load_run(run)
    return [result_of(opened, model, objects, shared) for model in opened.manifest.models]


def result_of(run: Run, model: ModelRecord, objects: bool = True, shared: bool = True) -> Result:
    """The result of one model of a run; see `results_of`."""
    source = run.sources[model.name]
    if isinstance(source, PackedSource) and source.manifest is run.manifest:
        return shareable(source.result) if shared else source.result
    cells = [run.records(model.name, label) for label in run.conditions]
    records = tuple(cell[v] for cell in cells for v in run.manifest.videos if v in cell and cell[v].ok)
    manifest = _narrowed(run, model, records)
    known = run.object_stats(model.name) if objects else ()
    result = Result(manifest, records, checksum(manifest, records, known), objects=known)
    return shareable(result) if shared else result


def _narrowed(run: Run, model: ModelRecord, records: Sequence[UnitRecord]) -> Manifest:
    """The manifest of a run for one of its models: with the invocations that made its numbers, and, where these are
    several, the one that repeats them all."""
    source, manifest = run.sources[model.name], run.manifest
    made = [i for i, _ in source.invocations(Counter(record.invocation for record in records))]
    done = len(records)
    latest = source.manifest.latest
    if len(made) != 1 and latest is not None and latest not in made:
        made.append(latest)
    planned = len(manifest.conditions) * len(manifest.videos)
    return msgspec.structs.replace(
        manifest,
        schema=SCHEMA,
        models=[model],
        units=CellCounts(planned=planned, ok=done, pending=planned - done),
        command_1=UNSET,
        settings_1=UNSET,
        tool_1=UNSET,
        environment_1=UNSET,
        invocations_2=made,
        left_out=list(run.left_out) or UNSET,
    )
