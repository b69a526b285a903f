"""A video as models see it (`Video`) and what only the scorer may see (`Truth`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.errors import DataError

Frame = NDArray[np.uint8]
"""One image: uint8, H x W x 3, RGB."""
Mask = NDArray[np.uint8]
"""One label mask: uint8, H x W; 0 is background, 1..254 are object ids."""


VOID = 255
"""Pixels that belong to no object and are not scored, where a data set has them."""


def values_in(mask: Mask) -> list[int]:
    """The values in a mask, ascending: ten times as fast as `numpy.unique`."""
    return [int(i) for i in np.flatnonzero(np.bincount(mask.ravel(), minlength=256))]


def ids_in(mask: Mask) -> list[int]:
    """The object ids in a mask, ascending: 1..254 (0 is background, 255 void)."""
    return [i for i in values_in(mask) if 0 < i < VOID]


@runtime_checkable
class FrameSource(Protocol):
    """Anything that yields the frames of one clip in order, as often as it is asked to."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Frame]: ...


@runtime_checkable
class IndexableFrames(FrameSource, Protocol):
    """A frame source that also gives frame t by itself, in any order."""

    def __getitem__(self, index: int) -> Frame: ...


def source_frame(frames: FrameSource, t: int) -> Frame:
    """Frame t of any source: by index where it has one, else by reading up to it. Raises DataError beyond its end."""
    if isinstance(frames, IndexableFrames):
        return frames[t]
    for i, frame in enumerate(frames):
        if i == t:
            return frame
    raise DataError(f"there are {len(frames)} frames, and frame {t} is asked for")


