"""A packed result: one model of one complete run in one small file that others can check and add to a leaderboard."""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from robust_vos_bench.analysis.matrix import ScoreMatrix, conditions_of, matrix_from_records
from robust_vos_bench.analysis.object_stats import ObjectStats, object_stats, verify_object_stats
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.records import CellCounts, Manifest, UnitRecord
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.atomic import make_folder, write_bytes

RESULT_SCHEMA = "rvos-bench/result/1"


class Result(msgspec.Struct, frozen=True):
    """One model's scores under every condition of a run, with the manifest they came from."""

    manifest: Manifest
    """The run's manifest, narrowed to this model."""
    records: tuple[UnitRecord, ...]
    checksum: str
    """sha256 of manifest, records and facts; detects edited or damaged files, not malice."""
    schema: str = RESULT_SCHEMA
    facts: tuple[ObjectStats, ...] = ()
    """What frames and masks told beyond the means; absent in results of older versions."""

    @property
    def model(self) -> str:
        """Full variant name of the model."""
        return self.manifest.models[0].name

    @property
    def complete(self) -> bool:
        """Whether every unit is scored."""
        return len(self.records) == len(self.manifest.conditions) * len(self.manifest.videos)

    def cells(self) -> dict[tuple[str, str], dict[str, UnitRecord]]:
        """(model, condition label) -> video -> record."""
        found: dict[tuple[str, str], dict[str, UnitRecord]] = {}
        for record in self.records:
            found.setdefault((record.model, record.condition), {})[record.video] = record
        return found


def results_of(folder: Path, facts: bool = True) -> list[Result]:
    """The results of a run directory, one a model. Failed and missing units are simply not in them.

    facts: with what frames and saved masks tell (see `reports.facts`); without it only the scores are read.
    """
    store = RunStore(folder)
    manifest = store.manifest()
    if manifest is None:
        raise DataError(f"{folder} is not a run directory: it has no run.json")
    found = []
    for model in manifest.models:
        records: list[UnitRecord] = []
        for condition in manifest.conditions:
            cell = store.records(condition["label"], model.name)
            records += [cell[v] for v in manifest.videos if v in cell and cell[v].ok]
        planned = len(manifest.conditions) * len(manifest.videos)
        narrowed = msgspec.structs.replace(
            manifest,
            models=[model],
            units=CellCounts(planned=planned, ok=len(records), pending=planned - len(records)),
            # where somebody's data lies is nobody's business
            dataset={k: v for k, v in manifest.dataset.items() if k != "place"} | {"root": ""},
            settings={},
        )
        known = object_stats(store, manifest, model.name) if facts else ()
        found.append(Result(narrowed, tuple(records), checksum(narrowed, records, known), facts=known))
    return found


def checksum(manifest: Manifest, records: Sequence[UnitRecord], facts: Sequence[ObjectStats] = ()) -> str:
    """Hex sha256 over what a result says."""
    said = [manifest, list(records), list(facts)] if facts else [manifest, list(records)]
    payload = msgspec.json.encode(said, order="sorted")
    return hashlib.sha256(payload).hexdigest()


def write_result(path: Path, result: Result) -> None:
    """Write a `.json.gz`; the same result gives the same bytes."""
    make_folder(path.parent)
    write_bytes(path, gzip.compress(msgspec.json.encode(result), compresslevel=9, mtime=0))


def read_result(path: Path) -> Result:
    """Read and verify a packed result; DataError names the file and what is wrong with it."""
    try:
        result = msgspec.json.decode(gzip.decompress(path.read_bytes()), type=Result)
    except (OSError, EOFError, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: not a readable packed result ({error})") from error
    verify(result, str(path))
    return result


def verify(result: Result, where: str) -> None:
    """Refuse what cannot be a true result: other schema, wrong checksum, strange units, impossible or no scores.

    A unit without scores is none of these: a video may have no truth beyond its prompt.
    """
    if result.schema != RESULT_SCHEMA:
        raise DataError(f"{where}: schema {result.schema!r}, this version reads {RESULT_SCHEMA!r}")
    if result.checksum != checksum(result.manifest, result.records, result.facts):
        raise DataError(f"{where}: the checksum does not fit: the file was edited or damaged")
    if len(result.manifest.models) != 1:
        raise DataError(f"{where}: a packed result holds one model, this one {len(result.manifest.models)}")
    labels = {c["label"] for c in result.manifest.conditions}
    videos = set(result.manifest.videos)
    seen: set[tuple[str, str]] = set()
    for record in result.records:
        unit = (record.condition, record.video)
        if record.model != result.model or record.condition not in labels or record.video not in videos:
            raise DataError(f"{where}: unit {unit} is not part of the run it claims to come from")
        if unit in seen:
            raise DataError(f"{where}: unit {unit} is there twice")
        seen.add(unit)
        if not record.ok:
            raise DataError(f"{where}: unit {unit} is not done")
        for score in record.objects:
            for name in ("j_mean", "f_mean", "j_recall", "f_recall"):
                value = score.value(name)
                if not math.isnan(value) and not 0 <= value <= 1:
                    raise DataError(f"{where}: unit {unit}, object {score.object}: {name} is {value}")
    if not any(score.frames for record in result.records for score in record.objects):
        raise DataError(
            f"{where}: model {result.model!r} has no scored video, so there is nothing to rank or compare. Finish the "
            "run, or take data with truth in frames after the prompt."
        )
    wrong = verify_object_stats(result.facts, seen)
    if wrong:
        raise DataError(f"{where}: {wrong}")


def refuse_recipe(result: Result) -> None:
    """Untrained weights are for smoke tests; they never enter a leaderboard."""
    if result.manifest.models[0].is_recipe:
        raise UsageError(f"model {result.model!r} ran with --checkpoint random: untrained weights have no place here")


def joint_matrix(results: list[Result]) -> ScoreMatrix:
    """Several models on the same grid as one matrix (they must share conditions and videos)."""
    first = results[0].manifest
    cells: dict[tuple[str, str], dict[str, UnitRecord]] = {}
    for result in results:
        cells.update(result.cells())
    models = tuple(r.model for r in results)
    return matrix_from_records(models, conditions_of(first), tuple(first.videos), cells)
