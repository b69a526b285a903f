"""Data sets that lie in folders: what DAVIS, YouTube-VOS and plain folders have in common."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.dataset import Dataset, Layout
from robust_vos_bench.datasets.files import BINARISE, FrameFiles, MaskFiles, list_frames, list_masks, listing
from robust_vos_bench.datasets.images import image_size, read_mask
from robust_vos_bench.datasets.names import matching
from robust_vos_bench.datasets.soft import CURE, binarise, soft_values
from robust_vos_bench.datasets.video import VOID, Mask, Truth, Video, ids_in
from robust_vos_bench.errors import DataError, UsageError, unknown
from robust_vos_bench.system.cache import file_fingerprint, remembered


class FolderDataset(Dataset):
    """Videos as folders of frames under `frames_root`, annotations under `masks_root`; subclasses say the rest."""

    root: Path
    frames_root: Path
    masks_root: Path
    fps = 24.0
    first_frame_objects = False
    """Only the objects of the first mask count (DAVIS); ids that first appear later are ignored."""
    numbering_step: int | None = None
    """Difference of neighbouring frame numbers, where the data set has one; None takes the smallest there is."""
    annotates_every_frame: bool = False
    """Whether every frame must have an annotation."""

    @property
    def listed_in(self) -> Path:
        """The file that says which videos there are, for messages."""
        return self.root

    def declared_objects(self, name: str) -> Mapping[int, Sequence[str]] | None:
        """Object id -> frames, as a file of the data set lists them (`listed_in`); None where no file does."""
        return None

    def __init__(self, limit: int | None = None, videos: Sequence[str] | None = None) -> None:
        check_limit(limit)
        self._limit = limit
        self._only = None if videos is None else tuple(videos)
        self._notes: dict[str, None] = {}

    @abstractmethod
    def _all_videos(self) -> Sequence[str]:
        """Every video of the split in the official order."""

    @cached_property
    def _videos(self) -> tuple[str, ...]:
        names = tuple(self._all_videos())
        if not names:
            raise DataError(
                " ".join([f"{self.listed_in}: {self.name} has no videos here.", *self._notes]).removesuffix(".")
            )
        return select_videos(self.name, names, self._limit, self._only)

    @property
    def videos(self) -> Sequence[str]:
        """Video names in the official order, cut to `limit`."""
        return self._videos

    @property
    def split_size(self) -> int:
        """See the base class; without an official number, all that the folder holds."""
        return len(self._all_videos())

    def with_videos(self, names: Sequence[str] | None) -> FolderDataset:
        """The same split with these of its videos open, or, for None, every one."""
        other = copy.copy(self)
        other._notes = {}
        other._limit, other._only = None, None if names is None else tuple(names)
        for found_out in ("_videos", "_appearances", "index_hash"):
            other.__dict__.pop(found_out, None)
        return other

    def map_mask(self, mask: Mask) -> Mask:
        """Values as stored -> object ids, uint8 H x W; the same rule for truth and predictions of this data set."""
        if not self.binary:
            return mask
        return (mask > 0).astype(np.uint8) if self.maps_by_value else binarise(mask)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or read otherwise than it lies there, one sentence each; for people."""
        _ = self._videos
        return tuple(self._notes)

    def read_annotation(self, path: Path, size: tuple[int, int] | None = None) -> Mask:
        """The object ids of an annotation, uint8 H x W. Raises DataError, naming the file, for damage, another size,
        and for a mask with soft edges where ids are expected."""
        mask = read_mask(path, size)
        if self.binary:
            return self.map_mask(mask)
        if count := soft_values(mask):
            raise DataError(f"{path}: {CURE.format(count=count)}")
        return self.map_mask(mask)

    def frames_folder(self, name: str) -> Path:
        """The folder of a video's frames."""
        return self.frames_root / name

    def masks_folder(self, name: str) -> Path:
        """The folder of a video's annotations."""
        return self.masks_root / name

    def frame_paths(self, name: str) -> tuple[Path, ...]:
        """The frame files of a video in order. Raises DataError where there are none."""
        self._check_name(name)
        return list_frames(self.frames_folder(name))

    def mask_paths(self, name: str) -> Mapping[str, Path]:
        """Frame stem -> annotation file of a video, in order."""
        self._check_name(name)
        return list_masks(self.masks_folder(name))

    def video(self, name: str) -> Video:
        """One video, lazily: only headers and the prompts are read. Raises DataError, naming the file."""
        paths = self.frame_paths(name)
        size = image_size(paths[0])
        stems = tuple(path.stem for path in paths)
        self._check_frames(name, stems)
        self._check_masks(name, stems, self.mask_paths(name))
        prompts = self._prompts(name, stems, size)
        return Video(
            name=name,
            size=size,
            frames=FrameFiles(paths, size),
            prompts=prompts,
            frame_names=stems,
            fps=self.fps,
            dataset=self.name,
        )

    def truth(self, name: str) -> Truth | None:
        """Ground truth of one video from its annotations; frames need not be there. None where not published."""
        masks = self.mask_paths(name)
        if not masks:
            raise DataError(f"{self.masks_folder(name)}: no annotations (.png) of video {name!r}")
        stems = self._stems(name, masks)
        self._check_masks(name, stems, masks)
        size = image_size(next(iter(masks.values())))
        first = self.appearances(name)
        if not self._is_truth(name, masks, first, stems):
            return None
        files = self.mask_files(name, stems, size)
        return Truth(
            video=name,
            size=size,
            frame_names=stems,
            masks=files,
            first_frames={i: stems.index(stem) for i, stem in first.items()},
            categories=self._categories(name),
            **self._scored(name, stems),
        )

    def mask_files(self, name: str, stems: Sequence[str], size: tuple[int, int]) -> MaskFiles:
        """The annotations of these frames as ids, None where a frame has none; size: (H, W)."""
        masks = self.mask_paths(name)
        table = BINARISE if self.binary else None
        return MaskFiles(tuple(masks.get(stem) for stem in stems), size, table, self.maps_by_value)

    def fingerprint(self, name: str) -> str:
        """Digest of the names and bytes of the video's frames (where present) and annotations, and of the id rule."""
        frames: tuple[Path, ...] = ()
        if self._has_frames(name):
            frames = self.frame_paths(name)
        return file_fingerprint(self._identity(name), [*frames, *self.mask_paths(name).values()])

    @property
    def layout_root(self) -> Path:
        """The folder that a copy in the same layout replaces: what was given as the data root."""
        return self.root

    @property
    def layout(self) -> Layout:
        """The folders of frames and annotations under `layout_root`."""
        top = self.layout_root
        return Layout(top, self.frames_root.relative_to(top), self.masks_root.relative_to(top))

    def appearances(self, name: str) -> dict[int, str]:
        """Object id -> stem of the frame whose annotation first shows it, in order of appearance; cached."""
        cache: dict[str, dict[int, str]] = self.__dict__.setdefault("_appearances", {})
        if name not in cache:
            cache[name] = self._find_appearances(name)
        return cache[name]

    def _find_appearances(self, name: str) -> dict[int, str]:
        masks = self.mask_paths(name)
        if not masks:
            raise DataError(f"{self.masks_folder(name)}: no annotations (.png) of video {name!r}")
        candidates = dict(list(masks.items())[:1]) if self.first_frame_objects else dict(masks)
        # Long videos hold thousands of masks (LVOS); what their first look found is kept.
        found = remembered(
            "first-appearances", self._identity(name), list(candidates.values()), lambda: self._scan(candidates)
        )
        first = {int(i): str(stem) for i, stem in found.items()}
        if not first:
            path = next(iter(candidates.values()))
            raise DataError(f"{path}: holds no object{self._why_empty(path)}; video {name!r} has nothing to segment")
        return first

    def _scan(self, masks: Mapping[str, Path]) -> dict[int, str]:
        first: dict[int, str] = {}
        size = image_size(next(iter(masks.values())))
        for stem, path in masks.items():
            for i in ids_in(self.read_annotation(path, size)):
                first.setdefault(i, stem)
        return first

    def _prompts(self, name: str, stems: tuple[str, ...], size: tuple[int, int]) -> dict[int, Mask]:
        first = self.appearances(name)
        masks = self.mask_paths(name)
        prompts: dict[int, Mask] = {}
        for stem in sorted(set(first.values()), key=stems.index):
            mask = self.read_annotation(masks[stem], size)
            keep = np.zeros(256, np.uint8)
            for i, at in first.items():
                if at == stem:
                    keep[i] = i
            prompts[stems.index(stem)] = keep[mask]
        return prompts

    def _stems(self, name: str, masks: Mapping[str, Path]) -> tuple[str, ...]:
        """Frame names of a video; those of its annotations where the frames are not there."""
        if self._has_frames(name):
            return tuple(path.stem for path in self.frame_paths(name))
        return tuple(masks)

    def _is_truth(self, name: str, masks: Mapping[str, Path], first: Mapping[int, str], stems: Sequence[str]) -> bool:
        """Whether annotations are more than prompts: some introduce no object, or every frame (as far as is known,
        where no frames lie here) has one."""
        return all(stem in masks for stem in stems) or any(stem not in first.values() for stem in masks)

    def _has_frames(self, name: str) -> bool:
        """Whether anything lies in the video's folder of frames."""
        folder = self.frames_folder(name)
        return folder.is_dir() and bool(listing(folder))

    def _check_frames(self, name: str, stems: tuple[str, ...]) -> None:
        """Where a data set knows which frames there must be: raise DataError for a missing one."""

    def _check_masks(self, name: str, stems: Sequence[str], masks: Mapping[str, Path]) -> None:
        """Raise DataError for an annotation of a frame that is not there."""
        known = set(stems)
        for stem, path in masks.items():
            if stem not in known:
                raise DataError(f"{path}: annotates frame {stem}, but {self.frames_folder(name)} has no such frame")

    def _check_name(self, name: str) -> None:
        if name not in self._videos:
            raise unknown(f"video of {self.name}", name, self._videos)

    def _categories(self, name: str) -> dict[int, str]:
        return {}

    def _scored(self, name: str, stems: Sequence[str]) -> dict[str, Any]:
        """`scored_frames` and `listed_lengths` of the truth, where a file of the data set says what counts."""
        return {}

    def _identity(self, name: str) -> str:
        return f"{self.name} {name} binary={self.binary}"

    def _why_empty(self, path: Path) -> str:
        values = np.unique(read_mask(path))
        if VOID in values:
            return (
                " (only the values 0 and 255, and 255 means void): a binary 0 / 255 mask? "
                "Open such data as davis2016 or as folder:binary"
            )
        return ""


