"""Results made elsewhere: a folder of predicted masks stands in for a system whose authors published only those."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.models.adapter import Checkpoint, VOSAdapter
from robust_vos_bench.models.card import ModelCard, ModelEntry
from robust_vos_bench.system.paths import user_path

DECLARATION = "rvos-masks.toml"
"""The file in the folder that says under which conditions the masks were made."""

CARD = ModelCard(
    "masks",
    title="Precomputed masks of any model",
    license="that of the masks",
    streaming=False,
    notes="--option folder=DIR; refuses conditions that the folder does not declare. Timing says nothing here.",
)


class PrecomputedMasks(VOSAdapter):
    """Reads `FOLDER/<video>/<frame>.png`, or `FOLDER/<condition>/<video>/<frame>.png` with one subfolder a condition.

    Masks hold object ids (palette or grey PNG, 8 bit, size of the frames); `binary=true` takes any value above 127 as
    the only object, for DAVIS-2016 style 0/255 results. A folder must say what it is: either `rvos-masks.toml` holds
    `condition = "clean"` (or a list of condition labels, where one set of masks answers for several), or each
    subfolder is named by the label it answers for ("clean", "fog-3-drift", "contrast-5"). Frames before a
    video's first prompt need no file.
    """

    card = CARD

    def __init__(
        self, checkpoint: Checkpoint = None, device: str = "cpu", *, folder: Path, binary: bool = False
    ) -> None:
        super().__init__(checkpoint, device)
        self.folder = user_path(folder)
        self.binary = binary
        if not self.folder.is_dir():
            raise UsageError(f"model 'masks': option folder: {str(self.folder)!r} is not a folder")
        self.declared = read_declaration(self.folder)
        """Condition label -> the folder that holds its videos."""
        self._root: Path | None = None

    def begin(self, condition: str, dataset: str) -> None:
        """Choose the masks of this condition. Raises DataError where the folder does not declare it."""
        if condition not in self.declared:
            raise DataError(
                f"{self.folder} declares no masks for condition {condition!r} (it has: "
                f"{', '.join(sorted(self.declared)) or 'none'}). Masks predicted from other frames would not measure "
                f"this condition; put its masks into {self.folder / condition}/"
            )
        self._root = self.declared[condition]

    def segment(self, video: Video) -> Iterator[Mask]:
        """One mask per frame from the video's folder. Raises DataError that names a missing or unfit file."""
        if self._root is None:
            self.begin("clean", video.dataset)
        assert self._root is not None
        folder = self._root / video.name
        if not folder.is_dir():
            raise DataError(f"no folder of masks for video {video.name!r}: {folder}")
        first = video.first_prompt
        for t, name in enumerate(video.frame_names):
            if t < first:
                yield np.zeros(video.size, np.uint8)
            else:
                yield self._read(folder / f"{name}.png", video.size)

    def _read(self, path: Path, size: tuple[int, int]) -> Mask:
        try:
            with Image.open(path) as image:
                mode = image.mode
                mask = np.array(image.convert("L") if mode == "1" else image)
        except FileNotFoundError:
            raise DataError(f"mask is missing: {path}") from None
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{path}: not a readable image ({error})") from error
        if mode not in ("P", "L", "1"):
            raise DataError(f"{path}: an image of mode {mode}; masks are 8-bit palette or grey PNGs of object ids")
        if mask.shape != size:
            raise DataError(f"{path}: the mask is {mask.shape} (H, W), the frames are {size}")
        if self.binary or mode == "1":
            mask = mask > 127 if mode != "P" else mask > 0
        return mask.astype(np.uint8)


def read_declaration(folder: Path) -> dict[str, Path]:
    """Condition label -> folder of its videos, from the declaration file or, without one, from the subfolders.

    Raises DataError where neither tells.
    """
    path = folder / DECLARATION
    if path.is_file():
        conditions = _read_toml(path).get("condition")
        labels = [conditions] if isinstance(conditions, str) else conditions
        if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
            raise DataError(f'{path}: expected condition = "clean", or a list of condition labels')
        return dict.fromkeys(labels, folder)
    found = {
        child.name: child
        for child in sorted(folder.iterdir())
        if child.is_dir() and any(grandchild.is_dir() for grandchild in child.iterdir())
    }
    if not found:
        raise DataError(
            f"{folder} does not say how its masks were made: write {DECLARATION} into it with condition = "
            '"clean", or give it one subfolder per condition, named by its label'
        )
    return found


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: {error}") from error


MODELS = [ModelEntry(CARD, "robust_vos_bench.adapters.masks:PrecomputedMasks")]
