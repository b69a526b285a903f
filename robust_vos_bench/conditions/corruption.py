"""The contract of a corruption, and the table of those that are registered."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import UsageError, unknown

if TYPE_CHECKING:
    from torch import Tensor

FrameFunction = Callable[[Frame, float, Draw], Frame]
"""scope "frame": (RGB uint8 H x W x 3, severity, draw) -> a new frame of the same size. Never writes to its input."""
ClipFunction = Callable[[Iterable[Frame], float, Draw], Iterator[Frame]]
"""scope "clip": (frames, severity, draw of frame 0) -> exactly as many frames, streamed with bounded memory."""
PromptFunction = Callable[[Mask, float, Draw], Mask]
"""scope "prompt": (first-frame mask, severity, draw) -> a damaged mask of the same size, ids and objects."""

BatchFunction = Callable[["Tensor", float, Sequence[Draw]], "Tensor"]
"""`Corruption.batch`: (RGB uint8 N x H x W x 3 on a torch device, severity, a draw a frame) -> the same shape there."""


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a video. Severities are whole levels 1..levels; profiles in time pass fractions of them."""

    name: str
    family: str
    """What users select together: "noise", "blur", "weather", "digital", "codec", "video", "prompt", ..."""
    function: Callable[..., Any]
    scope: str = "frame"
    levels: int = 5
    version: int = 1
    """Raised when outputs change, so that old results are run again and never mixed with new ones."""
    temporal: tuple[str, ...] = ()
    """Modes it offers, default first: "frame", "video", "drift"; empty where it draws nothing."""
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
        if self.move_mask is not None and self.scope != "frame":
            raise UsageError(
                f"corruption {self.name!r} (in {self.function.__module__}) has scope {self.scope!r} and move_mask, "
                "which works with scope 'frame' only: the truth would stay where it was. Make it frame by frame, or "
                "leave move_mask out"
            )


_TABLE: dict[str, Corruption] = {}


def corruption(name: str, family: str, **fields: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that registers a function as the corruption `name`; fields as in `Corruption`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        if name in _TABLE and _TABLE[name].function.__module__ != function.__module__:
            raise UsageError(f"corruption {name!r} is registered twice")
        _TABLE[name] = Corruption(name=name, family=family, function=function, **fields)
        return function

    return register


@lru_cache(maxsize=1)
def corruptions() -> dict[str, Corruption]:
    """All corruptions by name (imports every module under `corruptions/`; heavy libraries load on first use)."""
    from robust_vos_bench import corruptions as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_TABLE.items()))


def find_corruption(name: str) -> Corruption:
    """The corruption of that name, or a UsageError with the nearest names."""
    table = corruptions()
    if name not in table:
        raise unknown("corruption", name, table, "See `rvos-bench list corruptions`.")
    return table[name]


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
