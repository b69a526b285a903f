"""A stored split on disk: the frames of one threat against one model, in the layout of the input, with hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from robust_vos_bench.analysis.attacked import AttackRecord as AttackRecord
from robust_vos_bench.attacks.splits import read_manifest
from robust_vos_bench.attacks.threat import VERSION, Threat
from robust_vos_bench.conditions import CLEAN
from robust_vos_bench.conditions.stored import (
    MIDDLE,
    RECORDS,
    StoredFrames,
    StoredVideo,
    pixel_hash,
    record_path,
)
from robust_vos_bench.corrupted.split import MANIFEST, SCHEMA
from robust_vos_bench.corrupted.write import annotation_files, places, put, remove_strays, tool
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.datasets.images import encode_frame
from robust_vos_bench.datasets.video import Frame, Video
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.records import ModelRecord, digest
from robust_vos_bench.runs.store import safe_name
from robust_vos_bench.system.atomic import make_folder, write_bytes
from robust_vos_bench.system.hashes import file_sha256
from robust_vos_bench.system.locks import exclusive

FORMATS = ("png", "delta")
"""png: whole frames and annotations, which open as the data set does. delta: 128 + difference, of the changed frames
alone: it shows no frame, and fits only data whose decoded pixels are the recorded ones."""
DELTAS = "Deltas"
MOST_DELTA = 127
ATTACK_VERSIONS = {"linf": 2, "square": 1, "patch": 1, "noise": 1}
"""Kind of threat -> version of its search, raised when it comes to find other frames."""


class AttackedVideo(msgspec.Struct, frozen=True):
    """The record of one video of a stored split; it is there only once everything else is."""

    video: str
    key: str
    """Digest of all that decides the frames."""
    frames: int
    pixels: str
    """sha256 over the RGB bytes of all frames in order, before encoding."""
    files: dict[str, str]
    """Path under the split -> sha256 of the file."""
    stored: StoredVideo
    attack: AttackRecord


@dataclass(frozen=True)
class SplitFacts:
    """What a stored split is: everything that decides its frames but the video."""

    threat: Threat
    source: ModelRecord | None
    """The model; None for noise, which needs none."""
    effort: Mapping[str, Any]
    preset: Mapping[str, Any]
    seed: int
    device: str
    """Kind of device ("cpu"): others give other frames."""
    before: tuple[str, ...] = ()
    """Labels of the threats whose results were candidates."""
    format: str = "png"
    target: str = "truth"
    """What the masks shall differ from: the true ones, or, "clean", those that the model gives for the clean frames."""

    @property
    def label(self) -> str:
        """Name of the folder and of the condition: "linf-prompt-e2@aot.lite"."""
        return self.threat.label + (f"@{self.source_name}" if self.source is not None else "")

    @property
    def source_name(self) -> str:
        """The model's name as a part of file names; "" for none."""
        return "" if self.source is None else safe_name(self.source.name)

    def describe(self) -> dict[str, Any]:
        """Plain data for the manifest; its digest is part of every key."""
        model = None
        if self.source is not None:
            model = {
                "name": self.source.name,
                "model": self.source.registered_name,
                "adapter_version": self.source.adapter_version,
                "options": dict(self.source.options),
                "weights_sha256": self.source.weights_sha256,
            }
        facts = {
            "threat": self.threat.label,
            "threat_version": VERSION,
            "attack_version": ATTACK_VERSIONS[self.threat.kind],
            "source": model,
            "effort": dict(self.effort),
            "preset": dict(self.preset),
            "seed": self.seed,
            "device": self.device,
            "candidates": list(self.before),
        }
        return facts if self.target == "truth" else {**facts, "target": self.target}

    def key(self, dataset: Dataset, video: str) -> str:
        """Digest of all that decides the stored frames of a video."""
        facts = (self.describe(), dataset.name, video, dataset.fingerprint(video), dataset.protocol, self.format)
        return digest(facts)


def check_format(format: str, threats: Sequence[Threat]) -> None:
    """Raise UsageError for a format that there is not, or that cannot hold a threat."""
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; use {' or '.join(FORMATS)}")
    wide = [t.label for t in threats if t.kind == "patch" or t.budget > MOST_DELTA]
    if format == "delta" and wide:
        raise UsageError(
            f"--format delta holds differences up to {MOST_DELTA} grey levels and no patch: {', '.join(wide)} needs png"
        )


