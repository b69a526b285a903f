"""Video files of one's own: one clip or a folder of them, with masks given by hand or lying beside."""

from __future__ import annotations

import contextlib
import copy
import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.clips.facts import RULES, ClipFacts, clip_facts, is_video_file
from robust_vos_bench.datasets.clips.frames import ClipFrames
from robust_vos_bench.datasets.clips.masks import (
    HOW,
    ClipMasks,
    find_masks,
    given_prompts,
    mask_words,
    numbered_masks,
)
from robust_vos_bench.datasets.clips.pyav import decoder_version
from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.files import BINARISE, PICTURES, MaskFiles, listing
from robust_vos_bench.datasets.images import read_mask
from robust_vos_bench.datasets.layout import select_videos, some
from robust_vos_bench.datasets.order import in_order
from robust_vos_bench.datasets.soft import binarise, soft_values
from robust_vos_bench.datasets.video import VOID, Mask, Truth, Video, ids_in
from robust_vos_bench.errors import DataError, RvosError, unknown
from robust_vos_bench.system.cache import remembered
from robust_vos_bench.system.hashes import file_sha256

MASKS = 1
"""Raised when the same mask files come to mean other prompts or truth."""


class VideoFiles(Dataset):
    """mp4, mov, avi, webm ... files. A video is called by its file's name without ending; frames are "00000", ...

    root: one file, or a folder of files. masks: the words of --mask (`clips.masks`); without them masks lie beside the
    files. bare: masks are not needed (to look at corruptions); else videos without masks are left out of a folder.
    Nothing is decoded before it is asked for, but each file is then decoded once from end to end (`clips.facts`).
    """

    name = "video"
    protocol = "ranges"
    root: Path

    def __init__(
        self,
        root: Path,
        masks: Sequence[str] = (),
        limit: int | None = None,
        videos: Sequence[str] | None = None,
        bare: bool = False,
    ) -> None:
        self.root = root.absolute()
        self._words = mask_words(masks)
        self.masks = self._words.words
        self._bare, self._limit = bare, limit
        self._only = None if videos is None else tuple(videos)
        self._clips = clips_in(self.root)
        self._facts: dict[str, ClipFacts] = {}
        self._open: dict[str, ClipFrames] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    @cached_property
    def _masks(self) -> Mapping[str, ClipMasks]:
        alone = len(self._clips) == 1 or len(self._only or ()) == 1
        chosen = select_videos(self.root.name, tuple(self._clips), None, self._only) if alone else tuple(self._clips)
        return {name: find_masks(self._clips[name], self._words, alone) for name in chosen}

    @cached_property
    def _videos(self) -> tuple[str, ...]:
        names = tuple(name for name, masks in self._masks.items() if masks or self._bare)
        if not names:
            beside = next(iter(self._clips.values()))
            raise DataError(
                f"{beside}: no first mask, so there is nothing to segment. Give {HOW}; or put {beside.stem}.png or "
                f"{beside.stem}.txt beside it. docs/your-video.md shows how to make one"
            )
        return select_videos(self.root.name, names, self._limit, self._only)

    @property
    def videos(self) -> Sequence[str]:
        """Names of the files without their endings, in natural order."""
        return self._videos

    @property
    def split_size(self) -> int:
        """All videos that lie here and have masks."""
        return sum(bool(masks) or self._bare for masks in self._masks.values())

    @property
    def notes(self) -> Sequence[str]:
        """Videos without masks, and whatever is read otherwise than the file says or a person may expect."""
        found = []
        if not self._bare and (alone := [name for name, masks in self._masks.items() if not masks]):
            found.append(f"{self.root}: no masks of {some(alone)}, so that these are left out.")
        for name in self.videos:
            with contextlib.suppress(RvosError):  # damage is told when it is that video's turn
                found += self.facts(name).notes(self.clip(name).name)
        return tuple(found)

    def clip(self, name: str) -> Path:
        """The file of a video. Raises UsageError for a name that is not there."""
        if name not in self.videos:
            raise unknown(f"video of {self.root.name}", name, self.videos)
        return self._clips[name]

    def facts(self, name: str, again: bool = False) -> ClipFacts:
        """What the file of a video holds; decoded from end to end the first time, and where it is asked for `again`."""
        if again or name not in self._facts:
            self._facts[name] = clip_facts(self.clip(name), again)
        return self._facts[name]

    def with_videos(self, names: Sequence[str] | None) -> VideoFiles:
        """The same files with these videos open, or, for None, every one."""
        other = copy.copy(self)
        other._limit, other._only = None, None if names is None else tuple(names)
        for found_out in ("_videos", "_masks", "index_hash"):
            other.__dict__.pop(found_out, None)
        return other

    def frames(self, name: str) -> ClipFrames:
        """The frames of a video; one open file per process, so that reading forward by index costs no frame twice."""
        if name not in self._open:
            self._open = {name: ClipFrames(self.clip(name), self.facts(name))}
        return self._open[name]

    def mask_paths(self, name: str) -> Mapping[str, Path]:
        """Frame stem -> annotation file, where annotations lie in a folder; empty where masks were given by hand."""
        masks = self._masks_of(name)
        if masks.folder is None:
            return {}
        return {f"{t:05d}": path for t, path in numbered_masks(masks.folder, self.facts(name).frames).items()}

    def mask_files(self, name: str) -> list[Path]:
        """Every mask file of a video."""
        masks = self._masks_of(name)
        return [path for _, path in masks.prompts] or list(self.mask_paths(name).values())

    def video(self, name: str) -> Video:
        """One video; frames are decoded when they are read."""
        facts = self.facts(name)
        return Video(
            name=name,
            size=facts.size,
            frames=self.frames(name),
            prompts=self._prompts(name, facts),
            frame_names=_stems(facts),
            fps=facts.fps,
            dataset=self.name,
        )

    def truth(self, name: str) -> Truth | None:
        """Truth where a folder of masks holds more than first masks; None otherwise."""
        facts = self.facts(name)
        folder = self._masks_of(name).folder
        if folder is None:
            return None
        paths = numbered_masks(folder, facts.frames)
        first, binary = self._first(name, paths, facts)
        if len(paths) < facts.frames and all(t in first.values() for t in paths):
            return None
        return Truth(
            video=name,
            size=facts.size,
            frame_names=_stems(facts),
            masks=MaskFiles(
                tuple(paths.get(t) for t in range(facts.frames)), facts.size, BINARISE if binary else None, not binary
            ),
            first_frames=first,
        )

    def fingerprint(self, name: str) -> str:
        """Digest of the bytes of the file and of its masks, of the versions of the decoder, and of the rules here."""
        clip, masks = self.clip(name), self._masks_of(name)
        frames = [t for t, _ in masks.prompts] or [int(stem) for stem in self.mask_paths(name)]
        identity = f"{self.name} {name} {RULES} {MASKS} {frames} {decoder_version()}"
        files = [clip, *self.mask_files(name)]

        def digest() -> str:
            lines = [identity, *(file_sha256(path) for path in files)]  # not where they lie: that may change
            return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

        self.facts(name)  # a damaged file has no fingerprint
        return str(remembered("fingerprints", identity, files, digest))

    def _masks_of(self, name: str) -> ClipMasks:
        self.clip(name)
        return self._masks[name]

    def _prompts(self, name: str, facts: ClipFacts) -> dict[int, Mask]:
        masks = self._masks_of(name)
        try:
            if masks.prompts:
                return given_prompts(masks.prompts, facts.size, facts.frames)
            if masks.folder is None:
                return {}
            paths = numbered_masks(masks.folder, facts.frames)
            first, binary = self._first(name, paths, facts)
        except DataError as error:
            if facts.size != (facts.rows, facts.columns) and "but the video is" in str(error):
                raise DataError(f"{error}: {self.clip(name).name} is shown turned, as its metadata says") from error
            raise
        prompts = {}
        for t in sorted(set(first.values())):
            mask = _annotation(paths[t], facts.size, binary)
            keep = np.zeros(256, np.uint8)
            for i, at in first.items():
                keep[i] = i if at == t else 0
            prompts[t] = keep[mask]
        return prompts

    def _first(self, name: str, paths: Mapping[int, Path], facts: ClipFacts) -> tuple[dict[int, int], bool]:
        """(object -> frame of its first mask, whether the masks are black and white); remembered."""
        found = remembered("clip-masks", f"{MASKS} {name}", [*paths.values()], lambda: _scan(paths, facts.size))
        return {int(i): int(t) for i, t in found["first"].items()}, bool(found["binary"])


