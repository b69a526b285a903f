"""Does a corruption keep the contract? Small made-up clips, run in the ways that break careless functions."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module

import numpy as np

from robust_vos_bench.conditions.apply import corrupt_truth, corrupt_video, draw_of
from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.conditions.spec import Corruption
from robust_vos_bench.datasets.video import Frame, IndexableFrames, Mask, Truth, Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.findings import Report
from robust_vos_bench.origin import Origin
from robust_vos_bench.registry import Item
from robust_vos_bench.system.global_state import random_state_kept, unusual_random_state
from robust_vos_bench.system.process_settings import ProcessSettings
from robust_vos_bench.system.tracebacks import whole

SIZES = ((1, 1), (1, 40), (40, 1), (2, 3), (31, 33))
"""Frame sizes (H, W) that break arithmetic on sizes."""
LONG = 120
"""Frames of the clip on which a corruption of scope "clip" must not read to the end before it yields."""


def check_corruption(item: Item[Corruption]) -> Report:
    """Run every check on a corruption; never raises for what it does."""
    return _Checker(item.value, item.origin).run()


def made_up_clip(frames: int = 5, size: tuple[int, int] = (48, 65), name: str = "made-up") -> Video:
    """A textured clip that moves, RGB uint8 (frames, H, W, 3), with the objects 1 and 7 prompted at frame 0."""
    rng = np.random.Generator(np.random.PCG64(0))
    grid = rng.integers(0, 256, (size[0] // 6 + 2, size[1] // 6 + 4 + frames, 3), dtype=np.uint8)
    field = np.repeat(np.repeat(grid, 6, 0), 6, 1)
    clip = [np.ascontiguousarray(field[: size[0], 2 * t : 2 * t + size[1]]) for t in range(frames)]
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 4 : size[0] // 4 + 20, size[1] // 4 : size[1] // 4 + 24] = 1
    mask[-8:, -10:] = 7
    return Video.from_arrays(clip, mask, name=name)


class _Checker:
    def __init__(self, spec: Corruption, origin: Origin) -> None:
        self.spec = spec
        self.origin = None if origin.kind == "built in" else origin
        self.report = Report(spec.name, "corruption")
        # What a corruption does to time may begin after a second.
        self.clip = made_up_clip(LONG // 3 if spec.scope == "clip" else 5)
        self.modes = spec.temporal or ("",)

    def run(self) -> Report:
        start = time.perf_counter()
        with random_state_kept():
            unusual_random_state()
            self._state()
        first = self._contract()
        if first is not None:
            self._same(first)
            self._draws(first)
            self._strength(first)
            self._masks()
            self._over_time()
        self._one_frame()
        self._sizes()
        self._pickles()
        self._device()
        self.report.seconds = time.perf_counter() - start
        return self.report

    def condition(self, severity: int = 1, temporal: str = "", **changes: object) -> Condition:
        made = Condition(self.spec.name, severity, temporal, origin=self.origin)
        return replace(made, **changes)  # type: ignore[arg-type]

    def frames(self, condition: Condition, video: Video | None = None) -> list[Frame | Mask]:
        """What the condition makes of a clip: its frames, or, for scope "prompt", its prompts. Copies."""
        corrupted = corrupt_video(self.clip if video is None else video, condition)
        if self.spec.scope == "prompt":
            return [mask.copy() for mask in corrupted.prompts.values()]
        made = [frame.copy() for frame in corrupted.frames]
        self.report.frames += len(made)
        return made

    def attempt(self, check: str, work: Callable[[], str]) -> bool:
        """Note what `work` says is wrong, or the error that it raises."""
        try:
            return self.report.add(check, work())
        except RvosError as error:
            return self.report.add(check, str(error), traceback=whole(error) if error.__cause__ else "")

    def _contract(self) -> dict[Condition, list[Frame | Mask]] | None:
        found: dict[Condition, list[Frame | Mask]] = {}

        def work() -> str:
            for temporal in self.modes:
                for severity in range(1, self.spec.levels + 1):
                    condition = self.condition(severity, temporal)
                    found[condition] = self.frames(condition)
            return ""

        kept = self.attempt("frames keep the contract (uint8, size, number), at every severity and mode", work)
        return found if kept else None

    def _state(self) -> None:
        """Called as it is, outside the guards of a run: what it does to its input and to global state."""
        draw = draw_of(
            self.condition(temporal=self.spec.default_temporal), self.spec, "check", "clip", len(self.clip), 24.0, 0
        )
        frames = [frame.copy() for frame in self.clip.frames]
        mask = self.clip.prompts[0].copy()
        import_module("cv2")  # many corruptions import it when they are called, and it sets environment variables
        before = ProcessSettings.taken()
        try:
            if self.spec.scope == "clip":
                for _ in self.spec.function(iter(frames), 1.0, draw):
                    pass
            elif self.spec.scope == "prompt":
                self.spec.function(mask, 1.0, draw)
            else:
                for frame in frames:
                    self.spec.function(frame, 1.0, draw)
        except (Exception, SystemExit) as error:  # said by the check of the contract, with the frame
            self.report.skip("input and global state are left alone", f"it fails: {type(error).__name__}")
            return
        touched = before.changed_to(ProcessSettings.taken())
        before.restore()
        changed = [t for t, (a, b) in enumerate(zip(frames, self.clip.frames)) if not np.array_equal(a, b)]
        where = f"frame {changed[0]}" if changed else "the mask" if (mask != self.clip.prompts[0]).any() else ""
        self.report.add("input is not modified", f"{where} was changed in place; work on a copy" if where else "")
        detail = f"changed: {', '.join(touched)}; draw from draw.rng() and restore what you set" if touched else ""
        self.report.add("global state is left alone", detail)

    def _same(self, first: dict[Condition, list[Frame | Mask]]) -> None:
        def again() -> str:
            for condition, frames in first.items():
                if (t := _differ(frames, self.frames(condition))) is not None:
                    return f"{condition.label}: frame {t} differs; every random number must come from draw.rng()"
            return ""

        self.attempt("same result twice", again)
        if self.spec.scope != "frame":
            return

        def shuffled() -> str:
            for condition, frames in first.items():
                source = corrupt_video(self.clip, condition).frames
                if not isinstance(source, IndexableFrames):
                    return "its frames cannot be made one by one"
                for t in (3, 0, 4, 2, 1):
                    if not np.array_equal(source[t], frames[t]):
                        return f"{condition.label}: frame {t} differs when it is made by itself: keep no state"
            return ""

        self.attempt("frames do not depend on their order", shuffled)

    def _draws(self, first: dict[Condition, list[Frame | Mask]]) -> None:
        def seeds() -> str:
            changed = []
            for condition, frames in first.items():
                other = self.frames(replace(condition, seed=1))
                changed.append(_differ(frames, other) is not None)
            if any(changed) and not self.spec.temporal and self.spec.scope == "frame":
                return "its frames change with the seed, but it names no mode in time: temporal=('frame', ...)"
            return ""

        self.attempt("draws are declared", seeds)

    def _strength(self, first: dict[Condition, list[Frame | Mask]]) -> None:
        clean = list(self.clip.prompts.values()) if self.spec.scope == "prompt" else list(self.clip.frames)
        idle = [c.label for c, frames in first.items() if _differ(clean, frames) is None]
        detail = f"nothing changes under {', '.join(idle[:4])} on {len(clean)} small frames" if idle else ""
        self.report.add("something changes", detail, "warning")
        values = self.spec.values
        detail = (
            f"{len(values)} values, {self.spec.levels} levels" if values and len(values) != self.spec.levels else ""
        )
        self.report.add("one documented value per level", detail, "warning")

    def _masks(self) -> None:
        check = "masks keep their ids"
        if not self.spec.changes_masks:
            self.report.skip(check, "it changes no mask")
            return
        ids = set(self.clip.object_ids)

        def work() -> str:
            for temporal in self.modes:
                condition = self.condition(self.spec.levels, temporal)
                if set(corrupt_video(self.clip, condition).object_ids) != ids:
                    return f"{condition.label}: an object of the prompt is gone or new"
                masks = [self.clip.prompts[0]] * len(self.clip)
                video = self.clip
                truth = Truth(video.name, video.size, video.frame_names, masks, video.first_frames)
                moved = corrupt_truth(truth, condition, video)
                for t, mask in enumerate(moved.masks):
                    if mask is not None and (new := set(np.unique(mask).tolist()) - ids - {0}):
                        return f"{condition.label}: the mask of frame {t} holds {sorted(new)}, which no prompt has"
            return ""

        self.attempt(check, work)

    def _over_time(self) -> None:
        if self.spec.scope == "clip":
            self._streams()
        if not self.spec.offers_profile:
            self.report.skip("fractions of a severity", "its severity does not vary over a video")
            return

        def work() -> str:
            for temporal in self.modes:
                self.frames(self.condition(self.spec.levels, temporal, profile="ramp"))
            return ""

        self.attempt("fractions of a severity", work)

    def _streams(self) -> None:
        read = 0

        def source() -> Iterator[Frame]:
            nonlocal read
            frames = list(self.clip.frames)
            for t in range(LONG):
                read += 1
                yield frames[t % len(frames)]

        draw = draw_of(self.condition(temporal=self.spec.default_temporal), self.spec, "check", "long", LONG, 24.0, 0)

        def work() -> str:
            next(iter(self.spec.function(source(), 1.0, draw)))
            return f"it reads all {LONG} frames before it yields one, so long videos need as much memory" * (
                read >= LONG
            )

        try:
            self.report.add("frames are streamed", work(), "warning")
        except Exception as error:  # whatever its code raises
            self.report.add("frames are streamed", f"{type(error).__name__}: {error}")

    def _one_frame(self) -> None:
        def work() -> str:
            for temporal in self.modes:
                for severity in (1, self.spec.levels):
                    self.frames(self.condition(severity, temporal), made_up_clip(1))
            return ""

        self.attempt("a clip of one frame", work)

    def _sizes(self) -> None:
        def work() -> str:
            for size in SIZES:
                frame = np.full((*size, 3), 90, np.uint8)
                video = Video.from_arrays([frame, frame], np.ones(size, np.uint8), name=f"{size[0]} x {size[1]}")
                for temporal in self.modes:
                    for severity in (1, self.spec.levels):
                        self.frames(self.condition(severity, temporal), video)
            return ""

        self.attempt("tiny and odd sizes", work)

    def _pickles(self) -> None:
        def work() -> str:
            pickle.dumps(self.condition())
            return ""

        self.attempt("can be sent to worker processes", work)

    def _device(self) -> None:
        check = "batches equal single frames within one grey level"
        if self.spec.batch is None:
            self.report.skip(check, "it has no batch implementation")
            return

        def work() -> str:
            for temporal in self.modes:
                condition = self.condition(self.spec.levels, temporal)
                single, batch = self.frames(condition), self.frames(replace(condition, device="cpu"))
                far = [t for t, (a, b) in enumerate(zip(single, batch)) if _distance(a, b) > 1]
                if far:
                    return f"{condition.label}: frame {far[0]} differs by {_distance(single[far[0]], batch[far[0]])}"
            return ""

        self.attempt(check, work)


def _distance(one: Frame, two: Frame) -> int:
    return int(np.abs(one.astype(np.int16) - two).max(initial=0))


def _differ(one: Sequence[Frame], two: Sequence[Frame]) -> int | None:
    """Index of the first array that differs; None where all are equal."""
    if len(one) != len(two):
        return min(len(one), len(two))
    return next((t for t, (a, b) in enumerate(zip(one, two)) if not np.array_equal(a, b)), None)
