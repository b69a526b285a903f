"""Votes by pixel, counted while a run goes on: masks of a draw are kept only until they are counted.

One file per model, noise and video holds the chosen label and, for each pixel, how many of the later draws gave it. It
names the draws in it with their keys, and is replaced as a whole, so that a run that is killed loses no draw and counts
none twice: masks are taken away after the file is there.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.certified.draws import Noise
from robust_vos_bench.certified.pixels import SELECT
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.store import RunStore, safe_name
from robust_vos_bench.system.atomic import make_folder, write_bytes

BATCH = 20
"""Draws whose masks wait to be counted together: the file is rewritten once for them."""


@dataclass
class Votes:
    """What is counted of one model on one video under one noise."""

    label: NDArray[np.uint8]
    """Frames x H x W: the id that most of the first draws gave (the smallest of several)."""
    agree: NDArray[np.uint16]
    """Frames x H x W: later draws that gave it."""
    keys: dict[int, str]
    """Draw -> key of the unit that was counted."""

    @property
    def tested(self) -> int:
        """Draws beside those that chose the label."""
        return len(self.keys) - SELECT


def choose(masks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The most frequent id of each pixel, the smallest of several; masks: uint8 H x W each."""
    stack = np.stack(masks)
    best, most = np.zeros(stack.shape[1:], np.uint8), np.zeros(stack.shape[1:], np.int16)
    for i in np.unique(stack):
        count = (stack == i).sum(0, dtype=np.int16)
        best = np.where(count > most, np.uint8(i), best)
        most = np.maximum(most, count)
    return best


class VoteBox:
    """The votes of one model on one video under one noise, in a run directory."""

    def __init__(self, store: RunStore, model: str, noise: Noise, video: str, keys: Mapping[int, str]) -> None:
        """keys: draw -> the key that its unit has today, for every draw of the run."""
        self._store, self._model, self._noise, self._video = store, model, noise, video
        self._keys = keys
        self.path: Path = store.folder / "votes" / safe_name(model) / noise.label / f"{safe_name(video)}.npz"
        self._waiting: set[int] = set()

    def read(self) -> Votes | None:
        """What is counted; None where nothing is, or only what other code, data or weights gave."""
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as file:
                keys = dict(zip((int(d) for d in file["draws"]), (str(k) for k in file["keys"])))
                found = Votes(file["label"], file["agree"], keys)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DataError(f"{self.path}: cannot be read ({error}); delete it, and its draws are run again") from error
        fits = all(self._keys.get(draw, key) == key for draw, key in found.keys.items())
        return found if fits and len(found.keys) >= SELECT else None

    def settle(self) -> None:
        """Before a run: bring masks, votes and the marks of what was counted into line, whenever it was killed."""
        votes = self.read()
        counted = set(votes.keys) if votes else set()
        for draw in self._keys:
            folder, mark = self._folder(draw), self._mark(draw)
            if draw in counted:
                if folder.is_dir() and not mark.is_file():
                    self._take_away(draw)
            elif mark.is_file():
                shutil.rmtree(folder, ignore_errors=True)

    def add(self, draw: int) -> None:
        """A draw is done and its masks are there; they are counted when enough wait."""
        self._waiting.add(draw)
        if len(self._waiting) >= BATCH:
            self.count()

    def count(self, done: Sequence[int] | None = None) -> Votes | None:
        """Count what waits (done: every draw that is done) and take its masks away; what is counted then."""
        votes = self.read()
        waiting = sorted((set(done) if done is not None else self._waiting) - set(votes.keys if votes else ()))
        fresh = [draw for draw in waiting if self._files(draw)]
        if votes is None:
            if not set(range(SELECT)) <= set(fresh):
                return None
            label = np.stack([choose(masks) for masks in zip(*(self._masks(d) for d in range(SELECT)))])
            votes = Votes(label, np.zeros(label.shape, np.uint16), {d: self._keys[d] for d in range(SELECT)})
            fresh = [draw for draw in fresh if draw >= SELECT]
        for draw in fresh:
            for t, mask in enumerate(self._masks(draw)):
                votes.agree[t] += mask == votes.label[t]
            votes.keys[draw] = self._keys[draw]
        if waiting:
            self._write(votes)
            for draw in waiting:
                if draw in votes.keys:
                    self._take_away(draw)
        self._waiting.clear()
        return votes

    def _write(self, votes: Votes) -> None:
        data = io.BytesIO()
        draws = sorted(votes.keys)
        np.savez_compressed(
            data,
            label=votes.label,
            agree=votes.agree,
            draws=np.array(draws, np.int64),
            keys=np.array([votes.keys[draw] for draw in draws]),
        )
        make_folder(self.path.parent)
        write_bytes(self.path, data.getvalue())

    def _folder(self, draw: int) -> Path:
        return self._store.masks_path(self._noise.condition(draw).label, self._model, self._video)

    def _mark(self, draw: int) -> Path:
        return self._store.counted_path(self._noise.condition(draw).label, self._model, self._video)

    def _files(self, draw: int) -> list[Path]:
        return sorted(self._folder(draw).glob("*.png"))

    def _masks(self, draw: int) -> Iterator[NDArray[np.uint8]]:
        """One at a time: the masks of a long video together are large."""
        return map(read_mask, self._files(draw))

    def _take_away(self, draw: int) -> None:
        folder = self._folder(draw)
        for path in self._files(draw):
            path.unlink(missing_ok=True)
        make_folder(folder)
        write_bytes(self._mark(draw), b"")
