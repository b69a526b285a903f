"""The contract of a data set: names, lazy videos, truth, and a fingerprint of the bytes it stands on."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from robust_vos_bench.datasets.video import Mask, Truth, Video
from robust_vos_bench.errors import DataError


class Dataset(ABC):
    """A split of videos. Instances are cheap to make and picklable: nothing is decoded before it is asked for."""

    name: str
    """Family and split as users type it: "davis2017:val", "demo"."""
    protocol: str
    """Scoring protocol that fits this data: a name known to `robust_vos_bench.scoring` ("davis", "ranges")."""
    root: Path | None = None
    """Folder the data lies in; None where it is made on the spot."""
    seen_categories: frozenset[str] = frozenset()
    """Training categories, where the data set splits scores into seen and unseen (YouTube-VOS)."""

    @property
    @abstractmethod
    def videos(self) -> Sequence[str]:
        """Video names in the official order."""

    def with_videos(self, names: Sequence[str] | None) -> Dataset:
        """The same split with these of its videos open, or, for None, every one; itself where it cannot choose."""
        return self

    @property
    def split_size(self) -> int:
        """Videos of the whole split: the official number where there is one, however many lie here or were chosen."""
        return len(self.videos)

    @abstractmethod
    def video(self, name: str) -> Video:
        """One video, lazily. Raises DataError, naming the file, where something is missing or wrong."""

    @abstractmethod
    def truth(self, name: str) -> Truth | None:
        """Ground truth of one video, lazily; None where the data set does not publish it."""

    @abstractmethod
    def fingerprint(self, name: str) -> str:
        """Hex digest that changes when the frames, prompts or truth of one video change."""

    def fingerprint_or_damage(self, name: str) -> str:
        """`fingerprint`; a digest that stands for damage where the video cannot be read (no frames in its folder).

        A run goes on without such a video, which fails when it is its turn; once mended it has another digest.
        """
        try:
            return self.fingerprint(name)
        except (DataError, OSError):
            return hashlib.sha256(f"damaged\0{name}".encode()).hexdigest()  # equal wherever the data lies

    def map_mask(self, mask: Mask) -> Mask:
        """Values as stored in a mask file -> object ids, for truth and predictions alike; the identity unless the
        data set has a rule of its own (DAVIS 2016: every non-zero value is object 1)."""
        return mask

    @cached_property
    def index_hash(self) -> str:
        """One digest for the split: the names and fingerprints of its videos in order."""
        digest = hashlib.sha256()
        for name in self.videos:
            digest.update(f"{name}\0{self.fingerprint_or_damage(name)}\n".encode())
        return digest.hexdigest()
