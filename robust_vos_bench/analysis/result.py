"""A packed result: one model of one complete run in one small file that others can check and add to a leaderboard."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from robust_vos_bench.analysis.attacked import SplitRecord
from robust_vos_bench.analysis.matrix import ScoreMatrix, footage_of, matrix_from_records
from robust_vos_bench.analysis.object_stats import ObjectStats, verify_object_stats
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.records import STATISTICS, Manifest, UnitRecord
from robust_vos_bench.system.atomic import make_folder, write_bytes

RESULT_SCHEMA = "rvos-bench/result/2"
READ = ("rvos-bench/result/1", RESULT_SCHEMA)
"""Schemas that this version reads; 2 has invocations (`runs.invocation`) in the manifest and in the records."""


class Result(msgspec.Struct, frozen=True):
    """One model's scores under every condition of a run, with the manifest they came from."""

    manifest: Manifest
    """The run's manifest, narrowed to this model."""
    records: tuple[UnitRecord, ...]
    checksum: str
    """sha256 of manifest, records and object statistics; detects edited or damaged files, not malice."""
    schema: str = RESULT_SCHEMA
    objects: tuple[ObjectStats, ...] = msgspec.field(default=(), name="facts")
    """Statistics of objects over their frames; empty in results of older versions."""
    attacks: tuple[SplitRecord, ...] | UnsetType = UNSET
    """The stored splits among its conditions, where there are any."""

    @property
    def model(self) -> str:
        """Full variant name of the model."""
        return self.manifest.models[0].name

    @property
    def complete(self) -> bool:
        """Whether every unit is scored."""
        return len(self.records) == len(self.manifest.conditions) * len(self.manifest.videos)

    @property
    def is_attacked(self) -> bool:
        """Whether frames of stored splits are among its conditions: it belongs on the boards of attacks."""
        return any(c.is_stored for c in self.manifest.conditions)

    def cells(self) -> dict[tuple[str, str], dict[str, UnitRecord]]:
        """The records by cell (see `matrix.Cells`)."""
        found: dict[tuple[str, str], dict[str, UnitRecord]] = {}
        for record in self.records:
            found.setdefault((record.model, record.condition), {})[record.video] = record
        return found


def checksum(
    manifest: Manifest,
    records: Sequence[UnitRecord],
    objects: Sequence[ObjectStats] = (),
    attacks: Sequence[SplitRecord] | UnsetType = UNSET,
) -> str:
    """Hex sha256 over the content of a result."""
    content: list[Any] = [manifest, list(records), list(objects)] if objects else [manifest, list(records)]
    return _digest(content if attacks is UNSET else [*content, {"attacks": list(attacks)}])


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def write_result(path: Path, result: Result) -> None:
    """Write a `.json.gz`; the same result gives the same bytes."""
    make_folder(path.parent)
    write_bytes(path, gzip.compress(msgspec.json.encode(result), compresslevel=9, mtime=0))


def read_result(path: Path) -> Result:
    """Read and verify a packed result; DataError names the file and what is wrong with it.

    A file of another version may have keys that this version does not know, or lack some. Its checksum is checked over
    the file as it is; the result in memory has the checksum of what was taken from it.
    """
    try:
        data = gzip.decompress(path.read_bytes())
        result = msgspec.json.decode(data, type=Result)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: not a readable packed result ({error})") from error
    own = checksum(result.manifest, result.records, result.objects, result.attacks)
    if own != result.checksum and _checksum_of_file(data) == result.checksum:
        result = msgspec.structs.replace(result, checksum=own)
    verify(result, str(path))
    return result


def _checksum_of_file(data: bytes) -> str:
    """`checksum` of the JSON of a result, unknown keys included."""
    content = msgspec.json.decode(data)
    objects = content.get("facts")
    attacks = [{"attacks": content["attacks"]}] if "attacks" in content else []
    return _digest([content["manifest"], content["records"], *([objects] if objects else []), *attacks])


def verify(result: Result, where: str) -> None:
    """Raise DataError for what cannot be a result: other schema, wrong checksum, unknown units, impossible or no score.

    A unit without scores is allowed: a video may have no truth after its prompt. where: named in the message.
    """
    if result.schema not in READ:
        raise DataError(f"{where}: schema {result.schema!r}, this version reads {' and '.join(READ)}")
    if result.checksum != checksum(result.manifest, result.records, result.objects, result.attacks):
        raise DataError(f"{where}: the checksum does not fit: the file was edited or damaged")
    if len(result.manifest.models) != 1:
        raise DataError(f"{where}: a packed result holds one model, this one {len(result.manifest.models)}")
    units = _verify_units(result, where)
    if not any(score.frames for record in result.records for score in record.objects):
        raise DataError(
            f"{where}: model {result.model!r} has no scored video, so there is nothing to rank or compare. Finish the "
            "run, or use data with truth in frames after the prompt."
        )
    wrong = verify_object_stats(result.objects, units)
    if wrong:
        raise DataError(f"{where}: {wrong}")
    if result.attacks is not UNSET:
        stored = {(c.label, c.store) for c in result.manifest.conditions if c.is_stored}
        if {(split.label, split.store) for split in result.attacks} != stored:
            raise DataError(f"{where}: the stored splits that it tells of are not those of its conditions")


def _verify_units(result: Result, where: str) -> set[tuple[str, str]]:
    """The (condition, video) of every record. Raises DataError for one that cannot be."""
    labels = {c.label for c in result.manifest.conditions}
    videos = set(result.manifest.videos)
    units: set[tuple[str, str]] = set()
    for record in result.records:
        unit = (record.condition, record.video)
        if record.model != result.model or record.condition not in labels or record.video not in videos:
            raise DataError(f"{where}: unit {unit} is not part of the run it claims to come from")
        if unit in units:
            raise DataError(f"{where}: unit {unit} occurs twice")
        units.add(unit)
        if not record.ok:
            raise DataError(f"{where}: unit {unit} is not done")
        for score in record.objects:
            for name in STATISTICS:
                value, low = score.value(name), -1 if name.endswith("decay") else 0
                if not math.isnan(value) and not low <= value <= 1:
                    raise DataError(f"{where}: unit {unit}, object {score.object}: {name} is {value}")
    return units


def refuse_recipe(result: Result) -> None:
    """Raise UsageError for a model with untrained weights: they are for smoke tests and never enter a leaderboard."""
    if result.manifest.models[0].is_recipe:
        raise UsageError(f"model {result.model!r} ran with --checkpoint random: untrained weights are refused here")


def joint_matrix(results: Sequence[Result]) -> ScoreMatrix:
    """Several models on the same grid as one matrix (they must share conditions and videos)."""
    first = results[0].manifest
    cells: dict[tuple[str, str], dict[str, UnitRecord]] = {}
    for result in results:
        cells.update(result.cells())
    models = tuple(r.model for r in results)
    return matrix_from_records(models, first.conditions, first.videos, cells, footage_of(first))
