"""Getting, verifying and finding data sets: `rvos-bench data`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.api.prepare import opened
from robust_vos_bench.api.settings import MaskFiles, Names, mask_words, names
from robust_vos_bench.datasets import ENTRIES, open_dataset
from robust_vos_bench.datasets.clips.dataset import VideoFiles
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.root import data_root as find_root
from robust_vos_bench.datasets.sources import ARCHIVES, Archive, instructed_names, instructions
from robust_vos_bench.datasets.unpack import is_whole, unpack
from robust_vos_bench.datasets.verify import Verification, verify
from robust_vos_bench.errors import RvosError, UsageError, unknown
from robust_vos_bench.fetch import FetchError
from robust_vos_bench.fetch import fetch as fetch_file
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.system.cores import available_cores


def verify_dataset(
    dataset: str,
    data_root: str | Path | None = None,
    limit: int | None = None,
    workers: int | None = None,
    complete: bool = False,
    progress: bool = True,
    mask: MaskFiles = None,
    videos: Names | None = None,
) -> Verification:
    """Decode every file of a data set and check counts, sizes, numbering and object ids.

    mask, videos: as in `run`. workers: processes, by default one per available core. complete: a list shorter than the
    official one is a problem, not a warning. Raises UsageError for a data set without files.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> made = rvos.corrupt("fog-3", output="foggy", limit=1)
    >>> found = rvos.verify_dataset("folder", "foggy/fog-3-drift", progress=False)
    >>> found.problems
    []
    """
    data = opened(dataset, data_root, limit, names(videos), mask_words(mask))
    if not isinstance(data, FolderDataset | VideoFiles):
        raise UsageError(
            f"data set {dataset!r} has no files to verify one by one (it is made on the spot, or its masks lie in one "
            f"file); `rvos-bench check {dataset}` reads it"
        )
    with Bar(f"verify {data.name}", len(data.videos), quiet=not progress) as bar:
        whole = limit is None and not names(videos)
        found = verify(data, workers or available_cores(), lambda report: bar.step(), complete=whole)
    if complete:
        found.problems += found.warnings
        found.warnings = []
    return found


@dataclass(frozen=True)
class Source:
    """Where a data set is to be had and where it goes."""

    name: str
    archive: Archive | None
    """None where every link needs a form."""
    instructions: str
    """What to do by hand; empty where there is an archive."""
    root: Path
    """Folder of data sets."""
    split: str = ""
    """The split that was asked for, which is verified in the end."""

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
        archive = ARCHIVES[key]
        return Source(key, archive, "", root, name if ":" in name else archive.split)
    text = instructions(key, str(root))
    if text is not None:
        return Source(name, None, text, root)
    if name.partition(":")[0] == "demo":
        raise UsageError("data set 'demo' is made on the spot; there is nothing to get")
    raise unknown("data set to get", name, [*ARCHIVES, *instructed_names()])


@dataclass(frozen=True)
class Fetched:
    """A data set that was downloaded, unpacked and looked through."""

    name: str
    folder: Path
    sha256: str
    """Of the archive."""
    known: bool
    """Whether that digest was on record, or is the one that the authors publish; else it is on record now."""
    source: str = ""
    """The address it came from; "" where the archive was there already and none is on record."""
    licence: str = ""
    verified: Verification | None = None
    """None where that was not wanted."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        found = {
            "name": self.name,
            "folder": str(self.folder),
            "sha256": self.sha256,
            "known": self.known,
            "source": self.source,
            "licence": self.licence,
        }
        return found if self.verified is None else found | {"verified": self.verified.to_dict()}


def fetch(source: Source, keep_archive: bool = False, progress: bool = True, check: bool = True) -> Fetched:
    """Download and unpack an archive and look through what came; what was interrupted goes on.

    keep_archive: do not delete the file after that. check: decode every file of the split (`verify_dataset`).

    Raises DataError where every link needs a form, where the bytes are not those on record, or where a file leads out
    of the folder.
    """
    archive = source.archive
    if archive is None:
        raise UsageError(source.instructions)
    path = source.root / archive.file
    with Bar(archive.file, None, quiet=not progress, sizes=True) as bar:
        first = archive.remote.links[0].address if archive.remote.links else ""
        announce = _Announcement(f"{archive.file}, {{size}}, {archive.terms}, from {first}", bar)
        try:
            got = fetch_file(archive.remote, path, source.root, tell=announce.reached, say=bar.say, check=is_whole)
        except FetchError as error:
            raise type(error)(f"{error}. The page of the data set: {archive.page}") from error
    with Bar(f"unpack to {source.folder}", None, quiet=not progress) as bar:
        unpack(path, source.folder, bar.reached)
    for extra in archive.extras:
        with Bar(extra.file, None, quiet=not progress, sizes=True) as bar:
            fetch_file(extra.remote, source.folder / extra.file, source.root, tell=bar.reached, say=bar.say)
    if not keep_archive:
        path.unlink()
    verified = verify_dataset(source.split, source.root, progress=progress) if check and source.split else None
    address = got.link.address if got.link is not None else ""
    return Fetched(source.name, source.folder, got.sha256, got.known, address, archive.licence, verified)


class _Announcement:
    """One line about a file, said once its size is known."""

    def __init__(self, text: str, bar: Bar) -> None:
        self._text, self._bar, self._said = text, bar, False

    def reached(self, done: int, total: int) -> None:
        if not self._said:
            self._said = True
            size = f"{total / 2**20:,.1f} MiB" if total else "size unknown"
            self._bar.say(self._text.format(size=size))
        self._bar.reached(done, total)


def archive_key(name: str) -> str:
    """The archive that holds a split: "davis2017:val" is in "davis2017", "mose" is "mose:valid"."""
    text, _, size = name.partition("@")
    family, _, split = text.partition(":")
    if family.startswith("davis"):
        part = f"{family}:{split}" if split.startswith("test") else family
        full = size.lower() in ("full", "full-resolution", "1080p") and family == "davis2017"
        return part + ("@Full-Resolution" if full else "")
    if family in ARCHIVES:  # one archive for all splits
        return family
    entry = next((entry for entry in ENTRIES if entry.family == family), None)
    return f"{family}:{split or entry.splits[0]}" if entry is not None and entry.splits else name


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
