"""The manifest of a plan, and what the manifest that lies in its run directory already means for it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from robust_vos_bench.conditions import corruption_of
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.invocation import now
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import (
    CellCounts,
    ConditionRecord,
    DatasetRecord,
    Manifest,
    ModelRecord,
    PresetRecord,
    ProtocolRecord,
    digest,
)
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.paths import as_text

RESULTS = Path("rvos-results")
"""Where run directories lie that were not given an `--output`."""


@dataclass(frozen=True)
class Earlier:
    """The run that a directory holds, and how its grid lies to that of a plan."""

    manifest: Manifest
    more: bool
    """It has models, conditions or videos that the plan lacks."""
    less: bool
    """It lacks some of the plan's: the run grows."""


def default_folder(plan: Plan, parent: Path = RESULTS) -> Path:
    """A folder named after the plan: the same command finds it again.

    Where that folder holds a run on other data of the same names, the name of this one also tells where its data lies.
    """
    models = "+".join(m.record.name for m in plan.models[:3]) + ("+more" if len(plan.models) > 3 else "")
    words = [models, str(plan.preset.get("name") or "custom"), plan.dataset.name]
    name = "-".join(re.sub(r"[^A-Za-z0-9+._=,\[\]]", "-", word) for word in words)
    folder = parent / f"{name[:80]}-{plan.identity[:8]}"
    try:
        before = RunStore(folder).manifest()
    except DataError:  # damaged: the run says so
        return folder
    if before is not None and _other_data(plan, before):
        return parent / f"{folder.name}-{_place(plan)[:6]}"
    return folder


def earlier(plan: Plan, store: RunStore) -> Earlier | None:
    """The run in the directory, None where there is none. Raises UsageError for one that the plan is no part of, and
    that is no part of the plan.

    Data that was changed in place is the same run (its units are run again); the same names at another place with
    other pictures are another data set, whose units must not take the place of the first one's.
    """
    before = store.manifest()
    if before is None:
        return None
    found = Earlier(before, more=bool(_missing(before, plan)), less=_grows(before, plan))
    if _other_protocol(before, plan) or (found.more and found.less):
        raise UsageError(
            f"{store.folder} holds another run ({before.run_id}: {' '.join(before.command) or 'made in Python'}). "
            "Choose another --output (units that are the same are taken from here), or repeat that run's command to "
            f"resume it.{_advice(before, plan)}"
        )
    if _other_data(plan, before):
        raise UsageError(
            f"{store.folder} holds a run on other data of the same names (made on {before.dataset.root}, not on "
            f"{plan.dataset.root}). Choose another --output, or delete that run."
        )
    return found


def describe(plan: Plan, before: Manifest | None, status: str = "started") -> Manifest:
    """The manifest of a plan; of the run that its directory held before it keeps when it was made and its
    invocations."""
    dataset, moment = plan.dataset, now()
    return Manifest(
        run_id=plan.identity[:8],
        identity=plan.identity,
        status=status,
        created=before.created if before else moment,
        updated=moment,
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
            digests={video: plan.fingerprints[video][:16] for video in plan.videos},
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
        invocations_2=list(before.invocations) if before else [],
    )


def _footage(plan: Plan) -> dict[str, str] | UnsetType:
    """What is filmed in each video; UNSET where each is footage of its own."""
    found = {name: plan.dataset.footage(name) for name in plan.videos}
    return UNSET if all(name == footage for name, footage in found.items()) else found


def _identity(record: ModelRecord) -> tuple[object, ...]:
    return record.identity, record.adapter_version, digest(dict(record.options)), record.weights_sha256


def _missing(before: Manifest, plan: Plan) -> list[str]:
    """What the run has and the plan lacks, in words."""
    models = {_identity(m.record) for m in plan.models}
    labels, videos = {c.label for c in plan.conditions}, set(plan.videos)
    return [
        *(_lost(m, plan) for m in before.models if _identity(m) not in models),
        *(f"condition {c.label}" for c in before.conditions if c.label not in labels),
        *(f"video {video}" for video in before.videos if video not in videos),
    ]


def _lost(model: ModelRecord, plan: Plan) -> str:
    """A model of the run that the plan lacks; it may have one of that name."""
    now = next((m.record for m in plan.models if m.record.name == model.name), None)
    if now is None:
        return f"model {model.name}"
    other = "code" if now.adapter_version != model.adapter_version else "weights"
    return f"model {model.name} with the {other} it had then"


def _grows(before: Manifest, plan: Plan) -> bool:
    models = {_identity(m) for m in before.models}
    labels, videos = {c.label for c in before.conditions}, set(before.videos)
    return (
        any(_identity(m.record) not in models for m in plan.models)
        or any(c.label not in labels for c in plan.conditions)
        or any(video not in videos for video in plan.videos)
    )


def _other_protocol(before: Manifest, plan: Plan) -> bool:
    theirs = (before.dataset.name, before.protocol.name, before.protocol.version)
    return theirs != (plan.dataset.name, plan.protocol, plan.protocol_version)


def _advice(before: Manifest, plan: Plan) -> str:
    lacks = _missing(before, plan)
    if _other_protocol(before, plan) or not lacks:
        return ""
    more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
    return f" To let that run grow, ask for all that it has and more; left out here: {', '.join(lacks[:3])}{more}."


def _other_data(plan: Plan, before: Manifest) -> bool:
    """Whether a run is on other pictures at another place under the same names."""
    if before.dataset.place in (_place(plan), UNSET):
        return False
    digests = before.dataset.digests
    if digests is not UNSET:
        return any(digests[v] != plan.fingerprints[v][:16] for v in plan.videos if v in digests)
    return before.dataset.index_sha256 != plan.dataset.index_hash


def _place(plan: Plan) -> str:
    """Tells data folders apart however they are typed, without telling strangers where they are."""
    return digest(as_text(os.path.realpath(plan.dataset.root)))[:16] if plan.dataset.root else ""
