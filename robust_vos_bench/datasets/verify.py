"""Checking a data set on disk: counts, sizes, ids and damage; every problem names its file, none hides the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.clips.dataset import VideoFiles
from robust_vos_bench.datasets.files import list_frames
from robust_vos_bench.datasets.images import image_size, read_frame, read_mask
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.order import in_order, missing_numbers
from robust_vos_bench.datasets.soft import CURE, soft_values, was_thresholded
from robust_vos_bench.datasets.video import VOID, ids_in
from robust_vos_bench.errors import DataError


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    file: str
    what: str


@dataclass
class VideoReport:
    """What one video holds."""

    name: str
    frames: int = 0
    masks: int = 0
    objects: int = 0
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


@dataclass
class Verification:
    """What a data set holds, against what it should."""

    dataset: str
    root: str
    videos: int
    frames: int
    masks: int
    objects: int
    problems: list[Problem]
    warnings: list[Problem]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong (warnings are no faults)."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Plain fields, for `--json`."""
        return {"ok": self.ok, **asdict(self)}


def verify(
    dataset: FolderDataset | VideoFiles,
    workers: int = 1,
    tell: Callable[[VideoReport], None] | None = None,
    complete: bool = True,
) -> Verification:
    """Decode every frame and mask of a data set and check what can be checked.

    tell: called after each video, in order. complete: compare the totals with the official numbers as well (leave
    it out where only a part was opened). A list of videos that is shorter than the official one is a warning;
    whatever a list names and the folder lacks is a problem.
    """
    names = list(dataset.videos)
    reports = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for report in pool.map(lambda name: _whatever_happens(dataset, name), names):
            reports.append(report)
            if tell is not None:
                tell(report)
    result = Verification(
        dataset=dataset.name,
        root=str(dataset.root),
        videos=len(names),
        frames=sum(r.frames for r in reports),
        masks=sum(r.masks for r in reports),
        objects=sum(r.objects for r in reports),
        problems=[p for r in reports for p in r.problems],
        warnings=[*map(_remark, dataset.notes), *(p for r in reports for p in r.warnings)],
    )
    if complete and isinstance(dataset, FolderDataset):
        problems, warnings = _against_official(dataset, result)
        result.problems += problems
        result.warnings += warnings
    return result


def _whatever_happens(dataset: FolderDataset | VideoFiles, name: str) -> VideoReport:
    """The report of a video; where the system refuses to read something, that is its problem."""
    try:
        return verify_clip(dataset, name) if isinstance(dataset, VideoFiles) else verify_video(dataset, name)
    except DataError as error:
        text = str(error)
        file, found, what = text.partition(": ")
        return VideoReport(name, problems=[Problem(file, what) if found else Problem(str(dataset.root), text)])
    except OSError as error:
        place = error.filename or dataset.root / name
        return VideoReport(name, problems=[Problem(str(place), f"cannot be read ({error.strerror or error})")])


def _remark(note: str) -> Problem:
    file, _, what = note.partition(": ")
    return Problem(file, what.removesuffix("."))


def verify_video(dataset: FolderDataset, name: str) -> VideoReport:
    """Check one video; see `verify`."""
    report = VideoReport(name)
    frames, masks = _list(dataset, name, report)
    report.frames, report.masks = len(frames), len(masks)
    stems = {path.stem for path in frames}
    step = dataset.numbering_step
    for stem in missing_numbers(in_order(stems), step):
        place = dataset.frames_folder(name) / stem
        found = report.warnings if step is None else report.problems
        found.append(Problem(f"{place}{frames[0].suffix}", f"frame {stem} is missing in an otherwise even numbering"))
    size: tuple[int, int] | None = None
    for path in frames:
        try:
            size = size or image_size(path)
            read_frame(path, size)
        except DataError as error:
            report.problems.append(_problem(path, error))
    ids: dict[int, Path] = {}
    soft: list[Path] = []
    for stem, path in masks.items():
        if frames and stem not in stems:
            report.problems.append(Problem(str(path), f"annotates frame {stem}, which is not there"))
        try:
            size = size or image_size(path)
            stored = read_mask(path, size)
            mask = dataset.map_mask(stored)
        except DataError as error:
            report.problems.append(_problem(path, error))
            continue
        if dataset.binary:
            if was_thresholded(stored):
                soft.append(path)
        elif count := soft_values(stored):
            report.problems.append(Problem(str(path), CURE.format(count=count)))
            continue
        if not dataset.binary and set(np.unique(mask).tolist()) == {0, VOID}:
            report.problems.append(
                Problem(str(path), "only 0 and 255 (void), no object id: a binary mask where ids are expected?")
            )
        for i in ids_in(mask):
            ids.setdefault(i, path)
    if soft:
        rule = "every value but 0 is the object" if dataset.maps_by_value else "values above 127 are the object"
        report.warnings.append(Problem(str(soft[0]), f"{len(soft)} masks of {name} have soft edges; {rule}"))
    report.objects = len(ids)
    report.problems += list(_objects(dataset, name, ids, masks, report))
    if dataset.annotates_every_frame:
        for path in frames:
            if path.stem not in masks:
                place = dataset.masks_folder(name) / f"{path.stem}.png"
                report.problems.append(Problem(str(place), f"frame {path.stem} has no annotation"))
    return report


