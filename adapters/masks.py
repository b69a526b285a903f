"""Results made elsewhere: a folder of predicted masks stands in for a system whose authors published only those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.soft import binarise
from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.models.adapter import Checkpoint, VOSAdapter
from robust_vos_bench.models.card import ModelCard, ModelEntry
from robust_vos_bench.system.cache import file_fingerprint
from robust_vos_bench.system.paths import user_path
from robust_vos_bench.system.toml import read_toml

DECLARATION = "rvos-masks.toml"
"""The file in the folder that says under which conditions the masks were made."""

CARD = ModelCard(
    "masks",
    title="Precomputed masks of any model",
    license="that of the masks",
    streaming=False,
    precomputed=True,
    notes="--option folder=DIR; refuses conditions that the folder does not declare. Timing says nothing here.",
)


class PrecomputedMasks(VOSAdapter):
    """Reads `FOLDER/<video>/<frame>.png`, or `FOLDER/<condition>/<video>/<frame>.png` with one subfolder a condition.

    Masks hold object ids (palette or grey PNG, 8 bit, size of the frames) and are read as `score` reads them. With
    `binary=true` they hold one object, as 0 / 255 or 0 / 1: see `datasets.soft.binarise`. A folder must say what it is:
    either `rvos-masks.toml` holds `condition = "clean"` (or a list of condition labels, where one set of masks answers
    for several), or each subfolder is named by the label it answers for ("clean", "fog-3-drift", "contrast-5"). Frames
    before a video's first prompt need no file.
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

    @classmethod
    def sources(
        cls, options: Mapping[str, Any], conditions: Sequence[str], videos: Sequence[str]
    ) -> Mapping[tuple[str, str], str]:
        """Digests of the masks of each unit."""
        try:
            declared = read_declaration(user_path(options["folder"]))
        except (DataError, OSError):  # said when the model is loaded
            return {}
        found = {}
        for condition in declared.keys() & set(conditions):
            for video in videos:
                if files := sorted((declared[condition] / video).glob("*.png")):
                    found[condition, video] = file_fingerprint(f"masks {video}", files)
        return found

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
                yield self._read(folder / f"{name}.png", video)

    def _read(self, path: Path, video: Video) -> Mask:
        """The ids of a file, read as `score` reads them. Raises DataError, naming the file."""
        mask = read_mask(path, video.size)
        if not self.binary:
            return mask
        # The rules of the data sets: DAVIS 2016 takes every non-zero value, others where a soft edge is at least half.
        return (mask > 0).astype(np.uint8) if video.dataset.startswith("davis2016") else binarise(mask)


def read_declaration(folder: Path) -> dict[str, Path]:
    """Condition label -> folder of its videos, from the declaration file or, without one, from the subfolders.

    Raises DataError where neither tells.
    """
    path = folder / DECLARATION
    if path.is_file():
        conditions = read_toml(path).get("condition")
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


MODELS = [ModelEntry(CARD, "robust_vos_bench.adapters.masks:PrecomputedMasks")]
