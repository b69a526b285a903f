"""The recipes: what, if anything, is done to the frames of a clip."""

from __future__ import annotations

import torch

from training.clips import Clips
from training.perturb import perturbed

RECIPES = ("plain", "corrupted", "strong", "video")
"""`strong`: `plain` with larger objects and stronger changes. `video`: a stage of its own after one of the others."""
DAMAGED_FROM = 1000
"""Steps that `plain` and `corrupted` share: a network learns to match at all before it does on bad frames."""
SHARING = ("plain", "corrupted")
"""The recipes that are equal up to `DAMAGED_FROM`, so that one may go on from the other's state."""
DAMAGED_FRAMES = ("all", "memory", "query")
"""Which frames `corrupted` may damage: all, the one with the given mask, or those after it."""


def damages(recipe: str, age: int) -> bool:
    """Whether the recipe damages the clips; age: the step of the schedule."""
    return recipe == "corrupted" and age >= DAMAGED_FROM


def damaged(clips: Clips, seed: int, key: tuple[str | int, ...], which: str = "all") -> Clips:
    """The clips as `corrupted` shows them to the network, under the same labels; which: one of `DAMAGED_FRAMES`.

    Draws do not depend on `which`: the same damage, on fewer frames.
    """
    frames = perturbed(clips.frames, seed, key)
    if which == "memory":
        frames = torch.cat([frames[:, :1], clips.frames[:, 1:]], 1)
    elif which == "query":
        frames = torch.cat([clips.frames[:, :1], frames[:, 1:]], 1)
    return Clips(frames, clips.labels, clips.valid)
