"""What the weights of a training depend on, besides the data and the number of steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from robust_vos_bench.errors import UsageError, unknown
from training.draws import LARGE, STRONG, USUAL, Variation
from training.noisy import NOISES
from training.recipes import DAMAGED_FRAMES, RECIPES

NETWORKS = {
    "aoc.lite": "robust_vos_bench.adapters.aoc.lite:AOCLite",
    "aot.lite": "robust_vos_bench.adapters.aot.lite:AOTLite",
    "cfbi.lite": "robust_vos_bench.adapters.cfbi.lite:CFBILite",
}
VERSION = 1
"""Raised when a change of code or constants makes a step compute something else: a state goes on only under its own."""
VIDEO_VERSION = 1
"""The same of the video stage alone."""
VIDEO_AGE = 2500
"""Steps that the video stage counts as made before its first: it goes on where the schedule of the stills ended."""
VIDEO_LENGTH, LENGTH = 5, 3
"""Frames of a clip by default."""
CROP = 209
"""Side of the clips by default."""
OBJECTS = {"usual": USUAL, "large": LARGE}
APPEARANCES = {"usual": USUAL, "strong": STRONG}


@dataclass(frozen=True)
class Settings:
    """What the weights depend on, besides the data and the number of steps."""

    model: str
    recipe: str = "plain"
    seed: int = 0
    batch: int = 4
    length: int = LENGTH
    crop: int = CROP
    """Side of the clips in pixels, 16 n + 1."""
    rate: float = 6e-4
    """Learning rate of the new layers."""
    trunk_rate: float = 1e-4
    """Learning rate of the pretrained trunk."""
    weight_decay: float = 0.01
    version: int = VERSION
    # What follows is noted in a state only where it differs from the default, so that older states go on.
    stills: int = 0
    """Train on a subset of this many pictures (0: on all); smaller subsets lie in larger ones."""
    masks: str = "sound"
    """How the masks of the pictures are spoilt before anything is cut out: see `training/noisy.py`."""
    damaged: str = "all"
    """Frames that the recipe `corrupted` damages: "all", "memory" (the given frame) or "query" (those to segment)."""
    levelled: bool = False
    """Give every frame the levels of the first one's features, as the adapter's option `levelled` does."""
    objects: str = "usual"
    """ "large": objects reach beyond the frame."""
    appearance: str = "usual"
    """ "strong": objects change more, and more of them lose their surface."""
    pace: float = 1.0
    """Steps of the schedule that every step stands for: 2.5 goes through that of 2,500 steps in 1,000."""
    start: str = ""
    """sha256 of the weights that the video stage starts from."""
    begun: int = 0
    """Steps of the video stage that those weights have behind them: its draws and its schedule go on there."""
    settled: int = 0
    """Step at which a factor on the learning rate, falling in a line from the first step on, is zero (0: none)."""
    video_version: int = 0
    """`VIDEO_VERSION` in the video stage."""

    def check(self) -> None:
        """Raise a UsageError for what cannot be."""
        known = {"lite model": (self.model, NETWORKS), "recipe": (self.recipe, RECIPES)}
        known |= {"kind of masks": (self.masks, ("sound", *NOISES)), "frames to damage": (self.damaged, DAMAGED_FRAMES)}
        known |= {"size of objects": (self.objects, OBJECTS), "appearance": (self.appearance, APPEARANCES)}
        for what, (given, allowed) in known.items():
            if given not in allowed:
                raise unknown(what, given, allowed)
        if self.damaged != "all" and self.recipe != "corrupted":
            raise UsageError(f"--damaged {self.damaged}: the recipe {self.recipe} damages no frame; use `corrupted`")
        if self.length < 3:
            raise UsageError(f"--length {self.length}: a clip has three frames at least")
        if self.crop % 16 != 1 or self.crop < 33:
            raise UsageError(f"--crop {self.crop}: the side of a clip has the form 16 n + 1, at least 33")
        if not 0 < self.pace <= 100:
            raise UsageError(f"--pace {self.pace:g}: a number above 0, at most 100")
        if self.batch < 1 or self.stills < 0:
            raise UsageError("--batch and --stills must be positive")
        if self.begun < 0 or (self.begun and not self.video):
            raise UsageError(f"--begun {self.begun}: steps of the recipe `video` that its weights have made, 0 or more")
        if self.settled and self.settled <= self.begun:
            raise UsageError(f"--settle {self.settled}: a step behind the first, which is {self.begun}")
        if self.video != bool(self.start):
            raise UsageError("the recipe `video` starts from weights, and no other recipe does")

    @property
    def video(self) -> bool:
        """Whether this is the video stage."""
        return self.recipe == "video"

    @property
    def variation(self) -> Variation:
        """How much the drawn clips vary."""
        strong = self.recipe == "strong"
        large, changing = strong or self.objects == "large", strong or self.appearance == "strong"
        return USUAL.with_sizes_of(LARGE if large else USUAL).with_changes_of(STRONG if changing else USUAL)

    def age(self, step: int) -> int:
        """The step of the schedule that a step stands for."""
        return int(step * self.pace) + VIDEO_AGE * self.video

    def record(self) -> dict[str, Any]:
        """As a state holds them: newer settings only where they differ from what older states had."""
        defaults = {field.name: field.default for field in fields(self)}
        told = {
            "stills",
            "masks",
            "damaged",
            "levelled",
            "objects",
            "appearance",
            "pace",
            "start",
            "begun",
            "settled",
            "video_version",
        }
        return {n: v for n, v in asdict(self).items() if n not in told or v != defaults[n]}

    @property
    def name(self) -> str:
        """What files of these weights are called: `aoc.lite.plain`, and what is unusual about them after it."""
        return name_of(self.record())


def name_of(record: dict[str, Any]) -> str:
    """`Settings.name` of settings as a state holds them."""
    parts = [record["model"], record["recipe"]]
    parts += [f"stills{record['stills']}"] if record.get("stills") else []
    parts += [f"{word}-{record[word]}" for word in ("masks", "damaged", "objects", "appearance") if word in record]
    parts += ["levelled"] if record.get("levelled") else []
    parts += [f"pace{record['pace']:g}"] if record.get("pace", 1) != 1 else []
    parts += [f"seed{record['seed']}"] if record["seed"] else []
    return ".".join(parts)
