"""What an attacker may change: which frames, which pixels, and by how much. Named as "linf-prompt-e2"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError, unknown

KINDS = ("linf", "square", "patch", "noise")
"""How the frames are found. linf: gradients within a box of +- budget grey levels; square: the same box, without
gradients; noise: a random corner of the box, the baseline; patch: one square, equal on all frames, any pixels."""
FRAMES = ("prompt", "one", "rest", "all")
"""Which frames may change: those that carry a prompt, frame T // 2, all without a prompt, all. In this order, so that
what contains another comes after it."""
VERSION = 1
"""Raised when a threat comes to mean something else."""
MOST_PATCH = 50


@dataclass(frozen=True)
class Threat:
    """One threat model: `Threat("linf", budget=2, frames="prompt")`.

    The attacker knows the whole video and the true masks and changes decoded uint8 pixels before the model sees them:
    neither the given masks nor the number of frames. Raises UsageError for what there is not.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rvos.Threat("linf", budget=2, frames="prompt").label
    'linf-prompt-e2'
    """

    kind: str
    budget: int
    """Grey levels (1..255) by which any value may change; of a patch, its area in percent of the picture (1..50)."""
    frames: str = "prompt"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("threat", self.kind, KINDS, f"Threats are {', '.join(KINDS)}.")
        if self.frames not in FRAMES:
            raise unknown("frames of a threat", self.frames, FRAMES, f"Choices are {', '.join(FRAMES)}.")
        most, unit = (MOST_PATCH, "percent of the picture") if self.kind == "patch" else (255, "grey levels")
        whole = isinstance(self.budget, int) and not isinstance(self.budget, bool)
        if not whole or not 1 <= self.budget <= most:
            raise UsageError(f"{self.name}: budget {self.budget!r} is not in 1..{most} {unit}")
        if self.kind == "patch" and self.frames != "all":
            raise UsageError(f"a patch is on all frames, not on {self.frames!r}")

    @property
    def name(self) -> str:
        """Kind and frames: "linf-prompt", what a severity curve runs over."""
        return f"{self.kind}-{self.frames}"

    @property
    def label(self) -> str:
        """With the budget: "linf-prompt-e2"."""
        return f"{self.name}-e{self.budget}"

    @property
    def needs_gradients(self) -> bool:
        """Whether it takes a model with `roll_out`."""
        return self.kind in ("linf", "patch")

    @property
    def needs_model(self) -> bool:
        """Whether its frames depend on a model at all."""
        return self.kind != "noise"

    @property
    def noise(self) -> Threat | None:
        """The random corner of the same box, which an attack must beat; None for a patch, which is no box."""
        return None if self.kind == "patch" else Threat("noise", self.budget, self.frames)

    def allowed(self, video: Video) -> frozenset[int]:
        """Indices of the frames of a video that may change."""
        everything, prompted = frozenset(range(len(video))), frozenset(video.prompts)
        if self.frames == "prompt":
            return prompted
        if self.frames == "rest":
            return everything - prompted
        return everything if self.frames == "all" else frozenset({len(video) // 2})

    def within(self, other: Threat, video: Video | None = None) -> bool:
        """Whether every result of this threat is one of the other as well, a smaller box on fewer frames: in this
        video; without one, in any video."""
        if video is None:
            return self._smaller(other) and other.frames in (self.frames, "all")
        return self._smaller(other) and self.allowed(video) <= other.allowed(video)

    def may_be_within(self, other: Threat) -> bool:
        """Whether it is within the other in some videos: those whose middle frame is one of the other's."""
        return self.within(other) or (self.frames == "one" and self._smaller(other))

    def _smaller(self, other: Threat) -> bool:
        """Whether its pixels may have no values that the other's may not have."""
        if "patch" in (self.kind, other.kind):
            return (self.kind, self.budget) == (other.kind, other.budget)  # of another size it is placed elsewhere
        return self.budget <= other.budget


def in_order(threats: Sequence[Threat]) -> list[Threat]:
    """Threats so that each comes after those that it contains: kind by kind, then prompt, one, rest, all, budgets
    ascending, without repetition."""
    return sorted(dict.fromkeys(threats), key=lambda t: (KINDS.index(t.kind), FRAMES.index(t.frames), t.budget))


def read_threat(text: str) -> Threat:
    """The threat of a label: "linf-prompt-e2". Raises UsageError for another form."""
    parts = text.split("-")
    if len(parts) != 3 or not parts[2].startswith("e") or not parts[2][1:].isdecimal():
        raise UsageError(f"{text!r} is no threat; one is written KIND-FRAMES-eBUDGET, e.g. linf-prompt-e2")
    return Threat(parts[0], int(parts[2][1:]), parts[1])