class OwnFrames:
    """Copies of the frames of a source: what is written into them is seen nowhere else."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            yield frame.copy()


class OwnIndexableFrames(Lazy[Frame]):
    """The same of a source that gives frames by index too."""

    def __init__(self, frames: IndexableFrames) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def at(self, t: int) -> Frame:
        """A copy of frame t."""
        return self._frames[t].copy()

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            yield frame.copy()


@dataclass(frozen=True)
class Video:
    """A lazy clip with its prompts. Ground truth is never reachable from here.

    Examples
    --------
    >>> import numpy as np
    >>> import robust_vos_bench as rvos
    >>> prompt = np.zeros((48, 64), np.uint8)
    >>> prompt[10:30, 10:30] = 1
    >>> video = rvos.Video.from_arrays(np.zeros((5, 48, 64, 3), np.uint8), prompt)
    >>> len(video), video.size, video.object_ids
    (5, (48, 64), (1,))
    """

    name: str
    size: tuple[int, int]
    """(H, W) of every frame, in pixels."""
    frames: FrameSource
    """RGB uint8 H x W x 3 frames in order; may be iterated again. Some also index (`IndexableFrames`)."""
    prompts: Mapping[int, Mask]
    """Frame index -> uint8 H x W mask of the objects that *first appear* there; 0 carries no information."""
    frame_names: tuple[str, ...] = ()
    """File stem of each frame ("00000"), in order."""
    fps: float = 24.0
    dataset: str = ""
    """Where it came from ("davis2017:val"); part of the key of every random draw."""
    _ids: tuple[int, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.frame_names:
            object.__setattr__(self, "frame_names", tuple(f"{t:05d}" for t in range(len(self.frames))))
        if not self._ids:  # else it is made from another one: every condition and model looks at the same prompts
            values = {t: values_in(mask) for t, mask in self.prompts.items()}
            for t, found in values.items():
                if VOID in found:
                    raise DataError(
                        f"video {self.name!r}, prompt at frame {t}: holds 255, which means void and is no object "
                        f"({_cure(found)})"
                    )
            object.__setattr__(self, "_ids", tuple(sorted({i for found in values.values() for i in found} - {0})))

    def __len__(self) -> int:
        return len(self.frame_names)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Every id that ever appears in a prompt, sorted."""
        return self._ids

    @property
    def first_frames(self) -> dict[int, int]:
        """Object id -> index of the frame whose prompt introduces it."""
        first: dict[int, int] = {}
        for t in sorted(self.prompts):
            for i in ids_in(self.prompts[t]):
                first.setdefault(i, t)
        return first

    @property
    def first_prompt(self) -> int:
        """Index of the first frame that has a prompt; frames before it are background by definition."""
        if not self.prompts:
            raise DataError(f"video {self.name!r} has no prompt: no first-frame mask holds any object")
        return min(self.prompts)

    def with_frames(self, frames: FrameSource) -> Video:
        """The same video over other frames of the same number and size."""
        return replace(self, frames=frames)

    def unshared(self) -> Video:
        """The same video with copies of its frames and prompts, for somebody who may write into them."""
        frames = self.frames
        own = OwnIndexableFrames(frames) if isinstance(frames, IndexableFrames) else OwnFrames(frames)
        return replace(self, frames=own, prompts={t: mask.copy() for t, mask in self.prompts.items()})

    def with_prompts(self, prompts: Mapping[int, Mask]) -> Video:
        """The same video with other prompts."""
        return replace(self, prompts=dict(prompts), _ids=())

    @classmethod
    def from_arrays(
        cls,
        frames: Sequence[Frame] | NDArray[np.uint8],
        prompts: Mapping[int, Mask] | Mask,
        name: str = "clip",
        fps: float = 24.0,
    ) -> Video:
        """A video from arrays in memory: frames RGB uint8 (T, H, W, 3); prompts a mask for frame 0 or a mapping.

        Raises DataError where shapes or types do not fit, and for the value 255 in a prompt.
        """
        clip = [np.asarray(frame) for frame in frames]
        if not clip:
            raise DataError(f"video {name!r} has no frames")
        for t, frame in enumerate(clip):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise DataError(
                    f"video {name!r}, frame {t}: expected RGB uint8 (H, W, 3), got {frame.dtype} {frame.shape}"
                )
            if frame.shape != clip[0].shape:
                raise DataError(f"video {name!r}, frame {t}: size {frame.shape[:2]} differs from {clip[0].shape[:2]}")
        size = (int(clip[0].shape[0]), int(clip[0].shape[1]))
        given = prompts if isinstance(prompts, Mapping) else {0: prompts}
        checked: dict[int, Mask] = {}
        for t, mask in sorted(given.items()):
            array = np.asarray(mask)
            if array.dtype != np.uint8 or array.shape != size:
                raise DataError(
                    f"video {name!r}, prompt at frame {t}: expected a uint8 mask of {size}, "
                    f"got {array.dtype} {array.shape}"
                )
            if not 0 <= t < len(clip):
                raise DataError(f"video {name!r}: prompt at frame {t}, but there are {len(clip)} frames")
            if array.any():
                checked[int(t)] = array
        return cls(name=name, size=size, frames=clip, prompts=checked, fps=fps)


def _cure(values: list[int]) -> str:
    """What to do with the 255 among the values of a prompt."""
    if set(values) == {0, VOID}:
        return "a black-and-white mask is given as `(mask > 127).astype(np.uint8)`"
    return "object ids are 1..254; void is left out by `np.where(mask == 255, 0, mask)`"


@dataclass(frozen=True)
class Truth:
    """Ground truth of one video. Only the scorer and the reports hold one; adapters never do."""

    video: str
    size: tuple[int, int]
    frame_names: tuple[str, ...]
    masks: Sequence[Mask | None]
    """One per frame: uint8 H x W ids (255 = void, where the data set has it), or None where not annotated. Lazy."""
    first_frames: Mapping[int, int]
    """Object id -> frame index of its prompt."""
    categories: Mapping[int, str] = field(default_factory=dict)
    """Object id -> category name, where the data set tells (YouTube-VOS)."""
    unmoved: Sequence[Mask | None] | None = None
    """Where `masks` were moved with the pixels of a corruption: as they were before. They decide which frames count."""
    scored_frames: Mapping[int, Sequence[int]] | None = None
    """Object id -> indices of the frames that count for it, where a file of the data set says so (LVOS)."""
    listed_lengths: Mapping[int, int] = field(default_factory=dict)
    """Object id -> number of frames that count for it by that file, where it may differ."""

    def __len__(self) -> int:
        return len(self.frame_names)
