"""How long a run will still take, from what was timed before it and what it has shown so far."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robust_vos_bench.runs.cost.estimate import Estimate
from robust_vos_bench.runs.cost.timings import EARLIER
from robust_vos_bench.runs.plan import Plan, Unit
from robust_vos_bench.runs.records import UnitRecord


@dataclass
class _Sum:
    seconds: float = 0.0
    frames: int = 0

    def add(self, seconds: float, frames: int) -> None:
        self.seconds, self.frames = self.seconds + seconds, self.frames + frames

    @property
    def mean(self) -> float | None:
        return self.seconds / self.frames if self.frames else None


class Pace:
    """Frames to do and done, and the seconds that are left.

    A frame costs what its model and the scorer take, which is told per model, and what making it takes, which is told
    for clean and for corrupted frames. What no unit has shown yet is taken from the estimate made before the run, else
    from the other models. lengths: frames of each video.
    """

    def __init__(
        self, plan: Plan, pending: Sequence[Unit], lengths: Mapping[str, int], before: Estimate | None = None
    ) -> None:
        self._lengths = lengths
        self._names = [model.record.name for model in plan.models]
        self._left: Counter[tuple[str, bool]] = Counter()
        """(model, whether the frames are clean) -> frames to do."""
        for unit in pending:
            self._left[self._names[unit.model], unit.condition.is_clean] += lengths.get(unit.video, 0)
        self._clean = {condition.label for condition in plan.conditions if condition.is_clean}
        self._models: defaultdict[str, _Sum] = defaultdict(_Sum)
        self._making: defaultdict[bool, _Sum] = defaultdict(_Sum)
        self._before = before
        self.total = sum(self._left.values())
        """Frames of all units that were pending."""
        self.settled = 0
        """Frames of units that are done or have failed."""
        self.segmented = 0
        """Frames that were really segmented."""

    def add(self, record: UnitRecord) -> None:
        """A unit is done."""
        clean = record.condition in self._clean
        frames = self._lengths.get(record.video, 0)
        self._left[record.model, clean] -= frames
        self.settled += frames
        self.segmented += record.frames
        if record.ok and record.frames:
            self._models[record.model].add(record.seconds_model + record.seconds_score, record.frames)
            self._making[clean].add(record.seconds_frames, record.frames)

    def left(self, in_flight: int, workers: int, seconds: float) -> float | None:
        """Seconds to the end; None where nothing is known yet.

        in_flight: frames of units that are not done yet. workers: how many work at once. seconds: since the first one.
        """
        to_do = {key: frames for key, frames in self._left.items() if frames > 0}
        frames = sum(to_do.values())
        if frames <= in_flight:
            return 0.0
        known = [mean for mean in (self._models[name].mean for name in self._names) if mean is not None]
        if not known:
            return self._first_guess(frames, in_flight, seconds)
        other = sum(known) / len(known)
        making = self._making[False].mean or self._making[True].mean or 0.0
        total = 0.0
        for (name, clean), count in to_do.items():
            model = self._models[name].mean
            total += count * ((other if model is None else model) + (self._making[clean].mean or making))
        return total * (1 - in_flight / frames) / max(workers, 1)

    def _first_guess(self, frames: int, in_flight: int, seconds: float) -> float | None:
        """Before the first unit is done."""
        before = self._before
        if before is not None and before.wall_hours and before.frames and not before.unmeasured:
            return 3600 * before.wall_hours * (frames - in_flight) / before.frames
        if in_flight and seconds > 0.5:
            return seconds * (frames - in_flight) / in_flight
        return None


def in_words(cost: Estimate) -> str:
    """ "about 1 h 20 min (...)", with what it stands on: one line for a person before a run."""
    missing = ", ".join(line.partition(":")[0] for line in cost.unmeasured)
    if cost.device_hours is None:
        return "how long that takes is not known: none of it was timed on this machine (--dry-run does it in 20 s)"
    if missing or cost.wall_hours is None:
        least = cost.device_hours if cost.wall_hours is None else cost.wall_hours
        absent = (
            f"never timed here: {missing}" if missing else "of the models alone; making frames was never timed here"
        )
        return f"at least {duration(3600 * least)} ({absent}; --dry-run does it)"
    parts = {"decode", "score", "other conditions"}
    probed = any(not source.endswith(f"({EARLIER})") for name, source in cost.sources.items() if name not in parts)
    how = ["timed on a few frames" if probed else "timed in earlier runs"]
    how += [f"{cost.guessed} conditions counted like similar ones"] * bool(cost.guessed)
    return f"{'roughly' if probed or cost.guessed else 'about'} {duration(3600 * cost.wall_hours)} ({'; '.join(how)})"


def duration(seconds: float) -> str:
    """ "40 s", "12 min", "3 h 20 min", "4 days": no more digits than are known."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        tens = 10 * round(minutes / 10)
        return f"{tens // 60} h" + (f" {tens % 60} min" if tens % 60 else "")
    return f"{minutes / 1440:.0f} days"
