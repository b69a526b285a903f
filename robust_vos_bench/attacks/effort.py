"""How hard an attack tries, what it may begin from, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robust_vos_bench.attacks.flags import Flag
from robust_vos_bench.attacks.lattice import Frames
from robust_vos_bench.attacks.losses import LOSSES
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import UsageError, unknown


@dataclass(frozen=True)
class Effort:
    """How hard an attack tries.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rvos.Effort(steps=20).steps
    20
    """

    steps: int = 100
    losses: tuple[str, ...] = tuple(LOSSES)
    starts: int = 1
    """Searches by loss, each from a start of its own."""
    queries: int = 2000
    """Of Square Attack."""
    horizon: int = 8
    """Predicted frames after a prompt at which a search over `prompt` looks; 0 is the whole video."""
    window: int = 16
    """Predicted frames that are searched at once otherwise; 0 is the whole video."""
    eot: int | None = None
    """Passes averaged for a gradient; None: 8 where two passes over the clean frames differ, else 1."""
    checkpointed: bool = False
    """Compute every frame again in the backward pass: about twice the time, and less memory where a model does not
    remember every frame. Without it a window's frames are held, 0.1 to 0.3 GiB each for the lite models."""
    unbounded: bool = False
    """Also search with a budget of 255, which must leave nothing."""
    restarts: int = 0
    """Also compare so many starts of the first loss."""

    def __post_init__(self) -> None:
        for loss in self.losses:
            if loss not in LOSSES:
                raise unknown("loss", loss, LOSSES, f"Losses are {', '.join(LOSSES)}.")
        for name, least in (("steps", 1), ("starts", 1), ("queries", 1), ("horizon", 0), ("window", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if not self.losses:
            raise UsageError(f"no loss is given; losses are {', '.join(LOSSES)}")


@dataclass(frozen=True)
class Candidate:
    """Frames that are within the threat already: the stored result of a smaller one."""

    label: str
    frames: Frames


@dataclass(frozen=True)
class Attacked:
    """What an attack on one video found. Scores are J&F in points, from `segment` on the uint8 frames.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> data = rvos.open_dataset("demo")
    >>> threat = rvos.Threat("linf", budget=4, frames="prompt")
    >>> found = rvos.attack_video(
    ...     rvos.load_adapter("aot.lite", device="cpu"), data.video("cat"), data.truth("cat"), threat, steps=1
    ... )
    >>> len(found.frames)
    12
    """

    frames: list[Frame]
    """All frames of the video, RGB uint8: what was not attacked is the clean frame."""
    score: float
    clean: float
    chosen: str
    """What the frames come from: a loss ("lost"), "square", "noise", the label of a smaller threat, or "clean"."""
    by_loss: Mapping[str, float] = field(default_factory=dict)
    """Search -> the score that it reached."""
    candidates: Mapping[str, float] = field(default_factory=dict)
    """Smaller threat -> the score of its stored frames."""
    trace: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    """Search -> for each window, the best J&F after every step."""
    flags: tuple[Flag, ...] = ()
    passes: int = 0
    """Passes through the model, forward or forward and backward."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of this process, all its threads: what the attack costs on a machine with other work too."""
    eot: int = 1