def verify_clip(dataset: VideoFiles, name: str) -> VideoReport:
    """Decode a video file from end to end, and read every mask of it. Raises DataError for the first thing wrong."""
    facts = dataset.facts(name, again=True)
    video = dataset.video(name)
    report = VideoReport(name, facts.frames, len(dataset.mask_files(name)), len(video.object_ids))
    for path in dataset.mask_paths(name).values():
        try:
            read_mask(path, facts.size)
        except DataError as error:
            report.problems.append(_problem(path, error))
    return report


def _list(dataset: FolderDataset, name: str, report: VideoReport) -> tuple[tuple[Path, ...], dict[str, Path]]:
    frames: tuple[Path, ...] = ()
    try:
        frames = list_frames(dataset.frames_folder(name))
    except DataError as error:
        report.problems.append(_problem(dataset.frames_folder(name), error))
    try:
        masks = dict(dataset.mask_paths(name))
    except DataError as error:
        report.problems.append(_problem(dataset.masks_folder(name), error))
        return frames, {}
    if not masks:
        report.problems.append(Problem(str(dataset.masks_folder(name)), "no annotations (.png)"))
    return frames, masks


def _objects(
    dataset: FolderDataset, name: str, ids: dict[int, Path], masks: dict[str, Path], report: VideoReport
) -> Iterator[Problem]:
    """Problems with which ids appear where."""
    if not masks:
        return
    first_stem, first_path = next(iter(masks.items()))
    declared = dataset.declared_objects(name)
    if declared is not None:
        place = dataset.listed_in
        for i, path in ids.items():
            if i not in declared:
                yield Problem(str(path), f"object {i} is not in {place} ({name})")
        for i, frames in declared.items():
            if i not in ids:
                yield Problem(str(place), f"video {name}: object {i} is in no annotation")
            for stem in frames[:1]:
                if stem not in masks:
                    missing = dataset.masks_folder(name) / f"{stem}.png"
                    yield Problem(str(missing), f"first mask of object {i} is missing")
        return
    if not ids:
        yield Problem(str(first_path), "no annotation of this video holds an object")
    elif dataset.first_frame_objects:
        start = {i for i, path in ids.items() if path == first_path}
        if not start:
            yield Problem(str(first_path), "the first mask holds no object, so there is nothing to segment")
        for i, path in ids.items():
            if i not in start:
                report.warnings.append(
                    Problem(str(path), f"object {i} is not in the first mask ({first_stem}); the protocol ignores it")
                )


def _against_official(dataset: FolderDataset, found: Verification) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings): a complete list whose contents differ is wrong, a shorter list is a subset."""
    expected, where = dataset.official_counts, str(dataset.listed_in)
    if not expected:
        return [], []
    if found.videos < expected["videos"]:
        return [], [Problem(where, f"lists {dataset.part.partition(': ')[2]}")]
    different = [
        Problem(where, f"{getattr(found, kind)} {kind}, but {dataset.name} officially has {number}")
        for kind, number in expected.items()
        if getattr(found, kind) != number
    ]
    return different, []


def _problem(path: Path, error: DataError) -> Problem:
    """The file that the error names, which may lie in `path`, and what it says."""
    file, found, what = str(error).partition(": ")
    return Problem(file, what) if found and file.startswith(str(path)) else Problem(str(path), str(error))
