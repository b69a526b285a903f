"""Recorded runs of the authors' code: arrays in an npz file, beside what made them, and the clip they ran on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.models.adapter import Session


@dataclass(frozen=True)
class Recording:
    """One file."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]
    """Settings of the run, where the file tells them."""

    @classmethod
    def read(cls, path: Path) -> Recording:
        """All arrays of an npz file; `meta` is JSON text among them."""
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        return cls(arrays, json.loads(str(arrays.pop("meta", "{}"))))

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def __getitem__(self, key: str) -> NDArray[Any]:
        return self.arrays[key]


def camel(folder: Path, frames: int) -> list[Frame]:
    """The first frames of the clip `camel`, decoded by Pillow; folder: root of a data set in the layout of DAVIS."""
    files = [folder / "JPEGImages" / "480p" / "camel" / f"{t:05d}.jpg" for t in range(frames)]
    return [np.asarray(Image.open(path)) for path in files]


def steps(session: Session, video: Video) -> Iterator[Mask]:
    """The masks of a session, which can be looked at after every frame; the video must begin with a prompt."""
    last = len(video) - 1
    for t, frame in enumerate(video.frames):
        yield session.step(frame, video.prompts.get(t), t == last)
