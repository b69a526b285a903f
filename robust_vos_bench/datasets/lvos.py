"""LVOS v1 and v2: long videos, whose meta.json says in which frames each object counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from robust_vos_bench.datasets.categories import LVOS_UNSEEN_VIDEOS
from robust_vos_bench.datasets.named import NamedFolder
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.text import read_text

STEP = 5
"""Difference of the numbers of neighbouring frames: videos of 30 fps, of which every fifth frame is there."""
DIGITS = 8
"""Of a frame's name: 00000001."""


@dataclass(frozen=True)
class FrameRange:
    """What meta.json says of one object."""

    start: int
    """Number of its first frame."""
    end: int
    """Number at which its range ends; itself not part of it."""
    frames: int
    """How many frames it has, the first and the last with it."""

    @property
    def scored(self) -> range:
        """Numbers of the frames that count: without the first and the last of `frames`."""
        numbers = range(self.start, self.end, STEP)
        return numbers[1 : max(self.frames - 1, 1)] if len(numbers) <= self.frames else numbers[1:]


class Lvos(NamedFolder):
    """One split of LVOS v1 (Hong et al., ICCV 2023) or v2 (arXiv 2404.19326). Videos are seen or unseen.

    The truth of `test` is not public. Frames are named 00000001, 00000006, ...; every frame of `valid` is annotated.
    """

    protocol = "lvos"
    fps = 6.0
    numbering_step = STEP
    seen_categories = frozenset({"seen"})
    folders: ClassVar = {
        "lvos": ("LVOS", "LVOS_V1", "LVOSv1", "lvos"),
        "lvosv2": ("LVOS_V2", "LVOSv2", "lvosv2", "LVOS"),
    }
    official: ClassVar = {
        "lvos": {"train": 120, "valid": 50, "test": 50},
        "lvosv2": {"train": 420, "valid": 140, "test": 160},
    }
    split_folders: ClassVar = {
        "valid": ("valid", "val", "Val", "Valid"),
        "train": ("train", "Train"),
        "test": ("test", "Test"),
    }

    @property
    def meta_file(self) -> Path:
        """The meta.json of the split; where it is not there, where it belongs."""
        folder = self.frames_root.parent
        names = [f"{split}_meta.json" for split in dict.fromkeys((folder.name.lower(), self.split, "val"))]
        places = [place / name for place in (folder, self.root) for name in names]
        return next((place for place in places if place.is_file()), folder / f"{self.split}_meta.json")

    @property
    def listed_in(self) -> Path:
        """The meta.json of the split."""
        return self.meta_file

    def list_files(self) -> Mapping[Path, bytes]:
        """meta.json with the open videos."""
        if not self.meta_file.is_file():
            return {}
        kept = {name: self._meta[name] for name in self.videos if name in self._meta}
        return {self.meta_file.relative_to(self.root): json.dumps({"videos": kept}).encode()}

    @cached_property
    def _meta(self) -> Mapping[str, Any]:
        place = self.meta_file
        if not place.is_file():
            raise DataError(
                f"{place}: no such file; it says in which frames each object counts. The authors give it out beside "
                f"the videos: `rvos-bench data get {self.name}` says where"
            )
        try:
            found = json.loads(read_text(place))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: not a meta.json of LVOS ({type(error).__name__})") from error
        videos = found.get("videos") if isinstance(found, dict) else None
        if not isinstance(videos, dict):
            raise DataError(f"{place}: not a meta.json of LVOS ('videos' must map names to objects)")
        return videos

    def ranges(self, name: str) -> dict[int, FrameRange]:
        """Object id -> its range of frames in meta.json. Raises DataError, naming the file, where it has none."""
        try:
            objects = self._meta[name]["objects"]
            found = {
                int(i): FrameRange(*(int(entry["frame_range"][key]) for key in ("start", "end", "frame_nums")))
                for i, entry in objects.items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{self.meta_file}: video {name!r} has no proper 'objects' (id -> frame_range: start, end, frame_nums)"
            ) from error
        if not found or not all(0 < i < 255 for i in found):
            raise DataError(f"{self.meta_file}: video {name!r} has no objects with ids from 1 to 254")
        return found

    def _scored(self, name: str, stems: Sequence[str]) -> dict[str, Any]:
        place = {stem: t for t, stem in enumerate(stems)}
        scored: dict[int, tuple[int, ...]] = {}
        lengths: dict[int, int] = {}
        for i, span in self.ranges(name).items():
            if len(range(span.start, span.end, STEP)) > span.frames:
                raise DataError(
                    f"{self.meta_file}: video {name!r}, object {i}: frame_nums is {span.frames}, but {span.start} to "
                    f"{span.end} are more frames; the authors' evaluation cannot score this either"
                )
            names = [f"{number:0{DIGITS}d}" for number in span.scored]
            for stem in names:
                if stem not in place:
                    raise DataError(
                        f"{self.masks_folder(name) / stem}.png: no such file; {self.meta_file} says that object {i} "
                        "counts there"
                    )
            scored[i], lengths[i] = tuple(place[stem] for stem in names), max(span.frames - 2, 0)
        return {"scored_frames": scored, "listed_lengths": lengths}

    def _categories(self, name: str) -> dict[int, str]:
        group = "unseen" if name in LVOS_UNSEEN_VIDEOS else "seen"
        return dict.fromkeys(self.appearances(name), group) | dict.fromkeys(self.ranges(name), group)

    def _identity(self, name: str) -> str:
        known = self._meta.get(name) if self.meta_file.is_file() else None
        return f"{super()._identity(name)} {json.dumps(known, sort_keys=True)}"
