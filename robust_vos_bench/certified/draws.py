"""The noise that is certified against, and its draws: conditions that differ in the seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from robust_vos_bench.conditions import Condition, families, find_corruption, load_preset
from robust_vos_bench.conditions.catalogue import find_item
from robust_vos_bench.conditions.spec import Corruption
from robust_vos_bench.errors import UsageError

FAMILY = "smoothing"
"""Built-in corruptions of this family add normal noise and do nothing else; their values are standard deviations."""
SCOPES = ("prompt", "all")
"""Frames that noise falls on, and whose changes a certificate covers: those with a given mask, or every one."""


@dataclass(frozen=True)
class Noise:
    """Normal noise of one standard deviation on some frames; every seed of it is an independent draw."""

    frames: str
    """"prompt" or "all"."""
    sigma: float
    """Standard deviation, values of 0 to 1."""
    corruption: str
    severity: int

    def condition(self, draw: int) -> Condition:
        """The condition of one draw, 0, 1, ..."""
        return Condition(self.corruption, self.severity, seed=draw)

    @property
    def label(self) -> str:
        """For tables and file names: "prompt-0.25"."""
        return f"{self.frames}-{self.sigma:g}"

    def __str__(self) -> str:
        return f"{self.frames} {self.sigma:g}"


def noises(sigmas: Iterable[float], frames: Iterable[str]) -> tuple[Noise, ...]:
    """Every standard deviation on every choice of frames. Raises UsageError for what there is none of."""
    found = []
    for scope in dict.fromkeys(frames):
        if scope not in SCOPES:
            raise UsageError(f"frames {scope!r}: noise falls on 'prompt' or on 'all' frames")
        spec = _law(scope)
        for sigma in dict.fromkeys(sigmas):
            found.append(Noise(scope, sigma, spec.name, _severity(spec, sigma)))
    if not found:
        raise UsageError("nothing to certify: give --sigma and --frames, or --preset certified")
    return tuple(found)


def noises_of_preset(name: str) -> tuple[Noise, ...]:
    """The noises of a preset. Raises UsageError where it holds anything but the noise of certificates."""
    found = []
    for condition in load_preset(name).conditions():
        spec = find_corruption(condition.corruption)
        if spec.family != FAMILY or find_item(condition).origin.kind != "built in" or condition.profile != "constant":
            raise UsageError(
                f"preset {name} has {condition.label}: a certificate needs normal noise of a known standard deviation "
                f"({', '.join(families()[FAMILY])}); --preset certified has it"
            )
        found.append(Noise(spec.frames, spec.values[condition.severity - 1], spec.name, condition.severity))
    return tuple(found)


def _law(scope: str) -> Corruption:
    specs = [find_corruption(name) for name in families()[FAMILY]]
    return next(spec for spec in specs if spec.frames == scope)


def _severity(spec: Corruption, sigma: float) -> int:
    values: Sequence[float] = spec.values
    for level, value in enumerate(values, 1):
        if abs(value - sigma) < 1e-9:
            return level
    why = "draws no noise, so that nothing follows from it" if sigma == 0 else "is not offered"
    raise UsageError(
        f"sigma {sigma:g} {why}: take a multiple of {values[0]:g} from {values[0]:g} to {values[-1]:g} (of white)"
    )
