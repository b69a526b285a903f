"""A whole run: find what is done, do the rest, write the manifest and the tidy scores."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from robust_vos_bench.conditions import Condition, corruption_of
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.engine import Engine
from robust_vos_bench.runs.environment import environment, tool
from robust_vos_bench.runs.listener import Guarded
from robust_vos_bench.runs.listener import Listener as Listener
from robust_vos_bench.runs.local.engine import LocalEngine
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.records import (
    STATISTICS,
    CellCounts,
    ConditionRecord,
    DatasetRecord,
    EnvironmentRecord,
    Manifest,
    PresetRecord,
    ProtocolRecord,
    ToolRecord,
    UnitRecord,
    digest,
)
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.runs.stop import Stop, ctrl_c
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.writer import RecordWriter
from robust_vos_bench.system.paths import as_text


def default_folder(plan: Plan, parent: Path = Path("rvos-results")) -> Path:
    """A folder named after the plan: the same command finds it again."""
    models = "+".join(m.record.name for m in plan.models[:3]) + ("+more" if len(plan.models) > 3 else "")
    words = [models, str(plan.preset.get("name") or "custom"), plan.dataset.name]
    name = "-".join(re.sub(r"[^A-Za-z0-9+._=,\[\]]", "-", word) for word in words)
    return parent / f"{name[:80]}-{plan.identity[:8]}"


def earlier(plan: Plan, store: RunStore) -> Manifest | None:
    """The manifest of the run in the folder, None where there is none. Raises UsageError when it is another run's.

    Data that was changed in place is the same run (its units are run again); the same names at another place with
    other pictures are another data set, whose units must not take the place of the first one's.
    """
    before = store.manifest()
    if before is not None and before.identity != plan.identity:
        raise UsageError(
            f"{store.folder} holds another run ({before.run_id}: {' '.join(before.command) or 'made in Python'}). "
            "Choose another --output, or repeat that run's command to resume it."
        )
    if before is not None:
        place = _place(plan)
        elsewhere = before.dataset.place not in (place, msgspec.UNSET)
        if elsewhere and before.dataset.index_sha256 != plan.dataset.index_hash:
            raise UsageError(
                f"{store.folder} holds a run on other data of the same names (made on {before.dataset.root}, not on "
                f"{plan.dataset.root}). Choose another --output, or delete that run."
            )
    return before


def _place(plan: Plan) -> str:
    """Tells data folders apart however they are typed, without telling strangers where they are."""
    return digest(as_text(os.path.realpath(plan.dataset.root)))[:16] if plan.dataset.root else ""


def run_plan(
    plan: Plan,
    folder: Path,
    devices: Sequence[str],
    listener: Listener | None = None,
    overwrite: str = "missing",
    fail_fast: bool = False,
    command: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    engine: Engine | None = None,
) -> Manifest:
    """Run what is not done yet and return the final manifest, which tells how it ended (`status`).

    devices: one worker process each ("cpu", "cpu", ...; "cuda:0", ...). engine: what carries out the groups, by
    default this machine with one worker per device.
    """
    engine = engine or LocalEngine(devices)
    started = listener or Listener()
    return run_with_records(plan, folder, devices, started, overwrite, fail_fast, command, settings or {}, engine)[0]


def run_with_records(
    plan: Plan,
    folder: Path,
    devices: Sequence[str],
    listener: Listener,
    overwrite: str,
    fail_fast: bool,
    command: Sequence[str],
    settings: dict[str, Any],
    engine: Engine,
) -> tuple[Manifest, RunState]:
    """`run_plan`, which also gives all records of the run: they have been read or written, and need no second look."""
    folder = folder.absolute()  # a model may change the working directory
    listener = Guarded(listener)
    store = RunStore(folder)
    with store.locked():
        before = earlier(plan, store)
        state = RunState(plan, store, overwrite)
        for path, lines in store.unreadable.items():
            listener.notice(f"{path}: {lines} unreadable line(s) ignored; their units are run again")
        if state.pending:
            engine.ready()
        manifest = _manifest(plan, folder, before, devices, command, settings)
        if before is not None:
            _retire(state, store)  # before the manifest says that what is here is of the present versions
        store.write_manifest(manifest)
        store.log("start", pending=len(state.pending), done=state.done)
        stop = Stop()
        write = RecordWriter(store, state, listener.unit, stop, fail_fast)
        try:
            listener.started(plan, state, folder)
            groups: list[Group] = list(plan.groups(state.pending))
            if groups:
                with ctrl_c(stop, listener.interrupted):
                    engine(plan, groups, write)
        except KeyboardInterrupt:
            stop.by_user = True
        finally:
            try:
                listener.finished()
            finally:
                unfinished = stop.by_user and write.written < len(state.pending)
                manifest = _close(state, store, manifest, unfinished)
    return manifest, state


def _retire(state: RunState, store: RunStore) -> None:
    """Mark what was scored under another key (data, corruptions or code have changed), so that no table takes it in."""
    for unit, record in list(state.outdated()):
        why = "scored before its data, its corruption or its code changed, and not again yet"
        stale = UnitRecord(state.key(unit), record.model, record.condition, record.video, "stale", error=why)
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


def _manifest(
    plan: Plan,
    folder: Path,
    before: Manifest | None,
    devices: Sequence[str],
    command: Sequence[str],
    settings: dict[str, Any],
) -> Manifest:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    dataset = plan.dataset
    return Manifest(
        run_id=plan.identity[:8],
        identity=plan.identity,
        status="started",
        created=before.created if before else now,
        updated=now,
        command=[as_text(word) for word in command],
        settings={name: _as_text(value) for name, value in settings.items()},
        tool=msgspec.convert(tool(), ToolRecord),
        environment=msgspec.convert(environment(devices[0] if devices else "cpu"), EnvironmentRecord),
        protocol=ProtocolRecord(name=plan.protocol, version=plan.protocol_version),
        dataset=DatasetRecord(
            name=dataset.name,
            index_sha256=dataset.index_hash,
            videos=len(plan.videos),
            videos_in_split=dataset.split_size,
            root=as_text(os.fspath(dataset.root)) if dataset.root else "",
            footage=_footage(plan),
            place=_place(plan),
            masks=[as_text(word) for word in dataset.masks] or UNSET,
        ),
        preset=msgspec.convert(dict(plan.preset), PresetRecord),
        models=[m.record for m in plan.models],
        conditions=[
            ConditionRecord.of(
                c,
                plan.families.get(c.corruption, ""),
                plan.condition_fingerprints[c.label],
                UNSET if c.origin is None else corruption_of(c).moves_pixels,
            )
            for c in plan.conditions
        ],
        videos=list(plan.videos),
        units=CellCounts(),
    )


def _footage(plan: Plan) -> dict[str, str] | UnsetType:
    """What is filmed in each video; UNSET where each is footage of its own."""
    found = {name: plan.dataset.footage(name) for name in plan.videos}
    return UNSET if all(name == footage for name, footage in found.items()) else found


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return as_text(value) if isinstance(value, str) else value


def _close(state: RunState, store: RunStore, manifest: Manifest, interrupted: bool) -> Manifest:
    """Count, write the tidy scores, and settle the status."""
    counts = manifest.units = state.counts()
    complete = counts.ok == counts.planned
    # With --overwrite always everything may be there and still wait for its turn.
    manifest.status = "interrupted" if interrupted else "complete" if complete else "partial"
    manifest.updated = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    store.write_scores(
        _row(state.plan, condition, record, i)
        for condition, record in state.scored()
        for i in range(len(record.objects))
    )
    store.write_manifest(manifest)
    store.log("end", status=manifest.status, ok=counts.ok, failed=counts.failed, pending=counts.pending)
    return manifest


def _row(plan: Plan, condition: Condition, record: UnitRecord, i: int) -> dict[str, Any]:
    score = record.objects[i]
    return {
        "model": record.model,
        "dataset": plan.dataset.name,
        "corruption": condition.corruption or "clean",
        "severity": condition.severity,
        "condition": condition.label,
        "video": record.video,
        "object": score.object,
        "frames": score.frames,
        "J&F": score.jf,
        **{name: score.value(field) for field, name in STATISTICS.items()},
    }
