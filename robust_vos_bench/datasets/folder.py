"""Plain folders: JPEGImages/<video>/*.jpg with Annotations/<video>/*.png (MOSE, LVOS, VOST, one's own)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from robust_vos_bench.datasets.layout import FolderDataset, existing_root, kept_lines
from robust_vos_bench.errors import DataError


class PlainFolder(FolderDataset):
    """Any folder with JPEGImages and Annotations; objects may appear in any frame's annotation.

    split: a subfolder that holds the two (MOSE and LVOS: "valid") or a list ImageSets/<split>.txt (VOST: "val");
    None takes every video. binary: masks are 0 / 255, every non-zero value is object 1. Frames without an annotation
    are not scored; where annotations are only prompts (no annotated frame without a new object), there is no truth.
    """

    protocol = "ranges"
    movable = True

    def __init__(
        self,
        root: Path,
        split: str | None = None,
        binary: bool = False,
        limit: int | None = None,
        videos: Sequence[str] | None = None,
    ) -> None:
        super().__init__(limit, videos)
        root = self._given = existing_root(root)
        self.name = ":".join(["folder", *([split] if split else []), *(["binary"] if binary else [])])
        self.split, self.binary = split, binary
        self.list_file: Path | None = None
        if split:
            lists = [root / "ImageSets" / f"{split}.txt", *sorted((root / "ImageSets").glob(f"*/{split}.txt"))]
            self.list_file = next((f for f in lists if f.is_file()), None)
            if (root / split).is_dir():
                root = root / split
            elif self.list_file is None:
                raise DataError(f"{root}: no split {split!r} here: neither {root / split} nor {lists[0]} exists")
        self.root = root
        self.frames_root, self.masks_root = root / "JPEGImages", root / "Annotations"
        if not self.frames_root.is_dir() and not self.masks_root.is_dir():
            raise DataError(
                f"{root}: neither JPEGImages nor Annotations here; expected "
                "JPEGImages/<video>/00000.jpg and Annotations/<video>/00000.png"
            )
        for name in ("480p", "Full-Resolution"):
            if (self.frames_root / name).is_dir() and any(p.is_dir() for p in (self.frames_root / name).iterdir()):
                raise DataError(
                    f"{self.frames_root / name}: holds folders, not frames: this is the layout of DAVIS. "
                    "Open it as davis2016:val or davis2017:val"
                )

    @property
    def layout_root(self) -> Path:
        """The folder as given: above the split's own folder, where it has one."""
        return self._given

    def at(self, root: Path, videos: Sequence[str]) -> PlainFolder:
        """See the base class."""
        return PlainFolder(root, self.split, self.binary, videos=videos)

    def list_files(self) -> Mapping[Path, bytes]:
        """The split's list, where it has one."""
        if self.list_file is None:
            return {}
        return {self.list_file.relative_to(self._given): kept_lines(self.list_file.read_text(), self.videos)}

    def _all_videos(self) -> Sequence[str]:
        if self.list_file is not None:
            return [line.strip() for line in self.list_file.read_text().splitlines() if line.strip()]
        place = self.frames_root if self.frames_root.is_dir() else self.masks_root
        return sorted(p.name for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))
