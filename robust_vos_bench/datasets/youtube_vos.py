"""YouTube-VOS 2018 and 2019: splits `train`, `valid`, `valid_all_frames`, with objects that appear late."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from robust_vos_bench.datasets.categories import SEEN_CATEGORIES
from robust_vos_bench.datasets.images import image_size
from robust_vos_bench.datasets.layout import FolderDataset, existing_root
from robust_vos_bench.datasets.order import in_order
from robust_vos_bench.datasets.video import ids_in
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.text import read_text

SPLITS: Mapping[str, Mapping[str, int]] = {
    "youtubevos2018": {"train": 3471, "valid": 474, "valid_all_frames": 474},
    "youtubevos2019": {"train": 3471, "valid": 507, "valid_all_frames": 507},
}
"""Family -> split -> official number of videos."""


class YouTubeVOS(FolderDataset):
    """One split of YouTube-VOS. Objects enter at the frame that meta.json names; ids may have gaps; 255 is void.

    `valid` holds every fifth frame (6 fps), `valid_all_frames` every frame (30 fps) with the annotations and the
    meta.json of `valid`. Truth of the validation splits is not public (`truth` is None); `train` has it on all frames.
    """

    protocol = "ranges"
    movable = True

    def __init__(
        self, family: str, split: str, root: Path, limit: int | None = None, videos: Sequence[str] | None = None
    ) -> None:
        super().__init__(limit, videos)
        self.family, self.split = family, split
        self.name = f"{family}:{split}"
        self.fps = 30.0 if split == "valid_all_frames" else 6.0
        self.root = _root(root, family, split)
        self.frames_root = self.root / split / "JPEGImages"
        own = self.root / split
        annotated = own if (own / "Annotations").is_dir() else self.root / split.removesuffix("_all_frames")
        self.masks_root = annotated / "Annotations"
        self.meta_file = next(
            (f for f in (annotated / "meta.json", own / "meta.json") if f.is_file()), annotated / "meta.json"
        )

    @cached_property
    def seen_categories(self) -> frozenset[str]:  # type: ignore[override]
        """The 65 training categories: those in train/meta.json where it is at hand, else the published list."""
        train = self.root / "train" / "meta.json"
        if not train.is_file():
            return SEEN_CATEGORIES
        videos = _read_meta(train)
        return frozenset(o["category"] for v in videos.values() for o in v["objects"].values() if "category" in o)

    def submission_frames(self, name: str) -> tuple[str, ...]:
        """Stems of the frames whose masks are submitted and scored: those that meta.json lists for any object."""
        self._check_name(name)
        stems = {stem for entry in self._objects(name).values() for stem in entry.get("frames", ())}
        return tuple(in_order(stems))

    def list_files(self) -> Mapping[Path, bytes]:
        """meta.json with the open videos."""
        entries = {name: self._meta[name] for name in self.videos}
        return {self.meta_file.relative_to(self.root): json.dumps({"videos": entries}).encode()}

    @cached_property
    def _meta(self) -> Mapping[str, Any]:
        return _read_meta(self.meta_file)

    def declared_objects(self, name: str) -> Mapping[int, Sequence[str]]:
        """Object id -> frames that meta.json lists for it."""
        return {i: tuple(entry.get("frames", ())) for i, entry in self._objects(name).items()}

    def _objects(self, name: str) -> dict[int, dict[str, Any]]:
        return {int(i): entry for i, entry in self._meta[name]["objects"].items()}

    @property
    def official_counts(self) -> Mapping[str, int]:
        """The number of videos; those of frames and objects are not published."""
        return {"videos": self.split_size}

    @property
    def listed_in(self) -> Path:
        """The meta.json of the split."""
        return self.meta_file

    def at(self, root: Path, videos: Sequence[str]) -> YouTubeVOS:
        """The same split below another root, with these videos open."""
        return YouTubeVOS(self.family, self.split, root, videos=videos)

    @property
    def split_size(self) -> int:
        """Videos of the official split."""
        return SPLITS[self.family][self.split]

    def _all_videos(self) -> Sequence[str]:
        return sorted(self._meta)

    def _find_appearances(self, name: str) -> dict[int, str]:
        """First frames as meta.json names them, checked against the masks; all masks are read where that fails."""
        masks = self.mask_paths(name)
        named = {i: entry["frames"][0] for i, entry in self._objects(name).items() if entry.get("frames")}
        if masks and named and all(stem in masks for stem in named.values()):
            size = image_size(next(iter(masks.values())))
            first: dict[int, str] = {}
            for stem in in_order(set(named.values())):
                for i in ids_in(self.read_annotation(masks[stem], size)):
                    first.setdefault(i, stem)
            if first and all(first.get(i) == stem for i, stem in named.items()):
                return first
        return super()._find_appearances(name)

    def _is_truth(self, name: str, masks: Mapping[str, Path], first: Mapping[int, str], stems: Sequence[str]) -> bool:
        frames = self.submission_frames(name)
        return len(frames) > len(set(first.values())) and all(stem in masks for stem in frames)

    def _check_frames(self, name: str, stems: tuple[str, ...]) -> None:
        for stem in self.submission_frames(name):
            if stem not in stems:
                raise DataError(
                    f"{self.frames_root / name / stem}.jpg: no such file; {self.meta_file} lists frame {stem} of {name}"
                )

    def _categories(self, name: str) -> dict[int, str]:
        return {i: entry["category"] for i, entry in self._objects(name).items() if "category" in entry}

    def _identity(self, name: str) -> str:
        return f"{super()._identity(name)} {json.dumps(self._meta[name], sort_keys=True)}"


def _read_meta(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; it lists the videos, objects and categories of the split")
    twice: dict[str, None] = {}

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in pairs:
            if name in made:
                twice[name] = None
            made[name] = value
        return made

    try:
        found = json.loads(read_text(path), object_pairs_hook=unique)
    except ValueError as error:
        raise DataError(f"{path}: not a YouTube-VOS meta.json ({type(error).__name__}: {error})") from error
    except RecursionError as error:
        raise DataError(f"{path}: not a YouTube-VOS meta.json (nested too deeply)") from error
    if twice:
        raise DataError(f"{path}: not a YouTube-VOS meta.json (the key {next(iter(twice))!r} is there twice)")
    videos = found.get("videos") if isinstance(found, dict) else None
    if not isinstance(videos, dict):
        raise DataError(f"{path}: not a YouTube-VOS meta.json ('videos' must map names to objects)")
    for name, entry in videos.items():
        if wrong := _wrong_name(name) or _wrong_entry(entry):
            raise DataError(f"{path}: video {name!r}: {wrong}")
    return dict(videos)


def _wrong_name(name: str) -> str:
    return "" if name and name not in (".", "..") and not set(name) & set("/\\\0") else "cannot be the name of a folder"


def _wrong_entry(entry: object) -> str:
    """What is wrong with the entry of a video in meta.json; "" where nothing is."""
    objects = entry.get("objects") if isinstance(entry, dict) else None
    if not isinstance(objects, dict):
        return "has no proper 'objects' (id -> category, frames)"
    ids: dict[int, str] = {}
    for i, described in objects.items():
        if not (i.isascii() and i.isdecimal() and 0 < int(i) < 255):
            return f"has no proper 'objects': the id {i!r} is no number from 1 to 254"
        if ids.setdefault(int(i), i) != i:
            return f"has object {int(i)} twice, as {ids[int(i)]!r} and {i!r}"
        if not isinstance(described, dict):
            return f"has no proper 'objects': object {i} is described by {_kind(described)}, not by category and frames"
        frames = described.get("frames", [])
        if not isinstance(frames, list) or not all(isinstance(stem, str) for stem in frames):
            strange = frames if not isinstance(frames, list) else next(f for f in frames if not isinstance(f, str))
            return f"object {i}: 'frames' must be a list of frame names such as \"00005\", not {_kind(strange)}"
        if not isinstance(described.get("category", ""), str):
            return f"object {i}: 'category' must be a name, not {_kind(described['category'])}"
    return ""


def _kind(value: object) -> str:
    """How JSON calls a value."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return json.dumps(value)


def _root(data_root: Path, family: str, split: str) -> Path:
    existing_root(data_root)
    year = family.removeprefix("youtubevos")
    folders: tuple[str, ...] = (
        "",
        f"YouTubeVOS{year}",
        f"youtubevos{year}",
        f"YouTube-VOS/{year}",
        f"YTB/{year}",
        f"YouTube{year}",
    )
    folders += ("YouTube", "YouTubeVOS", "YouTube-VOS")
    for folder in folders:
        root = data_root / folder
        if any((root / split / kind).is_dir() for kind in ("JPEGImages", "Annotations")):
            return root
    raise DataError(
        f"{data_root}: no {family}:{split} here: looked for {split}/JPEGImages in it and in its folders "
        f"{', '.join(f for f in folders if f)}. How to get it: `rvos-bench data get {family}`"
    )
