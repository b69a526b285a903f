"""The two recipes: what, if anything, is done to the frames of a clip."""

from __future__ import annotations

from training.clips import Clips
from training.perturb import perturbed

RECIPES = ("plain", "corrupted")


def prepared(recipe: str, clips: Clips, seed: int, key: tuple[str | int, ...]) -> Clips:
    """The clips as the recipe shows them to the network; the labels are the same for both."""
    if recipe == "plain":
        return clips
    return Clips(perturbed(clips.frames, seed, key), clips.labels, clips.valid)
