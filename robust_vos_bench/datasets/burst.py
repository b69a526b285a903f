"""BURST: TAO's videos with masks in JSON, annotated once per second, and frames at their own rate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.files import FrameFiles
from robust_vos_bench.datasets.layout import check_limit, existing_root, select_videos
from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.datasets.rle import decode
from robust_vos_bench.datasets.video import Mask, Truth, Video, ids_in
from robust_vos_bench.errors import DataError, unknown
from robust_vos_bench.system.cache import file_fingerprint
from robust_vos_bench.system.text import read_text

FILE = "all_classes.json"
VIDEOS: Mapping[str, int] = {"train": 500, "val": 993, "test": 1421}
"""Split -> official number of videos."""


class Burst(Dataset):
    """One split of BURST (Athar et al., WACV 2023) with first masks as prompts: its exemplar-guided mask task.

    Videos are named "<dataset>.<sequence>", ids are the track ids. Masks of two objects may overlap; a mask of ids then
    shows the smaller one, and HOTA is computed from the masks as they are. A category is written "<number> <name>".
    """

    protocol = "burst"

    def __init__(self, split: str, root: Path, limit: int | None = None, videos: Sequence[str] | None = None) -> None:
        check_limit(limit)
        self.split, self.name = split, f"burst:{split}"
        self.root, self.file = _root(root, split)
        self._limit, self._only = limit, None if videos is None else tuple(videos)

    def __getstate__(self) -> dict[str, Any]:
        # Workers read the file themselves: it is large.
        return {key: value for key, value in self.__dict__.items() if key not in ("_document", "_sequences")}

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        try:
            found = json.loads(read_text(self.file))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.file}: not a file of BURST ({type(error).__name__}: {error})") from error
        if not isinstance(found, dict) or not isinstance(found.get("sequences"), list):
            raise DataError(f"{self.file}: not a file of BURST (it has no list 'sequences')")
        return found

    @cached_property
    def _sequences(self) -> Mapping[str, Mapping[str, Any]]:
        try:
            return {f"{entry['dataset']}.{entry['seq_name']}": entry for entry in self._document["sequences"]}
        except (KeyError, TypeError) as error:
            raise DataError(f"{self.file}: a sequence has no 'dataset' or 'seq_name'") from error

    @property
    def videos(self) -> Sequence[str]:
        """Names in the order of the file."""
        return select_videos(self.name, tuple(self._sequences), self._limit, self._only)

    def with_videos(self, names: Sequence[str] | None) -> Burst:
        """The same split with these of its videos open."""
        return Burst(self.split, self.file.parent, videos=names)

    @property
    def split_size(self) -> int:
        """Videos of the official split."""
        return VIDEOS[self.split]

    @property
    def official_counts(self) -> Mapping[str, int]:
        """The number of videos."""
        return {"videos": VIDEOS[self.split]}

    def frame_paths(self, name: str) -> tuple[Path, ...]:
        """The frames that the file lists. Raises DataError for one that is not there."""
        folder = self._frames_folder(name)
        paths = tuple(folder / str(file) for file in self._entry(name)["all_image_paths"])
        for path in paths:
            if not path.is_file():
                raise DataError(f"{path}: no such file; {self.file} lists it as a frame of {name}")
        return paths

    def video(self, name: str) -> Video:
        """One video, lazily. Raises DataError, naming the file, where something is missing or wrong."""
        paths, masks = self.frame_paths(name), self._masks(name)
        stems = tuple(path.stem for path in paths)
        prompts: dict[int, Mask] = {}
        seen: set[int] = set()
        for t, mask in masks.annotated():
            new = [i for i in ids_in(mask) if i not in seen]
            seen.update(new)
            if new:
                prompts[t] = np.where(np.isin(mask, new), mask, 0).astype(np.uint8)
        if not prompts:
            raise DataError(f"{self.file}: video {name!r} has no mask, so there is nothing to segment")
        fps = float(self._entry(name).get("fps") or 30)
        frames = FrameFiles(paths, masks.size)
        return Video(name=name, size=masks.size, frames=frames, prompts=prompts, frame_names=stems, fps=fps,
                     dataset=self.name)  # fmt: skip

    def truth(self, name: str) -> Truth:
        """Ground truth of one video; frames need not be there."""
        masks = self._masks(name)
        first: dict[int, int] = {}
        for t, mask in masks.annotated():
            for i in ids_in(mask):
                first.setdefault(i, t)
        names = tuple(Path(str(file)).stem for file in self._entry(name)["all_image_paths"])
        return Truth(name, masks.size, names, masks, first, categories=self._categories(name))

    def fingerprint(self, name: str) -> str:
        """Digest of the video's entry in the file and of the bytes of its frames, where they are there."""
        entry = json.dumps(self._entry(name), sort_keys=True).encode()
        folder = self._frames_folder(name)
        frames = self.frame_paths(name) if folder.is_dir() else ()
        return file_fingerprint(f"{self.name} {name} {hashlib.sha256(entry).hexdigest()}", frames)

    def _entry(self, name: str) -> Mapping[str, Any]:
        if name not in self._sequences:
            raise unknown(f"video of {self.name}", name, list(self._sequences))
        return self._sequences[name]

    def _frames_folder(self, name: str) -> Path:
        entry = self._entry(name)
        inner = Path(self.split) / str(entry["dataset"]) / str(entry["seq_name"])
        if ".." in inner.parts or inner.is_absolute():
            raise DataError(f"{self.file}: video {name!r} leads out of the folder")
        top = self.file.parents[1]
        bases = [base / kind for base in (top, top.parent) for kind in ("frames", "images", "")]
        return next((base / inner for base in bases if (base / inner).is_dir()), top / "frames" / inner)

    def _masks(self, name: str) -> RleMasks:
        entry = self._entry(name)
        try:
            place = {str(file): t for t, file in enumerate(entry["all_image_paths"])}
            texts = {
                place[str(file)]: {int(i): str(one["rle"]) for i, one in found.items()}
                for file, found in zip(entry["annotated_image_paths"], entry["segmentations"])
            }
            size = (int(entry["height"]), int(entry["width"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{self.file}: video {name!r} is not described as BURST does ({error})") from error
        if strange := [i for found in texts.values() for i in found if not 0 < i < 255]:
            raise DataError(f"{self.file}: video {name!r} has the track id {strange[0]}; ids are 1 to 254 here")
        return RleMasks(tuple(texts.get(t) for t in range(len(place))), size, f"{self.file}, video {name!r}")

    def _categories(self, name: str) -> dict[int, str]:
        names = {
            int(c["id"]): str(c["name"]) for c in self._document.get("categories", ()) if "id" in c and "name" in c
        }
        found = {int(i): int(c) for i, c in self._entry(name).get("track_category_ids", {}).items()}
        return {i: f"{c} {names.get(c, '')}".strip() for i, c in found.items()}


@dataclass(frozen=True)
class RleMasks(Lazy["Mask | None"]):
    """The annotations of one video as run lengths, decoded when they are asked for."""

    texts: tuple[Mapping[int, str] | None, ...]
    """Per frame: object id -> run lengths; None where a frame has no annotation."""
    size: tuple[int, int]
    where: str
    """For messages."""

    def __len__(self) -> int:
        return len(self.texts)

    def at(self, t: int) -> Mask | None:
        """Mask of frame t: where objects overlap, the smallest is seen."""
        if self.texts[t] is None:
            return None
        planes = self.planes(t)
        mask = np.zeros(self.size, np.uint8)
        for i in sorted(planes, key=lambda i: (-int(planes[i].sum()), i)):  # the smallest last, so that it is seen
            mask[planes[i]] = i
        return mask

    def planes(self, t: int) -> dict[int, NDArray[np.bool_]]:
        """Object id -> its mask in a frame, (H, W) bool: those that overlap whole."""
        return {i: decode(text, self.size, f"{self.where}, object {i}") for i, text in (self.texts[t] or {}).items()}

    def annotated(self) -> Iterator[tuple[int, Mask]]:
        """(frame index, mask) of the frames with an annotation."""
        for t, text in enumerate(self.texts):
            if text is not None:
                mask = self[t]
                assert mask is not None
                yield t, mask


def _root(data_root: Path, split: str) -> tuple[Path, Path]:
    """(folder of the data set, its file of the split)."""
    existing_root(data_root)
    for folder in ("", "BURST", "burst", "TAO"):
        root = data_root / folder
        for place in (root / FILE, root / split / FILE, root / "annotations" / split / FILE):
            if place.is_file() and place.parent.name == split:
                return root, place
    raise DataError(
        f"{data_root}: no burst:{split} here: looked for annotations/{split}/{FILE} in it and in its folder BURST. "
        f"How to get it: `rvos-bench data get burst:{split}`"
    )
