"""Auditing a stored split, also one that was made elsewhere: it must hold what its threat allows, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from robust_vos_bench.attacks.limits import outside
from robust_vos_bench.attacks.splits import read_manifest, stored_condition, threat_of
from robust_vos_bench.attacks.store import pixel_digest, read_video, store_digest
from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.conditions import CLEAN
from robust_vos_bench.conditions.stored import StoredFrames
from robust_vos_bench.corrupted.write import annotation_files, places
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import DataError, RvosError


@dataclass(frozen=True)
class Verdict:
    """What an audit found about one video of a split ("" for the split itself)."""

    split: str
    video: str
    problem: str = ""
    """In words; "" where everything holds."""

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problem


def audit(split: Path, dataset: Dataset) -> Iterator[Verdict]:
    """One verdict for the split and one per video of the data set that is open.

    Asked is: the data set, the hash of every clean and every stored frame, number and size of the frames, the frames
    and pixels that the threat allows, the budget, and that the annotations are those of the data set, prompts included.
    """
    label = split.absolute().name
    try:
        manifest = read_manifest(split)
        threat = threat_of(manifest, split)
        stored_condition(split, dataset)
    except RvosError as error:
        yield Verdict(label, "", str(error))
        return
    yield Verdict(label, "", _identity(manifest))
    for name in dataset.videos:
        try:
            problem = _video(split, dataset, name, threat, manifest["videos"][name])
        except (RvosError, OSError) as error:
            problem = str(error)
        yield Verdict(label, name, problem)


def _identity(manifest: Mapping[str, Any]) -> str:
    """Whether the digest that stands for the split in keys is that of the videos which it lists."""
    try:
        fits = store_digest(manifest["videos"]) == manifest["store"]
    except (KeyError, TypeError):
        fits = False
    return "" if fits else "its digest is not that of the videos it lists: scores of it would count for another split"


def _video(split: Path, dataset: Dataset, name: str, threat: Threat, listed: object) -> str:
    record = read_video(split, name)
    if record is None:
        return f"no readable record of it in {split}"
    if not isinstance(listed, dict) or listed.get("pixels_sha256") != record.pixels:
        return "the manifest lists other pixels than the record of the video"
    video, truth = dataset.video(name), dataset.truth(name)
    clean: list[Frame] = [np.asarray(frame) for frame in video.frames]
    held = video.with_frames(clean)
    frames = list(StoredFrames(held, split))
    problem = outside(threat, held, clean, frames, truth)
    if problem:
        return problem
    if pixel_digest(frames) != record.pixels:
        return "its frames are not those that its record and the manifest name: scores of it would count for others"
    return "" if record.stored.format == "delta" else _masks(split, dataset, name, video.size)


def _masks(split: Path, dataset: Dataset, name: str, size: tuple[int, int]) -> str:
    """What differs between the annotations of the split and those of the data set; "" where nothing does."""
    video = dataset.video(name)
    wanted = dict(annotation_files(dataset, video, video, CLEAN))
    folder = split / places(dataset).masks / name
    there = {path.stem for path in folder.glob("*.png")} if folder.is_dir() else set()
    if there != set(wanted):
        odd = sorted(there ^ set(wanted))
        return f"its annotations are not those of the data set: {odd[0]} is in one of the two only"
    for stem, data in wanted.items():
        path = folder / f"{stem}.png"
        if path.read_bytes() == data:
            continue
        if not np.array_equal(read_mask(path, size), decoded_mask(data)):
            return f"its annotation of frame {stem} is not that of the data set: prompts and truth may not be moved"
    return ""


def decoded_mask(data: bytes) -> Mask:
    """The ids in the bytes of an annotation."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image, np.uint8)


def raise_for_problems(verdicts: list[Verdict]) -> None:
    """Raise DataError that names the first problem, where there is one."""
    bad = [verdict for verdict in verdicts if not verdict.ok]
    if bad:
        first = bad[0]
        where = f"{first.split}, video {first.video!r}" if first.video else first.split
        raise DataError(f"{len(bad)} of {len(verdicts)} checks failed. First: {where}: {first.problem}")
