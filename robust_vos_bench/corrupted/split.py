"""A perturbed split on disk: every video under every condition, in the layout of the input, resumable."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robust_vos_bench.conditions import Condition, PresetInfo, condition_fingerprint
from robust_vos_bench.corrupted.counts import FrameCounts
from robust_vos_bench.corrupted.write import FORMATS, RECORDS, VideoRecord, finished, tool, write_video
from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.errors import DataError, RvosError, UsageError
from robust_vos_bench.system.atomic import WriteError, make_folder, write_bytes
from robust_vos_bench.system.locks import exclusive
from robust_vos_bench.system.text import read_text
from robust_vos_bench.system.tracebacks import whole, with_place

MANIFEST = "rvos-bench.json"
"""In the split's folder: what it is, how far it is, and the hash of every file."""
SCHEMA = 1


@dataclass(frozen=True)
class VideoTask:
    """One video under one condition."""

    condition: Condition
    video: str


@dataclass
class WrittenVideo:
    """What became of one video under one condition."""

    task: VideoTask
    record: VideoRecord | None = None
    kept: bool = False
    """It was there already, complete and undamaged."""
    error: RvosError | None = None


@dataclass
class SplitReport:
    """What `write_splits` did."""

    folders: dict[str, str] = field(default_factory=dict)
    """Condition label -> folder."""
    written: int = 0
    kept: int = 0
    failed: list[WrittenVideo] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain fields, for `--json`."""
        failed = [
            {"condition": o.task.condition.label, "video": o.task.video, "error": str(o.error)} for o in self.failed
        ]
        return {"folders": self.folders, "written": self.written, "kept": self.kept, "failed": failed}


def tasks(dataset: Dataset, conditions: Sequence[Condition]) -> list[VideoTask]:
    """The work, condition by condition."""
    return [VideoTask(condition, name) for condition in conditions for name in dataset.videos]


def write_splits(
    dataset: Dataset,
    conditions: Sequence[Condition],
    output: Path,
    format: str = "png",
    workers: int = 1,
    preset: PresetInfo | None = None,
    counts: FrameCounts | None = None,
) -> Iterator[WrittenVideo]:
    """Write `output/<condition>/` for every condition; yields one entry per video, in the order they are finished.

    Each folder has the layout of the input, so that it opens as the same data set. Videos that are there complete
    and undamaged are kept, so the same command goes on where it stopped; so are those that an earlier command wrote
    and this one leaves out. A video that fails does not stop the others; a full or read-only disk does (WriteError).
    Raises DataError where a folder holds something else. counts: notes the frames of the videos at work.
    """
    earlier: dict[Condition, dict[str, VideoRecord]] = {}
    with contextlib.ExitStack() as locks:
        for condition in conditions:
            folder = output / condition.label
            check_folder(dataset, condition, folder, format)
            locks.enter_context(_locked(folder))
            earlier[condition] = _earlier(dataset, condition, folder, FORMATS[format])
            _announce(_joined(dataset, earlier[condition]), condition, folder, format, preset)
        yield from _write_all(dataset, conditions, output, format, workers, preset, earlier, counts)


def _write_all(
    dataset: Dataset,
    conditions: Sequence[Condition],
    output: Path,
    format: str,
    workers: int,
    preset: PresetInfo | None,
    earlier: Mapping[Condition, dict[str, VideoRecord]],
    counts: FrameCounts | None,
) -> Iterator[WrittenVideo]:
    suffix = FORMATS[format]
    left = {condition: len(dataset.videos) for condition in conditions}
    done: dict[Condition, dict[str, VideoRecord]] = {condition: {} for condition in conditions}
    for outcome in _run(dataset, tasks(dataset, conditions), output, suffix, workers, counts):
        condition = outcome.task.condition
        left[condition] -= 1
        if outcome.record is not None:
            done[condition][outcome.task.video] = outcome.record
        if not left[condition]:
            records = {**earlier[condition], **done.pop(condition)}
            whole = _joined(dataset, earlier[condition])
            _finish(whole, condition, output / condition.label, format, preset, records)
        yield outcome


def _run(
    dataset: Dataset,
    work: Sequence[VideoTask],
    output: Path,
    suffix: str,
    workers: int,
    counts: FrameCounts | None,
) -> Iterator[WrittenVideo]:
    if workers <= 1 or len(work) <= 1:
        _start_worker(counts)
        for place, one in enumerate(work):
            yield _write(dataset, one, output / one.condition.label, suffix, place)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(work)), mp_context=context, initializer=_start_worker, initargs=(counts,)
    ) as pool:
        waiting = iter(enumerate(work))
        running: set[Future[WrittenVideo]] = set()
        try:
            while True:
                while len(running) < 2 * workers and (next_one := next(waiting, None)) is not None:
                    place, task = next_one
                    running.add(pool.submit(_write, dataset, task, output / task.condition.label, suffix, place))
                if not running:
                    return
                finished_now, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished_now:
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_counts: FrameCounts | None = None
"""In a worker: where it notes its frames."""


def _start_worker(counts: FrameCounts | None) -> None:
    """One thread per library in each worker: workers times threads is then the number of cores."""
    global _counts
    import cv2

    _counts = counts
    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(1)


def _write(dataset: Dataset, task: VideoTask, folder: Path, suffix: str, place: int) -> WrittenVideo:
    def note(count: int) -> None:
        if _counts is not None:
            _counts.note(place, count)

    try:
        record = finished(dataset, task.video, task.condition, folder, suffix)
        if record is not None:
            note(record.frames)
            return WrittenVideo(task, record, kept=True)
        return WrittenVideo(task, write_video(dataset, task.video, task.condition, folder, suffix, note))
    except WriteError:
        raise
    except RvosError as error:
        if error.__cause__ is not None:
            error.traceback = whole(error)  # it is lost between processes
        return WrittenVideo(task, error=error)
    except OSError as error:
        file = error.filename or task.video
        return WrittenVideo(task, error=DataError(f"{file}: cannot be read ({error.strerror or error})"))
    except Exception as error:  # of a library, on a file that nobody foresaw: this video fails, the others go on
        clear = RvosError(with_place(f"{type(error).__name__}: {error}", error))
        clear.traceback = whole(error)
        return WrittenVideo(task, error=clear)


def check_folder(dataset: Dataset, condition: Condition, folder: Path, format: str) -> None:
    """Raise DataError when a condition's folder is something else than (a part of) the split to be written there."""
    if dataset.layout is not None and folder.resolve() == dataset.layout.root.resolve():
        raise DataError(f"{folder}: is the folder of the data set itself; choose another --output")
    manifest = folder / MANIFEST
    facts = _facts(dataset, condition, format, None)
    if manifest.is_file():
        old = _read_manifest(manifest)
        for key in ("dataset", "condition_fingerprint", "format"):
            if old.get(key) != facts[key]:
                raise DataError(
                    f"{folder}: holds another split ({key} {old.get(key)!r}, not {facts[key]!r}); "
                    "choose another --output or delete it"
                )
        # Two folders of one's own have the same name; those of a stopped command have records, but are not listed yet.
        there = {*_listed(folder), *(path.stem for path in (folder / RECORDS).glob("*.json"))}
        foreign = sorted(there.difference(dataset.with_videos(None).videos))
        if foreign:
            raise DataError(
                f"{folder}: holds videos that {dataset.root or dataset.name} has not ({', '.join(foreign[:3])}"
                f"{', ...' if len(foreign) > 3 else ''}); choose another --output or delete it"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder}: is not empty and was not written by rvos-bench; choose another --output")


