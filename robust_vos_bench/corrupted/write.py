"""One video of a perturbed split on disk: frames, annotations, and a record of what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from robust_vos_bench.conditions import Condition, condition_fingerprint, corrupt_truth, corrupt_video, corruption_of
from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.files import BINARISE, MaskFiles
from robust_vos_bench.datasets.images import encode_frame, encode_mask
from robust_vos_bench.datasets.video import VOID, Mask, Truth, Video, ids_in
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.atomic import make_folder, write_bytes
from robust_vos_bench.system.hashes import file_sha256
from robust_vos_bench.version import __version__

FORMATS: Mapping[str, str] = {"png": ".png", "jpg": ".jpg"}
"""Word of `--format` -> file ending: lossless PNG, or JPEG 4:4:4 at quality 100."""
RECORDS = ".rvos-bench"
"""Folder of the records, one per finished video, beside JPEGImages."""


class VideoRecord(msgspec.Struct, frozen=True):
    """What was written for one video; it is there only once everything else is."""

    video: str
    key: str
    """Digest of all that decides the files: source bytes, condition, format."""
    frames: int
    pixels: str
    """sha256 over the RGB bytes of all frames in order, before encoding: equal on every machine."""
    files: dict[str, str]
    """Path under the split -> sha256 of the file."""


@dataclass(frozen=True)
class Places:
    """Where frames and annotations go, relative to the split's folder: as in the input."""

    frames: Path
    masks: Path


def places(dataset: Dataset) -> Places:
    """The layout of a data set; plain JPEGImages / Annotations where it lies in no folder (demo)."""
    layout = dataset.layout
    if layout is None:
        return Places(Path("JPEGImages"), Path("Annotations"))
    return Places(layout.frames, layout.masks)


def video_key(dataset: Dataset, name: str, condition: Condition, suffix: str) -> str:
    """Digest of everything that decides what is written for a video."""
    rules = 2 if _changes_masks(condition) else 1  # raised when annotations came to be drawn otherwise (`_with_prompt`)
    facts = (rules, dataset.name, name, dataset.fingerprint(name), condition_fingerprint(condition), suffix)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def finished(dataset: Dataset, name: str, condition: Condition, folder: Path, suffix: str) -> VideoRecord | None:
    """The record of a video that lies in `folder` complete and undamaged; None where it must be written (again)."""
    try:
        record = msgspec.json.decode((folder / RECORDS / f"{name}.json").read_bytes(), type=VideoRecord)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None
    if record.key != video_key(dataset, name, condition, suffix):
        return None
    try:
        whole = all(file_sha256(folder / path) == digest for path, digest in record.files.items())
    except DataError:
        return None
    return record if whole else None


def write_video(
    dataset: Dataset,
    name: str,
    condition: Condition,
    folder: Path,
    suffix: str = ".png",
    frame: Callable[[int], None] = lambda count: None,
) -> VideoRecord:
    """Write one video under a condition into the split's folder; returns the record, which is written last.

    Annotations are copied byte for byte, unless the condition moves pixels or damages prompts: then they are drawn
    anew, so that reading the folder back gives the prompts and the truth that a run sees. Raises DataError for
    damaged input, WriteError where the disk is full or read-only. frame: is told how many frames are written.
    """
    where = places(dataset)
    key = video_key(dataset, name, condition, suffix)
    video = dataset.video(name)
    corrupted = corrupt_video(video, condition)
    files: dict[str, str] = {}
    make_folder(folder / where.frames / name)
    make_folder(folder / where.masks / name)
    remove_strays(folder / where.frames / name, {f"{stem}{suffix}" for stem in video.frame_names})
    remove_strays(folder / where.masks / name, {f"{stem}.png" for stem in video.frame_names})
    pixels = hashlib.sha256()
    for count, (stem, pixel_array) in enumerate(zip(video.frame_names, corrupted.frames), 1):
        pixels.update(pixel_array.tobytes())
        path = where.frames / name / f"{stem}{suffix}"
        put(folder, path, encode_frame(pixel_array, suffix), files)
        frame(count)
    for stem, data in annotation_files(dataset, video, corrupted, condition):
        put(folder, where.masks / name / f"{stem}.png", data, files)
    record = VideoRecord(name, key, len(video), pixels.hexdigest(), files)
    make_folder(folder / RECORDS)
    write_bytes(folder / RECORDS / f"{name}.json", msgspec.json.encode(record))
    return record


def put(folder: Path, path: Path, data: bytes, files: dict[str, str]) -> None:
    """Write a file of a split and note its hash in `files`."""
    # Not flushed file by file: the record is, and a file that a crash tore fails its hash at the next start.
    write_bytes(folder / path, data, durable=False)
    files[path.as_posix()] = hashlib.sha256(data).hexdigest()


def remove_strays(folder: Path, names: set[str]) -> None:
    """Remove files of other names: what an interrupted attempt or another version of the input left would be read."""
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def annotation_files(
    dataset: Dataset, video: Video, corrupted: Video, condition: Condition
) -> Iterator[tuple[str, bytes]]:
    """(frame stem, PNG bytes) of every annotation, one at a time."""
    if dataset.layout is not None:
        sources = dataset.mask_paths(video.name)
        if not _changes_masks(condition):
            for stem, path in sources.items():
                yield stem, path.read_bytes()
            return
        paths = tuple(sources.get(stem) for stem in video.frame_names)
        if dataset.maps_by_value:
            table = tuple(dataset.map_mask(np.arange(256, dtype=np.uint8)[None])[0].tolist())
            masks: Sequence[Mask | None] = MaskFiles(paths, video.size, table)
        else:
            masks = MaskFiles(paths, video.size, BINARISE, by_value=False)
    else:
        made = dataset.truth(video.name)
        masks = [None] * len(video) if made is None else made.masks
    clean = Truth(video.name, video.size, video.frame_names, masks, video.first_frames)
    truth = corrupt_truth(clean, condition, video)
    for t, stem in enumerate(truth.frame_names):
        mask = truth.masks[t]
        if t in corrupted.prompts:
            mask = _with_prompt(np.zeros(video.size, np.uint8) if mask is None else mask, corrupted.prompts[t])
        if mask is not None:
            yield stem, encode_mask((mask > 0).astype(np.uint8) * 255 if dataset.binary else mask)


def _with_prompt(mask: Mask, prompt: Mask) -> Mask:
    """The annotation whose new objects look as the model is shown them.

    A late prompt says nothing of older objects, so its 0 is no background: where it has grown over them, they stay,
    because they are scored on this frame. An object that lies only on others is drawn all the same: it would
    be lost otherwise.
    """
    ids = ids_in(prompt)
    free = np.isin(mask, [0, VOID, *ids])
    drawn = mask.copy()
    drawn[np.isin(drawn, ids)] = 0
    drawn = np.where((prompt > 0) & free, prompt, drawn)
    for i in ids:
        if not (drawn == i).any():
            drawn[prompt == i] = i
    return drawn


def _changes_masks(condition: Condition) -> bool:
    return not condition.is_clean and corruption_of(condition).changes_masks


def tool() -> dict[str, str]:
    """What wrote it, for the manifest."""
    return {"name": "rvos-bench", "version": __version__}
