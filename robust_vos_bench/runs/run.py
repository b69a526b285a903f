"""A whole run: find what is done, do the rest, write the manifest and the tidy scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from robust_vos_bench.conditions import Condition
from robust_vos_bench.conditions.batch import find_device
from robust_vos_bench.errors import RvosError, UsageError
from robust_vos_bench.runs.activity import Activity
from robust_vos_bench.runs.engine import Engine
from robust_vos_bench.runs.invocation import InvocationRecord, Started, begin, now
from robust_vos_bench.runs.listener import Guarded
from robust_vos_bench.runs.listener import Listener as Listener
from robust_vos_bench.runs.local.engine import LocalEngine
from robust_vos_bench.runs.manifest import Earlier, describe, earlier
from robust_vos_bench.runs.plan import Group, Plan, Unit
from robust_vos_bench.runs.records import STATISTICS, ConditionRecord, Manifest, UnitRecord
from robust_vos_bench.runs.reuse import copy, find, sentence
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.runs.stop import Stop, ctrl_c
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.writer import RecordWriter
from robust_vos_bench.system.tracebacks import whole

_MORE = tuple(field for field, name in STATISTICS.items() if name not in ("J", "F"))
"""Statistics that follow J, F and J&F in `SCORE_COLUMNS`."""


def run_plan(
    plan: Plan,
    folder: Path,
    devices: Sequence[str],
    listener: Listener | None = None,
    overwrite: str = "missing",
    fail_fast: bool = False,
    command: Sequence[str] = (),
    engine: Engine | None = None,
) -> Manifest:
    """Run what is not done yet and return the final manifest, which tells how it ended (`status`).

    devices: one worker process each ("cpu", "cpu", ...; "cuda:0", ...). command: the words that repeat it. engine: what
    carries out the groups, by default this machine with one worker per device.
    """
    engine = engine or LocalEngine(devices)
    started = Started(command, devices=devices)
    return run_with_records(plan, folder, started, listener or Listener(), overwrite, fail_fast, engine)[0]


def run_with_records(
    plan: Plan,
    folder: Path,
    started: Started,
    listener: Listener,
    overwrite: str,
    fail_fast: bool,
    engine: Engine,
) -> tuple[Manifest, RunState]:
    """`run_plan`, which also gives all records of the run: they have been read or written, and need no second look.

    Where nothing is to be done, nothing in the directory is written, locked or touched.
    """
    folder = folder.absolute()  # a model may change the working directory
    listener = Guarded(listener)
    store = RunStore(folder)
    before, state = read_directory(plan, store, overwrite)
    if overwrite == "never" or _is_settled(before, state, store):
        return _shown(plan, before, state, listener, store), state
    with store.locked():
        before, state = read_directory(plan, store, overwrite)  # another command may have written meanwhile
        _tell_unreadable(store, listener)
        sources = find(plan, state.pending, folder) if overwrite == "missing" else []
        to_compute = len(state.pending) - sum(source.count for source in sources)
        if to_compute:
            check_devices(state.pending)
            engine.ready()
        manifest = describe(plan, before.manifest if before else None)
        invocation = begin(started, computes=bool(to_compute)) if state.pending else None
        if invocation is not None:
            taken = [i for source in sources for i in source.invocations()]
            known = {i.id for i in manifest.invocations}
            new = {i.id: i for i in taken if i.id not in known}
            manifest.invocations_2 = [*manifest.invocations, *new.values(), invocation]
        if before is not None:
            _retire(state, store)  # before the manifest says that what is here is of the present versions
        store.write_manifest(manifest)
        store.log("start", pending=len(state.pending), done=state.done)
        stop = Stop()
        activity = Activity()
        write = RecordWriter(store, state, listener, stop, fail_fast, invocation.id if invocation else "", activity)
        try:
            for source in sources:
                for records in copy(source, store, plan):
                    state.take_over(records)
            if sources:
                listener.notice(sentence(sources, _here()))
            listener.started(plan, state, folder)
            listener.working(activity)
            groups: list[Group] = list(plan.groups(state.pending))
            if groups:
                with ctrl_c(stop, listener.interrupted):
                    engine(plan, groups, write)
        except KeyboardInterrupt:
            stop.by_user = True
        except RvosError as error:  # the run cannot go on: a model does not load, the disk is full
            store.log("stopped", error=str(error), traceback=error.traceback or whole(error))
            raise
        finally:
            try:
                listener.finished()
            finally:
                unfinished = stop.by_user and write.written < len(state.pending)
                manifest = _close(state, store, manifest, unfinished, invocation, write.written)
    return manifest, state


def read_directory(plan: Plan, store: RunStore, overwrite: str) -> tuple[Earlier | None, RunState]:
    """What the directory holds. Raises UsageError where that is another run, or where units of a larger run than the
    plan are to be computed: the manifest would have to be that of both."""
    before = earlier(plan, store)
    state = RunState(plan, store, overwrite)
    if before is not None and before.more and state.pending:
        raise UsageError(
            f"{store.folder} holds a larger run ({before.manifest.run_id}: {' '.join(before.manifest.command)}), and "
            f"{len(state.pending)} of the units asked for are to be computed. Repeat that run's command, or choose "
            "another --output (units that are the same are taken from here)."
        )
    return before, state


def _is_settled(before: Earlier | None, state: RunState, store: RunStore) -> bool:
    """Whether there is nothing to compute and nothing to write down: a killed run may lack its last words."""
    if before is None or state.pending or before.less:
        return False
    return before.more or (before.manifest.status == "complete" and store.scores_path.is_file())


def _shown(plan: Plan, before: Earlier | None, state: RunState, listener: Listener, store: RunStore) -> Manifest:
    """The manifest of what is there, as the plan sees it; only in memory."""
    _tell_unreadable(store, listener)
    for stale in _outdated(state):
        state.suppose(stale)
    manifest = describe(plan, before.manifest if before else None)
    if before is not None:
        manifest.updated = before.manifest.updated
        if not before.more and not before.less:  # the same grid, perhaps in another order
            manifest.run_id, manifest.identity = before.manifest.run_id, before.manifest.identity
    manifest.units = state.counts()
    manifest.status = "complete" if manifest.units.ok == manifest.units.planned else "partial"
    listener.started(plan, state, store.folder)
    listener.finished()
    return manifest


def _tell_unreadable(store: RunStore, listener: Listener) -> None:
    for path, lines in store.unreadable.items():
        listener.notice(f"{path}: {lines} unreadable line(s) ignored; their units are run again")


def check_devices(pending: Iterable[Unit]) -> None:
    """Raise UsageError for a device of a corruption that this machine does not have."""
    for device in sorted({unit.condition.device for unit in pending} - {"", "cpu"}):
        find_device(device)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # deleted meanwhile
        return Path("/")


def _outdated(state: RunState) -> list[UnitRecord]:
    """Marks for what was scored under another key (data, corruptions or code have changed)."""
    why = "scored before its data, its corruption or its code changed, and not again yet"
    return [
        UnitRecord(state.key(unit), record.model, record.condition, record.video, "stale", error=why)
        for unit, record in state.outdated()
    ]


def _retire(state: RunState, store: RunStore) -> None:
    """Write these marks, so that no table takes the old scores in."""
    for stale in _outdated(state):
        store.add(stale)
        state.add(stale)


def is_whole_preset(manifest: Manifest) -> bool:
    """Whether a run's conditions are exactly those of the preset it names."""
    from robust_vos_bench.conditions.presets import load_preset, preset_names

    name = manifest.preset.name
    if name not in preset_names():
        return False
    wanted = ["clean", *(c.label for c in load_preset(name).conditions(manifest.seed))]
    return sorted(c.label for c in manifest.conditions) == sorted(wanted)