def _announce(dataset: Dataset, condition: Condition, folder: Path, format: str, preset: PresetInfo | None) -> None:
    """Say in the folder what it will be, and write what lies beside frames and annotations."""
    # What was listed stays listed: were this command stopped, the next one would not know of those videos.
    videos = {name: entry for name, entry in _listed(folder).items() if name in dataset.videos}
    _write_manifest(folder, {**_facts(dataset, condition, format, preset), "status": "incomplete", "videos": videos})
    for path, data in dataset.list_files().items():
        make_folder((folder / path).parent)
        write_bytes(folder / path, data)


def _listed(folder: Path) -> dict[str, Any]:
    """The videos of the manifest that is there, with what it says of them."""
    manifest = folder / MANIFEST
    found: dict[str, Any] = _read_manifest(manifest)["videos"] if manifest.is_file() else {}
    return found


def _read_manifest(manifest: Path) -> dict[str, Any]:
    """What a manifest says, its videos as a table. Raises DataError where it is damaged or of another shape."""
    text = read_text(manifest)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{manifest}: damaged; delete the folder {manifest.parent} to write it again") from error
    if not isinstance(found, dict) or not isinstance(found.setdefault("videos", {}), dict):
        raise DataError(f"{manifest}: not written by rvos-bench; choose another --output")
    return found


