"""Archives for others: packed results for a leaderboard, palette masks for an evaluation server."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from robust_vos_bench.analysis.result import Result, refuse_recipe, results_of, verify, write_result
from robust_vos_bench.datasets.files import sorted_files
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.errors import DataError, IncompleteError, UsageError
from robust_vos_bench.runs.store import RunStore, safe_name
from robust_vos_bench.system.atomic import make_folder, replacing
from robust_vos_bench.system.paths import user_path


def pack(run: str | Path, masks: str | None = None, model: str | None = None, output: str | Path | None = None) -> Path:
    """Check a run, pack it into one file for others, and return its path.

    The scores of one model as `.json.gz`, or, with masks (a condition label such as "clean"), its saved masks of that
    condition as `.zip`. model: needed where the run has several. output: by default a file beside the run.

    Raises UsageError for an unclear choice, IncompleteError for a run that is not finished, DataError for damage.
    """
    folder, path = user_path(run), None if output is None else user_path(output)
    return pack_result(folder, model, path) if masks is None else pack_masks(folder, masks, model, path)


def choose(run: Path, model: str | None) -> Result:
    """The result of one model of a run; UsageError where the choice is not clear."""
    results = results_of(run)
    chosen = [r for r in results if model is None or r.model == model]
    if len(chosen) != 1:
        raise UsageError(f"{run} has the models {', '.join(r.model for r in results)}: choose one with --model")
    return chosen[0]


def pack_result(run: Path, model: str | None = None, output: Path | None = None) -> Path:
    """Write one model's scores as `.json.gz`; IncompleteError names what is missing."""
    result = choose(run, model)
    refuse_recipe(result)
    if not result.complete:
        done = {(r.condition, r.video) for r in result.records}
        missing = [
            f"{c.label} · {v}"
            for c in result.manifest.conditions
            for v in result.manifest.videos
            if (c.label, v) not in done
        ]
        raise IncompleteError(
            f"{run}: {len(missing)} of {result.manifest.units.planned} units of {result.model!r} are missing or "
            f"failed, first: {', '.join(missing[:3])}. Repeat the run's command to finish it."
        )
    verify(result, str(run))  # what a leaderboard would refuse is not written
    path = output or run.parent / f"{safe_name(result.model)}-{result.manifest.run_id}.json.gz"
    write_result(path, result)
    return path


def pack_masks(run: Path, condition: str, model: str | None = None, output: Path | None = None) -> Path:
    """Write the saved masks of one condition as `Annotations/<video>/<frame>.png` in a zip, every mask checked.

    The layout of the YouTube-VOS and DAVIS servers. Raises DataError for a missing or damaged mask.
    """
    store = RunStore(run)
    manifest = store.manifest()
    if manifest is None:
        raise DataError(f"{run} is not a run directory: it has no run.json")
    names = [m.name for m in manifest.models]
    if model is None and len(names) > 1:
        raise UsageError(f"{run} has the models {', '.join(names)}: choose one with --model")
    name = model or names[0]
    labels = [c.label for c in manifest.conditions]
    if name not in names or condition not in labels:
        raise UsageError(f"{run} has the models {', '.join(names)} and the conditions {', '.join(labels)}")
    records = store.records(condition, name)
    files: list[tuple[Path, str]] = []
    for video in manifest.videos:
        folder = store.masks_path(condition, name, video)
        masks = sorted_files(folder.glob("*.png"))
        record = records.get(video)
        if record is None or not record.ok:
            raise IncompleteError(f"{run}: {name} · {condition} · {video} is not done; repeat the run's command first")
        if len(masks) != record.frames:
            raise DataError(
                f"{folder}: {len(masks)} masks, but the video has {record.frames} frames. "
                "Was the run made with --save-masks? Repeat it with --save-masks --overwrite always."
            )
        for mask in masks:
            _check_mask(mask)
            files.append((mask, f"Annotations/{video}/{mask.name}"))
    path = output or run.parent / f"{safe_name(name)}-{safe_name(condition)}-{manifest.run_id}.zip"
    _write_zip(path, files)
    return path


def _write_zip(path: Path, files: Sequence[tuple[Path, str]]) -> None:
    """All or nothing, and mask by mask, so that the zip of a whole split need not fit into memory."""
    make_folder(path.parent)
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for mask, inside in files:
            archive.write(mask, inside)


def _check_mask(path: Path) -> None:
    """Raise DataError for a mask that is damaged or has no palette."""
    read_mask(path)
    with Image.open(path) as image:
        if image.mode != "P":
            raise DataError(f"{path}: expected a palette PNG of object ids, got mode {image.mode}")
