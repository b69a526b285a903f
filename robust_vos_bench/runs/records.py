"""What is written down: one record a unit (model x condition x video), versioned."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from robust_vos_bench.errors import DataError

SCHEMA = "rvos-bench/run/1"


class ObjectRecord(msgspec.Struct, frozen=True):
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

    def value(self, name: str) -> float:
        """One statistic as a float, NaN where there is none."""
        found = getattr(self, name)
        return math.nan if found is None else float(found)

    @property
    def jf(self) -> float:
        """(J-Mean + F-Mean) / 2."""
        return (self.value("j_mean") + self.value("f_mean")) / 2


class UnitRecord(msgspec.Struct, frozen=True, omit_defaults=True):
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

    @property
    def ok(self) -> bool:
        """Whether the unit is done."""
        return self.status == "ok"

    @property
    def failed(self) -> bool:
        """Whether it was tried in vain."""
        return self.status == "failed"


class FrameScores(msgspec.Struct, frozen=True, omit_defaults=True):
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

    @property
    def is_recipe(self) -> bool:
        """Whether deterministic untrained weights were used: never for a leaderboard."""
        return self.checkpoint == "random"


class Manifest(msgspec.Struct):
    """`run.json`: all that is needed to read, repeat and trust a run."""

    run_id: str
    identity: str
    """Hash of the plan: the same command gives the same identity and so resumes."""
    status: str
    """"started", "complete", "partial", "interrupted"."""
    created: str
    updated: str
    command: list[str]
    settings: dict[str, Any]
    tool: dict[str, Any]
    environment: dict[str, Any]
    protocol: dict[str, Any]
    dataset: dict[str, Any]
    preset: dict[str, Any]
    models: list[ModelRecord]
    conditions: list[dict[str, Any]]
    """Each condition's fields, its label and family."""
    videos: list[str]
    units: CellCounts
    schema: str = SCHEMA


def digest(payload: object) -> str:
    """Hex sha256 of the canonical JSON of plain data (sorted keys)."""
    return hashlib.sha256(msgspec.json.encode(payload, order="sorted")).hexdigest()


def read_manifest(data: bytes, where: str) -> Manifest:
    """Decode `run.json`; DataError where it is damaged or from another schema."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DataError(f"{where}: not a readable run manifest ({error})") from error
    if manifest.schema != SCHEMA:
        raise DataError(f"{where}: schema {manifest.schema!r}, this version reads {SCHEMA!r}")
    return manifest
