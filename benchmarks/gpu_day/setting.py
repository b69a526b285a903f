"""What a day is made for, and what a step of it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = Mapping[str, Any]
"""What a step found, as JSON can hold it."""


@dataclass(frozen=True)
class Setting:
    """The device, the sizes, and where results go."""

    device: str
    """"cuda", "cuda:1"; "cpu" in a dry run."""
    folder: Path
    small: bool = False
    """A dry run: every part with sizes that a CPU does in seconds, on `SMALL_MODELS` alone."""
    data_root: Path | None = None
    """DAVIS 2017, or any folder of JPEGImages and Annotations, for the real runs; None makes clips."""
    dataset: str = "folder"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of frames whose speed is measured."""
        return (64, 96) if self.small else (480, 854)

    @property
    def cuda(self) -> bool:
        """Whether a GPU is measured."""
        return self.device.startswith("cuda")


@dataclass(frozen=True)
class Step:
    """The smallest thing that is done, stored and resumed."""

    part: str
    """"parity", "speed", ...: a section of the page."""
    name: str
    work: Callable[..., Rows]
    """A function of a module of this package: called as `work(setting, *arguments)` in the helper process."""
    arguments: tuple[Any, ...] = ()
    seconds: float = 20.0
    """A guess, for the budget; three times that and a minute is the limit."""

    @property
    def key(self) -> str:
        """Its name among all steps."""
        return f"{self.part}:{self.name}"

    @property
    def limit(self) -> float:
        """Seconds after which it is given up."""
        return 60 + 3 * self.seconds