def _earlier(dataset: Dataset, condition: Condition, folder: Path, suffix: str) -> dict[str, VideoRecord]:
    """Records of the listed videos that `dataset` leaves out (--limit) and that are complete and undamaged."""
    others = set(_listed(folder)) - set(dataset.videos)
    if not others:
        return {}
    whole = dataset.with_videos(None)
    found: dict[str, VideoRecord] = {}
    for name in others.intersection(whole.videos):
        with contextlib.suppress(RvosError):  # its source is damaged by now: there is nothing to hold it against
            record = finished(whole, name, condition, folder, suffix)
            if record is not None:
                found[name] = record
    return found


def _joined(dataset: Dataset, others: Iterable[str]) -> Dataset:
    """The data set with the other videos open as well, in the official order."""
    names = [*dataset.videos, *others]
    return dataset if len(names) == len(dataset.videos) else dataset.with_videos(names)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process writes a split at a time; the lock goes with the process, however it ends."""
    make_folder(folder / RECORDS)

    def busy(holder: str) -> UsageError:
        return UsageError(
            f"{folder} is being written by another command ({holder}); wait for it or choose another --output"
        )

    with exclusive(folder / RECORDS / "lock", busy):
        yield


def _finish(
    dataset: Dataset,
    condition: Condition,
    folder: Path,
    format: str,
    preset: PresetInfo | None,
    records: dict[str, VideoRecord],
) -> None:
    videos = {
        name: {"frames": record.frames, "pixels_sha256": record.pixels, "files": record.files}
        for name in dataset.videos
        if (record := records.get(name)) is not None
    }
    status = "complete" if len(videos) == len(dataset.videos) else "incomplete"
    _write_manifest(folder, {**_facts(dataset, condition, format, preset), "status": status, "videos": videos})


def _facts(dataset: Dataset, condition: Condition, format: str, preset: PresetInfo | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "tool": tool(),
        "dataset": dataset.name,
        "condition": condition.to_dict(),
        "condition_fingerprint": condition_fingerprint(condition),
        "preset": None if preset is None else {"name": preset.name, "version": preset.version},
        "format": format,
    }


def _write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    write_bytes(folder / MANIFEST, (json.dumps(facts, indent=2) + "\n").encode())


def space(dataset: Dataset, conditions: Sequence[Condition], output: Path) -> tuple[int, int]:
    """(bytes of all frames uncompressed, which PNG hardly exceeds; bytes free where they would go)."""
    frames = 0
    for name in dataset.videos:
        with contextlib.suppress(RvosError, OSError):  # a damaged video fails when it is its turn, and takes no room
            video = dataset.video(name)
            frames += len(video) * video.size[0] * video.size[1] * 3
    place = output
    while not place.exists():
        place = place.parent
    return frames * len(conditions), shutil.disk_usage(place).free
