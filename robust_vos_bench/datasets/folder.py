"""Plain folders: JPEGImages/<video>/*.jpg with Annotations/<video>/*.png (MOSE, LVOS, VOST, one's own)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from robust_vos_bench.datasets.files import listing, video_folders
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.layout import FolderDataset, existing_root, kept_lines, once, some
from robust_vos_bench.datasets.soft import was_thresholded
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.text import read_text

RESOLUTIONS = ("480p", "Full-Resolution", "1080p")
"""Folders between JPEGImages and the videos in the layout of DAVIS."""


class PlainFolder(FolderDataset):
    """Any folder with JPEGImages and Annotations; objects may appear in any frame's annotation.

    split: a subfolder that holds the two (MOSE and LVOS: "valid"), a list ImageSets/<split>.txt (VOST: "val"), or a
    folder between the two and the videos ("480p": the layout of DAVIS with sparse annotations, as of Long-Time Video);
    None takes every video. The videos are those with annotations. binary: masks are 0 / 255; values above 127 are
    object 1, or, in a mask without any, every non-zero value is (`soft.binarise`). Frames without an annotation
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
        self.split, self.binary, self.maps_by_value = split, binary, not binary
        self.list_file: Path | None = None
        inner = ""
        if split:
            lists = [root / "ImageSets" / f"{split}.txt", *sorted((root / "ImageSets").glob(f"*/{split}.txt"))]
            self.list_file = next((f for f in lists if f.is_file()), None)
            if (root / split).is_dir():
                root = root / split
            elif any((root / kind / split).is_dir() for kind in ("JPEGImages", "Annotations")):
                inner, self.list_file = split, None
            elif self.list_file is None:
                raise DataError(
                    f"{root}: no split {split!r} here: neither {root / split} nor {lists[0]} nor "
                    f"{root / 'JPEGImages' / split} exists"
                )
        self.root = root
        self.frames_root, self.masks_root = root / "JPEGImages" / inner, root / "Annotations" / inner
        if not self.frames_root.is_dir() and not self.masks_root.is_dir():
            raise DataError(
                f"{root}: neither JPEGImages nor Annotations here; expected "
                "JPEGImages/<video>/00000.jpg and Annotations/<video>/00000.png"
            )
        for place in (self.frames_root, self.masks_root):
            for name in RESOLUTIONS:
                if not inner and (place / name).is_dir() and any(p.is_dir() for p in listing(place / name)):
                    raise DataError(
                        f"{place / name}: holds folders, not frames: this is the layout of DAVIS. Open it as "
                        f"davis2016:val or davis2017:val or, where only some frames are annotated, as folder:{name}"
                    )

    @property
    def layout_root(self) -> Path:
        """The folder as given: above the split's own folder, where it has one."""
        return self._given

    def at(self, root: Path, videos: Sequence[str]) -> PlainFolder:
        """The same split below another root, with these videos open."""
        return PlainFolder(root, self.split, self.binary, videos=videos)

    def list_files(self) -> Mapping[Path, bytes]:
        """The split's list, where it has one."""
        if self.list_file is None:
            return {}
        return {self.list_file.relative_to(self._given): kept_lines(read_text(self.list_file), self.videos)}

    @property
    def listed_in(self) -> Path:
        """The list of the split, else the folder of annotations."""
        return self.list_file or self.masks_root

    def _all_videos(self) -> Sequence[str]:
        """The list; else the folders of annotations, whatever frames lie here: what `score` scores is what is run."""
        framed, no_frames = video_folders(self.frames_root) if self.frames_root.is_dir() else ([], [])
        annotated, no_masks = video_folders(self.masks_root) if self.masks_root.is_dir() else ([], [])
        if self.list_file is not None:
            names = [line.strip() for line in read_text(self.list_file).splitlines() if line.strip()]
            return once(names, self.list_file, self._notes)
        for place, left_out in ((self.frames_root, no_frames), (self.masks_root, no_masks)):
            if left_out:
                self._note(f"{place}: left out {some(left_out)} (hidden, empty or a system's own, no videos).")
        if not self.masks_root.is_dir():
            self._note(f"{self.masks_root}: does not exist; nothing can be run or scored without annotations.")
            return framed
        if alone := [name for name in framed if name not in annotated]:
            self._note(f"{self.masks_root}: no annotations of {some(alone)}, so that these are no videos of the set.")
        if framed and (alone := [name for name in annotated if name not in framed]):
            self._note(f"{self.frames_root}: no frames of {some(alone)}; they can be scored, not run.")
        return annotated

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or differs; where masks are binary, also whether the first ones have soft edges."""
        found = super().notes
        if not self.binary:
            return found
        soft: list[str] = []
        for name in self.videos:
            with contextlib.suppress(DataError):  # damage is told when it is that video's turn
                if any(was_thresholded(read_mask(path)) for path in [*self.mask_paths(name).values()][:1]):
                    soft.append(name)
        if not soft:
            return found
        return (*found, f"{self.masks_root}: masks with soft edges ({some(soft)}); values above 127 are the object.")

    def has_truth(self, name: str) -> bool:
        """See the base class; where every frame has an annotation no mask is opened for it."""
        masks = self.mask_paths(name)
        return all(stem in masks for stem in self._stems(name, masks)) or super().has_truth(name)

    def _note(self, text: str) -> None:
        self._notes[text] = None
