"""Conditions whose frames lie in a stored split: read frame by frame, and every one checked against its record.

An attack cannot be made again where it is read, so its frames are kept. A condition of scope "stored" says which split
(`Condition.store`, a digest of its pixels) and of which model (`Condition.source`); its `origin` says where it lies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from robust_vos_bench.conditions.spec import Corruption
from robust_vos_bench.datasets.images import read_frame
from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.datasets.video import Frame, Video, source_frame
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.origin import Origin

FAMILY = "adversarial"
"""Family of stored conditions in tables and figures; it is no part of the mean performance under corruption."""
RECORDS = ".rvos-bench"
"""Folder of the records in a split, one per video."""
LEVELS = 255
MIDDLE = 128
"""Value that stands for no difference in a split of differences."""


class StoredVideo(msgspec.Struct, frozen=True):
    """Which pixels a stored video has, frame by frame."""

    folder: str
    """Folder of the video folders with frames, relative to the split."""
    clean: tuple[str, ...]
    """sha256 of the RGB bytes of each clean frame, as it was decoded where the split was made."""
    stored: tuple[str, ...]
    """The same of each frame of the split."""
    format: str = "png"
    """"png": whole frames, "delta": 128 + difference, of the frames that differ alone."""


class _Record(msgspec.Struct, frozen=True):
    video: str
    stored: StoredVideo


def pixel_hash(frame: Frame) -> str:
    """Hex sha256 of a frame's RGB bytes."""
    return hashlib.sha256(np.ascontiguousarray(frame).data).hexdigest()


def split_origin(folder: Path) -> Origin:
    """The origin of conditions whose splits are folders in `folder`."""
    return Origin("split", str(folder.absolute()))


def record_path(split: Path, video: str) -> Path:
    """Where the record of a video lies in a split."""
    return split / RECORDS / f"{video}.json"


@lru_cache(maxsize=256)
def _stored_spec(name: str) -> Corruption:
    return Corruption(
        name,
        FAMILY,
        _refuse,
        scope="stored",
        levels=LEVELS,
        clean_reference=False,
        profiles=False,
        summary="frames of a stored split, made against a model",
        unit="budget: grey levels of a value; of a patch, percent of the picture",
        values=tuple(range(1, LEVELS + 1)),
    )


def stored_spec(name: str) -> Corruption:
    """What stands for the corruption of a stored condition: "linf-prompt", at a severity that is its budget."""
    return _stored_spec(name)


def _refuse(*arguments: Any) -> Any:
    raise UsageError("frames of a stored split are read, not made")


def read_record(split: Path, video: str) -> StoredVideo:
    """What a split says of a video. Raises DataError where it has no such video or the record is damaged."""
    path = record_path(split, video)
    if not path.resolve().is_relative_to(split.resolve()):
        raise DataError(f"{split}: a record outside of it is asked for ({video})")
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Record).stored
    except FileNotFoundError:
        raise DataError(
            f"{split}: has no video {video!r}; make it with `rvos-bench attack`, or leave the video out with --videos"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{path}: not a readable record of a stored split ({error})") from error


class StoredFrames(Lazy[Frame]):
    """Frames of a stored split in place of those of a video. The clean frames are decoded too: a split fits only
    pixels that are those it was made on, to the bit."""

    def __init__(self, video: Video, split: Path) -> None:
        self.video, self.split = video, split
        self._record: StoredVideo | None = None

    @property
    def record(self) -> StoredVideo:
        """The record of the video, read when it is first needed."""
        if self._record is None:
            found = read_record(self.split, self.video.name)
            for name, hashes in (("clean", found.clean), ("stored", found.stored)):
                if len(hashes) != len(self.video):
                    raise DataError(
                        f"{self.split}: video {self.video.name!r} has {len(hashes)} {name} frames there, but "
                        f"{len(self.video)} in the data: this is a split of another data set"
                    )
            self._record = found
        return self._record

    def __getstate__(self) -> dict[str, Any]:
        return {"video": self.video, "split": self.split}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["video"], state["split"])  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.video)

    def __iter__(self) -> Iterator[Frame]:
        for t, clean in enumerate(self.video.frames):
            yield self.frame(t, clean)

    def at(self, t: int) -> Frame:
        """Frame t."""
        return self.frame(t, source_frame(self.video.frames, t))

    def frame(self, t: int, clean: Frame) -> Frame:
        """Frame t, given the clean one. Raises DataError where either is not the recorded one."""
        record, where = self.record, f"{self.split}, video {self.video.name!r}, frame {self.video.frame_names[t]}"
        if pixel_hash(clean) != record.clean[t]:
            raise DataError(
                f"{where}: the clean frame of this data set decodes to other pixels than where the split was made "
                "(another encoding, size or decoder); the split does not fit it"
            )
        if record.clean[t] == record.stored[t] and record.format == "delta":
            return clean
        made = self._read(t, clean)
        if pixel_hash(made) != record.stored[t]:
            raise DataError(f"{where}: the stored frame has other pixels than its record says; make the split again")
        return made

    def _read(self, t: int, clean: Frame) -> Frame:
        record = self.record
        path = self.split / record.folder / self.video.name / f"{self.video.frame_names[t]}.png"
        if not path.resolve().is_relative_to(self.split.resolve()):
            raise DataError(f"{self.split}: its record points outside of it ({record.folder})")
        read = read_frame(path, self.video.size)
        if record.format == "png":
            return read
        if record.format != "delta":
            raise DataError(f"{self.split}: frames of format {record.format!r} are not known to this version")
        total = clean.astype(np.int16) + read.astype(np.int16) - MIDDLE
        if total.min() < 0 or total.max() > 255:
            raise DataError(f"{path}: its differences do not fit the clean frame: they lead outside of 0..255")
        return total.astype(np.uint8)
