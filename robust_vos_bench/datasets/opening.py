"""Opening a data set by what users type."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from robust_vos_bench.datasets.built_in import SIZES
from robust_vos_bench.datasets.clips.facts import VIDEO_SUFFIXES
from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.entry import DatasetEntry
from robust_vos_bench.datasets.names import is_pattern, matching
from robust_vos_bench.datasets.registry import DATASETS, dataset_names
from robust_vos_bench.datasets.root import root_of
from robust_vos_bench.errors import ContractError, RvosError, UsageError, unknown
from robust_vos_bench.origin import is_file_spec
from robust_vos_bench.system.paths import user_path
from robust_vos_bench.system.tracebacks import with_place

_OWN = ("folder", "video")
"""Families that lie nowhere by themselves."""


def open_dataset(
    spec: str,
    data_root: str | Path | None = None,
    limit: int | None = None,
    size: str = "480p",
    videos: Sequence[str] | None = None,
    masks: Sequence[str] = (),
    bare: bool = False,
) -> Dataset:
    """The data set that `spec` names.

    spec: "demo", "demo:full", "davis2016:val", "davis2017:test-dev", "davis2017:val@Full-Resolution",
    "youtubevos2019:valid", "folder", "folder:valid", "folder:binary", the name of an installed data set, or one in a
    file: "path/to/my_data.py:MyData", "path/to/my_data.py:MyData:val". The split may be left out (val / valid).
    "clip.mp4", or a folder that holds video files or JPEGImages, opens as "video" or "folder" at that place.
    data_root: the folder of the data set or one above it; default `$RVOS_BENCH_DATA`, else the cache folder
    (`folder` needs it given). limit: only the first so many videos. size: DAVIS resolution. videos: only these; a name
    with `*`, `?` or `[` in it is a pattern. masks: first masks of a video file, as --mask takes them. bare: video files
    need no masks.
    Raises UsageError for an unknown name (with the nearest ones), DataError where the data is not there, ContractError
    for a file or package that does not give a data set.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> data = rvos.open_dataset("demo")
    >>> data.videos
    ('cat', 'coffee', 'herd', 'visitor', 'sprint')
    >>> video = data.video("coffee")
    >>> len(video), video.size, video.object_ids
    (14, (160, 286), (1, 2))
    """
    spec = spec.strip()
    shown = spec
    if (place := _place(spec)) is not None:
        spec, data_root = place
    text, _, at = spec.partition("@") if not is_file_spec(spec) else (spec, "", "")
    size = _size(at or size)
    family, rest = _split(text)
    if not DATASETS.knows(family):
        problems = DATASETS.problems()
        if not any(family in problem.names for problem in problems):  # otherwise `find` says what is wrong with it
            if text.endswith(".py") or not get_close_matches(family.lower(), DATASETS.usable(), cutoff=0.5):
                DATASETS.refuse_misread(text)  # `davis:val` is a slip, `my_data:MyData` a module
            see = " ".join([DATASETS.see, *(problem.message for problem in problems)])
            raise unknown("data set", spec, [*dataset_names(), *DATASETS.usable()], see)
    item = DATASETS.find(family)
    entry = item.value
    default = entry.splits[0] if entry.splits else ""
    split = rest or default
    if entry.splits and entry.family != "folder" and split not in entry.splits:
        if item.origin.kind == "built in":
            raise unknown("data set", spec, dataset_names(), DATASETS.see)
        raise UsageError(f"data set {family!r} has no split {split!r}; it has {', '.join(entry.splits)}")
    if entry.family.startswith("davis") and item.origin.kind == "built in" and size != SIZES[0]:
        split = f"{split}@{size}"
    root = root_of(entry, entry.family if entry.family in _OWN else spec, data_root)
    more: dict[str, Any] = {"masks": masks, "bare": bare} if entry.own_masks else {}
    if masks and not entry.own_masks:
        raise UsageError(
            f"--mask gives first masks of a video file (--dataset clip.mp4); data set {spec!r} has masks of its own"
        )
    if any(is_pattern(name) for name in videos or ()):
        videos = matching(f"video of {shown}", videos or (), _call(entry, root, split, None, None, more).videos)
    if item.origin.kind == "built in":
        return _call(entry, root, split, limit, videos, more)
    try:
        found: object = _call(entry, root, split, limit, videos, more)
    except (RvosError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        detail = with_place(" ".join(f"{type(error).__name__}: {error}".split()), error)
        raise RvosError(f"data set {spec!r} cannot be opened: {detail}") from error
    return _checked(found, spec)


def _split(text: str) -> tuple[str, str]:
    """(name or `path/to/file.py:Name`, split)."""
    if not is_file_spec(text):
        family, _, rest = text.partition(":")
        return family, rest
    path, name = text.split(".py:", 1)
    name, _, rest = name.partition(":")
    return f"{path}.py:{name}", rest


def _call(
    entry: DatasetEntry,
    root: Path | None,
    split: str,
    limit: int | None,
    videos: Sequence[str] | None,
    more: dict[str, Any],
) -> Dataset:
    if entry.open is None:
        raise ContractError(f"data set {entry.family!r} does not say how it is opened (DatasetEntry.open)")
    return entry.open(root=root, split=split, limit=limit, videos=videos, **more)


def _place(spec: str) -> tuple[str, Path] | None:
    """("video" or "folder", the path) where a data set is given as a video file or as a folder of one's own."""
    path = user_path(spec)
    if is_file_spec(spec) or DATASETS.knows(spec.partition("@")[0].partition(":")[0]):
        return None
    if path.is_dir():
        framed = any((path / name).is_dir() for name in ("JPEGImages", "Annotations"))
        return "folder" if framed else "video", path.absolute()
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return "video", path.absolute()
    return None


def _checked(found: object, spec: str) -> Dataset:
    """A data set of somebody's own, where it is one and has a name that no built-in one has. Raises ContractError."""
    if not isinstance(found, Dataset):
        raise ContractError(f"data set {spec!r}: expected a Dataset, got {type(found).__name__}")
    for attribute in ("name", "protocol"):
        if not isinstance(getattr(found, attribute, None), str):
            raise ContractError(f"data set {spec!r}: {type(found).__name__} has no {attribute!r}; set it to a string")
    if found.name.partition("@")[0].partition(":")[0] in DATASETS.builtin():
        raise ContractError(
            f"data set {spec!r} has the name {found.name!r} of a built-in data set, and their results could not be "
            "told apart; choose another name"
        )
    return found


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
