"""Getting, verifying and finding data sets: `rvos-bench data`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.datasets import ENTRIES, open_dataset
from robust_vos_bench.datasets.download import check_hash, download
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.registry import data_root as find_root
from robust_vos_bench.datasets.sources import ARCHIVES, Archive, instructed_names, instructions
from robust_vos_bench.datasets.unpack import unpack
from robust_vos_bench.datasets.verify import Verification, verify
from robust_vos_bench.errors import RvosError, UsageError, unknown
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.system.cores import available_cores


def verify_dataset(
    dataset: str,
    data_root: str | Path | None = None,
    limit: int | None = None,
    workers: int | None = None,
    complete: bool = False,
    progress: bool = True,
) -> Verification:
    """Decode every file of a data set and check counts, sizes, numbering and object ids.

    workers: processes, by default one per available core. complete: a list shorter than the official one is a problem,
    not a warning. Raises UsageError for a data set without files.
    """
    data = open_dataset(dataset, data_root, limit=limit)
    if not isinstance(data, FolderDataset):
        raise UsageError(f"data set {dataset!r} is made on the spot; there are no files to verify")
    with Bar(f"verify {data.name}", len(data.videos), quiet=not progress) as bar:
        found = verify(data, workers or available_cores(), lambda report: bar.step(), complete=limit is None)
    if complete:
        found.problems += found.warnings
        found.warnings = []
    return found


@dataclass(frozen=True)
class Source:
    """Where a data set is to be had and where it goes."""

    name: str
    archive: Archive | None
    """None where there is no public link."""
    instructions: str
    """What to do by hand; empty where there is an archive."""
    root: Path
    """Folder of data sets."""

    @property
    def folder(self) -> Path:
        """Where it will lie."""
        return self.root / (self.archive.folder if self.archive else "")


def find_source(name: str, data_root: str | Path | None = None) -> Source:
    """The archive that holds a split ("davis2017:val" is in "davis2017"), or what to do by hand.

    Raises UsageError for an unknown name and for the demo data, which is made on the spot.
    """
    root = find_root(data_root)
    key = archive_key(name)
    if key in ARCHIVES:
        return Source(key, ARCHIVES[key], "", root)
    family = name.partition(":")[0]
    text = instructions(family, str(root))
    if text is not None:
        return Source(name, None, text, root)
    if family == "demo":
        raise UsageError("data set 'demo' is made on the spot; there is nothing to get")
    raise unknown("data set to get", name, [*ARCHIVES, *instructed_names()])


@dataclass(frozen=True)
class Fetched:
    """A data set that was downloaded and unpacked."""

    name: str
    folder: Path
    sha256: str
    """Of the archive."""
    known: bool
    """Whether that digest was on record; else it is now."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {"name": self.name, "folder": str(self.folder), "sha256": self.sha256, "known": self.known}


def fetch(source: Source, keep_archive: bool = False, progress: bool = True) -> Fetched:
    """Download and unpack an archive; what was interrupted goes on. keep_archive: do not delete the file after that.

    Raises DataError where there is no public link, where the bytes are not those on record, or where a file leads out
    of the folder.
    """
    if source.archive is None:
        raise UsageError(source.instructions)
    path = source.root / source.archive.file
    with Bar(source.archive.file, None, quiet=not progress, sizes=True) as bar:
        download(source.archive.url, path, bar.reached)
    digest, known = check_hash(source.archive.url, path, source.root)
    with Bar(f"unpack to {source.folder}", None, quiet=not progress) as bar:
        unpack(path, source.folder, bar.reached)
    if not keep_archive:
        path.unlink()
    return Fetched(source.name, source.folder, digest, known)


def archive_key(name: str) -> str:
    """The archive that holds a split: "davis2017:val" is in "davis2017"."""
    text, _, size = name.partition("@")
    family, _, split = text.partition(":")
    part = f"{family}:{split}" if split.startswith("test") else family
    full = size.lower() in ("full", "full-resolution", "1080p") and family == "davis2017"
    return part + ("@Full-Resolution" if full else "")


def where(data_root: str | Path | None = None) -> tuple[Path, list[dict[str, Any]]]:
    """The folder in which data sets are looked for, and for every split its videos and folder (0 and "" if absent)."""
    root = find_root(data_root)
    rows: list[dict[str, Any]] = []
    for entry in ENTRIES:
        for split in entry.splits:
            spec = f"{entry.family}:{split}" if split else entry.family
            try:
                data = open_dataset(spec, root)
                place = str(data.root or "made on the spot")
                rows.append({"dataset": spec, "videos": len(data.videos), "folder": place})
            except RvosError:
                rows.append({"dataset": spec, "videos": 0, "folder": ""})
    return root, rows
