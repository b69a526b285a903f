"""Film strips of large drops: prediction on clean and corrupted frames, and truth, as small embedded pictures."""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.conditions import CLEAN, Condition, condition_fingerprint, corrupt_truth, corrupt_video
from robust_vos_bench.datasets import Dataset, Frame, Mask, Video
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.overlay import draw_overlay
from robust_vos_bench.errors import RvosError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.reports.charts.canvas import Canvas

WIDTH = 224
"""Width of a picture in pixels; ten strips of four frames take about a megabyte."""
FRAMES = 4


@dataclass(frozen=True)
class Drop:
    """One object that lost much: clean minus corrupted J&F, in points."""

    model: str
    condition: str
    video: str
    object: int
    clean: float
    corrupted: float
    family: str = ""

    @property
    def points(self) -> float:
        """Clean minus corrupted."""
        return self.clean - self.corrupted


@dataclass(frozen=True)
class Strip:
    """Pictures of a few frames, or why there are none."""

    title: str
    frames: tuple[int, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """(what it shows, a data URL per frame)."""
    note: str = ""
    size: tuple[int, int] = (WIDTH, WIDTH)
    """Width and height of a picture in pixels."""
    drop: Drop | None = None
    chart: Canvas | None = None
    """J&F of the object over time, where scores by frame were kept."""


def worst_drops(matrix: ScoreMatrix, count: int = 10) -> list[Drop]:
    """Large losses, spread over families of corruptions, models and videos.

    The next one is always the largest after a discount: half if its family has been shown once, a third if twice, and
    likewise for its model and its video. So one bad clip or one weak model does not fill the page.
    """
    clean = next((i for i, c in enumerate(matrix.conditions) if c.is_clean), None)
    if clean is None:
        return []
    scores = 100 * matrix.jf
    left = _worst_of_each(matrix, scores[:, clean : clean + 1] - scores)
    found: list[Drop] = []
    used: Counter[tuple[str, str]] = Counter()
    while left and len(found) < count:
        gains = [loss / math.prod(1 + used[kind] for kind in kinds) for loss, kinds, _ in left]
        _, kinds, (m, c, k) = left.pop(int(np.argmax(gains)))
        used.update(kinds)
        video, i = matrix.objects[k]
        label, family = matrix.conditions[c].label, matrix.conditions[c].family
        found.append(
            Drop(matrix.models[m], label, video, i, float(scores[m, clean, k]), float(scores[m, c, k]), family)
        )
    return found


def _worst_of_each(
    matrix: ScoreMatrix, loss: NDArray[np.float64]
) -> list[tuple[float, tuple[tuple[str, str], ...], tuple[int, int, int]]]:
    """(loss, kinds, indices) of the largest loss of each model in each video under each family."""
    worst: dict[tuple[int, int, str], tuple[float, tuple[int, int, int]]] = {}
    of = matrix.video_of
    for c, condition in enumerate(matrix.conditions):
        for m, k in np.argwhere(loss[:, c] > 0):
            place = int(m), int(of[k]), condition.family
            value = float(loss[m, c, k])
            if value > worst.get(place, (0.0,))[0]:
                worst[place] = value, (int(m), c, int(k))
    found = []
    for (m, v, family), (value, where) in worst.items():
        kinds = (("family", family), ("model", matrix.models[m]), ("video", matrix.videos[v]))
        found.append((value, kinds, where))
    return sorted(found, key=lambda one: (-one[0], one[2]))


def make_strips(run: Run, drops: Sequence[Drop], open_data: Callable[[], Dataset], rerun: bool = False) -> list[Strip]:
    """Pictures of the drops. open_data: opens the data of the run. Masks are those that the run saved; rerun: where it
    saved none, run the model again."""
    try:
        dataset: Dataset | str = open_data()
    except RvosError as error:
        dataset = f"no pictures: {error}"
    strips = []
    for drop in drops:
        try:
            made = Strip("", (), (), dataset) if isinstance(dataset, str) else _strip(run, dataset, drop, rerun)
        except (RvosError, OSError) as error:
            made = Strip("", (), (), f"no pictures: {error}")
        strips.append(replace(made, drop=drop))
    return strips


def _strip(run: Run, dataset: Dataset, drop: Drop, rerun: bool) -> Strip:
    condition = condition_of(run, drop.condition)
    video = dataset.video(drop.video)
    corrupted = corrupt_video(video, condition)
    truth = dataset.truth(drop.video)
    moved = corrupt_truth(truth, condition, video) if truth is not None else None
    frames = frames_to_show(len(video))
    wanted = set(frames)
    masks, note = _masks(run, drop, drop.condition, video, condition, wanted, rerun)
    label = run.manifest.clean.label if run.manifest.clean else ""
    before = _masks(run, drop, label, video, CLEAN, wanted, rerun)[0] if label else {}
    clean_frames = dict(pick(iter(video.frames), wanted))
    bad_frames = dict(pick(iter(corrupted.frames), wanted))
    known = {t: moved.masks[t] for t in frames} if moved is not None else {}
    true = {t: mask for t, mask in known.items() if mask is not None}
    several = len(video.object_ids) > 1

    def row(name: str, pictures: Mapping[int, Frame], drawn: Mapping[int, Mask]) -> tuple[str, tuple[str, ...]]:
        shown = tuple(
            jpeg(draw_overlay(pictures[t], drawn[t], labels=several) if t in drawn else pictures[t]) for t in frames
        )
        return name, shown

    rows = [
        row("clean, prediction" if before else "clean", clean_frames, before),
        row("corrupted, prediction" if masks else "corrupted", bad_frames, masks),
    ]
    if true:
        rows.append(row("corrupted, truth", bad_frames, true))
    return Strip("", frames, tuple(rows), note, picture_size(video.size))


def frames_to_show(length: int) -> tuple[int, ...]:
    """A few frames spread over a video, the last among them and the first not."""
    chosen = np.unique(np.linspace(0, length - 1, min(FRAMES + 1, length)).round().astype(int))[1:]
    return tuple(int(t) for t in (chosen if len(chosen) else [0]))


def condition_of(run: Run, label: str) -> Condition:
    """A condition of a run, for pictures. Raises RvosError where this version would corrupt other frames."""
    record = next(c for c in run.manifest.conditions if c.label == label)
    if record.profile != "constant" and condition_fingerprint(record.condition) != record.fingerprint:
        raise RvosError(f"the version that made the run hit other frames under {label}; run it again for pictures")
    # Made on the CPU even where the run used a GPU: at this size a difference of one bit cannot be seen.
    return replace(record.condition, device="")


def _masks(
    run: Run, drop: Drop, label: str, video: Video, condition: Condition, wanted: set[int], rerun: bool
) -> tuple[dict[int, Mask], str]:
    """The model's masks of some frames under one condition, and why there are none."""
    source = run.sources[drop.model]
    folder = source.masks(label, drop.video)
    found: dict[int, Mask] = {}
    if folder is not None:
        there = {t: folder / f"{video.frame_names[t]}.png" for t in wanted}
        found = {t: read_mask(path) for t, path in there.items() if path.exists()}
    if found or not rerun:
        return (
            found,
            "" if found else "No predictions: the run was made without --save-masks (report --rerun makes them).",
        )
    record = source.record
    if record.checkpoint:
        return (
            {},
            "No predictions: the model needs weights, which a report does not load; repeat the run with --save-masks.",
        )
    adapter = load_adapter(record.registered_name, device="cpu", **record.options)
    return dict(pick(adapter.segment(corrupt_video(video, condition)), wanted)), ""


def pick(items: Iterator[NDArray[np.uint8]], wanted: set[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(index, copy) of the wanted items; what follows the last of them is not made."""
    last = max(wanted)
    for t, item in enumerate(items):
        if t in wanted:
            yield t, item.copy()
        if t >= last:
            return


def picture_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the picture of a frame of size (height, width)."""
    height, width = size
    return WIDTH, max(1, round(WIDTH * height / width))


def jpeg(frame: Frame) -> str:
    """A small picture as a data URL."""
    image = Image.fromarray(frame)
    image = image.resize(picture_size((frame.shape[0], frame.shape[1])), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=74, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
