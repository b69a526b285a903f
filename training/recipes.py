"""The two recipes: what, if anything, is done to the frames of a clip."""

from __future__ import annotations

from training.clips import Clips
from training.perturb import perturbed

RECIPES = ("plain", "corrupted")
DAMAGED_FROM = 1000
"""Steps that both recipes share: a network learns to match at all before it learns to match on bad frames."""


def damages(recipe: str, step: int) -> bool:
    """Whether the recipe damages the clips of a step."""
    return recipe == "corrupted" and step >= DAMAGED_FROM


def damaged(clips: Clips, seed: int, key: tuple[str | int, ...]) -> Clips:
    """The clips as `corrupted` shows them to the network, under the same labels."""
    return Clips(perturbed(clips.frames, seed, key), clips.labels, clips.valid)
