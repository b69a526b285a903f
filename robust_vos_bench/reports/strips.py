"""Film strips of the worst drops: frame, corrupted frame, mask and truth, as small embedded pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.conditions import Condition, condition_fingerprint, corrupt_truth, corrupt_video
from robust_vos_bench.datasets import Dataset, Frame, Mask
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.overlay import paint_mask
from robust_vos_bench.errors import RvosError
from robust_vos_bench.models import load_adapter

WIDTH = 176
"""Width of a picture in pixels; ten strips of four frames take well under a megabyte."""
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

    @property
    def points(self) -> float:
        """Clean minus corrupted."""
        return self.clean - self.corrupted


@dataclass(frozen=True)
class Picture:
    """One frame of a strip: data URLs of the frame, the corrupted frame, the prediction ("" if unknown), the truth."""

    frame: int
    clean: str
    corrupted: str
    mask: str
    truth: str


@dataclass(frozen=True)
class Strip:
    """A drop with its pictures, or why there are none."""

    drop: Drop
    pictures: tuple[Picture, ...]
    note: str = ""


def worst_drops(matrix: ScoreMatrix, count: int = 10) -> list[Drop]:
    """The largest losses, at most two of one video and model so that one bad clip does not fill the page."""
    clean = next((i for i, c in enumerate(matrix.conditions) if c.is_clean), None)
    if clean is None:
        return []
    scores = 100 * matrix.jf
    loss = scores[:, clean : clean + 1] - scores
    order = np.argsort(np.where(np.isnan(loss), -np.inf, loss), axis=None)[::-1]
    found: list[Drop] = []
    used: dict[tuple[str, str], int] = {}
    for flat in order:
        m, c, k = np.unravel_index(flat, loss.shape)
        if len(found) == count or not loss[m, c, k] > 0:
            break
        video, i = matrix.objects[k]
        key = (matrix.models[m], video)
        if used.get(key, 0) < 2:
            used[key] = used.get(key, 0) + 1
            label = matrix.conditions[c].label
            found.append(Drop(key[0], label, video, i, float(scores[m, clean, k]), float(scores[m, c, k])))
    return found


def make_strips(run: Run, drops: Sequence[Drop], open_data: Callable[[], Dataset], rerun: bool = False) -> list[Strip]:
    """Pictures of the drops. open_data: opens the data of the run. Masks are those that the run saved; rerun: where it
    saved none, run the model again."""
    try:
        dataset = open_data()
    except RvosError as error:
        return [Strip(drop, (), f"no pictures: {error}") for drop in drops]
    strips = []
    for drop in drops:
        try:
            strips.append(_strip(run, dataset, drop, rerun))
        except (RvosError, OSError) as error:
            strips.append(Strip(drop, (), f"no pictures: {error}"))
    return strips


def _strip(run: Run, dataset: Dataset, drop: Drop, rerun: bool) -> Strip:
    condition = condition_of(run, drop.condition)
    video = dataset.video(drop.video)
    corrupted = corrupt_video(video, condition)
    truth = dataset.truth(drop.video)
    moved = corrupt_truth(truth, condition, video) if truth is not None else None
    wanted = set(frames_to_show(len(video)))
    masks, note = _masks(run, drop, dataset, condition, wanted, rerun)
    pictures = []
    clean_frames = dict(pick(iter(video.frames), wanted))
    for t, frame in pick(iter(corrupted.frames), wanted):
        true = moved.masks[t] if moved is not None else None
        pictures.append(
            Picture(
                frame=t,
                clean=jpeg(clean_frames[t]),
                corrupted=jpeg(frame),
                mask=jpeg(_overlay(frame, masks[t], drop.object)) if t in masks else "",
                truth=jpeg(_overlay(frame, true, drop.object)) if true is not None else "",
            )
        )
    return Strip(drop, tuple(pictures), note)


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
    run: Run, drop: Drop, dataset: Dataset, condition: Condition, wanted: set[int], rerun: bool
) -> tuple[dict[int, Mask], str]:
    video = dataset.video(drop.video)
    source = run.sources[drop.model]
    folder = source.masks(drop.condition, drop.video)
    found: dict[int, Mask] = {}
    if folder is not None:
        there = {t: folder / f"{video.frame_names[t]}.png" for t in wanted}
        found = {t: read_mask(path) for t, path in there.items() if path.exists()}
    if found or not rerun:
        return found, "" if found else "no masks: the run was made without --save-masks (report --rerun makes them)"
    record = source.record
    if record.checkpoint:
        return {}, "no masks: the model needs weights, which a report does not load; repeat the run with --save-masks"
    adapter = load_adapter(record.registered_name, device="cpu", **record.options)
    segmented = adapter.segment(corrupt_video(video, condition))
    return dict(pick(segmented, wanted)), ""


def pick(items: Iterator[NDArray[np.uint8]], wanted: set[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(index, copy) of the wanted items; what follows the last of them is not made."""
    last = max(wanted)
    for t, item in enumerate(items):
        if t in wanted:
            yield t, item.copy()
        if t >= last:
            return


def _overlay(frame: Frame, mask: Mask, chosen: int) -> Frame:
    """The object of the drop in orange, the others in blue, everything else darker."""
    colours = np.full((256, 3), (0, 114, 178), np.uint8)
    colours[chosen] = (230, 159, 0)
    return paint_mask(frame, mask, colours, share=0.55, background=0.6)


def jpeg(frame: Frame) -> str:
    """A small picture as a data URL."""
    image = Image.fromarray(frame)
    image = image.resize((WIDTH, max(1, round(WIDTH * frame.shape[0] / frame.shape[1]))), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=72, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
