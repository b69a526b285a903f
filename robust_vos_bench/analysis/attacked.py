"""What a packed result keeps of the stored splits that it scored: how each was made, and what is to be doubted."""

from __future__ import annotations

from typing import Any

import msgspec

ERRORS = ("gradient", "agreement", "budget")
"""Flags whose numbers say nothing of the model; the others ask for a stronger attack."""


class Flag(msgspec.Struct, frozen=True, order=True):
    """One reason to doubt a number; what the names mean is in `attacks.flags`."""

    name: str
    detail: str = ""
    """What was measured."""

    @property
    def is_error(self) -> bool:
        """Whether the number says nothing of the model."""
        return self.name in ERRORS

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


class AttackRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of an attack on one video. Scores are J&F in points."""

    chosen: str
    score: float | None = None
    """Of the official adapter on the stored frames, in the process that made them; None for noise."""
    clean: float | None = None
    by_loss: dict[str, float] = {}
    candidates: dict[str, float] = {}
    trace: dict[str, list[list[float]]] = {}
    flags: tuple[Flag, ...] = ()
    passes: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the process that searched; 0 for results of versions that did not measure it."""
    eot: int = 1

    def short(self) -> AttackRecord:
        """With three points of every curve, of its start, middle and end, from which every flag is found as before."""
        trace = {
            name: [[c[0], c[len(c) // 2], c[-1]] if len(c) > 3 else c for c in curves]
            for name, curves in self.trace.items()
        }
        return msgspec.structs.replace(self, trace=trace)


class SplitRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stored split whose frames a result is of."""

    label: str
    """Of the condition: "linf-prompt-e2@aot.lite"."""
    store: str
    """First 32 digits of the digest of its pixels: those of the condition."""
    made: dict[str, Any]
    """What decides its frames: threat, source, effort, preset, seed, device; the `attack` of its manifest."""
    videos: dict[str, AttackRecord]
    """Video -> the attack on it."""
    tool: str = ""
    """Version that made it."""
    maker: str = ""
    """Who made it, as they wish to be named."""
    audited: str = ""
    """Version whose audit found nothing wrong with it; "" where none was made."""
