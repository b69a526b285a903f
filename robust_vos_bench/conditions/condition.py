"""A condition: clean, or one corruption at one severity, with its mode in time and its seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Condition:
    """One column of the benchmark grid. `corruption == ""` is clean; a cell is model x data set x condition."""

    corruption: str = ""
    severity: int = 0
    """1..5 (1..3 where a source defines three levels); 0 is clean."""
    temporal: str = ""
    """How randomness runs in time: "frame", "video", "drift"; "" where the corruption draws nothing."""
    profile: str = "constant"
    """How severity runs over the video: "constant", "ramp", "burst", "intermittent", "fourier"."""
    seed: int = 0
    clean_reference: bool = False
    """Keep the frames that carry a prompt clean."""
    device: str = ""
    """Torch device that makes the frames in batches ("cuda", "cuda:1", "cpu"); "" is our own code on the CPU.

    No part of the label, but of keys: frames of two devices may differ in a bit."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is corrupted."""
        return not self.corruption

    @property
    def label(self) -> str:
        """Unique, file-name-safe name: "clean", "contrast-3", "fog-3-drift"; mode and seed only where not default."""
        if self.is_clean:
            return "clean"
        parts = [self.corruption, str(self.severity)]
        if self.temporal:
            parts.append(self.temporal)
        if self.profile != "constant":
            parts.append(self.profile)
        if self.seed:
            parts.append(f"seed{self.seed}")
        if self.clean_reference:
            parts.append("cleanref")
        return "-".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain fields, for records and keys; the kind of device ("cuda") only where one is asked for."""
        fields = asdict(self)
        device = fields.pop("device").split(":")[0]
        return {**fields, "device": device} if device else fields


CLEAN = Condition()
