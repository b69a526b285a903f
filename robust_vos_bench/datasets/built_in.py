"""The data sets that ship with rvos-bench, and how each is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.entry import DatasetEntry, Opener
from robust_vos_bench.datasets.root import given_root
from robust_vos_bench.errors import UsageError

SIZES = ("480p", "Full-Resolution")
"""Resolutions of DAVIS."""


def _open_demo(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.demo import Demo

    return Demo(split, limit=limit, videos=videos)


def _open_davis(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.davis import Davis

        split, _, size = split.partition("@")
        return Davis(family, split, given_root(root, family), size=size or SIZES[0], limit=limit, videos=videos)

    return open_split


def _open_youtube_vos(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.youtube_vos import YouTubeVOS

        return YouTubeVOS(family, split, given_root(root, family), limit=limit, videos=videos)

    return open_split


def _open_mose(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.named import Mose

        return Mose(family, split, given_root(root, family), limit, videos)

    return open_split


def _open_lvos(family: str) -> Opener:
    def open_split(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
        from robust_vos_bench.datasets.lvos import Lvos

        return Lvos(family, split, given_root(root, family), limit, videos)

    return open_split


def _open_vost(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.named import Vost

    return Vost("vost", split, given_root(root, "vost"), limit, videos)


def _open_sav(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.sav import SAV

    return SAV(split, given_root(root, "sav"), limit, videos)


def _open_burst(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.burst import Burst

    return Burst(split, given_root(root, "burst"), limit, videos)


def _open_folder(*, root: Path | None, split: str, limit: int | None, videos: Sequence[str] | None) -> Dataset:
    from robust_vos_bench.datasets.folder import PlainFolder

    words = [word for word in split.split(":") if word]
    splits = [word for word in words if word != "binary"]
    if len(splits) > 1:
        raise UsageError(
            f"data set 'folder:{split}' names two splits; write folder, folder:SPLIT or folder:SPLIT:binary"
        )
    return PlainFolder(given_root(root, "folder"), splits[0] if splits else None, "binary" in words, limit, videos)


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

    return VideoFiles(given_root(root, "video"), masks, limit, videos, bare)


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
