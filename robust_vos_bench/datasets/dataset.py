"""The contract of a data set: names, lazy videos, truth, and a fingerprint of the bytes it stands on."""

from __future__ import annotations

import hashlib
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

from robust_vos_bench.datasets.video import Mask, Truth, Video
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.origin import Origin, load_module, origin_of_module


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk; a perturbed copy is written in the same layout."""

    root: Path
    """The folder that a copy replaces: what was given as the data root."""
    frames: Path
    """Folder of the video folders with frames, relative to `root`."""
    masks: Path
    """Folder of the video folders with annotations, relative to `root`."""


class Dataset(ABC):
    """A split of videos. Instances are cheap to make and picklable: nothing is decoded before it is asked for.

    A data set that lies in folders also says its layout, its files and its lists; the defaults are those of one that
    is made on the spot. Pickled, an instance brings its class along where that comes from a file or a script.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> data = rvos.open_dataset("demo")
    >>> isinstance(data, rvos.Dataset), data.videos[:2]
    (True, ('cat', 'coffee'))
    >>> data.truth("cat").masks[0].shape
    (180, 320)
    """

    name: str
    """Family and split as users type it: "davis2017:val", "demo"."""
    protocol: str
    """Scoring protocol that fits this data: a name known to `robust_vos_bench.scoring` ("davis", "ranges")."""
    root: Path | None = None
    """Folder the data lies in; None where it is made on the spot."""
    seen_categories: frozenset[str] = frozenset()
    """Training categories, where the data set splits scores into seen and unseen (YouTube-VOS)."""

    binary: bool = False
    """Masks are stored as 0 / 255: every non-zero value is object 1."""
    maps_by_value: bool = True
    """Whether `map_mask` looks at each value by itself. If not, it is given whole masks only."""
    masks: tuple[str, ...] = ()
    """First masks that were given when it was opened (video files), as --mask takes them, with whole paths."""
    movable: bool = False
    """Whether `at` works: the files of a video can be sent to another machine and read there."""

    @property
    def notes(self) -> Sequence[str]:
        """What people should know of what is open: what was left out, or read otherwise than it lies there."""
        return ()

    @property
    def layout(self) -> Layout | None:
        """How it lies on disk; None where it is made on the spot."""
        return None

    def frame_paths(self, name: str) -> tuple[Path, ...]:
        """The frame files of a video in order; empty where it does not lie in files."""
        return ()

    def mask_paths(self, name: str) -> Mapping[str, Path]:
        """Frame stem -> annotation file of a video, in order; empty where it does not lie in files."""
        return {}

    def prediction_folders(self, name: str) -> Sequence[str]:
        """Where the masks of a video may lie in a folder of predictions: relative paths, the usual one last."""
        return (name,)

    def footage(self, name: str) -> str:
        """What is filmed in a video of the split. Videos with the same footage are not independent: intervals leave
        them out together. Its own name where each is footage of its own."""
        return name

    def list_files(self) -> Mapping[Path, bytes]:
        """The files beside frames and annotations that the split needs (lists, meta.json): path under `layout.root`
        -> contents, cut to the videos that are open."""
        return {}

    @property
    def official_counts(self) -> Mapping[str, int]:
        """What the complete split officially holds ("videos", "frames", "objects"); empty where nobody says."""
        return {}

    def at(self, root: Path, videos: Sequence[str]) -> Dataset:
        """The same split with these of its videos, read from another root in the same layout. UsageError where not
        `movable`."""
        raise UsageError(f"{self.name} does not lie in files that can be sent elsewhere")

    @property
    @abstractmethod
    def videos(self) -> Sequence[str]:
        """Video names in the official order."""

    def with_videos(self, names: Sequence[str] | None) -> Dataset:
        """The same split with these of its videos open, or, for None, every one; itself where it cannot choose."""
        return self

    @property
    def split_size(self) -> int:
        """Videos of the whole split: the official number where there is one, however many lie here or were chosen."""
        return len(self.videos)

    @property
    def part(self) -> str:
        """A sentence for people where fewer videos are open than the official split has; "" otherwise."""
        official = self.official_counts.get("videos", 0)
        if len(self.videos) >= official:
            return ""
        few = f"{len(self.videos)} of the official {official} videos"
        return f"{self.name}: {few}: a subset, not comparable with papers"

    @abstractmethod
    def video(self, name: str) -> Video:
        """One video, lazily. Raises DataError, naming the file, where something is missing or wrong."""

    @abstractmethod
    def truth(self, name: str) -> Truth | None:
        """Ground truth of one video, lazily; None where the data set does not publish it."""

    def has_truth(self, name: str) -> bool:
        """Whether there is a truth to score a video against."""
        return self.truth(name) is not None

    @abstractmethod
    def fingerprint(self, name: str) -> str:
        """Hex digest that changes when the frames, prompts or truth of one video change."""

    @property
    def code(self) -> str:
        """Digest of the file that its class stands in (`file.py:Class`), part of keys; "" for any other data set."""
        origin = origin_of_module(type(self).__module__)
        return "" if origin is None else origin.digest

    def fingerprint_or_damage(self, name: str) -> str:
        """`fingerprint`; a digest that stands for damage where the video cannot be read (no frames in its folder).

        A run goes on without such a video, which fails when it is its turn; once repaired it has another digest.
        """
        try:
            return self.fingerprint(name)
        except (DataError, OSError):
            return hashlib.sha256(f"damaged\0{name}".encode()).hexdigest()  # equal wherever the data lies

    def map_mask(self, mask: Mask) -> Mask:
        """Values as stored in a mask file -> object ids, for truth and predictions alike; the identity unless the
        data set has a rule of its own (DAVIS 2016: every non-zero value is object 1)."""
        return mask

    @cached_property
    def index_hash(self) -> str:
        """One digest for the split: the names and fingerprints of its videos in order."""
        digest = hashlib.sha256()
        for name in self.videos:
            digest.update(f"{name}\0{self.fingerprint_or_damage(name)}\n".encode())
        return digest.hexdigest()

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        made = super().__reduce_ex__(protocol)
        cls = type(self)
        origin = origin_of_module(cls.__module__)
        if origin is None and cls.__module__ != "__main__":
            return made
        # (copyreg.__newobj__, (class, *arguments), state, ...): another process finds the class in what is sent.
        return (_new, (_reference(cls, origin), *made[1][1:]), *made[2:])


def _reference(cls: type, origin: Origin | None) -> tuple[Origin, str] | bytes:
    """What another process makes the class from: the text of its file, or, for one of a script, the class itself."""
    if origin is not None:
        return origin, cls.__qualname__
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(cls)
    except Exception as error:  # whatever the objects that the class refers to raise
        raise UsageError(
            f"data set class {cls.__name__} cannot be sent to worker processes: {type(error).__name__}: {error}. "
            f"Put it into a file and give it as path/to/file.py:{cls.__name__}"
        ) from error
    return pickled


def _new(reference: tuple[Origin, str] | bytes, *arguments: Any) -> Dataset:
    if isinstance(reference, bytes):
        cls = pickle.loads(reference)
    else:
        origin, name = reference
        cls = load_module(origin)
        for part in name.split("."):
            cls = getattr(cls, part)
    made: Dataset = cls.__new__(cls, *arguments)
    return made
