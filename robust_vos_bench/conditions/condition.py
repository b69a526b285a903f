"""A condition: clean, or one corruption at one severity, with its mode in time and its seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from robust_vos_bench.conditions.catalogue import CORRUPTIONS, origin_of, shipped
from robust_vos_bench.origin import Origin, is_file_spec


@dataclass(frozen=True, order=True)
class Condition:
    """One column of the benchmark grid. `corruption == ""` is clean; a cell is model x data set x condition.

    A corruption of one's own is given as `Condition("path/to/own.py:name", 3)`; `corruption` is then its plain name,
    and `origin` has the text of the file. Pickled, a condition brings its corruption with it, also one that the
    running script or notebook has defined with `@corruption`. Raises UsageError or ContractError for a file that does
    not define it.
    """

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
    origin: Origin | None = field(default=None, compare=False, repr=False)
    """Where a corruption that is not built in comes from; its digest is part of `condition_fingerprint`."""

    def __post_init__(self) -> None:
        if is_file_spec(self.corruption):
            item = CORRUPTIONS.find(self.corruption)
            object.__setattr__(self, "corruption", item.value.name)
            object.__setattr__(self, "origin", item.origin)
        elif self.origin is None and self.corruption:
            object.__setattr__(self, "origin", origin_of(self.corruption))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "origin": shipped(self.corruption, self.origin)}

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
        fields: dict[str, Any] = {
            "corruption": self.corruption,
            "severity": self.severity,
            "temporal": self.temporal,
            "profile": self.profile,
            "seed": self.seed,
            "clean_reference": self.clean_reference,
        }
        device = self.device.split(":")[0]
        return {**fields, "device": device} if device else fields


CLEAN = Condition()
