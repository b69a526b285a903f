"""The masks of a video file: which files they are, given by hand or found beside it, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robust_vos_bench.datasets.clips.painted import read_painted
from robust_vos_bench.datasets.clips.shapes import draw_shapes, read_shapes
from robust_vos_bench.datasets.files import list_masks, listing
from robust_vos_bench.datasets.video import VOID, Mask, ids_in
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.system.paths import user_path

_NUMBERED = re.compile(r"(\d+)=(.+)", re.DOTALL)
HOW = "--mask FIRST.png, --mask FIRST.txt (boxes or polygons), --mask FRAME=LATER.png or --mask FOLDER"


@dataclass(frozen=True)
class ClipMasks:
    """Where the masks of one video lie."""

    prompts: tuple[tuple[int, Path], ...] = ()
    """(frame, picture or text of shapes) in the order of frames: objects that are given there."""
    folder: Path | None = None
    """Annotations named by frame number: first masks, and truth where there are more."""

    def __bool__(self) -> bool:
        return bool(self.prompts) or self.folder is not None


@dataclass(frozen=True)
class MaskWords:
    """What was given with --mask."""

    prompts: tuple[tuple[int, Path], ...] = ()
    folder: Path | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The same as words, with whole paths."""
        if self.folder is not None:
            return (str(self.folder),)
        return tuple(f"{frame}={path}" for frame, path in self.prompts)


def mask_words(words: Sequence[str]) -> MaskWords:
    """Read `FILE`, `FRAME=FILE` and `FOLDER`; files are PNG pictures or .txt files of shapes.

    Raises UsageError for several folders or a folder with files, DataError for what is not there.
    """
    files: list[tuple[int, Path]] = []
    folders: list[Path] = []
    for word in words:
        match = None if user_path(word).exists() else _NUMBERED.fullmatch(word)
        path = user_path(match[2] if match else word).absolute()
        if path.is_dir() and not match:
            folders.append(path)
        elif not path.is_file():
            raise DataError(f"{path}: no such mask; give {HOW}")
        elif path.suffix.lower() not in (".png", ".txt"):
            raise DataError(f"{path}: masks are .png pictures or .txt files of boxes and polygons")
        else:
            files.append((int(match[1]) if match else 0, path))
    if len(folders) > 1 or (folders and files):
        raise UsageError("--mask takes one folder, or files; not both")
    return MaskWords(tuple(sorted(files, key=lambda entry: entry[0])), folders[0] if folders else None)


def find_masks(clip: Path, words: MaskWords, alone: bool) -> ClipMasks:
    """The masks of a video file: as given, else beside it. alone: it is the only one, so that files mean it.

    Beside it, or in the folder that was given: `<video>.png` or `<video>.txt` for the first frame, or a folder
    `<video>/` of PNG files named by frame number. Raises DataError where there are several of these.
    """
    if words.prompts:
        if not alone:
            raise UsageError(
                f"--mask {words.prompts[0][1].name} is one video's, and there are several. Put masks beside the videos "
                f"({clip.stem}.png, or a folder {clip.stem}/), give --mask FOLDER, or open one video"
            )
        return ClipMasks(words.prompts)
    place = words.folder or clip.parent
    folder = place / clip.stem
    found: list[Path] = [path for path in (place / f"{clip.stem}.png", place / f"{clip.stem}.txt") if path.is_file()]
    if folder.is_dir() and _holds_png(folder):
        found.append(folder)
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{clip}: {names} are both there as its masks; remove one, or give --mask")
    if found:
        return ClipMasks(folder=folder) if found[0] == folder else ClipMasks(((0, found[0]),))
    if alone and words.folder is not None and _holds_png(words.folder):
        return ClipMasks(folder=words.folder)
    return ClipMasks()


def numbered_masks(folder: Path, frames: int) -> dict[int, Path]:
    """Frame index -> mask of a folder of masks named by frame number, in order.

    Raises DataError for a name that is no number, a number twice, and one that the video has not.
    """
    found: dict[int, Path] = {}
    for stem, path in list_masks(folder).items():
        if not stem.isdecimal():
            raise DataError(
                f"{path}: masks of a video are named by frame number, counted from 0 (00000.png, 00012.png)"
            )
        t = int(stem)
        if t in found:
            raise DataError(f"{path}: frame {t} has a mask already, {found[t].name}; remove one")
        if t >= frames:
            raise DataError(
                f"{path}: annotates frame {t}, but the video has {frames} frames, 0 to {frames - 1} (counted from 0)"
            )
        found[t] = path
    if not found:
        raise DataError(f"{folder}: no masks (.png) in it")
    return dict(sorted(found.items()))


def given_prompts(files: Sequence[tuple[int, Path]], size: tuple[int, int], frames: int) -> dict[int, Mask]:
    """Frame -> uint8 H x W mask of the objects that are given there; later files of a frame cover earlier ones.

    A black-and-white picture has no id: it gets the smallest that no other file uses, in order. Objects that were given
    at an earlier frame are left out. Raises DataError, naming the file, for a frame that is not there, and for a file
    that brings no new object.
    """
    read = list(_read(files, size, frames))
    taken = {i for _, _, mask, anonymous in read if not anonymous for i in ids_in(mask)}
    free = (i for i in range(1, VOID) if i not in taken)
    prompts: dict[int, Mask] = {}
    known: dict[int, int] = {}
    for t, path, mask, anonymous in read:
        if not ids_in(mask):
            raise DataError(f"{path}: holds no object")
        shown = np.where(mask > 0, next(free), 0).astype(np.uint8) if anonymous else np.where(mask == VOID, 0, mask)
        new = [i for i in ids_in(shown) if known.get(i, t) == t]
        if not new:
            ids = ", ".join(map(str, ids_in(shown)))
            raise DataError(
                f"{path}: at frame {t} it shows no new object ({ids} given before). A mask that is given with --mask "
                "starts an object; masks to score against lie in a folder, by frame number (--mask FOLDER)"
            )
        prompt = prompts.setdefault(t, np.zeros(size, np.uint8))
        for i in new:
            known[i] = t
            prompt[shown == i] = i
    for i, t in known.items():
        if not (prompts[t] == i).any():
            raise DataError(f"{files[0][1].parent}: object {i} at frame {t} is covered by another mask of that frame")
    return prompts


def _read(
    files: Sequence[tuple[int, Path]], size: tuple[int, int], frames: int
) -> Iterator[tuple[int, Path, Mask, bool]]:
    """(frame, file, ids, whether the file names no id) in the order of frames."""
    found: list[tuple[int, Path, Mask, bool]] = []
    for frame, path in files:
        if path.suffix.lower() == ".txt":
            shapes = read_shapes(path, frame)
            _check_frames(path, shapes, frames)
            found += [(t, path, draw_shapes(path, drawn, size), False) for t, drawn in shapes.items()]
        else:
            _check_frames(path, [frame], frames)
            found.append((frame, path, *read_painted(path, size)))
    yield from sorted(found, key=lambda entry: entry[0])


def _check_frames(path: Path, wanted: Sequence[int] | Mapping[int, object], frames: int) -> None:
    for t in wanted:
        if t >= frames:
            raise DataError(f"{path}: is for frame {t}, but the video has {frames} frames, 0 to {frames - 1}")


def _holds_png(folder: Path) -> bool:
    return any(path.suffix.lower() == ".png" and not path.name.startswith(".") for path in listing(folder))
