"""Which objects and frames count: the DAVIS protocol, ranges per object, and the rules of other data sets' authors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.video import Truth
from robust_vos_bench.errors import DataError, UsageError, unknown
from robust_vos_bench.scoring.rules import RULES, Rule

PROTOCOL_VERSION = "1"
"""Part of the key of every stored score: raised whenever a number can change."""
NAMES = ("davis", "ranges", *RULES)
RANGE_ENDS = ("object", "video")


@dataclass(frozen=True)
class Protocol:
    """One way of scoring a video.

    davis: the official DAVIS 2016 / 2017 semi-supervised protocol. Objects are 1..max id of the first annotated frame,
    every annotated frame but the first and the last counts for each of them.

    ranges: for data whose objects come and go. Every object counts on the annotated frames of its own range. This is
    our own protocol: the scorer of YouTube-VOS is not public, and these numbers are not official ones.

    sav, lvos, vost, mosev2, burst: as the evaluation scripts of those data sets' authors score (`rules`).
    """

    name: str = "davis"
    wrap_decay: bool = False
    """Reproduce the 8-bit wrap of the official decay beyond 256 scored frames (NaN or wrong there)."""
    first_frame: bool = False
    """ranges: also score the frame in which the object is given."""
    last_frame: bool = True
    """ranges: also score the last annotated frame of the range."""
    range_end: str = "object"
    """ranges: the range ends with the "object"'s last appearance in the truth, or with the "video"."""

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise unknown("scoring protocol", self.name, NAMES)
        if self.range_end not in RANGE_ENDS:
            raise unknown("range end", self.range_end, RANGE_ENDS)
        if self.name != "ranges" and (self.first_frame, self.last_frame, self.range_end) != (False, True, "object"):
            raise UsageError(
                f"the {self.name} protocol has no choice of frames; these switches belong to the protocol ranges"
            )

    @property
    def rule(self) -> Rule | None:
        """The rule of the data set's authors; None for davis and ranges."""
        return RULES.get(self.name)

    @property
    def whose(self) -> str:
        """Whose numbers these are, for the last line of a table."""
        if self.rule is not None:
            return self.rule.whose + (", decay wrapped at 256 frames" if self.wrap_decay else "")
        if self.name == "ranges":
            return "rvos-bench's own protocol, not official numbers"
        return "official DAVIS numbers" + (", decay wrapped at 256 frames" if self.wrap_decay else "")

    @property
    def label(self) -> str:
        """Name with every switch that is not at its default: "davis", "ranges+first_frame"."""
        switches = [
            ("wrap_decay", self.wrap_decay),
            ("first_frame", self.first_frame),
            ("no_last_frame", not self.last_frame),
            ("range_end=video", self.range_end == "video"),
        ]
        return "+".join([self.name, *(text for text, on in switches if on)])

    def objects(self, truth: Truth, annotated: list[int]) -> tuple[int, ...]:
        """Ids of the objects that are scored. Raises DataError where there is none."""
        if self.rule is not None:
            ids = self.rule.objects(truth, annotated)
        elif self.name == "ranges":
            ids = tuple(sorted(i for i in truth.first_frames if 0 < i < 255))
        else:
            first = [i for i, t in truth.first_frames.items() if t == annotated[0] and 0 < i < 255]
            ids = tuple(range(1, max(first, default=0) + 1))
        if not ids:
            first_only = self.name in ("davis", "vost")
            where = f"frame {truth.frame_names[annotated[0]]}" if first_only else "its annotations"
            raise DataError(f"video {truth.video!r}: {where} holds no object; nothing can be scored")
        return ids

    def candidates(self, truth: Truth, annotated: list[int]) -> list[int]:
        """Frames whose predictions may count."""
        if self.rule is not None:
            return self.rule.candidates(truth, annotated)
        return annotated[1:-1] if self.name == "davis" else annotated

    def selected(self, frames: NDArray[np.int64], first: int, last_shown: int, last: int) -> NDArray[np.bool_]:
        """Which of the candidate frames count for one object, by davis and ranges: (n,) bool.

        frames: their indices; first: the object's prompt; last_shown: the last annotated frame that shows it, before
        a corruption moved anything; last: the last annotated frame of the video.
        """
        if self.name == "davis":
            return np.ones(len(frames), np.bool_)
        end = last_shown if self.range_end == "object" else last
        keep: NDArray[np.bool_] = (frames >= first) & (frames <= end)
        if not self.first_frame:
            keep &= frames != first
        if not self.last_frame:
            keep &= frames != end
        return keep


def make_protocol(protocol: str | Protocol) -> Protocol:
    """A protocol from its label ("davis", "ranges", "ranges+first_frame"), or the one given."""
    if isinstance(protocol, Protocol):
        return protocol
    name, *switches = protocol.split("+")
    known: dict[str, dict[str, bool | str]] = {
        "wrap_decay": {"wrap_decay": True},
        "first_frame": {"first_frame": True},
        "no_last_frame": {"last_frame": False},
        "range_end=video": {"range_end": "video"},
    }
    settings: dict[str, bool | str] = {}
    for switch in switches:
        if switch not in known:
            raise unknown("scoring switch", switch, known)
        settings.update(known[switch])
    return Protocol(name, **settings)  # type: ignore[arg-type]
