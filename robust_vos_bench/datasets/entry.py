"""What the registry knows of one data set: its names, what it needs, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robust_vos_bench.datasets.dataset import Dataset

Opener = Callable[..., Dataset]
"""A `Dataset` class or a function that returns one; called with keywords: root, split, limit, videos."""


@dataclass(frozen=True)
class DatasetEntry:
    """One data set that can be opened by name."""

    family: str
    splits: tuple[str, ...]
    """First is the default; empty where any word is taken."""
    summary: str
    needs_root: bool = True
    """Whether it must be told its folder: --data-root, `$RVOS_BENCH_DATA` or the cache folder."""
    open: Opener | None = None
    """Called with root (None without `needs_root` where none is given), split, limit and videos."""
    archive: str = ""
    """How its evaluation server wants masks in a zip: "annotations" for Annotations/<video>/<frame>.png, "videos" for
    <video>/<frame>.png at the top; "objects" for <film>/<object>/<frame>.png, which an evaluator takes; else ""."""
    own_masks: bool = False
    """Whether `open` also takes `masks` (the words of --mask) and `bare` (masks are not needed)."""


def entry_of(family: str, opener: Any) -> DatasetEntry:
    """The entry of a class or function; what it says of itself in `splits`, `needs_root` and `archive`."""
    lines = (getattr(opener, "__doc__", None) or "").strip().splitlines()
    splits = getattr(opener, "splits", ())
    needs_root = bool(getattr(opener, "needs_root", False))
    archive = str(getattr(opener, "archive", DatasetEntry.archive))
    return DatasetEntry(family, tuple(splits), lines[0] if lines else "", needs_root, opener, archive)
