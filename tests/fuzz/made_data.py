"""Data sets as people have them, made by hypothesis: layouts, names, encodings, image modes, sizes, faults."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from robust_vos_bench.datasets.palette import palette

LAYOUTS = (
    "folder",
    "folder:binary",
    "folder:480p",
    "folder:part",
    "folder:val",
    "davis2016:val",
    "davis2017:val",
    "youtubevos2018:train",
    "youtubevos2019:valid",
)
NAMES = (
    "a",
    "b c",
    "gr\u00fcn",
    "0",
    "-x",
    "video.1",
    "@v",
    "#1",
    "100%",
    "L'eau",
    "[x]",
    "CON",
    "~",
    "a=b,c",
    "\u732b",
)
FRAMES = ((".jpg", "RGB"), (".png", "RGB"), (".JPG", "L"), (".png", "P"), (".png", "RGBA"), (".jpeg", "CMYK"))
FAULTS = (
    "none",
    "frame gone",
    "mask gone",
    "frame cut",
    "mask cut",
    "frame bytes",
    "mask bytes",
    "mask bit",
    "frame size",
    "mask size",
    "stray frame",
    "stray mask",
    "late mask",
    "jpeg mask",
    "colour mask",
    "deep mask",
    "soft mask",
    "dark mask",
    "void mask",
    "empty frames",
    "no frames",
    "empty masks",
    "no masks",
    "system folders",
    "noise files",
    "name twice",
    "name unknown",
    "list with mark",
    "list in latin",
    "list crlf",
    "frame webp",
    "mask folder",
    "frame twice",
    "meta frames",
    "meta category",
    "meta ids",
)


@dataclass(frozen=True)
class MadeObject:
    """One object: a box with an id, shown from one frame to another."""

    id: int
    first: int
    last: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class MadeVideo:
    """One video."""

    name: str
    stems: tuple[str, ...]
    size: tuple[int, int]
    frames: tuple[str, str]
    """Ending and mode."""
    masks: str
    """Mode."""
    annotated: tuple[bool, ...]
    objects: tuple[MadeObject, ...]
    void: bool


@dataclass(frozen=True)
class MadeData:
    """A data set and what is wrong with it."""

    spec: str
    videos: tuple[MadeVideo, ...]
    faults: tuple[tuple[str, int, int], ...]
    """(fault, video, frame)."""

    @property
    def inner(self) -> str:
        """The folder between JPEGImages and the videos."""
        return "480p" if "davis" in self.spec or "480p" in self.spec else ""

    @property
    def top(self) -> str:
        """The folder of JPEGImages."""
        split = self.spec.partition(":")[2]
        return split if split in ("part", "train", "valid") else ""


@st.composite
def stems(draw: st.DrawFn) -> tuple[str, ...]:
    """Frame names of one video."""
    count = draw(st.integers(1, 6))
    start, step = draw(st.sampled_from([0, 1, 7, 98])), draw(st.sampled_from([1, 1, 5]))
    numbers = [start + step * t for t in range(count)]
    form = draw(st.sampled_from(["{:05d}", "{}", "frame{}", "im_{:03d}.rgb", "{}.50", "T{}-x", "\u7b2c{}"]))
    return tuple(form.format(n) for n in numbers)


@st.composite
def videos(draw: st.DrawFn, name: str, spec: str) -> MadeVideo:
    """One video that is sound as far as the layout allows it."""
    names = draw(stems())
    height, width = draw(st.sampled_from([(1, 1), (2, 3), (9, 8), (16, 20), (31, 17)]))
    count = len(names)
    binary = "binary" in spec or "2016" in spec
    known = st.just(1) if binary else st.one_of(st.integers(1, 4), st.integers(1, 254))
    made = []
    for i in sorted(draw(st.sets(known, min_size=1, max_size=3))):
        first = 0 if not made or "davis" in spec else draw(st.integers(0, count - 1))
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        box = (y, x, draw(st.integers(2, 12)), draw(st.integers(2, 12)))
        made.append(MadeObject(i, first, draw(st.integers(first, count - 1)), box))
    every = spec.startswith(("davis", "youtube")) or draw(st.booleans())
    annotated = tuple(True if every else t == 0 or draw(st.booleans()) for t in range(count))
    modes = ["L", "P"] + (["1"] if all(o.id == 1 for o in made) else [])
    return MadeVideo(
        name,
        names,
        (height, width),
        draw(st.sampled_from(FRAMES)),
        draw(st.sampled_from(modes)),
        annotated,
        tuple(made),
        draw(st.booleans()) and not binary,
    )  # fmt: skip


@st.composite
def data_sets(draw: st.DrawFn) -> MadeData:
    """A data set with up to two faults."""
    spec = draw(st.sampled_from(LAYOUTS))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    if spec.startswith("davis"):
        names = [name.replace(" ", "_") for name in names]
    made = tuple(draw(videos(name, spec)) for name in names)
    faults = draw(st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(0, 2), st.integers(0, 5)), max_size=2))
    return MadeData(spec, made, tuple(faults))


def mask_of(video: MadeVideo, t: int) -> np.ndarray:
    """The ids of frame t; boxes move by a pixel per frame."""
    mask = np.zeros(video.size, np.uint8)
    for o in video.objects:
        if o.first <= t <= o.last:
            y, x, height, width = o.box
            mask[y : y + height, max(x + t - o.first, 0) % video.size[1] :][:, :width] = o.id
            mask[y, x] = o.id
    if video.void and video.size[0] > 8:
        mask[-3:, -4:] = 255
    return mask


def build(data: MadeData, root: Path) -> None:
    """Write it, then spoil it."""
    top = root / data.top
    for video in data.videos:
        frames, masks = places(data, root, video.name)
        frames.mkdir(parents=True, exist_ok=True)
        masks.mkdir(parents=True, exist_ok=True)
        for t, stem in enumerate(video.stems):
            rng = np.random.default_rng(t)
            picture = Image.fromarray(rng.integers(0, 256, (*video.size, 3), np.uint8))
            picture.convert(video.frames[1]).save(frames / f"{stem}{video.frames[0]}")
            if video.annotated[t]:
                _save(masks / f"{stem}.png", mask_of(video, t), video.masks, data.spec)
    names = [video.name for video in data.videos]
    listed = {
        "folder:val": root / "ImageSets" / "val.txt",
        "davis2016:val": root / "ImageSets" / "2016" / "val.txt",
        "davis2017:val": root / "ImageSets" / "2017" / "val.txt",
    }.get(data.spec)
    if listed is not None:
        listed.parent.mkdir(parents=True)
        listed.write_text("\n".join(names) + "\n", encoding="utf-8")
    meta = top / "meta.json"
    if "youtube" in data.spec:
        described = {v.name: {"objects": _described(v)} for v in data.videos}
        meta.write_text(json.dumps({"videos": described}))
    for fault, v, t in data.faults:
        video = data.videos[v % len(data.videos)]
        _spoil(fault, data, root, video, t % len(video.stems), listed, meta)


def places(data: MadeData, root: Path, name: str) -> tuple[Path, Path]:
    """The folders of frames and masks of a video."""
    top = root / data.top
    return top / "JPEGImages" / data.inner / name, top / "Annotations" / data.inner / name


def _described(video: MadeVideo) -> dict[str, object]:
    found: dict[str, object] = {}
    for o in video.objects:
        shown = [s for t, s in enumerate(video.stems) if (mask_of(video, t) == o.id).any()]
        if shown:
            found[str(o.id)] = {"category": "dog", "frames": shown}
    return found


def _save(path: Path, mask: np.ndarray, mode: str, spec: str) -> None:
    if "binary" in spec or "2016" in spec:
        mask = (mask > 0).astype(np.uint8) * 255
    if mode == "1" and mask.max() in (0, 1, 255) and not ((mask == 1).any() and (mask == 255).any()):
        Image.fromarray((mask > 0).astype(np.uint8) * 255).convert("1").save(path)
        return
    image = Image.fromarray(mask)
    if mode == "P":
        image.putpalette(palette())
    image.save(path)


def _spoil(
    fault: str, data: MadeData, root: Path, video: MadeVideo, t: int, listed: Path | None, meta: Path
) -> None:  # fmt: skip
    frames, masks = places(data, root, video.name)
    frame, mask = frames / f"{video.stems[t]}{video.frames[0]}", masks / f"{video.stems[t]}.png"
    height, width = video.size
    image = Image.fromarray(mask_of(video, t))
    if fault in ("frame gone", "frame cut", "frame bytes", "frame size", "frame webp") and frame.exists():
        _spoil_file(fault.partition(" ")[2], frame, video.size)
    elif fault in ("mask gone", "mask cut", "mask bytes", "mask size", "mask bit") and mask.exists():
        _spoil_file(fault.partition(" ")[2], mask, video.size)
    elif fault == "stray frame" and frames.is_dir():
        Image.new("RGB", (width, height)).save(frames / "preview.png")
    elif fault == "stray mask" and masks.is_dir():
        image.save(masks / "overlay.png")
    elif fault == "late mask" and masks.is_dir():
        image.save(masks / f"{video.stems[-1]}9.png")
    elif fault == "jpeg mask" and masks.is_dir():
        buffer = io.BytesIO()
        image.save(buffer, "JPEG")
        mask.write_bytes(buffer.getvalue())
    elif fault == "colour mask" and masks.is_dir():
        image.convert("RGB").save(mask)
    elif fault == "deep mask" and masks.is_dir():
        Image.fromarray(mask_of(video, t).astype(np.uint16) * 257).save(mask)
    elif fault == "soft mask" and masks.is_dir():
        rows, columns = np.mgrid[:height, :width]
        distance = np.hypot(rows - height / 2, columns - width / 2)
        Image.fromarray(np.clip(255 - 40 * (distance - 3), 0, 255).astype(np.uint8)).save(mask)
    elif fault == "dark mask" and masks.is_dir():
        Image.new("L", (width, height)).save(mask)
    elif fault == "void mask" and masks.is_dir():
        Image.fromarray((mask_of(video, t) > 0).astype(np.uint8) * 255).save(mask)
    elif fault in ("empty frames", "no frames", "empty masks", "no masks"):
        folder = frames if "frames" in fault else masks
        for path in list(folder.glob("*")) if folder.is_dir() else []:
            _remove(path)
        if fault.startswith("no") and folder.is_dir():
            folder.rmdir()
    elif fault == "system folders":
        for place in (frames.parent, masks.parent):
            for name in ("@eaDir", ".git", "nothing"):
                (place / name).mkdir(parents=True, exist_ok=True)
    elif fault == "noise files":
        for place in (frames, masks, frames.parent):
            if place.is_dir():
                (place / "Thumbs.db").write_bytes(b"x")
                (place / ".DS_Store").write_bytes(b"x")
                (place / "._00000.jpg").write_bytes(b"x")
    elif fault == "mask folder" and masks.is_dir() and not (masks / "extra.png").exists():
        (masks / "extra.png").mkdir()
    elif fault == "frame twice" and frame.exists():
        (frames / f"{video.stems[t]}.jpeg").write_bytes(frame.read_bytes())
    elif listed is not None:
        _spoil_list(fault, listed, video.name)
    elif meta.exists():
        _spoil_meta(fault, meta, video.name)


def _remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()


def _spoil_file(what: str, path: Path, size: tuple[int, int]) -> None:
    content = path.read_bytes()
    if what == "gone":
        path.unlink()
    elif what == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif what == "bytes":
        path.write_bytes(b"<html>not found</html>")
    elif what == "bit":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :])
    elif what == "webp":
        Image.new("RGB", size[::-1]).save(path.with_suffix(".bmp"))
        path.unlink()
    elif what == "size":
        Image.new("RGB" if path.parent.parent.name == "JPEGImages" else "L", (size[1] + 1, size[0])).save(
            path, "PNG" if path.suffix == ".png" else "JPEG"
        )


def _spoil_list(fault: str, listed: Path, name: str) -> None:
    try:
        text = listed.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return
    if fault == "name twice":
        listed.write_text(f"{text}\n{name}\n", encoding="utf-8")
    elif fault == "name unknown":
        listed.write_text(f"ghost\n{text}", encoding="utf-8")
    elif fault == "list with mark":
        listed.write_text(text, encoding="utf-8-sig")
    elif fault == "list crlf":
        listed.write_bytes(text.replace("\n", "\r\n").encode())
    elif fault == "list in latin":
        listed.write_bytes("d\u00fcster\n".encode("latin-1") + text.encode())


def _spoil_meta(fault: str, meta: Path, name: str) -> None:
    found = json.loads(meta.read_text())
    for described in found["videos"][name]["objects"].values():
        if fault == "meta frames":
            described["frames"] = [0, 5]
        elif fault == "meta category":
            described["category"] = None
    if fault == "meta ids":
        found["videos"][name]["objects"]["300"] = {"category": "cat", "frames": []}
    meta.write_text(json.dumps(found))
