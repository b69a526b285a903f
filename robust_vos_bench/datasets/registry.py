"""Names of data sets, and opening one by what users type."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.errors import DataError, UsageError, unknown
from robust_vos_bench.system.cache import cache_folder

SIZES = ("480p", "Full-Resolution")
"""Resolutions of DAVIS."""


@dataclass(frozen=True)
class DatasetEntry:
    """One data set that can be opened by name."""

    family: str
    splits: tuple[str, ...]
    """First is the default."""
    summary: str
    needs_root: bool = True


ENTRIES = (
    DatasetEntry("demo", ("", "full", "480p"), "clips made on the spot from photographs; no download", False),
    DatasetEntry("davis2016", ("val", "train", "trainval"), "DAVIS 2016, one object a video"),
    DatasetEntry(
        "davis2017", ("val", "train", "trainval", "test-dev", "test-challenge"), "DAVIS 2017, several objects a video"
    ),
    DatasetEntry("youtubevos2018", ("valid", "valid_all_frames", "train"), "YouTube-VOS 2018"),
    DatasetEntry("youtubevos2019", ("valid", "valid_all_frames", "train"), "YouTube-VOS 2019"),
    DatasetEntry("folder", ("",), "JPEGImages/ and Annotations/ of one's own; also MOSE, LVOS, VOST (folder:SPLIT)"),
)
"""What `rvos-bench list datasets` shows."""


def data_root(given: str | Path | None = None) -> Path:
    """The data root: the argument, else `$RVOS_BENCH_DATA`, else the `data` folder of the cache; always absolute,
    because a model may change the working directory."""
    if given is not None:
        return Path(given).expanduser().absolute()
    if os.environ.get("RVOS_BENCH_DATA"):
        return Path(os.environ["RVOS_BENCH_DATA"]).expanduser().absolute()
    return cache_folder() / "data"


def dataset_names() -> list[str]:
    """Every name that `open_dataset` knows, as users type them."""
    return [f"{e.family}:{s}" if s else e.family for e in ENTRIES for s in e.splits]


def open_dataset(
    spec: str,
    data_root: str | Path | None = None,
    limit: int | None = None,
    size: str = "480p",
    videos: Sequence[str] | None = None,
) -> Dataset:
    """The data set that `spec` names.

    spec: "demo", "demo:full", "davis2016:val", "davis2017:test-dev", "davis2017:val@Full-Resolution",
    "youtubevos2019:valid", "folder", "folder:valid", "folder:binary"; the split may be left out (val / valid).
    data_root: the folder of the data set or one above it; default `$RVOS_BENCH_DATA`, else the cache folder
    (`folder` needs it given). limit: only the first so many videos. size: DAVIS resolution. videos: only these.
    Raises UsageError for an unknown name (with the nearest ones), DataError where the data is not there.
    """
    text, _, at = spec.strip().partition("@")
    family, _, rest = text.partition(":")
    entry = next((e for e in ENTRIES if e.family == family), None)
    if entry is None:
        raise unknown(
            "data set", spec, [*dataset_names(), *(e.family for e in ENTRIES)], "See `rvos-bench list datasets`."
        )
    size = _size(at or size)
    if family == "folder":
        return _open_folder(rest, data_root, limit, videos)
    split = rest or entry.splits[0]
    if split not in entry.splits:
        raise unknown("data set", spec, dataset_names(), "See `rvos-bench list datasets`.")
    if family == "demo":
        from robust_vos_bench.datasets.demo import Demo

        return Demo(split, limit=limit, videos=videos)
    root = _root(spec, data_root)
    if family.startswith("davis"):
        from robust_vos_bench.datasets.davis import Davis

        return Davis(family, split, root, size=size, limit=limit, videos=videos)
    from robust_vos_bench.datasets.youtube_vos import YouTubeVOS

    return YouTubeVOS(family, split, root, limit=limit, videos=videos)


def _open_folder(rest: str, root: str | Path | None, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.folder import PlainFolder

    words = [word for word in rest.split(":") if word]
    binary = "binary" in words
    splits = [word for word in words if word != "binary"]
    if len(splits) > 1:
        raise UsageError(
            f"data set 'folder:{rest}' names two splits; write folder, folder:SPLIT or folder:SPLIT:binary"
        )
    return PlainFolder(_root("folder", root), splits[0] if splits else None, binary, limit=limit, videos=videos)


def _root(spec: str, given: str | Path | None) -> Path:
    if spec == "folder" and given is None and not os.environ.get("RVOS_BENCH_DATA"):
        raise UsageError("data set 'folder' needs --data-root DIR (with JPEGImages/ and Annotations/ in it)")
    root = data_root(given)
    if given is None and not root.exists():
        raise DataError(
            f"data set {spec!r} is not here: {root} does not exist. Give its folder with --data-root or "
            f"RVOS_BENCH_DATA, or see `rvos-bench data get {spec.partition(':')[0]}`. "
            "The data set 'demo' needs no download"
        )
    return root


def _size(text: str) -> str:
    known = {
        "480p": "480p",
        "full": "Full-Resolution",
        "full-resolution": "Full-Resolution",
        "1080p": "Full-Resolution",
    }
    if text.lower() not in known:
        raise unknown("size", text, SIZES)
    return known[text.lower()]
