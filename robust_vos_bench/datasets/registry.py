"""Names of data sets, and opening one by what users type."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from robust_vos_bench.datasets.clips.facts import VIDEO_SUFFIXES
from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.names import is_pattern, matching
from robust_vos_bench.errors import ContractError, DataError, RvosError, UsageError, unknown
from robust_vos_bench.origin import file_origin, is_file_spec, load_module, split_spec
from robust_vos_bench.registry import Item, Registry
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.system.paths import user_path
from robust_vos_bench.system.tracebacks import with_place

SIZES = ("480p", "Full-Resolution")
"""Resolutions of DAVIS."""
GROUP = "robust_vos_bench.datasets"
_OWN = ("folder", "video")
"""Families that lie nowhere by themselves."""


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


def _open_demo(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.demo import Demo

    return Demo(split, limit=limit, videos=videos)


def _open_davis(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.davis import Davis

        split, _, size = split.partition("@")
        return Davis(family, split, _given(root, family), size=size or SIZES[0], limit=limit, videos=videos)

    return open_split


def _open_youtube_vos(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.youtube_vos import YouTubeVOS

        return YouTubeVOS(family, split, _given(root, family), limit=limit, videos=videos)

    return open_split


def _open_mose(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.named import Mose

        return Mose(family, split, _given(root, family), limit, videos)

    return open_split


def _open_lvos(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.lvos import Lvos

        return Lvos(family, split, _given(root, family), limit, videos)

    return open_split


def _open_vost(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.named import Vost

    return Vost("vost", split, _given(root, "vost"), limit, videos)


def _open_sav(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.sav import SAV

    return SAV(split, _given(root, "sav"), limit, videos)


def _open_burst(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.burst import Burst

    return Burst(split, _given(root, "burst"), limit, videos)


def _open_folder(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.folder import PlainFolder

    words = [word for word in split.split(":") if word]
    splits = [word for word in words if word != "binary"]
    if len(splits) > 1:
        raise UsageError(
            f"data set 'folder:{split}' names two splits; write folder, folder:SPLIT or folder:SPLIT:binary"
        )
    return PlainFolder(_given(root, "folder"), splits[0] if splits else None, "binary" in words, limit, videos)


def _open_video(
    *,
    root: Path | None,
    split: str,
    limit: int | None,
    videos: Sequence[str] | None,
    masks: Sequence[str] = (),
    bare: bool = False,
) -> Dataset:
    from robust_vos_bench.datasets.clips.dataset import VideoFiles

    return VideoFiles(_given(root, "video"), masks, limit, videos, bare)


ENTRIES = (
    DatasetEntry(
        "demo", ("", "full", "480p"), "clips made on the spot from photographs; no download", False, _open_demo
    ),
    DatasetEntry(
        "davis2016", ("val", "train", "trainval"), "DAVIS 2016, one object per video", open=_open_davis("davis2016")
    ),
    DatasetEntry(
        "davis2017",
        ("val", "train", "trainval", "test-dev", "test-challenge"),
        "DAVIS 2017, several objects per video",
        open=_open_davis("davis2017"),
        archive="videos",
    ),
    DatasetEntry(
        "youtubevos2018",
        ("valid", "valid_all_frames", "train"),
        "YouTube-VOS 2018",
        open=_open_youtube_vos("youtubevos2018"),
        archive="annotations",
    ),
    DatasetEntry(
        "youtubevos2019",
        ("valid", "valid_all_frames", "train"),
        "YouTube-VOS 2019",
        open=_open_youtube_vos("youtubevos2019"),
        archive="annotations",
    ),
    DatasetEntry("mose", ("valid", "train"), "MOSE (v1), complex scenes", open=_open_mose("mose"), archive="videos"),
    DatasetEntry(
        "mosev2",
        ("valid", "train"),
        "MOSEv2, with its adapted F, disappearance and reappearance",
        open=_open_mose("mosev2"),
        archive="videos",
    ),
    DatasetEntry(
        "lvos",
        ("valid", "test", "train"),
        "LVOS v1, long videos, seen and unseen",
        open=_open_lvos("lvos"),
        archive="annotations",
    ),
    DatasetEntry(
        "lvosv2",
        ("valid", "test", "train"),
        "LVOS v2, long videos, seen and unseen",
        open=_open_lvos("lvosv2"),
        archive="annotations",
    ),
    DatasetEntry(
        "vost",
        ("val", "test", "train"),
        "VOST, objects that are cut, peeled, poured; with J_tr",
        open=_open_vost,
        archive="videos",
    ),
    DatasetEntry("sav", ("val", "test"), "SA-V, one masklet per video", open=_open_sav, archive="objects"),
    DatasetEntry("burst", ("val", "test", "train"), "BURST, masks in JSON; with HOTA", open=_open_burst),
    DatasetEntry(
        "folder",
        ("",),
        "JPEGImages/ and Annotations/ of your own (folder:SPLIT)",
        open=_open_folder,
    ),
    DatasetEntry(
        "video",
        ("",),
        "video files of your own (mp4, mov, avi, webm): --dataset clip.mp4 --mask first.png, or a folder of them",
        open=_open_video,
        own_masks=True,
    ),
)
"""The built-in data sets."""


def data_root(given: str | Path | None = None) -> Path:
    """The data root: the argument, else `$RVOS_BENCH_DATA`, else the `data` folder of the cache; always absolute,
    because a model may change the working directory."""
    if given is not None:
        return user_path(given).absolute()
    if os.environ.get("RVOS_BENCH_DATA"):
        return user_path(os.environ["RVOS_BENCH_DATA"]).absolute()
    return cache_folder() / "data"


def dataset_names() -> list[str]:
    """Every name that `open_dataset` knows, as users type them."""
    entries = [item.value for item in DATASETS.usable().values()]
    return [f"{e.family}:{s}" if s else e.family for e in entries for s in e.splits or ("",)]


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
    root = _root(entry, entry.family if entry.family in _OWN else spec, data_root)
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


def _root(entry: DatasetEntry, spec: str, given: str | Path | None) -> Path | None:
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


def _given(root: Path | None, family: str) -> Path:
    if root is None:
        raise UsageError(f"data set {family!r} needs --data-root DIR")
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


def _builtin() -> Iterator[DatasetEntry]:
    yield from ENTRIES


def _entry(family: str, opener: Any) -> DatasetEntry:
    """The entry of a class or function; what it says of itself in `splits`, `needs_root` and `archive`."""
    lines = (getattr(opener, "__doc__", None) or "").strip().splitlines()
    splits = getattr(opener, "splits", ())
    needs_root = bool(getattr(opener, "needs_root", False))
    archive = str(getattr(opener, "archive", DatasetEntry.archive))
    return DatasetEntry(family, tuple(splits), lines[0] if lines else "", needs_root, opener, archive)


def _from_package(point: EntryPoint, loaded: object) -> list[DatasetEntry]:
    offered = list(loaded) if isinstance(loaded, (list, tuple)) else [loaded]
    if all(isinstance(one, DatasetEntry) for one in offered):
        return [one for one in offered if isinstance(one, DatasetEntry)]
    if len(offered) == 1 and callable(offered[0]):
        return [_entry(point.name, offered[0])]
    raise ContractError("expected a Dataset class, a function that returns one, or a list of DatasetEntry")


def _from_file(text: str) -> Item[DatasetEntry]:
    path, name = split_spec(text)
    origin = file_origin(path, "data set", "path/to/file.py:Class")
    module = load_module(origin)
    found = getattr(module, name, None)
    if isinstance(found, DatasetEntry):
        return Item(found, origin)
    if not callable(found):
        own = [n for n, c in vars(module).items() if isinstance(c, type) and c.__module__ == module.__name__]
        has = f"; it has {', '.join(own)}" if own else ""
        raise UsageError(f"{path} has no data set {name!r}{has}")
    return Item(_entry(name, found), origin)


DATASETS: Registry[DatasetEntry] = Registry(
    kind="data set",
    group=GROUP,
    builtin=_builtin,
    names=lambda entry: (entry.family,),
    read=_from_package,
    from_file=_from_file,
    see="See `rvos-bench list datasets`.",
    form="path/to/file.py:Class",
)
"""All data sets."""
