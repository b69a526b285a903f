"""Data sets of others in folders with a fixed layout: MOSE, LVOS, VOST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from robust_vos_bench.datasets.folder import PlainFolder
from robust_vos_bench.datasets.layout import FolderDataset, existing_root
from robust_vos_bench.errors import DataError


class NamedFolder(PlainFolder):
    """A split in `<root>/<split>/JPEGImages` and `Annotations`; subclasses say which families and splits there are.

    Truth is there where annotations are more than the prompts; a split whose truth the authors keep has none.
    """

    folders: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Family -> folders under a data root that are looked into, in order; the data root itself comes first."""
    official: ClassVar[Mapping[str, Mapping[str, int]]] = {}
    """Family -> split -> official number of videos, where it is published."""
    split_folders: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Split -> names of its folder; the split's own name where it is not listed."""

    def __init__(
        self, family: str, split: str, root: Path, limit: int | None = None, videos: Sequence[str] | None = None
    ) -> None:
        FolderDataset.__init__(self, limit, videos)
        self.family, self.split, self._part, self.name = family, split, split, f"{family}:{split}"
        self.list_file: Path | None = None
        self._given = self.root = self._find(existing_root(root))
        self._open()

    def _open(self) -> None:
        """Set the folders of frames and annotations."""
        inner = self.split_folder(self.root)
        self.frames_root, self.masks_root = self.root / inner / "JPEGImages", self.root / inner / "Annotations"

    def split_folder(self, root: Path) -> str:
        """The name of the split's folder in `root`: of several that are known, the one that is there."""
        names = self.split_folders.get(self._part, (self._part,))
        return next((name for name in names if _holds_videos(root / name)), names[0])

    def _looked_for(self) -> str:
        return f"{self.split_folders.get(self._part, (self._part,))[0]}/JPEGImages"

    def _is_here(self, root: Path) -> bool:
        return _holds_videos(root / self.split_folder(root))

    def _find(self, data_root: Path) -> Path:
        names = self.folders[self.family]
        found = next((data_root / name for name in ("", *names) if self._is_here(data_root / name)), None)
        if found is None:
            raise DataError(
                f"{data_root}: no {self.name} here: looked for {self._looked_for()} in it and in its folders "
                f"{', '.join(names)}. How to get it: `rvos-bench data get {self.name}`"
            )
        return found

    @property
    def official_counts(self) -> Mapping[str, int]:
        """The number of videos, where it is published."""
        count = self.official.get(self.family, {}).get(self._part)
        return {} if count is None else {"videos": count}

    @property
    def split_size(self) -> int:
        """Videos of the official split; without an official number, all that the folder holds."""
        return self.official_counts.get("videos", len(self._all_videos()))

    def at(self, root: Path, videos: Sequence[str]) -> NamedFolder:
        """The same split below another root, with these videos open."""
        return type(self)(self.family, self._part, root, videos=videos)


class Mose(NamedFolder):
    """MOSE (v1) and MOSEv2: Ding et al., ICCV 2023 and arXiv 2508.05630. The truth of `valid` is not public.

    MOSEv2 is scored as its authors' score.py does. The scorer of MOSE is on its server only, and `train` is scored by
    ranges.
    """

    folders: ClassVar = {"mose": ("MOSE", "MOSEv1", "mose"), "mosev2": ("MOSEv2", "mosev2", "MOSE-v2")}
    official: ClassVar = {"mose": {"train": 1507, "valid": 311}, "mosev2": {"train": 3666, "valid": 433}}

    def __init__(
        self, family: str, split: str, root: Path, limit: int | None = None, videos: Sequence[str] | None = None
    ) -> None:
        super().__init__(family, split, root, limit, videos)
        self.protocol = "mosev2" if family == "mosev2" else "ranges"


class Vost(NamedFolder):
    """VOST: Tokmakov et al., CVPR 2023. Frames at 5 fps, all annotated, listed in ImageSets/<split>.txt.

    Objects are those of the first mask. 255 is void and counts as background, as in the authors' evaluation.
    """

    protocol = "vost"
    first_frame_objects = True
    fps = 5.0
    folders: ClassVar = {"vost": ("VOST", "vost", "aot/VOST")}
    official: ClassVar = {"vost": {"train": 572, "val": 70, "test": 71}}

    def _open(self) -> None:
        self.list_file = self.root / "ImageSets" / f"{self.split}.txt"
        self.frames_root, self.masks_root = self.root / "JPEGImages", self.root / "Annotations"
        self.annotates_every_frame = self.split != "test"

    def _looked_for(self) -> str:
        return f"ImageSets/{self.split}.txt"

    def _is_here(self, root: Path) -> bool:
        return (root / "ImageSets" / f"{self.split}.txt").is_file() and _holds_videos(root)


def _holds_videos(folder: Path) -> bool:
    return any((folder / kind).is_dir() for kind in ("JPEGImages", "Annotations"))
