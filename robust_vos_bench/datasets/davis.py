"""DAVIS 2016 and 2017, as the official archives lay them out, at 480p or full resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.datasets.layout import FolderDataset, existing_root, kept_lines, once
from robust_vos_bench.datasets.order import missing_numbers
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.system.text import read_text


@dataclass(frozen=True)
class OfficialCounts:
    """What a complete split holds; objects is None where the number depends on the release."""

    videos: int
    frames: int
    objects: int | None = None


SPLITS: Mapping[str, Mapping[str, OfficialCounts]] = {
    "davis2016": {
        "train": OfficialCounts(30, 2079, 30),
        "val": OfficialCounts(20, 1376, 20),
        "trainval": OfficialCounts(50, 3455, 50),
    },
    "davis2017": {
        "train": OfficialCounts(60, 4209, 144),
        "val": OfficialCounts(30, 1999, 61),
        "trainval": OfficialCounts(90, 6208, 205),
        "test-dev": OfficialCounts(30, 2086, 89),
        "test-challenge": OfficialCounts(30, 2180, 90),
    },
}
"""Family -> split -> official numbers (the data set's pages and the ImageSets of its archives)."""

RESOLUTIONS: Mapping[str, tuple[str, ...]] = {
    "480p": ("480p",),
    "Full-Resolution": ("Full-Resolution", "1080p"),
}
"""Resolution -> names of its folder: 2017 archives say Full-Resolution, 2016 ones 1080p."""

FOLDERS: Mapping[str, tuple[str, ...]] = {
    "davis2016": ("", "DAVIS2016", "DAVIS-2016", "davis2016", "DAVIS/2016", "DAVIS"),
    "davis2017": ("", "DAVIS2017", "DAVIS-2017", "davis2017", "DAVIS/2017", "DAVIS/2017/trainval", "DAVIS"),
    "davis2017-test-dev": ("", "DAVIS-2017-test-dev", "DAVIS2017-test-dev", "DAVIS/2017/test-dev", "DAVIS"),
    "davis2017-test-challenge": ("", "DAVIS-2017-test-challenge", "DAVIS/2017/test-challenge", "DAVIS"),
}
"""Where under a data root a DAVIS folder is looked for, in order."""

_TEST_SPLITS = ("test-dev", "test-challenge")


class Davis(FolderDataset):
    """One split of DAVIS. Annotations of 2016 are 0 / 255 and map to {0, 1}; those of 2017 hold ids, 255 = void.

    Objects are those of the first mask, as in the official semi-supervised protocol. `davis2016` also reads the
    masks of a 2017 archive (its ImageSets/2016 lists the same videos): all objects together are then object 1.
    """

    protocol = "davis"
    first_frame_objects = True
    numbering_step = 1
    movable = True

    def __init__(
        self,
        family: str,
        split: str,
        root: Path,
        size: str = "480p",
        limit: int | None = None,
        videos: Sequence[str] | None = None,
    ) -> None:
        super().__init__(limit, videos)
        if size not in RESOLUTIONS:
            raise UsageError(f"unknown size {size!r} of {family}; known: {', '.join(RESOLUTIONS)}")
        self.family, self.split, self.resolution = family, split, size
        self.name = f"{family}:{split}" + ("" if size == "480p" else f"@{size}")
        self.binary = family == "davis2016"
        self.annotates_every_frame = split not in _TEST_SPLITS
        self.root = _davis_root(root, family, split)
        self.list_file = self._find_list()
        self.frames_root = self._resolution_folder("JPEGImages")
        self.masks_root = self._resolution_folder("Annotations")

    @property
    def counts(self) -> OfficialCounts:
        """The official numbers of this split."""
        return SPLITS[self.family][self.split]

    @property
    def official_counts(self) -> Mapping[str, int]:
        """`counts`, without what depends on the release."""
        counts = self.counts
        objects = {} if counts.objects is None else {"objects": counts.objects}
        return {"videos": counts.videos, "frames": counts.frames, **objects}

    @property
    def listed_in(self) -> Path:
        """The first list of the split."""
        return self.list_file[0]

    def at(self, root: Path, videos: Sequence[str]) -> Davis:
        """The same split below another root, with these videos open."""
        return Davis(self.family, self.split, root, self.resolution, videos=videos)

    @property
    def split_size(self) -> int:
        """Videos of the official split."""
        return self.counts.videos

    def list_files(self) -> Mapping[Path, bytes]:
        """The lists of the split under ImageSets."""
        lists = {file.relative_to(self.root): read_text(file) for file in self.list_file}
        return {path: kept_lines(text, self.videos, _name_in) for path, text in lists.items()}

    def _find_list(self) -> tuple[Path, ...]:
        year = self.family.removeprefix("davis")
        parts = ("train", "val") if self.split == "trainval" else (self.split,)
        files = []
        for part in parts:
            places = [self.root / "ImageSets" / folder / f"{part}.txt" for folder in (year, "480p", "1080p")]
            places = places if year == "2016" else places[:1]
            found = next((place for place in places if place.is_file()), None)
            if found is None:
                raise DataError(f"{places[0]}: no such file; it lists the videos of {self.family}:{part}")
            files.append(found)
        return tuple(files)

    def _resolution_folder(self, kind: str) -> Path:
        names = RESOLUTIONS[self.resolution]
        return next(
            (self.root / kind / n for n in names if (self.root / kind / n).is_dir()), self.root / kind / names[0]
        )

    def _all_videos(self) -> Sequence[str]:
        names: dict[str, None] = {}
        for file in self.list_file:
            lines = read_text(file).splitlines()
            # The 2016 archive lists frames: there a line, not a name, must not be repeated.
            bare = [name for line in lines if (name := _name_in(line)) and "/" not in line.strip().strip("/")]
            once(bare, file, self._notes)
            names.update(dict.fromkeys(name for line in lines if (name := _name_in(line))))
        return sorted(names) if self.split == "trainval" else list(names)

    def _stems(self, name: str, masks: Mapping[str, Path]) -> tuple[str, ...]:
        return tuple(masks)  # the official tool takes its frame list from the truth folder

    def _is_truth(self, name: str, masks: Mapping[str, Path], first: Mapping[int, str], stems: Sequence[str]) -> bool:
        if self.split in _TEST_SPLITS:
            return len(masks) > 1
        for stem in missing_numbers(stems, step=1):
            raise DataError(f"{self.masks_root / name / stem}.png: no such file; annotation of frame {stem} is missing")
        return True

    def _check_frames(self, name: str, stems: tuple[str, ...]) -> None:
        for stem in missing_numbers(stems, step=1):
            raise DataError(f"{self.frames_root / name / stem}.jpg: no such file; frame {stem} is missing")
        masks = self.mask_paths(name)
        size = self.frames_root.name
        if masks and self.split not in _TEST_SPLITS:
            for stem in stems:
                if stem not in masks:
                    raise DataError(
                        f"{self.masks_root / name / stem}.png: no such file; frame {stem} has no annotation. "
                        f"Videos in this layout with annotations of some frames only open as folder:{size}"
                    )


def _name_in(line: str) -> str:
    """The video that a line of a list names, "" where it names none."""
    # The 2016 archive lists frames: "/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png".
    entry = line.split()[0] if line.split() else ""
    parts = entry.strip("/").split("/")
    return parts[-2] if len(parts) > 1 else parts[0]


def _davis_root(data_root: Path, family: str, split: str) -> Path:
    existing_root(data_root)
    key = f"{family}-{split}" if split in _TEST_SPLITS else family
    year = family.removeprefix("davis")
    for folder in FOLDERS[key]:
        root = data_root / folder
        lists = [
            root / "ImageSets" / y / f"{'val' if split == 'trainval' else split}.txt" for y in (year, "480p", "1080p")
        ]
        if any(place.is_file() for place in (lists if year == "2016" else lists[:1])):
            return root
    raise DataError(
        f"{data_root}: no {family}:{split} here: looked for ImageSets/{year}/{split}.txt in it and in its folders "
        f"{', '.join(f for f in FOLDERS[key] if f)}. Get it with `rvos-bench data get {family}`, "
        "or give the folder that holds JPEGImages, Annotations and ImageSets with --data-root"
    )
