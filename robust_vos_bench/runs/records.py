"""What a run writes down: `run.json` and one record per unit (model x condition x video), versioned.

Records refer to nothing that refers back, so that the garbage collector need not look at millions of them (`gc=False`).
JSON keys stand in the order of the fields. Optional keys that a file lacks are `UNSET`, so that a record that is read
and written again has the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from robust_vos_bench.conditions.catalogue import find_corruption
from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.invocation import EnvironmentRecord, InvocationRecord, ToolRecord
from robust_vos_bench.scoring import statistics as scoring

SCHEMA = "rvos-bench/run/2"
READ = ("rvos-bench/run/1", SCHEMA)
"""Schemas that this version reads; 1 has one command, machine and set of versions for all units of a run."""
_NAMES = {field: name.removesuffix("-Mean") for name, field in scoring.STATISTICS.items()}
STATISTICS = {field: _NAMES[field] for field in sorted(_NAMES, key=lambda field: not field.endswith("_mean"))}
"""Statistics of an object: field of `ObjectRecord` -> name in tables. Decay is in -1..1, the others are in 0..1."""


class ObjectRecord(msgspec.Struct, frozen=True, gc=False):
    """Statistics of one object in one video, all in 0..1 (decay may be negative)."""

    object: int
    frames: int
    """Number of scored frames."""
    j_mean: float | None
    j_recall: float | None
    j_decay: float | None
    f_mean: float | None
    f_recall: float | None
    f_decay: float | None
    """None where no frame is scored (a video of two frames or less)."""
    category: str = ""
    extra: dict[str, float | None] | UnsetType = UNSET
    """What the protocol of the data set's authors adds (`scoring.rules`): name -> value, None where undefined."""

    def value(self, name: str) -> float:
        """One statistic as a float, NaN where there is none."""
        found = getattr(self, name)
        return math.nan if found is None else float(found)

    @property
    def jf(self) -> float:
        """(J-Mean + F-Mean) / 2."""
        return (self.value("j_mean") + self.value("f_mean")) / 2


class UnitRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One video of one cell: scores, or why there are none."""

    key: str
    """Hash of everything that the scores depend on; a record with another key is run again."""
    model: str
    condition: str
    video: str
    status: str
    """"ok", "failed", or "stale": scored once, but of other data or by another version than the run is now of."""
    objects: tuple[ObjectRecord, ...] = ()
    frames: int = 0
    """Number of frames the model yielded."""
    seconds_model: float = 0.0
    seconds_frames: float = 0.0
    """Time the model waited for decoding and corruption."""
    seconds_score: float = 0.0
    peak_rss_mib: float = 0.0
    peak_gpu_mib: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str = ""
    error_code: int = 0
    """Exit code class of the error (5: the adapter broke its contract, 4: data)."""
    attempts: int = 1
    invocation: str = ""
    """Id of the invocation that computed it; "" in runs made before invocations were told apart."""

    @property
    def ok(self) -> bool:
        """Whether the unit is done."""
        return self.status == "ok"

    @property
    def failed(self) -> bool:
        """Whether the unit was tried and failed."""
        return self.status == "failed"


class FrameScores(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """J and F of one object over its scored frames, rounded to four decimals; kept apart because it is long."""

    video: str
    object: int
    first: int
    """Frame index of the first entry."""
    j: tuple[float, ...]
    f: tuple[float, ...]
    at: tuple[int, ...] = ()
    """Frame index of every entry where only some are annotated; empty where they follow `first` without a gap."""

    @property
    def frames(self) -> Sequence[int]:
        """Frame index of every entry, ascending."""
        return self.at or range(self.first, self.first + len(self.j))


class CellCounts(msgspec.Struct):
    """Units of a run by state."""

    planned: int = 0
    ok: int = 0
    failed: int = 0
    pending: int = 0


class ModelRecord(msgspec.Struct, frozen=True):
    """One model of a run, as resolved."""

    name: str
    adapter_version: str
    options: dict[str, Any]
    checkpoint: str
    """File name of the checkpoint, "random" for recipe weights, "" where none is needed."""
    weights_sha256: str
    trained_on: tuple[str, ...] = ()
    title: str = ""
    paper: str = ""
    license: str = ""
    input_policy: str = ""
    model: str | UnsetType = UNSET
    """Name of the registered model, where `name` is one that the user gave it."""
    paths: tuple[str, ...] | UnsetType = UNSET
    """Options whose values are paths, where there are any: they do not leave this machine."""
    own_weights: bool | UnsetType = UNSET
    """True where `checkpoint` is a file name that the model's card does not know: it does not leave this machine."""

    @property
    def is_recipe(self) -> bool:
        """Whether deterministic untrained weights were used: never for a leaderboard."""
        return self.checkpoint == "random"

    @property
    def registered_name(self) -> str:
        """The name without the options that were given: what `load_adapter` takes, with `options`."""
        return self.name.partition("[")[0] if self.model is UNSET else self.model

    @property
    def identity(self) -> str:
        """What stands for the model in keys: its name, "ours=aot.r50_l" where that is the user's own."""
        return self.name if self.model is UNSET else f"{self.name}={self.model}"


class ProtocolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The scoring protocol; scores of two versions are never compared."""

    name: str
    version: str


class DatasetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The data that a run scored."""

    name: str
    """As it is opened: "davis2017:val"."""
    index_sha256: str = ""
    """Digest of the data of the run's videos."""
    videos: int
    """Number of videos in the run."""
    videos_in_split: int
    """Number of videos in the whole split."""
    root: str = ""
    """Folder of the data; "" in packed results and for data made on the spot."""
    footage: dict[str, str] | UnsetType = UNSET
    """Video -> what is filmed in it, where several videos share that (masklets of one film): they are resampled
    together."""
    place: str | UnsetType = UNSET
    """Digest of the real path of that folder; not in packed results."""
    masks: list[str] | UnsetType = UNSET
    """Masks of a video file that were given by hand: the words of --mask, with whole paths; not in packed results."""
    digests: dict[str, str] | UnsetType = UNSET
    """Video -> the first 16 digits of its digest; absent in older runs."""


class PresetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The preset that the conditions were taken from; "custom" where they were chosen one by one."""

    name: str
    version: int
    description: str = ""


class ConditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of a run: the fields of `Condition`, its label, its family and its fingerprint."""

    corruption: str = ""
    severity: int = 0
    temporal: str = ""
    profile: str = "constant"
    seed: int = 0
    clean_reference: bool = False
    device: str | UnsetType = UNSET
    """Kind of torch device that made the frames ("cuda"), where one was asked for."""
    source: str | UnsetType = UNSET
    """Of a stored split: the model that its frames were made against."""
    store: str | UnsetType = UNSET
    """Of a stored split: digest of its pixels."""
    label: str
    """Unique name: "clean", "fog-3-drift", "linf-prompt-e2@aot.lite"."""
    family: str = ""
    """Family of the corruption; "" for clean."""
    fingerprint: str = ""
    """Digest of the corruption, its version and its parameters."""
    moves_pixels: bool | UnsetType = UNSET
    """Whether masks move with the frames; recorded where it cannot be looked up later: of somebody's own corruption."""

    @classmethod
    def of(
        cls, condition: Condition, family: str, fingerprint: str, moves_pixels: bool | UnsetType = UNSET
    ) -> ConditionRecord:
        """The record of a condition."""
        return cls(
            **condition.to_dict(),
            label=condition.label,
            family=family,
            fingerprint=fingerprint,
            moves_pixels=moves_pixels,
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing is corrupted."""
        return not self.corruption

    @property
    def is_stored(self) -> bool:
        """Whether its frames were read from a split: of an attack, or of its baseline."""
        return self.store is not UNSET

    @property
    def condition(self) -> Condition:
        """The condition that this is the record of. Raises UsageError where its corruption is not installed here."""
        if self.is_clean:
            return CLEAN
        if self.is_stored:
            raise UsageError(f"{self.label}: its frames lie in a split, and a run does not keep where")
        temporal = self.temporal
        if not temporal and "frame" in find_corruption(self.corruption).temporal:
            temporal = "frame"  # what earlier versions left open
        return Condition(
            corruption=self.corruption,
            severity=self.severity,
            temporal=temporal,
            profile=self.profile,
            seed=self.seed,
            clean_reference=self.clean_reference,
            device="" if self.device is UNSET else self.device,
        )


class Manifest(msgspec.Struct, kw_only=True):
    """`run.json`: all that is needed to read, repeat and trust a run."""

    run_id: str
    identity: str
    """Hash of the grid: of models, data, conditions and protocol."""
    status: str
    """"started", "complete", "partial", "interrupted"."""
    created: str
    updated: str
    command_1: list[str] | UnsetType = msgspec.field(default=UNSET, name="command")
    """As are the next three: of schema 1, in place of `invocations`."""
    settings_1: dict[str, Any] | UnsetType = msgspec.field(default=UNSET, name="settings")
    tool_1: ToolRecord | UnsetType = msgspec.field(default=UNSET, name="tool")
    environment_1: EnvironmentRecord | UnsetType = msgspec.field(default=UNSET, name="environment")
    protocol: ProtocolRecord
    dataset: DatasetRecord
    preset: PresetRecord
    models: list[ModelRecord]
    conditions: list[ConditionRecord]
    """Clean first."""
    videos: list[str]
    units: CellCounts
    schema: str = SCHEMA
    invocations_2: list[InvocationRecord] | UnsetType = msgspec.field(default=UNSET, name="invocations")
    """See `invocations`."""
    left_out: list[str] | UnsetType = UNSET
    """Of a result that was cut to what several runs have in common: sentences that say what was left out."""

    @property
    def clean(self) -> ConditionRecord | None:
        """The clean condition, None in a run without one."""
        return next((c for c in self.conditions if c.is_clean), None)

    @property
    def corrupted(self) -> list[ConditionRecord]:
        """The conditions that are not clean."""
        return [c for c in self.conditions if not c.is_clean]

    @property
    def seed(self) -> int:
        """The largest seed of its conditions: that of the corrupted ones, as the clean one has 0."""
        return max((c.seed for c in self.conditions), default=0)

    @property
    def invocations(self) -> list[InvocationRecord]:
        """Every invocation that computed units of this run or took them over, in the order in which they came here."""
        if self.invocations_2 is not UNSET:
            return self.invocations_2
        first = InvocationRecord(
            id="",
            started=self.created,
            ended=self.updated,
            command=[] if self.command_1 is UNSET else self.command_1,
            tool=ToolRecord() if self.tool_1 is UNSET else self.tool_1,
            environment=EnvironmentRecord() if self.environment_1 is UNSET else self.environment_1,
        )
        return [first]

    @property
    def latest(self) -> InvocationRecord | None:
        """The invocation to repeat for the whole run: the newest of this run directory; None where nothing is known."""
        own = [invocation for invocation in self.invocations if invocation.is_own]
        return own[-1] if own else next(reversed(self.invocations), None)

    @property
    def command(self) -> list[str]:
        """The command line that repeats the run; empty where there is none (see `InvocationRecord.call`)."""
        return self.latest.command if self.latest is not None else []


def canonical(payload: object) -> bytes:
    """The canonical JSON of plain data: sorted keys."""
    return msgspec.json.encode(payload, order="sorted")


def digest(payload: object) -> str:
    """Hex sha256 of the canonical JSON of plain data."""
    return hashlib.sha256(canonical(payload)).hexdigest()


def read_manifest(data: bytes, where: str) -> Manifest:
    """Decode `run.json`; DataError where it is damaged or from another schema."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DataError(f"{where}: not a readable run manifest ({error})") from error
    if manifest.schema not in READ:
        raise DataError(f"{where}: schema {manifest.schema!r}, this version reads {' and '.join(READ)}")
    return manifest