def clips_in(root: Path) -> dict[str, Path]:
    """Name -> video file: the file itself, or those of a folder in natural order. Raises DataError."""
    if root.is_file():
        return {root.stem: root}
    if not root.is_dir():
        raise DataError(f"{root}: no such video file or folder")
    files = [path for path in listing(root) if path.is_file() and is_video_file(path)]
    if not files:
        inside = {path.name for path in listing(root)}
        if inside & {"JPEGImages", "Annotations"}:
            raise DataError(f"{root}: holds frames, not video files; open it with --dataset folder --data-root {root}")
        pictures = any(Path(name).suffix.lower() in PICTURES for name in inside)
        why = "holds pictures; a video as pictures lies in JPEGImages/<video>/ (--dataset folder)" if pictures else ""
        raise DataError(f"{root}: no video files (.mp4, .mov, .avi, .webm ...) in it" + (f": it {why}" if why else ""))
    found: dict[str, Path] = {}
    for path in files:
        if path.stem in found:
            raise DataError(
                f"{path}: the video {path.stem!r} is there twice, also as {found[path.stem].name}; rename one"
            )
        found[path.stem] = path
    return {name: found[name] for name in in_order(set(found))}


def _stems(facts: ClipFacts) -> tuple[str, ...]:
    return tuple(f"{t:05d}" for t in range(facts.frames))


def _annotation(path: Path, size: tuple[int, int], binary: bool) -> Mask:
    mask = read_mask(path, size)
    return binarise(mask) if binary else mask


def _scan(paths: Mapping[int, Path], size: tuple[int, int]) -> dict[str, Any]:
    """First frames of the objects of a folder of masks, which hold ids, or are all black and white."""
    kinds: dict[bool, Path] = {}
    first: dict[int, int] = {}
    for t, path in paths.items():
        mask = read_mask(path, size)
        values = set(np.unique(mask).tolist())
        if VOID in values and values <= {0, VOID}:
            kinds.setdefault(True, path)
            first.setdefault(1, t)
            continue
        if values != {0}:
            kinds.setdefault(False, path)
        if count := soft_values(mask):
            raise DataError(
                f"{path}: soft edges ({count} grey values between background and object); save masks without "
                "antialiasing, resized with nearest neighbour only"
            )
        for i in ids_in(mask):
            first.setdefault(i, t)
    if len(kinds) == 2:
        raise DataError(
            f"{kinds[True]}: is black and white (0 and 255), and {kinds[False].name} holds object ids; masks of a "
            "video are all of one kind"
        )
    if not first:
        raise DataError(f"{next(iter(paths.values())).parent}: no mask in it holds an object")
    return {"first": {str(i): t for i, t in first.items()}, "binary": True in kinds}
