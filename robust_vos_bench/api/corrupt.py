"""`robust_vos_bench.corrupt` and `preview`: corrupted copies of a data set on disk, and pictures of corruptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.analysis.words import plural
from robust_vos_bench.api.prepare import opened
from robust_vos_bench.api.settings import Corruptions, MaskFiles, Names, mask_words, names, numbers, split_conditions
from robust_vos_bench.conditions import Condition, PresetInfo, select
from robust_vos_bench.corrupted.counts import FrameCounts
from robust_vos_bench.corrupted.split import SplitReport, check_folder, space, tasks, write_splits
from robust_vos_bench.corrupted.write import FORMATS, finished
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.datasets.films import FILMS
from robust_vos_bench.datasets.lengths import frames_of
from robust_vos_bench.datasets.shown import ShownFiles
from robust_vos_bench.errors import DataError, IncompleteError, MissingExtraError, UsageError
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.system.causes import Causes
from robust_vos_bench.system.cores import available_cores
from robust_vos_bench.system.paths import user_path


def corrupt(
    corruption: Corruptions = None,
    *,
    output: str | Path,
    dataset: str | Dataset = "demo",
    data_root: str | Path | None = None,
    mask: MaskFiles = None,
    videos: Names | None = None,
    limit: int | None = None,
    preset: str | None = None,
    severity: int | Iterable[int] | str | None = None,
    temporal: str | None = None,
    severity_profile: str | None = None,
    clean_reference: bool | None = None,
    seed: int = 0,
    corrupt_device: str = "cpu",
    workers: int | None = None,
    format: str = "png",
    progress: bool = True,
) -> SplitReport:
    """Write corrupted copies of a data set in the layout of its input: `rvos-bench corrupt`, with the same words.

    Parameters
    ----------
    corruption, preset, severity, temporal, severity_profile, clean_reference, seed, corrupt_device
        Which conditions, as in `run`; `corruption` or `preset` must be given.
    output
        Folder to write to; each condition becomes a folder in it ("fog-3-drift"), with `rvos-bench.json` (the hash of
        every file). The same call again goes on where it stopped.
    dataset, data_root, mask, videos, limit
        What to corrupt, as in `run`. Video files need no masks here; a copy of one is frames in JPEGImages, which opens
        as `folder`.
    workers
        Processes; by default one per available core.
    format
        "png" (lossless), or "jpg": 4:4:4 at quality 100, for tools that insist on .jpg, at a small loss.
    progress
        Show a bar on stderr.

    Returns
    -------
    SplitReport
        The folders, and how many videos were written and how many were there already.

    Raises
    ------
    UsageError, DataError
        Unknown names; data that is missing or damaged; an output folder that holds something else or is not writable.
    IncompleteError, DataError, MissingExtraError
        Videos that could not be written; `failed` of the error's `partial`, a SplitReport, tells which and why.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> made = rvos.corrupt("fog-3", output="foggy", limit=1)
    >>> sorted(path.name for path in __import__("pathlib").Path("foggy").iterdir())
    ['fog-3-drift']
    """
    conditions, info = chosen(
        corruption, preset, severity, temporal, severity_profile, clean_reference, seed, corrupt_device
    )
    data = opened(dataset, data_root, limit, names(videos), mask_words(mask), bare=True)
    report = write(data, conditions, info, user_path(output), format, workers, quiet=not progress)
    raise_for_failures(report)
    return report


def chosen(
    corruption: Corruptions,
    preset: str | None = None,
    severity: int | Iterable[int] | str | None = None,
    temporal: str | None = None,
    severity_profile: str | None = None,
    clean_reference: bool | None = None,
    seed: int = 0,
    corrupt_device: str = "cpu",
) -> tuple[list[Condition], PresetInfo | None]:
    """The conditions that are asked for, and the preset they belong to (None for conditions made in Python)."""
    words, made = split_conditions(corruption)
    if not words and preset is None:
        if not made:
            raise UsageError(
                "say what to do to the frames: --corruption NAME or --preset NAME (`rvos-bench list presets`)"
            )
        return list(made), None
    found, info = select(
        words, numbers(severity), preset, temporal, severity_profile, seed, clean_reference, corrupt_device
    )
    return [*found, *made], None if made else info


def write(
    data: Dataset,
    conditions: Sequence[Condition],
    preset: PresetInfo | None,
    output: Path,
    format: str = "png",
    workers: int | None = None,
    quiet: bool = False,
    debug: bool = False,
) -> SplitReport:
    """Write every video under every condition; failures are in the report."""
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; use {' or '.join(FORMATS)}")
    report = SplitReport(folders={condition.label: str(output / condition.label) for condition in conditions})
    work = tasks(data, conditions)
    places = {task: place for place, task in enumerate(work)}
    lengths = {name: frames_of(data, name) for name in data.videos}
    counts, causes = FrameCounts(len(work)), Causes()
    total = sum(lengths[task.video] for task in work)
    with Bar("starting", total, "frames", quiet, count=counts.total) as bar:
        for note in () if quiet else data.notes:
            bar.say(note)
        for outcome in write_splits(data, conditions, output, format, workers or available_cores(), preset, counts):
            task = outcome.task
            bar.what = f"{task.condition.label} · {task.video}"
            if outcome.error is not None:
                report.failed.append(outcome)
                bar.failed += 1
                counts.note(places[task], lengths[task.video])
                names = (task.video, task.condition.label)
                if causes.is_new(str(outcome.error), names, isinstance(outcome.error, DataError)):
                    bar.say(f"! {bar.what}: {outcome.error}")
                    if debug and outcome.error.traceback:
                        bar.say(outcome.error.traceback)
            elif outcome.kept:
                report.kept += 1
                bar.skipped(lengths[task.video])
            else:
                report.written += 1
        for text in causes.repeated():
            bar.say(f"! {text}")
    return report


def raise_for_failures(report: SplitReport) -> None:
    """Raise an error, with the report as its `partial`, where videos could not be written."""
    if not report.failed:
        return
    kinds = Counter(type(outcome.error) for outcome in report.failed)
    text = f"{plural(len(report.failed), 'video')} could not be written (see above); the same command tries again"
    error: IncompleteError | MissingExtraError | DataError = IncompleteError(text)
    if not report.written and not report.kept and len(kinds) == 1:
        if issubclass(next(iter(kinds)), MissingExtraError):
            error = MissingExtraError(str(report.failed[0].error))
        elif issubclass(next(iter(kinds)), DataError):
            error = DataError(text)
    error.partial = report
    raise error


@dataclass(frozen=True)
class SplitPlan:
    """What writing a corrupted copy would do."""

    output: Path
    conditions: list[dict[str, Any]]
    """Condition, number of videos, and how many of them are there already."""
    needed: int
    """Bytes of all frames uncompressed; PNG hardly exceeds them."""
    free: int
    """Bytes free where they would go."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        facts = {"output": str(self.output), "conditions": self.conditions}
        return {**facts, "bytes_at_most_about": self.needed, "bytes_free": self.free}

    def lines(self) -> list[str]:
        """The same for a person."""
        rows = [
            f"{self.output / r['condition']}: {plural(r['videos'], 'video')}, {r['there']} there already"
            for r in self.conditions
        ]
        return [*rows, f"uncompressed {self.needed / 2**30:.2f} GiB (PNG takes less), {self.free / 2**30:.2f} GiB free"]


