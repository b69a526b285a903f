"""SA-V val and test: a folder of masks for each object, annotated at 6 fps on frames at 24 fps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from robust_vos_bench.datasets.files import video_folders
from robust_vos_bench.datasets.layout import FolderDataset, existing_root, once
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.text import read_text

FRAMES, MASKS = "JPEGImages_24fps", "Annotations_6fps"
MASKLETS: Mapping[str, int] = {"val": 293, "test": 278}
"""Split -> official number of masklets, of 155 and of 150 films."""


class SAV(FolderDataset):
    """SA-V (Ravi et al., arXiv 2408.00714). Each masklet is a video of its own, "sav_000001.000": film and object.

    Objects overlap, so that no mask of ids can hold those of one film together, and the authors track each by itself.
    Masks are 0 and any other value: the object, which has the id 1.
    """

    protocol = "sav"
    binary = True
    numbering_step = 1
    fps = 24.0

    def __init__(self, split: str, root: Path, limit: int | None = None, videos: Sequence[str] | None = None) -> None:
        super().__init__(limit, videos)
        self.split, self.name = split, f"sav:{split}"
        self.root = _root(root, split)
        self.frames_root, self.masks_root = self.root / FRAMES, self.root / MASKS
        self.list_file = self.root / f"sav_{split}.txt"

    @property
    def layout(self) -> None:  # type: ignore[override]
        """None: a copy is a plain folder with a video for each masklet."""
        return None

    @property
    def listed_in(self) -> Path:
        """The list of the split, else the folder of annotations."""
        return self.list_file if self.list_file.is_file() else self.masks_root

    @property
    def official_counts(self) -> Mapping[str, int]:
        """The number of masklets."""
        return {"videos": MASKLETS[self.split]}

    @property
    def split_size(self) -> int:
        """Masklets of the official split."""
        return MASKLETS[self.split]

    def footage(self, name: str) -> str:
        """The film that a masklet belongs to."""
        return name.rpartition(".")[0]

    def frames_folder(self, name: str) -> Path:
        """The frames of the film."""
        return self.frames_root / name.rpartition(".")[0]

    def masks_folder(self, name: str) -> Path:
        """The masks of the object."""
        film, _, number = name.rpartition(".")
        return self.masks_root / film / number

    def prediction_folders(self, name: str) -> Sequence[str]:
        """As a run saves them, else as the authors' evaluator has them: <film>/<object>."""
        film, _, number = name.rpartition(".")
        return (name, f"{film}/{number}")

    def _all_videos(self) -> Sequence[str]:
        if self.list_file.is_file():
            films = [line.strip() for line in read_text(self.list_file).splitlines() if line.strip()]
            films = once(films, self.list_file, self._notes)
        else:
            films, _ = video_folders(self.masks_root)
        names = []
        for film in films:
            place = self.masks_root / film
            if not place.is_dir():
                raise DataError(f"{place}: no such folder; {self.listed_in} lists {film}")
            objects, _ = video_folders(place)
            if not objects:
                raise DataError(f"{place}: no folders of masks in it; expected one for each object (000, 001, ...)")
            names += [f"{film}.{number}" for number in objects]
        return names


def _root(data_root: Path, split: str) -> Path:
    existing_root(data_root)
    folders = ("", f"sav_{split}", f"SA-V/sav_{split}", f"SAV/sav_{split}", f"sav/sav_{split}", "SA-V", "SAV")
    for folder in folders:
        root = data_root / folder
        # The other split has the same folders; its list tells them apart.
        named = (root / f"sav_{split}.txt").is_file() or root.name == f"sav_{split}"
        if named and any((root / kind).is_dir() for kind in (FRAMES, MASKS)):
            return root
    raise DataError(
        f"{data_root}: no sav:{split} here: looked for sav_{split}.txt and {FRAMES} in it and in its folders "
        f"{', '.join(f for f in folders if f)}. How to get it: `rvos-bench data get sav:{split}`"
    )
