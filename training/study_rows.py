"""The rows of the data study: which trainings there are, and their commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.recipes import DAMAGED_FROM
from training.settings import CROP, NETWORKS, name_of

SMALL = Path(__file__).resolve().parents[1] / "benchmarks" / "davis_small.py"


@dataclass(frozen=True)
class Budget:
    """What every row of a study may cost: the same for all of them."""

    name: str
    steps: int
    """Of a training on stills."""
    second: int
    """Of a second stage: on video, or the same stills for as many steps more."""
    crop: int = CROP
    pace: float = 1.0
    dataset: str = "davis2016:val"
    """What its weights are scored on."""

    @property
    def shared(self) -> int:
        """Steps that `plain` and `corrupted` share."""
        return int(DAMAGED_FROM / self.pace)


BUDGETS = {
    "full": Budget("full", steps=2500, second=2500),
    "small": Budget("small", steps=1000, second=500, crop=145, pace=2.5, dataset=f"{SMALL}:DavisHalf"),
}
"""`full`: as the shipped weights. `small`: clips and frames of two thirds the side, a schedule 2.5 times as fast."""
MOST_STEPS, FLAT = 20000, 0.5
"""Of the stronger stills at the full budget: at most so many, fewer where held-out J gains less than so many points."""
BASELINE = "plain"
DAMAGE = ("mean_blur", "gaussian_noise", "snow", "contrast")
"""Corruptions that rows are scored under: one of blur, noise, weather and digital, none in a recipe."""
SEVERITY = 2
"""On small frames a blur or noise of 3 leaves nothing that could get worse."""
SCORES = {"all frames damaged": "scores", "sound reference": "scores-sharp"}
"""The runs that score a row, and their folders in its own."""


@dataclass(frozen=True)
class Row:
    """One training."""

    group: str
    model: str
    budget: Budget = BUDGETS["full"]
    recipe: str = BASELINE
    seed: int = 0
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    after: str = ""
    """What is done with a finished baseline: "longer" goes on as it began for the steps of a second stage, which is
    compared with it; "run-levelled" runs it with levelled features, and trains nothing."""

    @property
    def steps(self) -> int:
        """At most so many are made in all."""
        if self.until_flat is not None:
            return MOST_STEPS
        return (
            self.budget.second
            if self.recipe == "video"
            else self.budget.steps + self.budget.second * (self.after == "longer")
        )

    @property
    def new_steps(self) -> int:
        """Those of them that no other row of the same study has made, where its baseline is trained first."""
        if self.after:
            return self.budget.second * (self.after == "longer")
        return self.steps - self.budget.shared * (self.recipe == "corrupted")

    @property
    def until_flat(self) -> float | None:
        """Points of held-out J; a training that gains less stops earlier."""
        return FLAT if self.recipe == "strong" and self.budget.name == "full" else None

    @property
    def name(self) -> str:
        """The name of its folder and of its weights."""
        return self._named(self.seed, self._small)

    @property
    def weights(self) -> str:
        """Its weights, in the folder of the study."""
        return f"{self.name}/{self.name.removesuffix(f'.{self.after}')}.safetensors"

    @property
    def configuration(self) -> str:
        """The name without model, seed and budget."""
        return self._named(0, {}).removeprefix(f"{self.model}.")

    @property
    def kind(self) -> str:
        """What its cost depends on: fewer pictures or worse masks cost the same."""
        kept = {n: v for n, v in self.options.items() if n not in ("stills", "masks", "damaged")}
        return name_of({"model": self.model, "recipe": self.recipe, "seed": 0, **kept, **self._small})

    @property
    def shipped(self) -> bool:
        """Whether its recipe is a line of weights that goes into the package when it is trained."""
        return self.recipe in ("strong", "video") and not self.options and self.budget.name == "full"

    @property
    def first(self) -> Row | None:
        """The row that this one goes on from or begins with, if any."""
        if self.recipe == "corrupted":
            options = {name: value for name, value in self.options.items() if name != "damaged"}
            return Row("baseline", self.model, self.budget, BASELINE, self.seed, options)
        if self.after or (self.recipe == "video" and self.budget.name != "full"):
            return Row("baseline", self.model, self.budget, BASELINE, self.seed, self.options)
        return None

    def arguments(self, folder: Path | str, more: Sequence[str] = (), steps: int | None = None) -> list[str]:
        """The flags of `training/train.py`; folder: of the whole study; steps: fewer than all."""
        given = ["--model", self.model, "--recipe", self.recipe, "--out", str(Path(folder) / self.name)]
        given += ["--seed", str(self.seed), "--steps", str(steps or self.steps)]
        given += ["--until-flat", f"{self.until_flat:g}"] if self.until_flat is not None else []
        for option, value in {**self.options, **self._small}.items():
            given += [f"--{option}"] if value is True else [f"--{option}", str(value)]
        if self.recipe == "video" and self.first is not None:
            given += ["--start", str(Path(folder) / self.first.weights)]
        return [*given, *more]

    def scoring(self, folder: Path | str, data_root: str) -> list[list[str]]:
        """The flags of `rvos-bench`, a run each, that score its weights on DAVIS.

        Lines with names of their own go by them, so that records say what they saw; they exist once the weights
        of seed 0 are exported into the package.
        """
        line = "video" if self.recipe == "video" else self.recipe if self.shipped else ""
        model = f"{self.model}-{line}" if line else self.model
        given = ["run", "--model", model, "--checkpoint", str(Path(folder) / self.weights)]
        levelled = self.options.get("levelled") or self.after == SAME_WEIGHTS
        given += ["--option", "levelled=true"] if levelled else []
        given += ["--corruption", ",".join(DAMAGE), "--severity", str(SEVERITY)]
        given += ["--dataset", self.budget.dataset, "--data-root", data_root]
        sharp = {"all frames damaged": [], "sound reference": ["--clean-reference"]}
        return [[*given, *sharp[of], "--output", str(Path(folder) / self.name / to)] for of, to in SCORES.items()]

    @property
    def _small(self) -> dict[str, float]:
        """The settings of a budget, where they are not the usual ones."""
        found = {"crop": (self.budget.crop, CROP), "pace": (self.budget.pace, 1.0)}
        return {name: value for name, (value, usual) in found.items() if value != usual}

    def _named(self, seed: int, more: Mapping[str, float]) -> str:
        found = name_of({"model": self.model, "recipe": self.recipe, "seed": seed, **self.options, **more})
        return f"{found}.{self.after}" if self.after else found


_CONFIGURATIONS: dict[str, tuple[tuple[str, dict[str, str | int | bool]], ...]] = {
    "baseline": ((BASELINE, {}),),
    "stills": ((BASELINE, {"stills": 100}), (BASELINE, {"stills": 300})),
    "masks": tuple((BASELINE, {"masks": kind}) for kind in ("dilated", "shifted", "polygons")),
    "damage": (("corrupted", {}), ("corrupted", {"damaged": "memory"}), ("corrupted", {"damaged": "query"})),
    "levelled": ((BASELINE, {"levelled": True}), ("corrupted", {"levelled": True})),
    "changes": ((BASELINE, {"objects": "large"}), (BASELINE, {"appearance": "strong"})),
    "strong": (("strong", {}),),
    "video": (("video", {}),),
    "longer": ((BASELINE, {}),),
    "run-levelled": ((BASELINE, {}),),
}
GROUPS = tuple(_CONFIGURATIONS)
"""Baseline: all 950 pictures, sound masks, no damage; every other row is compared with it."""
SAME_WEIGHTS = "run-levelled"
AFTER = ("longer", SAME_WEIGHTS)
"""Groups that do something with a finished baseline."""
SEEDS = {"baseline": (0, 1, 2)}
"""Seeds of a group, where nothing is said; (0,) of the others."""


def rows(
    groups: Sequence[str] = GROUPS,
    models: Sequence[str] = tuple(NETWORKS),
    seeds: Sequence[int] | None = None,
    budget: Budget = BUDGETS["full"],
) -> list[Row]:
    """All rows of some groups and models; seeds: for every group, instead of `SEEDS`."""
    return [
        Row(group, model, budget, recipe, seed, options, group if group in AFTER else "")
        for group in groups
        for recipe, options in _CONFIGURATIONS[group]
        for model in models
        for seed in (seeds if seeds is not None else SEEDS.get(group, (0,)))
    ]
