"""Masks under corruption against the clean run's masks, read from what `--save-masks` kept, once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from robust_vos_bench.analysis.formulas import stability, stability_without_truth
from robust_vos_bench.conditions import find_corruption
from robust_vos_bench.datasets.files import sorted_files
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import ConditionRecord, FrameScores, Manifest, UnitRecord
from robust_vos_bench.runs.store import RunStore, safe_name
from robust_vos_bench.system.atomic import WriteError, write_bytes

FOLDER = "stability"
"""In the run directory: one JSON file per model, derived from its masks; deleting it only costs time."""


class StabilityCache:
    """Stability of one model's units, kept under the keys of both units that were compared."""

    def __init__(self, store: RunStore, manifest: Manifest, model: str) -> None:
        self.store, self.model = store, model
        self.path = store.folder / FOLDER / f"{safe_name(model)}.json"
        self.clean = manifest.clean.label if manifest.clean else ""
        self.moved = {c.label for c in manifest.conditions if masks_move(c)}
        self.kept = (store.folder / "masks" / safe_name(model)).is_dir()
        self._known = self._read()
        self._changed = False

    def values(
        self,
        label: str,
        video: str,
        record: UnitRecord,
        clean: UnitRecord | None,
        tracks: Mapping[int, FrameScores] | None,
    ) -> dict[int, float]:
        """Object -> mean IoU with the clean run's masks over its scored frames.

        tracks: object -> its scored frames; None where there is no truth: then all after its first mask count.
        Empty where masks were not saved, for the clean condition itself, and where the corruption moves pixels: there
        equal masks would be wrong. Raises DataError for a damaged mask.
        """
        if not self.kept or clean is None or not clean.ok or label == self.clean or label in self.moved:
            return {}
        rule = 2 if tracks is not None else "untold"  # 2: where only some frames are annotated, those
        key = f"{rule} {label} {video} {record.key} {clean.key}"
        if key not in self._known:
            found = self._compare(label, video, record, tracks)
            if found is None:
                return {}
            self._known[key] = {str(i): round(v, 6) for i, v in found.items() if not math.isnan(v)}
            self._changed = True
        return {int(i): v for i, v in self._known[key].items()}

    def save(self) -> None:
        """Keep what was compared, where the run directory can be written."""
        if self._changed:
            with contextlib.suppress(WriteError, OSError):
                self.path.parent.mkdir(exist_ok=True)
                write_bytes(self.path, msgspec.json.encode(self._known))

    def _read(self) -> dict[str, dict[str, float]]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, dict[str, float]])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _compare(
        self, label: str, video: str, record: UnitRecord, tracks: Mapping[int, FrameScores] | None
    ) -> dict[int, float] | None:
        """None where masks of either run are missing."""
        paths, clean = (
            sorted_files(self.store.masks_path(name, self.model, video).glob("*.png")) for name in (label, self.clean)
        )
        if len(paths) != record.frames or len(clean) != record.frames:
            return None
        if tracks is None:
            return stability_without_truth(_pair(*both) for both in zip(paths, clean))
        scored = {i: frozenset(t.frames) for i, t in tracks.items()}
        return stability(((t, *_pair(*both)) for t, both in enumerate(zip(paths, clean))), scored)


def _pair(corrupted: Path, clean: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    # The same bytes are the same mask, without decoding it twice.
    first = read_mask(corrupted)
    return first, first if corrupted.read_bytes() == clean.read_bytes() else read_mask(clean)


def masks_move(condition: ConditionRecord) -> bool:
    """Whether masks move with the frames under a condition of a run."""
    return moves_pixels(condition.corruption) if condition.moves_pixels is UNSET else condition.moves_pixels


@lru_cache(maxsize=1024)
def moves_pixels(corruption: str) -> bool:
    """Whether masks move with the frames under this corruption; False where it is not installed."""
    if not corruption:
        return False
    try:
        return find_corruption(corruption).move_mask is not None
    except UsageError:  # not installed here
        return False
