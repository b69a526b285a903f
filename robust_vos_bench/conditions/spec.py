"""The contract of a corruption: what it declares, and what its function takes and returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

FrameFunction = Callable[[Frame, float, Draw], Frame]
"""scope "frame": (RGB uint8 H x W x 3, severity, draw) -> a new frame of the same size. Never writes to its input."""
ClipFunction = Callable[[Iterable[Frame], float, Draw], Iterator[Frame]]
"""scope "clip": (frames, severity, draw of frame 0) -> exactly as many frames, streamed with bounded memory."""
PromptFunction = Callable[[Mask, float, Draw], Mask]
"""scope "prompt": (first-frame mask, severity, draw) -> a damaged mask of the same size, ids and objects."""

BatchFunction = Callable[["Tensor", float, Sequence[Draw]], "Tensor"]
"""`Corruption.batch`: (RGB uint8 N x H x W x 3 on a torch device, severity, one draw per frame) -> the same shape
there."""

SCOPES = ("frame", "clip", "prompt", "stored")
"""What a corruption works on: single frames, the whole clip, or the prompt masks; "stored": frames that were made
before and are read (`conditions.stored`), for which nobody writes a function."""
TEMPORAL = ("frame", "video", "drift")
"""Modes of randomness in time."""


@dataclass(frozen=True)
class Corruption:
    """One way to corrupt a video. Severities are whole levels 1..levels; profiles in time pass fractions of them."""

    name: str
    """Letters, digits and underscores: it is part of file names."""
    family: str
    """What users select together: "noise", "blur", "weather", "digital", "codec", "video", "prompt", ..."""
    function: Callable[..., Any]
    scope: str = "frame"
    """"frame", "clip" or "prompt": which of the signatures above `function` has. ("stored": none.)"""
    levels: int = 5
    version: int = 1
    """Raised when outputs change, so that old results are run again and never mixed with new ones."""
    temporal: tuple[str, ...] = ()
    """Modes it offers: "frame", "video", "drift"; empty where it draws nothing. The first is what a condition has that
    names none, in Python, on the command line and in presets alike."""
    clean_reference: bool = False
    """Whether frames that carry a prompt stay clean in a condition that does not say: where they might never be shown,
    a prompt drawn on them would mean nothing."""
    frames: str = "all"
    """"all", or "prompt": only frames that carry a prompt are changed (scope "frame")."""
    profiles: bool = True
    """Whether severity may vary over the video (needs a function that takes fractional severities)."""
    batch: BatchFunction | None = None
    """The same for a batch of frames on a torch device (scope "frame"), where one is offered."""
    move_mask: PromptFunction | None = None
    """Where pixels move: the same motion for a mask (draw tells the frame). Scope "frame" only."""
    summary: str = ""
    unit: str = ""
    """What `values` mean: "sigma, grey levels", "CRF", "IoU with the true mask"."""
    values: tuple[Any, ...] = ()
    """The documented parameter at each level."""
    source: str = ""

    def __post_init__(self) -> None:
        where = f"corruption {self.name!r} (in {self.function.__module__})"
        form = r"[A-Za-z][A-Za-z0-9_-]*" if self.scope == "stored" else r"[A-Za-z][A-Za-z0-9_]*"
        if not re.fullmatch(form, self.name) or self.name == "clean":
            raise UsageError(f"{where}: a name is letters, digits and underscores, and not 'clean'")
        if self.scope not in SCOPES:
            raise UsageError(f"{where} has scope {self.scope!r}; scopes are {', '.join(SCOPES)}")
        if self.frames not in ("all", "prompt") or (self.frames == "prompt" and self.scope != "frame"):
            raise UsageError(f"{where} has frames={self.frames!r}; it is 'all' or, with scope 'frame', 'prompt'")
        for mode in self.temporal:
            if mode not in TEMPORAL:
                raise UsageError(f"{where} has the temporal mode {mode!r}; modes are {', '.join(TEMPORAL)}")
        if isinstance(self.levels, bool) or not isinstance(self.levels, int) or self.levels < 1:
            raise UsageError(f"{where} has levels={self.levels!r}; it needs at least 1")
        if self.move_mask is not None and self.scope != "frame":
            raise UsageError(
                f"{where} has scope {self.scope!r} and move_mask, "
                "which works with scope 'frame' only: the truth would stay where it was. Make it frame by frame, or "
                "leave move_mask out"
            )

    @property
    def moves_pixels(self) -> bool:
        """Whether truth and prompts move with the frames."""
        return self.move_mask is not None

    @property
    def changes_masks(self) -> bool:
        """Whether truth or prompts differ from those of the clean video."""
        return self.moves_pixels or self.scope == "prompt"

    @property
    def offers_profile(self) -> bool:
        """Whether its severity may vary over a video (profiles other than "constant")."""
        return self.profiles and self.scope == "frame"

    @property
    def default_temporal(self) -> str:
        """The mode in time where none is chosen; "" where it draws nothing."""
        return self.temporal[0] if self.temporal else ""


def check_severity(spec: Corruption, severity: int) -> None:
    """UsageError naming the range where a corruption has no such whole level."""
    if isinstance(severity, bool) or not isinstance(severity, int) or not 1 <= severity <= spec.levels:
        raise UsageError(f"severity {severity} is out of range: {spec.name} has severities 1..{spec.levels}")


def at_severity(levels: Sequence[float], severity: float) -> float:
    """The parameter at a severity: exact at whole levels, linear between them.

    levels: values at severities 1, 2, ...; below 1 the value moves on from level 1 along the first segment only
    where a caller handles 0 itself (severity 0 means "no corruption" and never reaches a function).
    """
    if len(levels) == 1:
        return float(levels[0])
    position = min(max(severity, 0.0), float(len(levels))) - 1.0
    lower = min(max(int(position), 0), len(levels) - 2)
    return float(levels[lower] + (levels[lower + 1] - levels[lower]) * (position - lower))