def first_appearances(masks: Iterable[Mask]) -> dict[int, int]:
    """Object id -> index of the first mask that shows it, in order of appearance."""
    first: dict[int, int] = {}
    for t, mask in enumerate(masks):
        for i in ids_in(mask):
            first.setdefault(i, t)
    return first


def select_videos(dataset: str, names: Sequence[str], limit: int | None, only: Sequence[str] | None) -> tuple[str, ...]:
    """`names` cut to those in `only` (names or patterns), then to the first `limit`. Raises UsageError for an unknown
    name."""
    check_limit(limit)
    chosen = tuple(names) if only is None else matching(f"video of {dataset}", only, names)
    return chosen[:limit]


def check_limit(limit: int | None) -> None:
    """UsageError unless `limit` is None or at least 1."""
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be at least 1, not {limit}")


def existing_root(data_root: Path) -> Path:
    """The folder itself. Raises DataError where it is a file or does not exist."""
    if data_root.is_file():
        raise DataError(f"{data_root}: is a file; --data-root must be the folder of a data set")
    if not data_root.is_dir():
        raise DataError(f"{data_root}: no such folder; give the data set's folder with --data-root")
    return data_root


def once(names: Iterable[str], where: Path, notes: dict[str, None]) -> list[str]:
    """Each name once, in order; a note for the names that a list repeats."""
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    if twice := [name for name, count in found.items() if count > 1]:
        notes[f"{where}: names {some(twice)} more than once; each video counts once."] = None
    return list(found)


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more


def kept_lines(text: str, videos: Sequence[str], name_in: Callable[[str], str] = str.strip) -> bytes:
    """The lines of a list file that name one of the videos, as they are; name_in: how the data set reads a line."""
    wanted = set(videos)
    lines = [line for line in text.splitlines() if name_in(line) in wanted]
    return ("\n".join(lines) + "\n").encode()
