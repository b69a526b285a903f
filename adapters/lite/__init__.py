"""What the three lite models share: trunk, cells, matching that can be trained, the loop over a video.

`aoc.lite`, `aot.lite` and `cfbi.lite` are ours: the mechanisms of AOC-Net, AOT and CFBI at reduced widths on one light
encoder, trained with one recipe, so that they differ in the mechanism alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

NETWORKS = {
    "aoc": "robust_vos_bench.adapters.aoc.lite:AOCLite",
    "aot": "robust_vos_bench.adapters.aot.lite:AOTLite",
    "cfbi": "robust_vos_bench.adapters.cfbi.lite:CFBILite",
}
"""Where the network of each family is, "module:Class"."""

RECIPES = ("plain", "corrupted")
"""Listed with or without their weights; those of further recipes are listed where theirs are here."""
BARE = "video"
"""The recipe that a bare family name runs where its weights are here, else `plain`: the one with the highest mean on
clean DAVIS (docs/reference-weights.md). Its weights are for non-commercial use; who leaves them out gets `plain`."""
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


@dataclass(frozen=True)
class Recipe:
    """What a card says of weights made with a recipe."""

    title: str = ""
    trained_on: tuple[str, ...] = ("imagenet", "ecssd")
    license: str = "MIT (code); weights made from ImageNet weights (Apache-2.0) and ECSSD (research use)"
    saw: str = "trained on still images only"
    non_commercial: bool = False


_FACTS = {
    "plain": Recipe(),
    "corrupted": Recipe(", trained on damaged clips"),
    "strong": Recipe(", trained longer on larger objects that change more"),
    "video": Recipe(
        ", trained on stills and DAVIS videos",
        ("imagenet", "ecssd", "davis2016-train"),
        "MIT (code); weights made from ImageNet weights (Apache-2.0), ECSSD (research use), DAVIS 2016 (CC BY-NC 4.0)",
        "trained on still images, then on 27 videos of DAVIS 2016 train. Seven of them share a place or an object with "
        "a DAVIS validation video (bmx-bumps / bmx-trees, car-turn / car-roundabout, drift-turn / drift-chicane, "
        "horsejump-low / -high, motocross-bumps / -jump, paragliding / -launch, scooter-gray / -black), and kite-walk, "
        "watched during training, with kite-surf: report it apart from models that saw no DAVIS",
        True,
    ),
}


def lite_entries(family: str, title: str, paper: str, folder: Path = WEIGHTS) -> list[ModelEntry]:
    """Entries of a family's lite models: `family.lite`, and `family.lite-<recipe>` of the other recipes.

    Those of `RECIPES` are always there, further ones only where `folder` holds their weights: they exist once trained.
    """
    here = [r for r in _FACTS if r in RECIPES or (folder / file_name(family, r)).is_file()]
    bare = BARE if BARE in here else "plain"
    return [_entry(family, title, paper, recipe, recipe == bare) for recipe in here]


def file_name(family: str, recipe: str) -> str:
    """The weights file of a family's lite model."""
    return f"{family}.lite.{recipe}.safetensors"


def _entry(family: str, title: str, paper: str, recipe: str, bare: bool) -> ModelEntry:
    facts = _FACTS[recipe]
    runs = f"A bare --model {family} runs it where the paper's weights are not here. " if bare else ""
    card = ModelCard(
        f"{family}.lite" if recipe == "plain" else f"{family}.lite-{recipe}",
        title=f"{title}, lite reference model of ours{facts.title}",
        paper=f"ours, after {paper}",
        license=facts.license,
        weights=(
            Weights(
                file_name(family, recipe),
                "not in this installation: a lite model is trained with "
                f"`python training/train.py --model {family}.lite --recipe {recipe}` (docs/reference-weights.md)",
                non_commercial=facts.non_commercial,
            ),
        ),
        trained_on=facts.trained_on,
        late_objects="native",
        differentiable=True,
        input_policy="short side at most 352, never enlarged; extended at the right and bottom to sides of 16 n + 1",
        autocast="optional",
        version="4",  # frames of 352 rows instead of 304
        notes="Ours, not the paper's network: its mechanisms at reduced width on EfficientNet-Lite0, "
        f"{facts.saw}. {runs}Compare it with the other lite models, not with published scores.",
    )
    target = "robust_vos_bench.adapters.lite.adapter:LiteAdapter"
    return ModelEntry(card, target, {"network": family}, stand_in=bare)
