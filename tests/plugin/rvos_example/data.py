"""A data set that is made on the spot: squares that move over noise."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robust_vos_bench.datasets import Dataset, Frame, Mask, Truth, Video
from robust_vos_bench.datasets.layout import select_videos

SIZE = (48, 64)
FRAMES = 6
VERSION = 1
"""Raised when the pictures change: part of the fingerprint."""


class Squares(Dataset):
    """Three clips of one or two squares, made on the spot (`squares`, or `squares:two` with two objects)."""

    protocol = "ranges"
    splits = ("one", "two")  # the first is the default
    needs_root = False

    def __init__(
        self,
        root: Path | None = None,
        split: str = "one",
        limit: int | None = None,
        videos: Sequence[str] | None = None,
    ) -> None:
        self.split = split
        self.name = f"squares:{split}"
        self._videos = select_videos(self.name, ("left", "right", "slow"), limit, videos)

    @property
    def videos(self) -> Sequence[str]:
        """Names of the clips."""
        return self._videos

    @property
    def split_size(self) -> int:
        """All clips, however many are open."""
        return 3

    def with_videos(self, names: Sequence[str] | None) -> Squares:
        """The same split with these clips open."""
        return Squares(split=self.split, videos=names)

    def video(self, name: str) -> Video:
        """One clip; its frames are drawn when they are read."""
        clip = self._clip(name)
        return Video(name, SIZE, clip, {0: clip.mask(0)}, dataset=self.name)

    def truth(self, name: str) -> Truth:
        """The exact masks."""
        video, clip = self.video(name), self._clip(name)
        return Truth(name, SIZE, video.frame_names, [clip.mask(t) for t in range(FRAMES)], video.first_frames)

    def fingerprint(self, name: str) -> str:
        """Digest of all that decides the pictures."""
        return hashlib.sha256(repr((VERSION, self._clip(name))).encode()).hexdigest()

    def _clip(self, name: str) -> Clip:
        select_videos(self.name, self._videos, None, [name])  # raises UsageError for an unknown name
        step = {"left": -3, "right": 3, "slow": 1}[name]
        return Clip(name, step, 2 if self.split == "two" else 1)


@dataclass(frozen=True)
class Clip:
    """The frames of one clip: small when pickled, and to be had one by one or in order."""

    name: str
    step: int
    objects: int

    def __len__(self) -> int:
        return FRAMES

    def __iter__(self) -> Iterator[Frame]:
        for t in range(FRAMES):
            yield self[t]

    def __getitem__(self, t: int) -> Frame:
        seed = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "little")
        frame = np.random.default_rng(seed).integers(0, 120, (*SIZE, 3), dtype=np.uint8)
        mask = self.mask(t)
        frame[mask == 1] = (220, 60, 40)
        frame[mask == 2] = (40, 60, 220)
        return frame

    def mask(self, t: int) -> Mask:
        """Object ids of frame t."""
        mask = np.zeros(SIZE, np.uint8)
        for i in range(self.objects):
            left = 24 + self.step * t
            mask[6 + 20 * i : 20 + 20 * i, left : left + 14] = i + 1
        return mask
