"""Applying a condition to a video: lazily, frame by frame, in any order and from any process with equal results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.conditions.batch import batch_size, corrupt_batch
from robust_vos_bench.conditions.catalogue import corruption_of, find_item
from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.conditions.contract import called, check_frame, check_mask, one_by_one, read_only, wrong_number
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.conditions.profile import profile_version, severity_over_time
from robust_vos_bench.conditions.spec import Corruption
from robust_vos_bench.conditions.stored import StoredFrames
from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.datasets.video import Frame, Mask, Truth, Video, source_frame


def corrupt_video(video: Video, condition: Condition) -> Video:
    """The video under a condition: the same names, sizes and prompts over frames that are corrupted when asked for.

    `frames` can be iterated again and holds one frame (scope "clip": what the corruption needs; with a device: one
    batch) in memory; for scope "frame" it is indexable as well where the source is, and frame t is the same in
    whatever order, batch and process it is made. Scope "prompt" changes prompts instead of frames. Corruptions that
    move pixels move the prompts too. With `clean_reference`, frames that carry a prompt stay clean. Clean returns the
    video itself. Scope "stored" reads the frames of a split and checks each.
    Raises ContractError where the corruption returns a wrong frame, RvosError where it fails.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> video = rvos.open_dataset("demo").video("cat")
    >>> foggy = rvos.corrupt_video(video, rvos.Condition("fog", 3))
    >>> foggy.frames[5].shape
    (180, 320, 3)
    """
    if condition.is_clean:
        return video
    spec = corruption_of(condition)
    if spec.scope == "prompt":
        return video.with_prompts(_damaged_prompts(video, condition, spec))
    if spec.scope == "stored":
        return video.with_frames(StoredFrames(video, Path(find_item(condition).origin.place) / condition.label))
    if spec.scope == "clip":
        return video.with_frames(CorruptedClip(video, condition))
    frames = CorruptedFrames(video, condition)
    if not spec.moves_pixels:
        return video.with_frames(frames)
    moved = {t: _moved(mask, frames, t, keep_ids=True) for t, mask in video.prompts.items()}
    return video.with_frames(frames).with_prompts(moved)


def corrupt_truth(truth: Truth, condition: Condition, video: Video) -> Truth:
    """Ground truth that fits the corrupted video: masks moved, lazily, where the corruption moves pixels.

    video: the clean video of the same name. Everything else returns `truth` itself. Which frames count stays as in the
    clean truth, also where an object is moved out of the picture: severities are compared on the same frames.
    """
    if condition.is_clean:
        return truth
    spec = corruption_of(condition)
    if not spec.moves_pixels:
        return truth
    return replace(truth, masks=MovedMasks(truth.masks, CorruptedFrames(video, condition)), unmoved=truth.masks)


def condition_fingerprint(condition: Condition) -> str:
    """Hex digest of all that decides the output of a condition: corruption, version, parameters, mode, seed.

    For a corruption in a file or script the digest of that file too, for one of an installed package the name of the
    package. Part of resume keys: results whose fingerprint differs are made again.
    """
    facts: dict[str, Any] = condition.to_dict()
    if not condition.is_clean:
        item = find_item(condition)
        spec, origin = item.value, item.origin
        if (version := profile_version(condition.profile)) is not None:
            facts["profile_version"] = version
        facts |= {"version": spec.version, "levels": spec.levels, "scope": spec.scope, "values": spec.values}
        if origin.kind not in ("built in", "split"):  # of a split, `store` says it
            facts["origin"] = origin.digest or origin.place.partition(" ")[0]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=repr).encode()).hexdigest()


def draw_of(
    condition: Condition, spec: Corruption, dataset: str, video: str, num_frames: int, fps: float, frame: int
) -> Draw:
    """What frame `frame` of a video draws from under a condition. spec: the corruption of the condition."""
    return Draw(
        corruption=spec.name,
        version=spec.version,
        severity=condition.severity,
        seed=condition.seed,
        dataset=dataset,
        video=video,
        frame=frame,
        num_frames=num_frames,
        fps=fps,
        temporal=condition.temporal or spec.default_temporal or "frame",
    )


def hit_frames(condition: Condition, dataset: str, video: str, num_frames: int) -> NDArray[np.intp]:
    """Indices of the frames that a burst reaches (severity above 0), found without opening the video.

    The same at every severity. For the profile "burst", whose place depends on the frame rate as little as on the
    frames. dataset, video: names.
    """
    draw = draw_of(condition, find_item(condition).value, dataset, video, num_frames, 24.0, 0)
    return np.flatnonzero(severity_over_time(condition.profile, float(condition.severity), draw) > 0.0)


class _Corrupted:
    """What frames, clips and masks under one condition share: draws, severities and checks."""

    def __init__(self, video: Video, condition: Condition) -> None:
        self.video = video
        self.condition = condition
        item = find_item(condition)
        self.spec = item.value
        # Built-in corruptions are held to this by their tests; others are watched while they run.
        self.guarded = item.origin.kind != "built in"
        self.severities = severity_over_time(condition.profile, float(condition.severity), self.draw(0))
        self._clean = frozenset(video.prompts) if condition.clean_reference else frozenset()

    def __getstate__(self) -> dict[str, Any]:
        return {"video": self.video, "condition": self.condition}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["video"], state["condition"])  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.video)

    def draw(self, frame: int) -> Draw:
        video = self.video
        return draw_of(self.condition, self.spec, video.dataset, video.name, len(video), video.fps, frame)

    def given(self, array: Frame) -> Frame:
        """A frame or mask as the corruption is given it."""
        return read_only(array) if self.guarded else array

    def severity(self, frame: int) -> float:
        """Severity at a frame; 0 is clean."""
        spared = frame in self._clean or (self.spec.frames == "prompt" and frame not in self.video.prompts)
        return 0.0 if spared else float(self.severities[frame])

    def check(self, result: Any, frame: int) -> Frame:
        return check_frame(result, self.video.size, self.condition, self.video.name, frame)


class CorruptedFrames(_Corrupted, Lazy[Frame]):
    """Frames of a video under a condition of scope "frame": made when asked for, in any order."""

    def __iter__(self) -> Iterator[Frame]:
        yield from self._in_batches(enumerate(self.video.frames))

    def at(self, t: int) -> Frame:
        """Frame t."""
        return self.corrupt(source_frame(self.video.frames, t), t)

    def part(self, chosen: range) -> Sequence[Frame]:
        """Some frames, in batches where the corruption works so."""
        return list(self._in_batches((t, source_frame(self.video.frames, t)) for t in chosen))

    def corrupt(self, frame: Frame, t: int) -> Frame:
        """The given clean frame t as the condition shows it.

        Fractional severities below 1 (from profiles) mix level 1 with the clean frame, so that the effect vanishes
        continuously; corruptions that move pixels scale their motion instead.
        """
        return self._corrupt([(t, frame)])[0]

    def _in_batches(self, frames: Iterator[tuple[int, Frame]]) -> Iterator[Frame]:
        size = batch_size(self.video.size) if self.condition.device else 1
        while batch := list(islice(frames, size)):
            yield from self._corrupt(batch)

    def _corrupt(self, frames: Sequence[tuple[int, Frame]]) -> list[Frame]:
        """The given (t, clean frame) as the condition shows them."""
        severities = {t: self.severity(t) for t, _ in frames}
        least = 0.0 if self.spec.moves_pixels else 1.0
        hit = [(t, frame) for t, frame in frames if severities[t] > 0.0]
        made = dict(zip((t for t, _ in hit), self._made(hit, [max(severities[t], least) for t, _ in hit])))
        result = []
        for t, frame in frames:
            shown = self.check(made.get(t, frame), t)
            if 0.0 < severities[t] < least:
                mixed = frame * np.float32(1.0 - severities[t]) + shown * np.float32(severities[t])
                shown = np.rint(mixed).astype(np.uint8)
            result.append(shown)
        return result

    def _made(self, frames: Sequence[tuple[int, Frame]], severities: Sequence[float]) -> Iterator[Frame]:
        draws = [self.draw(t) for t, _ in frames]
        if self.condition.device and self.spec.batch is not None:
            pictures = [frame for _, frame in frames]
            batch = partial(corrupt_batch, self.spec.batch, pictures, severities, draws, self.condition.device)
            first = frames[0][0] if frames else 0
            yield from one_by_one(batch, self.condition, self.video.name, first, self.guarded)
            return
        for (t, frame), severity, draw in zip(frames, severities, draws):
            make = partial(self.spec.function, self.given(frame), severity, draw)
            yield called(make, self.condition, self.video.name, t, self.guarded)


class CorruptedClip(_Corrupted):
    """Frames of a video under a condition of scope "clip": streamed in order, from the start at each iteration."""

    def __iter__(self) -> Iterator[Frame]:
        kept: dict[int, Frame] = {}

        def source() -> Iterator[Frame]:
            for t, frame in enumerate(self.video.frames):
                if t in self._clean:
                    kept[t] = frame
                yield self.given(frame)

        made = partial(self.spec.function, source(), float(self.condition.severity), self.draw(0))
        count = 0
        for result in one_by_one(made, self.condition, self.video.name, 0, self.guarded):
            if count >= len(self):
                raise wrong_number(f"more than {len(self)}", len(self), self.condition, self.video.name)
            frame = self.check(result, count)
            if count in self._clean and count not in kept:
                kept[count] = source_frame(self.video.frames, count)
            yield kept.pop(count, frame)
            count += 1
        if count != len(self):
            raise wrong_number(str(count), len(self), self.condition, self.video.name)


class MovedMasks(Lazy["Mask | None"]):
    """Truth masks moved by the same field as the frames, when asked for."""

    def __init__(self, masks: Sequence[Mask | None], frames: CorruptedFrames) -> None:
        self.masks = masks
        self.frames = frames

    def __len__(self) -> int:
        return len(self.masks)

    def at(self, t: int) -> Mask | None:
        """Mask of frame t."""
        mask = self.masks[t]
        return None if mask is None else _moved(mask, self.frames, t)


def _moved(mask: Mask, frames: CorruptedFrames, t: int, keep_ids: bool = False) -> Mask:
    severity = frames.severity(t)
    if severity <= 0.0 or frames.spec.move_mask is None:
        return mask
    condition, name = frames.condition, frames.video.name
    make = partial(frames.spec.move_mask, frames.given(mask), severity, frames.draw(t))
    made = called(make, condition, name, t, frames.guarded)
    moved = check_mask(made, mask, condition, name, t)
    if keep_ids:
        # A prompt that loses an object of a few pixels would silently take it out of the benchmark.
        # Such an object stays where it was; that may cover another one of a few pixels, hence the loop.
        ids = set(np.unique(mask).tolist()) - {0}
        while lost := ids - set(np.unique(moved).tolist()):
            moved = np.where(np.isin(mask, list(lost)), mask, moved)
    return moved


def _damaged_prompts(video: Video, condition: Condition, spec: Corruption) -> Mapping[int, Mask]:
    maker = _Corrupted(video, condition)
    damaged = {}
    for t, mask in video.prompts.items():
        make = partial(spec.function, maker.given(mask), float(condition.severity), maker.draw(t))
        made = called(make, condition, video.name, t, maker.guarded)
        damaged[t] = check_mask(made, mask, condition, video.name, t)
    return damaged
