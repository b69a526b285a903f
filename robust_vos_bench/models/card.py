"""What is known of a model before it is loaded: its card, its weights and how to build it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robust_vos_bench.fetch.links import Link, Remote


@dataclass(frozen=True)
class Weights:
    """One official checkpoint file and how it is to be had: fetched, by hand, or not at all.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> file = rvos.Weights("mine.pth", where="https://example.org/mine", license="MIT")
    >>> file.published
    True
    """

    file: str
    """Official file name, looked for under `$RVOS_BENCH_WEIGHTS/<family>/`; or an absolute path."""
    where: str = ""
    """What a person has to open or do to get it; or that it was never published. May be left out beside `links`."""
    sha256: str = ""
    """Hex, where the authors give one."""
    links: tuple[Link, ...] = ()
    """Where it can be fetched without a browser, the authors' first link first; () where that is not possible."""
    md5: str = ""
    """Hex, where the authors give that."""
    license: str = ""
    """Of this file, where it differs from the card's."""
    non_commercial: bool = False
    """Its authors allow non-commercial use only."""
    published: bool = True
    """False where its authors never published it."""
    original: str = ""
    """Name of the published file, where it holds more than tensors, or is of TensorFlow, and `weights convert` makes
    `file` of it."""

    @property
    def said(self) -> str:
        """Where it comes from, in words."""
        return self.where or " or ".join(link.address for link in self.links)

    @property
    def way(self) -> str:
        """How it is to be had: "fetched", "by hand" or "never published"."""
        return "fetched" if self.links else "by hand" if self.published else "never published"

    @property
    def remote(self) -> Remote:
        """For `fetch`; of the published file."""
        return Remote(self.links, self.sha256, self.md5)


@dataclass(frozen=True)
class ModelCard:
    """Facts of one model (a variant of a family), readable without importing torch.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rvos.load_adapter("aoc.lite", device="cpu").card.name
    'aoc.lite'
    >>> rvos.ModelCard("mine", license="MIT").license
    'MIT'
    """

    name: str
    """`family` or `family.variant`, as users type it."""
    title: str = ""
    paper: str = ""
    license: str = ""
    """Licence of the authors' code or weights; says so where there is none."""
    url: str = ""
    weights: tuple[Weights, ...] = ()
    """Official checkpoints that fit, the usual one first; empty for a model that needs none."""
    also: tuple[Weights, ...] = ()
    """Files that are needed beside any of `weights` (an ImageNet backbone); `checkpoint.find_also` has their paths."""
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
    differentiable: bool = False
    """It has `roll_out` (`models.differentiable`): attacks may use its gradients. Others are a black box."""
    input_policy: str = "native"
    """The official size rule, in words; recorded with every run."""
    autocast: str = "off"
    """"off", "optional" or "required-bf16"."""
    extra: str = ""
    """The extra that must be installed ("hf"), if any."""
    gpu_gib: float | None = None
    """Measured peak GPU memory at 480p, where known; lets several models share a device."""
    precomputed: bool = False
    """Its masks were made beforehand: it does not look at the frames, so that nothing can be said of other frames."""
    notes: str = ""
    readings: tuple[str, ...] = ()
    """Options ("memory=samurai") that are our reading of a paper, not yet compared with masks of its authors."""
    version: str = "1"
    """Adapter version: raised when outputs may change, so that old results are run again."""

    @property
    def family(self) -> str:
        """The part before the first dot; of names such as `hf:OWNER/NAME`, that before the colon."""
        return self.name.split(":" if ":" in self.name else ".", 1)[0]

    def license_of(self, weights: Weights) -> str:
        """The licence of one file, with what it forbids."""
        words = weights.license or self.license or "no licence given"
        return f"{words}; non-commercial use only" if weights.non_commercial and "ommercial" not in words else words


@dataclass(frozen=True)
class ModelEntry:
    """How the registry builds one model: its card, the class to import and the options that make the variant.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> entry = rvos.ModelEntry(rvos.ModelCard("mine.big"), "my_package.models:Mine", options={"width": 64})
    >>> entry.card.name, entry.options["width"]
    ('mine.big', 64)
    """

    card: ModelCard
    target: str
    """"package.module:Class", imported only when the model is loaded."""
    options: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    """Other names of the same model; a family's default variant lists the bare family name here."""
    found_by: str = ""
    """What to find it by in another process, where that is not its name (a folder)."""
    stand_in: bool = False
    """Runs for the bare name of its family where the weights of the family's default variant are not found; one model
    of a family at most."""

    @property
    def name(self) -> str:
        """The name users type."""
        return self.card.name


@dataclass(frozen=True)
class AbsentSystem:
    """A published system that cannot be run: it is found by its name, listed, and explained instead of loaded."""

    name: str
    """As users would type it."""
    title: str
    paper: str
    why: str
    """Why it cannot be run, in a few words: "no code was published"."""
    exists: str
    """What its authors published, and where."""
    scores: str = ""
    """Published scores with their source; "" where none with a source at hand was found."""
    instead: str = ""
    """What comes closest to it here, with the reason."""
    aliases: tuple[str, ...] = ()

    @property
    def use_of_masks(self) -> str:
        """How masks that were made with it are scored."""
        return (
            f"rvos-bench run --model {self.name}=masks --option folder=DIR --corruption clean, where DIR/clean/VIDEO/ "
            "has the masks"
        )

    @property
    def explanation(self) -> str:
        """All of it, for the error where somebody asks for the model."""
        parts = [
            f"{self.title} cannot be run here: {self.why}.",
            f"Paper: {self.paper}.",
            f"What exists: {self.exists}.",
            f"Published scores: {self.scores or 'none with a source at hand'}.",
            self.instead and f"Closest here: {self.instead}.",
            f"Masks of it can be scored: {self.use_of_masks}.",
        ]
        return "\n  ".join(part for part in parts if part)
