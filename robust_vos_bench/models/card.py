"""What is known of a model before it is loaded: its card, its weights and how to build it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Weights:
    """One official checkpoint file and where its authors publish it."""

    file: str
    """Official file name, looked for under `$RVOS_BENCH_WEIGHTS/<family>/`; or an absolute path."""
    where: str
    """What a person has to open or do to get it; or that it was never published."""
    sha256: str = ""


@dataclass(frozen=True)
class ModelCard:
    """Facts of one model (a variant of a family), readable without importing torch."""

    name: str
    """`family` or `family.variant`, as users type it."""
    title: str = ""
    paper: str = ""
    license: str = ""
    """Licence of the authors' code or weights; says so where there is none."""
    url: str = ""
    weights: tuple[Weights, ...] = ()
    """Official checkpoints that fit; empty for a model that needs none."""
    trained_on: tuple[str, ...] = ()
    """Training data of the official weights ("davis2017-train"); used to mark overlap with the test set."""
    late_objects: str = "native"
    """Objects that appear after frame 0: "native", "grouped" (one memory bank per group: ours) or "none"."""
    max_objects: int | None = None
    streaming: bool = True
    """Yields mask t before it reads frame t+1."""
    interleaves: bool = True
    """Two videos may be segmented by one instance in turns."""
    stochastic: bool = False
    input_policy: str = "native"
    """The official size rule, in words; recorded with every run."""
    autocast: str = "off"
    """"off", "optional" or "required-bf16"."""
    extra: str = ""
    """The extra that must be installed ("hf"), if any."""
    gpu_gib: float | None = None
    """Measured peak GPU memory at 480p, where known; lets several models share a device."""
    notes: str = ""
    version: str = "1"
    """Adapter version: raised when outputs may change, so that old results are run again."""

    @property
    def family(self) -> str:
        """The part before the first dot; of names such as `hf:OWNER/NAME`, that before the colon."""
        return self.name.split(":" if ":" in self.name else ".", 1)[0]


@dataclass(frozen=True)
class ModelEntry:
    """How the registry builds one model: its card, the class to import and the options that make the variant."""

    card: ModelCard
    target: str
    """"package.module:Class", imported only when the model is loaded."""
    options: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    """Other names of the same model; a family's default variant lists the bare family name here."""
    found_by: str = ""
    """What to find it by in another process, where that is not its name (a folder)."""

    @property
    def name(self) -> str:
        """The name users type."""
        return self.card.name