def _close(
    state: RunState,
    store: RunStore,
    manifest: Manifest,
    interrupted: bool,
    invocation: InvocationRecord | None,
    written: int,
) -> Manifest:
    """Count, write the tidy scores, end the invocation and settle the status."""
    counts = manifest.units = state.counts()
    complete = counts.ok == counts.planned
    # With --overwrite always everything may be there and still wait for its turn.
    manifest.status = "interrupted" if interrupted else "complete" if complete else "partial"
    manifest.updated = now()
    if invocation is not None:
        ended = msgspec.structs.replace(invocation, ended=manifest.updated, units=written, reused=state.reused)
        manifest.invocations_2 = [*manifest.invocations[:-1], ended]
    store.write_scores(score_rows(state.plan.dataset.name, state.scored()))
    store.write_manifest(manifest)
    store.log("end", status=manifest.status, ok=counts.ok, failed=counts.failed, pending=counts.pending)
    return manifest


def score_rows(
    dataset: str, scored: Iterable[tuple[Condition | ConditionRecord, UnitRecord]]
) -> Iterator[tuple[Any, ...]]:
    """Rows of `scores.csv` (`SCORE_COLUMNS`), one per object, of the finished units with their conditions."""
    for condition, record in scored:
        corruption = condition.corruption or "clean"
        unit = (record.model, dataset, corruption, condition.severity, record.condition, record.video)
        for score in record.objects:
            j, f = score.value("j_mean"), score.value("f_mean")
            yield (*unit, score.object, score.frames, j, f, (j + f) / 2, *map(score.value, _MORE))