def write_video(
    dataset: Dataset,
    video: Video,
    facts: SplitFacts,
    split: Path,
    clean: Sequence[Frame],
    frames: Sequence[Frame],
    attack: AttackRecord,
) -> AttackedVideo:
    """Write the frames of one video into the split's folder and, last, its record. Raises WriteError where the disk
    is full; what lies there before the record is then no part of the split."""
    name, where = video.name, places(dataset)
    folder = Path(DELTAS) if facts.format == "delta" else where.frames
    make_folder(split / folder / name)
    files: dict[str, str] = {}
    stems = {f"{stem}.png" for stem in video.frame_names}
    remove_strays(split / folder / name, stems)
    hashes = []
    for stem, one, other in zip(video.frame_names, clean, frames):
        hashes.append(pixel_hash(other))
        if facts.format == "delta":
            if hashes[-1] == pixel_hash(one):
                (split / folder / name / f"{stem}.png").unlink(missing_ok=True)
                continue
            other = (other.astype(np.int16) - one.astype(np.int16) + MIDDLE).astype(np.uint8)
        put(split, folder / name / f"{stem}.png", encode_frame(other), files)
    if facts.format == "png":
        make_folder(split / where.masks / name)
        remove_strays(split / where.masks / name, stems)
        for stem, data in annotation_files(dataset, video, video, CLEAN):
            put(split, where.masks / name / f"{stem}.png", data, files)
    stored = StoredVideo(folder.as_posix(), tuple(pixel_hash(one) for one in clean), tuple(hashes), facts.format)
    record = AttackedVideo(name, facts.key(dataset, name), len(video), pixel_digest(frames), files, stored, attack)
    make_folder(split / RECORDS)
    write_bytes(record_path(split, name), msgspec.json.encode(record))
    return record


def read_video(split: Path, video: str) -> AttackedVideo | None:
    """The record of a video; None where there is none or it is no such record."""
    try:
        return msgspec.json.decode(record_path(split, video).read_bytes(), type=AttackedVideo)
    except (OSError, msgspec.MsgspecError):
        return None


def finished(dataset: Dataset, name: str, facts: SplitFacts, split: Path) -> AttackedVideo | None:
    """The record of a video that lies in a split complete and undamaged; None where it must be made (again)."""
    record = read_video(split, name)
    if record is None or record.key != facts.key(dataset, name):
        return None
    try:
        whole = all(file_sha256(split / path) == found for path, found in record.files.items())
    except DataError:
        return None
    return record if whole else None


def stored_frames(split: Path, video: Video) -> list[Frame]:
    """All frames of a stored video, each checked. Raises DataError."""
    return list(StoredFrames(video, split))


def begin(dataset: Dataset, facts: SplitFacts, split: Path) -> None:
    """Say in the folder what it will be. Raises DataError, with what differs, where it holds something else."""
    manifest = split / MANIFEST
    if manifest.is_file():
        old = read_manifest(split)
        there = {"dataset": old["dataset"], "format": old.get("format"), **old["attack"]}
        wanted = {"dataset": dataset.name, "format": facts.format, **json.loads(json.dumps(facts.describe()))}
        if other := differences(there, wanted):
            raise DataError(f"{split}: holds another split ({'; '.join(other)}); choose another --output, or delete it")
    elif split.is_dir() and any(path.name != RECORDS for path in split.iterdir()):
        raise DataError(f"{split}: is not empty and was not written by rvos-bench; choose another --output")
    finish(dataset, facts, split)


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any], of: str = "") -> list[str]:
    """In words, what two descriptions of a split say differently: "effort.steps is 20, not 100"."""
    found: list[str] = []
    for name in dict.fromkeys([*wanted, *there]):
        one, other = there.get(name), wanted.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{of}{name}.")
        elif one != other:
            found.append(f"{of}{name} is {_said(one)}, not {_said(other)}")
    return found


def _said(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "not said" if value is None else str(value)


def pixel_digest(frames: Iterable[Frame]) -> str:
    """sha256 of the pixels of a video, frame after frame."""
    found = hashlib.sha256()
    for frame in frames:
        found.update(np.ascontiguousarray(frame).data)
    return found.hexdigest()


def store_digest(videos: Mapping[str, Mapping[str, Any]]) -> str:
    """What stands for a split in keys: the pixels of all its videos, as its manifest lists them, in their order."""
    found = hashlib.sha256()
    for name, listed in videos.items():
        found.update(f"{name}\0{listed['pixels_sha256']}\n".encode())
    return found.hexdigest()


def finish(dataset: Dataset, facts: SplitFacts, split: Path) -> None:
    """Write the manifest of what is there: every video of the whole split whose record has the right key."""
    whole = dataset.with_videos(None)
    videos: dict[str, Any] = {}
    make_folder(split / RECORDS)
    for name in whole.videos:
        if not record_path(split, name).is_file():
            continue
        record = read_video(split, name)
        if record is None or record.key != facts.key(whole, name):
            continue
        videos[name] = {"frames": record.frames, "pixels_sha256": record.pixels, "files": record.files}
    manifest = {
        "schema": SCHEMA,
        "tool": tool(),
        "dataset": dataset.name,
        "attack": facts.describe(),
        "settings": digest(facts.describe()),
        "format": facts.format,
        "store": store_digest(videos),
        "status": "complete" if len(videos) == len(whole.videos) else "incomplete",
        "videos": videos,
    }
    if facts.format == "png":
        for path, data in dataset.list_files().items():
            make_folder((split / path).parent)
            write_bytes(split / path, data)
    write_bytes(split / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


@contextlib.contextmanager
def locked(split: Path) -> Iterator[None]:
    """Only one command writes a split at a time."""
    make_folder(split / RECORDS)

    def busy(holder: str) -> UsageError:
        return UsageError(f"{split} is being written by another command ({holder}); wait, or choose another --output")

    with exclusive(split / RECORDS / "lock", busy):
        yield
