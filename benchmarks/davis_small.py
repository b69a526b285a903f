"""DAVIS 2016 val made small, so that a CPU can attack it, or score many trainings on it.

`DavisSmall`: every third frame, 8 frames, 256 x 144. `DavisHalf`: every second frame, all of them, 370 x 208.

    rvos-bench attack --dataset benchmarks/davis_small.py:DavisSmall --data-root ~/DAVIS --model aot.lite -o attacked
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from robust_vos_bench import Dataset, Video, open_dataset
from robust_vos_bench.datasets.video import Frame, FrameSource, IndexableFrames, Mask, Truth


class DavisSmall(Dataset):
    """The videos of davis2016:val that lie under the root; frames averaged by area, masks by the nearest pixel."""

    name = "davis2016-small:val"
    protocol = "davis"
    step, frames, shape = 3, 8, (256, 144)
    """Of all frames every third, from the first on, at most so many; (width, height)."""

    def __init__(
        self,
        root: Path | None = None,
        split: str = "",
        limit: int | None = None,
        videos: Sequence[str] | None = None,
    ) -> None:
        self.source = open_dataset("davis2016:val", root, limit=limit, videos=None if videos is None else list(videos))

    @property
    def videos(self) -> Sequence[str]:
        """As in the whole data set."""
        return self.source.videos

    @property
    def split_size(self) -> int:
        """As in the whole data set."""
        return self.source.split_size

    def with_videos(self, names: Sequence[str] | None) -> DavisSmall:
        """The same split with these of its videos open, or, for None, every one."""
        other = type(self).__new__(type(self))
        other.source = self.source.with_videos(names)
        return other

    def video(self, name: str) -> Video:
        """A video, lazily: a frame is decoded and made small when it is read."""
        video = self.source.video(name)
        if list(video.prompts) != [0]:
            raise ValueError(f"{name}: an object that appears later than the first frame")
        return replace(
            video,
            size=self.shape[::-1],
            frames=Small(video.frames, self.kept, self.shape),
            prompts={0: small_mask(video.prompts[0], self.shape)},
            frame_names=video.frame_names[self.kept],
            fps=video.fps / self.step,
            dataset=self.name,
        )

    def truth(self, name: str) -> Truth | None:
        """The masks of the same frames."""
        truth = self.source.truth(name)
        if truth is None:
            return None
        kept = [truth.masks[t] for t in range(len(truth))[self.kept]]
        masks = [None if mask is None else small_mask(mask, self.shape) for mask in kept]
        return replace(truth, size=self.shape[::-1], frame_names=truth.frame_names[self.kept], masks=masks)

    def fingerprint(self, name: str) -> str:
        """Of the whole video, and of how it is made small."""
        text = f"{self.source.fingerprint(name)} {self.step} {self.frames} {self.shape}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def kept(self) -> slice:
        """The frames that are kept."""
        return slice(0, self.step * self.frames, self.step)


class DavisHalf(DavisSmall):
    """Every second frame, 370 x 208: two thirds of the side that the lite networks see."""

    name = "davis2016-half:val"
    step, frames, shape = 2, 1000, (370, 208)


class Small:
    """Some frames of a video made small; frames: RGB uint8 H x W x 3; shape: (width, height)."""

    def __init__(self, frames: FrameSource, kept: slice, shape: tuple[int, int]) -> None:
        if not isinstance(frames, IndexableFrames):
            raise TypeError("frames that cannot be read one by one")
        self.frames, self.shape = frames, shape
        self.numbers = range(len(frames))[kept]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Frame:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return small_frame(self.frames[self.numbers[index]], self.shape)

    def __iter__(self) -> Iterator[Frame]:
        return (self[t] for t in range(len(self)))


def small_frame(frame: Frame, shape: tuple[int, int]) -> Frame:
    """RGB uint8 H x W x 3 -> (width, height), averaged by area."""
    return np.asarray(cv2.resize(frame, shape, interpolation=cv2.INTER_AREA), np.uint8)


def small_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Ids, uint8 H x W -> (width, height), of the nearest pixel."""
    return np.asarray(cv2.resize(mask, shape, interpolation=cv2.INTER_NEAREST), np.uint8)
