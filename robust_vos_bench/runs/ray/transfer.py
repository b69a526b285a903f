"""Data for nodes that do not see it: fetched video by video, checked by hash, kept in the node's cache folder.

A video lies under the digest of its bytes, so each node gets it once for all runs, and a changed video is another one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from robust_vos_bench.datasets import Dataset, Mask, Truth, Video
from robust_vos_bench.errors import DataError, RvosError
from robust_vos_bench.runs.ray.leaving import leaving_when_asked
from robust_vos_bench.system.atomic import WriteError, make_folder, write_error
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.system.hashes import file_sha256
from robust_vos_bench.system.locks import exclusive

PART_BYTES = 32 << 20
"""Bytes of files that travel in one message."""

FileNote = tuple[str, int, str]
"""(path under the data root with forward slashes, bytes, hex sha256)."""


class Source(Protocol):
    """Where a node gets videos from."""

    def contents(self, video: str) -> Sequence[FileNote]:
        """The files of one video, lists of the data set included."""

    def read(self, video: str, paths: Sequence[str]) -> Sequence[bytes]:
        """Some of these files."""


class FileServer:
    """Hands out the files of a data set that lies in folders; runs where the data is."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._places: dict[str, dict[str, Path | bytes]] = {}

    def contents(self, video: str) -> list[FileNote]:
        """The files of one video, lists of the data set included."""
        notes = []
        for name, place in self._files(video).items():
            if isinstance(place, bytes):
                notes.append((name, len(place), hashlib.sha256(place).hexdigest()))
            else:
                notes.append((name, place.stat().st_size, file_sha256(place)))
        return notes

    def read(self, video: str, paths: Sequence[str]) -> list[bytes]:
        """Some of these files; nothing else can be asked for."""
        files = self._files(video)
        places = [files[path] for path in paths]
        return [place if isinstance(place, bytes) else place.read_bytes() for place in places]

    def _files(self, video: str) -> Mapping[str, Path | bytes]:
        if video not in self._places:
            self._places = {video: _files(self._dataset, video)}  # only the last one: each is read in one go
        return self._places[video]


def can_ship(dataset: Dataset) -> bool:
    """Whether the data set is files in folders that open again under another root."""
    return dataset.movable


def _files(dataset: Dataset, video: str) -> dict[str, Path | bytes]:
    layout = dataset.layout
    if layout is None or not dataset.movable:
        raise DataError(f"{dataset.name} does not lie in folders; it cannot be shipped")
    alone = dataset.at(layout.root, [video])  # its lists name this video only
    found: dict[str, Path | bytes] = {path.as_posix(): data for path, data in alone.list_files().items()}
    for path in [*alone.frame_paths(video), *alone.mask_paths(video).values()]:
        found[path.relative_to(layout.root).as_posix()] = path
    return found


class RemoteFiles:
    """A `FileServer` in another process."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def contents(self, video: str) -> list[FileNote]:
        """The files of one video."""
        return list(self._get(self._actor.contents, video))

    def read(self, video: str, paths: Sequence[str]) -> list[bytes]:
        """Some of these files."""
        return list(self._get(self._actor.read, video, list(paths)))

    def _get(self, method: Any, *words: Any) -> Any:
        import ray

        try:
            with leaving_when_asked():
                return ray.get(method.remote(*words))
        except ray.exceptions.RayError as error:
            said = next(iter(str(getattr(error, "cause", None) or error).strip().splitlines()), type(error).__name__)
            raise DataError(f"the data could not be fetched from the driver's node: {said}") from error


class ShippedDataset(Dataset):
    """A data set on a node: each video from its own path where that holds the right bytes, else from `source`.

    Pickled (for processes that make frames ahead) it has no source and finds what is here already.
    """

    def __init__(self, original: Dataset, fingerprints: Mapping[str, str], source: Source | None) -> None:
        self.original, self._fingerprints, self._source = original, dict(fingerprints), source
        self.name, self.protocol, self.root = original.name, original.protocol, original.root
        self._opened: dict[str, Dataset] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_source": None, "_opened": {}}

    @property
    def videos(self) -> Sequence[str]:
        """The videos of the run."""
        return tuple(self._fingerprints)

    def video(self, name: str) -> Video:
        """One video, fetched first where this node does not have it."""
        return self._here(name).video(name)

    def truth(self, name: str) -> Truth | None:
        """Its ground truth."""
        return self._here(name).truth(name)

    def fingerprint(self, name: str) -> str:
        """Digest of its bytes, as the driver has them."""
        return self._fingerprints[name]

    def map_mask(self, mask: Mask) -> Mask:
        """As the original does."""
        return self.original.map_mask(mask)

    def _here(self, name: str) -> Dataset:
        if name not in self._opened:
            self._opened[name] = self._find(name)
        return self._opened[name]

    def _find(self, name: str) -> Dataset:
        wanted = self._fingerprints[name]
        try:
            if self.original.fingerprint(name) == wanted:
                return self.original
        except (RvosError, OSError):
            pass  # not here under its own path: that is what shipping is for
        folder = cache_folder() / "shipped" / wanted
        if not folder.is_dir():
            if self._source is None:
                raise DataError(f"video {name!r} of {self.name} has not been shipped to this node")
            _fetch(self._source, name, folder, lambda root: self.original.at(root, [name]).fingerprint(name) == wanted)
        return self.original.at(folder, [name])


def _fetch(source: Source, video: str, folder: Path, is_right: Callable[[Path], bool]) -> None:
    """Get one video into `folder`, whole and checked or not at all; one process of a node does it, others wait."""
    part = folder.with_name(f".{folder.name[:16]}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        make_folder(folder.parent)
        with exclusive(folder.parent / f".{folder.name}.lock"):
            if folder.is_dir():
                return
            _copy(source, video, part)
            if not is_right(part):
                raise DataError(f"video {video!r} arrived with other bytes than the driver has; did its files change?")
            try:
                part.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process has brought it: this file system has no locks
                    raise
    except WriteError as error:
        raise WriteError(f"{error} (on this node RVOS_BENCH_CACHE says where shipped videos go)") from error
    except OSError as error:
        raise WriteError(f"{write_error(folder, error)} (on this node RVOS_BENCH_CACHE says where they go)") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy(source: Source, video: str, root: Path) -> None:
    notes = list(source.contents(video))
    targets = {path: inside(root, path) for path, _, _ in notes}
    for batch in batches(notes):
        for (path, size, sha), data in zip(batch, source.read(video, [note[0] for note in batch]), strict=True):
            if len(data) != size or hashlib.sha256(data).hexdigest() != sha:
                raise DataError(f"{path} of video {video!r} arrived damaged; run the same command again")
            targets[path].parent.mkdir(parents=True, exist_ok=True)
            targets[path].write_bytes(data)


def inside(root: Path, path: str) -> Path:
    """`root` / `path`. Raises DataError where that would leave `root`."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path or ":" in parts[0]:
        raise DataError(f"a shipped file is named {path!r}, which leads out of its folder; refused")
    return root.joinpath(*parts)


def batches(notes: Sequence[FileNote]) -> list[list[FileNote]]:
    """Files in order, as many per message as `PART_BYTES` allow, at least one."""
    found: list[list[FileNote]] = []
    room = 0
    for note in notes:
        if not found or note[1] > room:
            found.append([])
            room = PART_BYTES
        found[-1].append(note)
        room -= note[1]
    return found