def plan_split(data: Dataset, conditions: Sequence[Condition], output: Path, format: str) -> SplitPlan:
    """Look at what is there. Raises DataError for a folder that writing would refuse."""
    needed, free = space(data, conditions, output)
    rows = []
    for condition in conditions:
        folder = output / condition.label
        check_folder(data, condition, folder, format)
        there = sum(finished(data, name, condition, folder, FORMATS[format]) is not None for name in data.videos)
        rows.append({"condition": condition.label, "videos": len(data.videos), "there": there})
    return SplitPlan(output, rows, needed, free)


def draw_preview(
    data: Dataset, conditions: Sequence[Condition], output: Path | None = None, every: bool = False
) -> ShownFiles:
    """A sheet (.png, .jpg), a film (.mp4, .gif, .webp, .apng) or, in a folder (default "preview"), both, of the first
    video; every: of all that are open, in a folder.

    Returns the files that were written. Raises UsageError for another ending, WriteError where they cannot be written.
    """
    from robust_vos_bench.corrupted import preview

    target = output or Path("preview")
    preview.check_preview_name(target)
    kind = "" if target.is_dir() else target.suffix.lower()
    names = list(data.videos) if every else list(data.videos)[:1]
    if kind and len(names) > 1:
        raise UsageError(f"{target}: one file is of one video, and {len(names)} are chosen; give a folder or one video")
    written = ShownFiles()
    for name in names:
        video = data.video(name)
        if kind not in FILMS:
            sheet = preview.contact_sheet(video, conditions)
            written.append(preview.save_sheet(target if kind else target / f"{name}-sheet.png", sheet))
        if kind not in preview.SHEETS:
            written.append(
                preview.save_film(target if kind else target / f"{name}-film{_film_ending()}", video, conditions)
            )
    return written


def _film_ending() -> str:
    """MP4, or an animated GIF where PyAV is not installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return ".gif"
    return ".mp4"
