"""Where the files of data sets lie: what was given, the environment, the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from robust_vos_bench.datasets.entry import DatasetEntry
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.system.paths import user_path


def data_root(given: str | Path | None = None) -> Path:
    """The data root: the argument, else `$RVOS_BENCH_DATA`, else the `data` folder of the cache; always absolute,
    because a model may change the working directory."""
    if given is not None:
        return user_path(given).absolute()
    if os.environ.get("RVOS_BENCH_DATA"):
        return user_path(os.environ["RVOS_BENCH_DATA"]).absolute()
    return cache_folder() / "data"


def root_of(entry: DatasetEntry, spec: str, given: str | Path | None) -> Path | None:
    """The root that a data set is opened with; None where it needs none and none is given.

    Raises UsageError for a data set that lies nowhere by itself, DataError where the default root does not exist.
    """
    if given is None and not os.environ.get("RVOS_BENCH_DATA"):
        if spec == "folder":
            raise UsageError("data set 'folder' needs --data-root DIR (with JPEGImages/ and Annotations/ in it)")
        if spec == "video":
            raise UsageError("data set 'video' needs a file or a folder of files: --dataset clip.mp4")
        if not entry.needs_root:
            return None
    root = data_root(given)
    if entry.needs_root and given is None and not root.exists():
        raise DataError(
            f"data set {spec!r} is not here: {root} does not exist. Give its folder with --data-root or "
            f"RVOS_BENCH_DATA, or see `rvos-bench data get {spec.partition(':')[0]}`. "
            "The data set 'demo' needs no download"
        )
    return root


def given_root(root: Path | None, family: str) -> Path:
    """The root of a data set that needs one. Raises UsageError where there is none."""
    if root is None:
        raise UsageError(f"data set {family!r} needs --data-root DIR")
    return root
