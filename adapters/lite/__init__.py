"""What the three lite models share: trunk, cells, matching that can be trained, the loop over a video.

`aoc.lite`, `aot.lite` and `cfbi.lite` are ours: the mechanisms of AOC-Net, AOT and CFBI at reduced widths on one light
encoder, trained with one recipe, so that they differ in the mechanism alone.
"""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

NETWORKS = {
    "aoc": "robust_vos_bench.adapters.aoc.lite:AOCLite",
    "aot": "robust_vos_bench.adapters.aot.lite:AOTLite",
    "cfbi": "robust_vos_bench.adapters.cfbi.lite:CFBILite",
}
"""Where the network of each family is, "module:Class"."""

RECIPES = ("plain", "corrupted")


def lite_entries(family: str, title: str, paper: str) -> list[ModelEntry]:
    """Entries of a family's lite model: `family.lite`, and `family.lite-corrupted`, trained on damaged clips."""
    return [_entry(family, title, paper, recipe) for recipe in RECIPES]


def _entry(family: str, title: str, paper: str, recipe: str) -> ModelEntry:
    file = f"{family}.lite.{recipe}.safetensors"
    plain = recipe == "plain"
    card = ModelCard(
        f"{family}.lite" if plain else f"{family}.lite-{recipe}",
        title=f"{title}, lite reference model of ours" + ("" if plain else ", trained on damaged clips"),
        paper=f"ours, after {paper}",
        license="MIT (code); weights made from ImageNet weights (Apache-2.0) and ECSSD (research use)",
        weights=(
            Weights(
                file,
                "not in this installation: a lite model is trained with "
                f"`python training/train.py --model {family}.lite --recipe {recipe}` (docs/reference-weights.md)",
            ),
        ),
        trained_on=("imagenet", "ecssd"),
        late_objects="native",
        differentiable=True,
        input_policy="short side at most 304, never enlarged; extended at the right and bottom to sides of 16 n + 1",
        autocast="optional",
        version="3",  # sharper attention to larger memories, other weights
        notes="Ours, not the paper's network: its mechanisms at reduced width on EfficientNet-Lite0, trained on still "
        "images only. Compare it with the other lite models, not with published scores.",
    )
    return ModelEntry(card, "robust_vos_bench.adapters.lite.adapter:LiteAdapter", {"network": family})
