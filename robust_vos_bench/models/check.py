"""Does a model keep the contract? A few made-up clips, run in the ways that break careless adapters."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.video import Frame, FrameSource, Mask, Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.findings import Finding, Report
from robust_vos_bench.models import synthetic
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.contract import masks_checked, segment_checked
from robust_vos_bench.system.causes import Causes
from robust_vos_bench.system.global_state import random_state_kept, unusual_random_state
from robust_vos_bench.system.memory import resident
from robust_vos_bench.system.process_settings import ProcessSettings
from robust_vos_bench.system.tracebacks import whole

LEAK_MIB = 64.0
"""Memory that a clip of a few small frames may leave behind when it runs again."""
STATE = "random state, threads and other settings of the process are left alone"
SEEDING = (
    "draw from a generator of your own, made anew with a fixed seed for every video: in `reset`, `self.rng = "
    "np.random.default_rng(0)` or `torch.Generator(device).manual_seed(0)`; a network with dropout needs `.eval()`"
)
OWN_STATE = (
    "keep what belongs to one video in attributes that `reset` assigns, or in a session object, not in the network or "
    "in the class; only where that cannot be, say interleaves=False in the card"
)


class CountingFrames:
    """A frame source that hands out copies and counts how far it was read."""

    def __init__(self, frames: FrameSource) -> None:
        self.originals = [frame.copy() for frame in frames]
        self.handed: list[Frame] = []
        self.read = 0

    def __len__(self) -> int:
        return len(self.originals)

    def __iter__(self) -> Iterator[Frame]:
        self.handed, self.read = [], 0
        for frame in self.originals:
            self.handed.append(frame.copy())
            self.read += 1
            yield self.handed[-1]

    def modified(self) -> list[int]:
        """Indices of frames that are no longer what they were."""
        return [t for t, (a, b) in enumerate(zip(self.originals, self.handed)) if not np.array_equal(a, b)]


def check_adapter(adapter: VOSAdapter) -> Report:
    """Run every check on a loaded model. Takes about thirty small frames; never raises for what the model does."""
    report = Report(adapter.card.name)
    start = time.perf_counter()
    late, objects = adapter.card.late_objects != "none", min(3, adapter.card.max_objects or 3)
    clip = synthetic.standard_clip(late=late, objects=objects)
    runner = _Runner(adapter, report)
    with random_state_kept():
        # First of all, and from a state that no fixed seed leads to: a model that disturbs it always in the same way
        # would look innocent the second time.
        unusual_random_state()
        stopped = _inputs_and_state(adapter, report, clip)
    with not_finite_outputs() as broken, prints_to_stdout() as printed:
        first = runner.run("every frame gets a mask of the right type, size and ids", clip)
    if first is not None or broken:
        report.add(
            "the network's output is free of NaN and Inf", f"{broken[0]}; such a mask means nothing" if broken else ""
        )
    if first is not None and stopped:  # a run hands frames out one by one, as that check does
        report.findings.append(Finding("frames are read one after the other", "broken", stopped))
    if first is not None:
        _every_object(report, clip, first)
        again = runner.run("the same video runs a second time", clip)
        repeats = runner.same("both times with the same masks", first, again, adapter.card.stochastic)
        other = runner.run("a video of another size runs after it", synthetic.other_clip())
        if other is not None:
            third = runner.run("the first video runs again after that", clip)
            if repeats:
                runner.same("nothing is left over from the other video", first, third, adapter.card.stochastic)
        _interleaved(runner, adapter, clip, first, repeats)
    runner.run("a video of one frame", synthetic.single_frame_clip())
    runner.run("a first object that appears after frame 0", synthetic.delayed_clip() if late else None)
    runner.run("an object of a few pixels", synthetic.speck_clip() if objects > 1 else None)
    if first is not None:
        _memory(runner, report, clip)
        _gradients(adapter, report, clip, first)
    if first is not None or printed:
        report.add(
            "nothing is printed to standard output",
            f"{printed[0]!r} was; use `logging`, or `print(..., file=sys.stderr)`. A run sends it to stderr"
            if printed
            else "",
            "warning",
        )
    report.peak_mib = peak_mib()
    report.seconds = time.perf_counter() - start
    return report


def check_model(load: Callable[[], VOSAdapter]) -> Report:
    """Load a model and run every check on it, with the settings of the process that it makes for itself.

    A run keeps such settings to the model's own turns; they are named, since another program may not.
    """
    for library in ("torch", "cv2"):  # what they themselves set when they are imported is not the model's doing
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    before = ProcessSettings.taken()
    try:
        adapter = load()
    finally:
        own = ProcessSettings.taken()
        before.restore()
    with own.applied():
        report = check_adapter(adapter)
    before.restore()
    touched = before.changed_to(own)
    detail = f"changed: {', '.join(touched)}; a run keeps that to the model's own turns" if touched else ""
    report.add("settings of the process are left alone while the model is loaded", detail, "warning")
    return report


@contextlib.contextmanager
def not_finite_outputs() -> Iterator[list[str]]:
    """Collects what turns up in the block: modules of torch whose output holds NaN, NaN that NumPy makes an id of."""
    found: list[str] = []
    torch = sys.modules.get("torch")
    hook: Any = None

    def look(module: Any, arguments: Any, output: Any) -> None:
        if found or torch is None:
            return
        for tensor in output if isinstance(output, (tuple, list)) else [output]:
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
                found.append(f"{type(module).__name__} gave NaN")
                return

    if torch is not None:
        hook = torch.nn.modules.module.register_module_forward_hook(look)
    try:
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            yield found
        cast = [n for n in noted if issubclass(n.category, RuntimeWarning) and "invalid value" in str(n.message)]
        found += [f"NumPy warns of NaN or Inf: {n.message} ({Path(n.filename).name}:{n.lineno})" for n in cast[:1]]
    finally:
        if hook is not None:
            hook.remove()


@contextlib.contextmanager
def prints_to_stdout() -> Iterator[list[str]]:
    """Collects the first line that Python code prints to standard output in the block; it is printed all the same."""
    found: list[str] = []
    seen = ""
    before = sys.stdout

    class Watched(io.TextIOBase):
        def write(self, text: str) -> int:
            nonlocal seen
            if len(seen) < 1000:
                seen += text
            return before.write(text)

        def flush(self) -> None:
            before.flush()

        def __getattr__(self, name: str) -> Any:
            return getattr(before, name)

    with contextlib.redirect_stdout(Watched()):
        yield found
    if seen.strip():
        found.append(seen.strip().splitlines()[0][:60])


class _Runner:
    """Runs clips under the contract and notes what happens."""

    def __init__(self, adapter: VOSAdapter, report: Report) -> None:
        self.adapter, self.report = adapter, report
        self._causes = Causes()

    def broken(self, check: str, error: RvosError, video: Video, hint: str = "") -> None:
        """Note that the model failed; what was said of an earlier check is not said at length again."""
        text = str(error)
        if not self._causes.is_new(text, [video.name]):
            self.report.findings.append(Finding(check, "broken", "it fails as above"))
            return
        trace = whole(error) if error.__cause__ is not None else ""
        self.report.findings.append(Finding(check, "broken", text + hint, trace))

    def run(self, check: str, video: Video | None) -> list[Mask] | None:
        """The masks of a clip (copies), or None where the model broke; a finding either way."""
        if video is None:
            self.report.findings.append(Finding(check, "skipped", "the card says that the model cannot"))
            return None
        masks: list[Mask] = []
        copies: list[Mask] = []
        try:
            for mask in segment_checked(self.adapter, video):
                masks.append(mask)
                copies.append(mask.copy())
                self.report.frames += 1
        except RvosError as error:
            self.broken(check, error, video)
            return None
        changed = [t for t, (a, b) in enumerate(zip(masks, copies)) if not np.array_equal(a, b)]
        if changed:
            detail = f"mask {changed[0]} changed after it was yielded: yield a copy, not a buffer that is used again"
            self.report.findings.append(Finding(check, "broken", detail))
            return None
        self.report.findings.append(Finding(check, "ok"))
        return copies

    def same(self, check: str, first: Sequence[Mask], again: Sequence[Mask] | None, stochastic: bool) -> bool:
        """Compare two results of the same clip; whether they are equal."""
        if again is None:
            return False
        different = [t for t, (a, b) in enumerate(zip(first, again)) if not np.array_equal(a, b)]
        if not different:
            self.report.findings.append(Finding(check, "ok"))
            return True
        t = different[0]
        detail = f"frame {t} differs in {int((first[t] != again[t]).sum())} pixels"
        level = "warning" if stochastic else "broken"
        hint = " (the card says stochastic)" if stochastic else f"; {SEEDING}"
        self.report.findings.append(Finding(check, level, detail + hint))
        return False


def _every_object(report: Report, clip: Video, masks: Sequence[Mask]) -> None:
    absent = [i for i, t in clip.first_frames.items() if not any((mask == i).any() for mask in masks[t:])]
    late = [i for i in absent if clip.first_frames[i] > 0]
    detail = ""
    if absent:
        which = ", ".join(f"{i} (given at frame {clip.first_frames[i]})" for i in absent)
        detail = f"no mask shows object {which}; untrained weights may do that"
        if late == absent:
            detail += ", and a model that looks at the first prompt only says late_objects='none' in its card"
    report.add("every object of the prompts is found in the masks", detail, "warning")


def _inputs_and_state(adapter: VOSAdapter, report: Report, clip: Video) -> str:
    """Frames, prompts and global random state stay as they were; masks come before the next frame is read.

    Returns why it could not be told; "" where it could.
    """
    source = CountingFrames(clip.frames)
    prompts = {t: mask.copy() for t, mask in clip.prompts.items()}
    video = clip.with_frames(source).with_prompts(prompts)
    before = ProcessSettings.taken()
    ahead = 0
    try:
        for t, _ in enumerate(masks_checked(adapter, video)):
            ahead = max(ahead, source.read - t - 1)
            report.frames += 1
    except RvosError as error:
        return str(error)
    touched = before.changed_to(ProcessSettings.taken())
    changed = source.modified()
    report.findings.append(
        Finding("frames are left as they are", "broken", f"frame {changed[0]} was changed in place; work on a copy")
        if changed
        else Finding("frames are left as they are", "ok")
    )
    changed = [t for t, mask in prompts.items() if not np.array_equal(mask, clip.prompts[t])]
    report.findings.append(
        Finding("prompts are left as they are", "broken", f"the prompt of frame {changed[0]} was changed in place")
        if changed
        else Finding("prompts are left as they are", "ok")
    )
    report.findings.append(
        Finding(STATE, "broken", f"changed: {', '.join(touched)}; {_restored(touched)}")
        if touched
        else Finding(STATE, "ok")
    )
    check = "each mask is given before the next frame is read"
    if not adapter.card.streaming:
        report.skip(check, "the card says streaming=False")
    else:
        detail = f"it reads {ahead} frames ahead of its masks: yield each at once, or say streaming=False in the card"
        report.add(check, detail if ahead > 0 else "")
    return ""


def _restored(touched: Sequence[str]) -> str:
    """The cure for a disturbed state of the process."""
    return SEEDING if any("random" in name for name in touched) else "put back what you set"


def _interleaved(runner: _Runner, adapter: VOSAdapter, clip: Video, first: Sequence[Mask], repeats: bool) -> None:
    check = "two videos in turns, frame by frame"
    if not adapter.card.interleaves:
        runner.report.findings.append(Finding(check, "skipped", "the card says interleaves=False"))
        return
    if not repeats and not adapter.card.stochastic:
        runner.report.skip(check, "its masks differ already when one video runs twice")
        return
    one, two = segment_checked(adapter, clip), segment_checked(adapter, synthetic.other_clip())
    masks: list[Mask] = []
    try:
        for mask in one:
            masks.append(mask.copy())
            next(two, None)
    except RvosError as error:
        runner.broken(check, error, clip, f"; {OWN_STATE}")
        return
    finally:
        one.close()  # type: ignore[attr-defined]
        two.close()  # type: ignore[attr-defined]
    different = [t for t, (a, b) in enumerate(zip(first, masks)) if not np.array_equal(a, b)]
    if different and not adapter.card.stochastic:
        detail = f"frame {different[0]} differs when another video runs between; {OWN_STATE}"
        runner.report.findings.append(Finding(check, "broken", detail))
    else:
        runner.report.findings.append(Finding(check, "ok"))


def _gradients(adapter: VOSAdapter, report: Report, clip: Video, masks: Sequence[Mask]) -> None:
    """Of models that say they pass gradients; of others nothing is asked."""
    if adapter.card.differentiable:
        from robust_vos_bench.models.check_gradients import check_gradients  # torch, which such a model has imported

        check_gradients(adapter, report, clip, masks)


def _memory(runner: _Runner, report: Report, clip: Video) -> None:
    check = "memory does not grow when a video is repeated"
    before = resident()
    if not before:
        return
    try:
        for _ in segment_checked(runner.adapter, clip):
            report.frames += 1
    except RvosError as error:
        runner.broken(check, error, clip)
        return
    grown = resident() - before
    detail = f"{grown:.0f} MiB more in use after {len(clip)} small frames that had run before; does a list grow?"
    report.add(check, detail if grown > LEAK_MIB else "", "warning")


def peak_mib() -> float | None:
    """Peak resident memory of this process; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
