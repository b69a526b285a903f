"""Archives for others: packed results for a leaderboard, palette masks for an evaluation server."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from robust_vos_bench.analysis.packing import result_of
from robust_vos_bench.analysis.reopen import dataset_of
from robust_vos_bench.analysis.result import Result, refuse_recipe, verify, write_result
from robust_vos_bench.analysis.run import load_run
from robust_vos_bench.datasets import Dataset, Video
from robust_vos_bench.datasets.files import sorted_files
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.registry import DATASETS
from robust_vos_bench.errors import DataError, IncompleteError, RvosError, UsageError, unknown
from robust_vos_bench.runs.records import Manifest
from robust_vos_bench.runs.store import RunStore, safe_name
from robust_vos_bench.system.atomic import make_folder, replacing
from robust_vos_bench.system.paths import user_path

LAYOUTS = {
    "annotations": "Annotations/{video}/{frame}.png",
    "videos": "{video}/{frame}.png",
    "objects": "{film}/{object}/{frame}.png",
}
"""Name of a layout -> the path of a mask in the archive. In "objects" each video is one masklet, `<film>.<object>`."""


def pack(
    run: str | Path,
    masks: str | None = None,
    model: str | None = None,
    output: str | Path | None = None,
    layout: str | None = None,
) -> Path:
    """Check a run, pack it into one file for others, and return its path.

    The scores of one model as `.json.gz`, or, with masks (a condition label such as "clean"), its saved masks of that
    condition as `.zip`. model: needed where the run has several. output: by default a file beside the run. layout: of
    the zip, a name in `LAYOUTS`; by default as the data set's server wants it.

    Raises UsageError for an unclear choice, IncompleteError for a run that is not finished, DataError for damage.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model="static", corruption="fog-3", limit=2, progress=False)
    >>> rvos.pack(run.folder).name.endswith(".json.gz")
    True
    """
    folder, path = user_path(run), None if output is None else user_path(output)
    if masks is None:
        if layout is not None:
            raise UsageError("a layout is for masks: give --masks CONDITION with --layout")
        return pack_result(folder, model, path)
    return pack_masks(folder, masks, model, path, layout)


def choose(run: Path, model: str | None) -> Result:
    """The result of one model of a run; UsageError where the choice is not clear."""
    opened = load_run(run)
    chosen = [m for m in opened.manifest.models if model in (None, m.name)]
    if len(chosen) != 1:
        raise UsageError(f"{run} has the models {', '.join(opened.models)}: choose one with --model")
    return result_of(opened, chosen[0])


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


def pack_masks(
    run: Path, condition: str, model: str | None = None, output: Path | None = None, layout: str | None = None
) -> Path:
    """Write the saved masks of one condition as a zip in the layout that the data set's server wants.

    Every mask is checked as the server would: one for each frame under the frame's name, palette or grey, the size of
    the video, no ids but those of its objects. Names, sizes and ids are compared with the data where the data is still
    there, else with each other. Raises DataError for a missing or damaged mask, IncompleteError where the run is of a
    part of the split and the server wants all of it.
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
    inside = LAYOUTS[_layout(manifest, layout)]
    data = _data(manifest)
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
        _check_masks(folder, masks, None if data is None else data.video(video))
        film, _, number = video.rpartition(".")
        if "{film}" in inside and not (film and number):
            raise UsageError(f"the layout objects is for masklets such as those of sav; {video!r} is none")
        words = {"video": video, "film": film, "object": number}
        files += [(mask, inside.format(frame=mask.stem, **words)) for mask in masks]
    path = output or run.parent / f"{safe_name(name)}-{safe_name(condition)}-{manifest.run_id}.zip"
    _write_zip(path, files)
    return path


def _layout(manifest: Manifest, given: str | None) -> str:
    """The layout that is asked for, or that the data set's server wants, which also wants every video of the split.

    MOSE is opened as a folder: its folder's name tells.
    """
    if given is not None:
        if given not in LAYOUTS:
            raise unknown("layout", given, LAYOUTS, f"Layouts: {', '.join(LAYOUTS)}.")
        return given
    family = manifest.dataset.name.partition("@")[0].partition(":")[0]
    item = DATASETS.usable().get(family)
    wanted = "" if item is None else item.value.archive
    if family == "folder" and any("mose" in part.lower() for part in Path(manifest.dataset.root).parts[-2:]):
        wanted = "videos"
    if wanted == "objects":  # of a data set whose truth is public: its authors' evaluator takes any part
        return wanted
    if wanted and manifest.dataset.videos < manifest.dataset.videos_in_split:
        raise IncompleteError(
            f"the run has {manifest.dataset.videos} of the {manifest.dataset.videos_in_split} videos of "
            f"{manifest.dataset.name}, and the server wants all: repeat it without --limit, or give --layout {wanted}"
        )
    return wanted or "annotations"


def _data(manifest: Manifest) -> Dataset | None:
    """The data of a run, where it is built in and still where it was; else None."""
    name, root = manifest.dataset.name, manifest.dataset.root
    if name.partition("@")[0].partition(":")[0] not in DATASETS.builtin() or not root or not Path(root).exists():
        return None
    try:
        return dataset_of(manifest, videos=manifest.videos)
    except RvosError:  # moved or changed since
        return None


def _check_masks(folder: Path, masks: Sequence[Path], video: Video | None) -> None:
    """Raise DataError for masks of a video that a server would not take; video: None where the data is gone."""
    if video is not None:
        found, wanted = {mask.stem for mask in masks}, set(video.frame_names)
        if found != wanted:
            odd = sorted(found - wanted)
            raise DataError(
                f"{folder}: no mask for frame {min(wanted - found)!r}" + (f", but one for {odd[0]!r}" if odd else "")
            )
    size = None if video is None else video.size
    for path in masks:
        mask = read_mask(path, size)
        size = (mask.shape[0], mask.shape[1])  # of the first, where the data does not say
        strange = [] if video is None else sorted(set(np.unique(mask).tolist()) - {0, *video.object_ids})
        if strange:
            known = ", ".join(map(str, video.object_ids)) if video is not None else ""
            raise DataError(f"{path}: holds the id {strange[0]}, but the objects of the video are {known}")
        with Image.open(path) as image:
            if image.mode not in ("P", "L"):
                raise DataError(f"{path}: expected a palette or 8-bit grey PNG of object ids, got mode {image.mode}")


def _write_zip(path: Path, files: Sequence[tuple[Path, str]]) -> None:
    """All or nothing, and mask by mask, so that the zip of a whole split need not fit into memory."""
    make_folder(path.parent)
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for mask, inside in files:
            archive.write(mask, inside)
