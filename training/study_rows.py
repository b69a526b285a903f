"""The rows of the data study: which trainings there are, and their commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.settings import NETWORKS, name_of

STEPS = 2500
"""Of every row that is not said to go on: as many as the shipped weights."""
MOST_STEPS, FLAT = 20000, 0.5
"""Of the stronger stills: at most so many steps, and fewer where held-out J gains less than so many points."""
BASELINE = "plain"


@dataclass(frozen=True)
class Row:
    """One training."""

    group: str
    model: str
    recipe: str = "plain"
    seed: int = 0
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    steps: int = STEPS
    until_flat: float | None = None

    @property
    def name(self) -> str:
        """The name of its folder and of its weights."""
        return name_of({"model": self.model, "recipe": self.recipe, "seed": self.seed, **self.options})

    @property
    def configuration(self) -> str:
        """The name without model and seed."""
        return name_of({"model": "", "recipe": self.recipe, "seed": 0, **self.options}).lstrip(".")

    @property
    def kind(self) -> str:
        """What its cost depends on: fewer pictures or worse masks cost the same."""
        kept = {n: v for n, v in self.options.items() if n not in ("stills", "masks", "damaged")}
        return name_of({"model": self.model, "recipe": self.recipe, "seed": 0, **kept})

    @property
    def shipped(self) -> bool:
        """Whether its recipe is a line of weights that goes into the package when it is trained."""
        return self.recipe in ("strong", "video") and not self.options

    def arguments(self, folder: Path | str, more: Sequence[str] = ()) -> list[str]:
        """The flags of `training/train.py`; folder: of the whole study."""
        given = ["--model", self.model, "--recipe", self.recipe, "--out", str(Path(folder) / self.name)]
        given += ["--seed", str(self.seed), "--steps", str(self.steps)]
        given += ["--until-flat", f"{self.until_flat:g}"] if self.until_flat is not None else []
        for option, value in self.options.items():
            given += [f"--{option}"] if value is True else [f"--{option}", str(value)]
        return [*given, *more]

    def scoring(self, folder: Path | str, data_root: str) -> list[str]:
        """The flags of `rvos-bench` that score its weights on DAVIS.

        Lines with names of their own go by them, so that records say what they saw; they exist once the weights
        of seed 0 are exported into the package.
        """
        here = Path(folder) / self.name
        model = f"{self.model}-{self.recipe}" if self.shipped else self.model
        given = ["run", "--model", model, "--checkpoint", str(here / f"{self.name}.safetensors")]
        given += ["--option", "levelled=true"] if self.options.get("levelled") else []
        given += ["--preset", "youtube-vos-p", "--dataset", "davis2016:val", "--data-root", data_root]
        return [*given, "--output", str(here / "scores")]


_CONFIGURATIONS: dict[str, tuple[tuple[str, dict[str, str | int | bool]], ...]] = {
    "baseline": ((BASELINE, {}),),
    "stills": ((BASELINE, {"stills": 100}), (BASELINE, {"stills": 300})),
    "masks": tuple((BASELINE, {"masks": kind}) for kind in ("dilated", "shifted", "polygons")),
    "damage": (("corrupted", {}), ("corrupted", {"damaged": "memory"}), ("corrupted", {"damaged": "query"})),
    "levelled": ((BASELINE, {"levelled": True}), ("corrupted", {"levelled": True})),
    "changes": ((BASELINE, {"objects": "large"}), (BASELINE, {"appearance": "strong"})),
    "strong": (("strong", {}),),
    "video": (("video", {}),),
}
GROUPS = tuple(_CONFIGURATIONS)
"""Baseline: all 950 pictures, sound masks, no damage; every other row is compared with it."""
SEEDS = {"baseline": (0, 1, 2)}
"""Seeds of a group, where nothing is said; (0,) of the others."""


def rows(
    groups: Sequence[str] = GROUPS, models: Sequence[str] = tuple(NETWORKS), seeds: Sequence[int] | None = None
) -> list[Row]:
    """All rows of some groups and models; seeds: for every group, instead of `SEEDS`."""
    found = []
    for group in groups:
        for recipe, options in _CONFIGURATIONS[group]:
            longer = recipe == "strong"
            steps, flat = (MOST_STEPS, FLAT) if longer else (STEPS, None)
            for model in models:
                for seed in seeds if seeds is not None else SEEDS.get(group, (0,)):
                    found.append(Row(group, model, recipe, seed, options, steps, flat))
    return found
