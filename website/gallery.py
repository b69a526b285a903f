"""The gallery: every corruption at every severity, a loop for those that move, and how strong each is."""

from __future__ import annotations

import csv
import hashlib
import html
import inspect
import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from robust_vos_bench import Condition, Video, corrupt_video
from robust_vos_bench.conditions import Corruption, corruptions
from robust_vos_bench.corrupted.preview import most_changed
from robust_vos_bench.datasets.films import write_film
from robust_vos_bench.datasets.overlay import paint_mask
from robust_vos_bench.datasets.video import source_frame
from website import photograph

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 240
"""Of a picture in a strip, in pixels; a loop is half as wide again."""
SHOWN = 8
"""The frame of the strips, where nothing speaks for another one."""
FAMILIES = {
    "noise": "Noise",
    "blur": "Blur",
    "weather": "Weather",
    "digital": "Digital",
    "codec": "Codecs and lost data",
    "camera": "Cameras",
    "video": "Frames in time",
    "pattern": "Patterns",
    "light": "Light",
    "style": "Style",
    "prompt": "Damaged prompts",
}
"""Titles of families in the order of the pages; others follow under their own name."""


def write(pages: Path, kept: Path, with_pictures: bool = True) -> None:
    """Pages `gallery/<family>.md` and `gallery/index.md` below `pages`.

    kept: folder of pictures made before; one whose corruption did not change is not made again.
    """
    strength = _strengths()
    families: dict[str, list[Corruption]] = defaultdict(list)
    for spec in corruptions().values():
        families[spec.family].append(spec)
    order = [*(name for name in FAMILIES if name in families), *sorted(set(families) - set(FAMILIES))]
    folder = pages / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    video = photograph.clip()
    overview = ["# Gallery", "", _INTRODUCTION, ""]
    for family in order:
        members = sorted(families[family], key=lambda spec: spec.name)
        text = [f"# {_title(family)}", "", _LEGEND, ""]
        for spec in members:
            if with_pictures:
                _pictures(spec, video, kept, folder)
            text += _entry(spec, strength, with_pictures)
        (folder / f"{family}.md").write_text("\n".join(text), encoding="utf-8")
        overview += [f"## [{_title(family)}]({family}.md)", "", *_overview(members, family, with_pictures), ""]
    (folder / "index.md").write_text("\n".join(overview), encoding="utf-8")


_INTRODUCTION = (
    "Every corruption of the package on one photograph (scikit-image's `coffee`, CC0), at severity 3 or its "
    "middle one. A click leads to all severities. The same for frames of your own: "
    "`rvos-bench corrupt --preview --corruption weather --dataset folder --data-root ~/clips`."
)
_LEGEND = (
    "Columns are severities. Under each: PSNR in dB and mean absolute change in grey levels "
    "([how they are measured](../benchmarks/strength.md)). Corruptions that move show a loop of two seconds."
)


def _title(family: str) -> str:
    return FAMILIES.get(family, family.replace("_", " ").replace("-", " ").capitalize())


def _middle(spec: Corruption) -> int:
    return (spec.levels + 1) // 2


def _moves(spec: Corruption) -> bool:
    return spec.scope == "clip" or bool(spec.temporal)


def _entry(spec: Corruption, strength: dict[tuple[str, int], tuple[str, str]], with_pictures: bool) -> list[str]:
    """The section of one corruption, in Markdown with two elements of HTML."""
    modes = f" In time: {', '.join(spec.temporal)}." if spec.temporal else ""
    values = (
        f" Levels: {', '.join(map(str, spec.values))}{f' ({spec.unit})' if spec.unit else ''}." if spec.values else ""
    )
    lines = [f"## {spec.name}", "", f"{html.escape(spec.summary)}.{html.escape(values)}{modes}", ""]
    if not with_pictures:
        return lines
    height = round(WIDTH * photograph.SIZE[0] / photograph.SIZE[1])
    figures = []
    for severity in range(1, spec.levels + 1):
        psnr, change = strength.get((spec.name, severity), ("", ""))
        under = f"{severity}" + (f" · {psnr} dB · {change}" if psnr else "")
        figures.append(
            f'<figure><img src="{spec.name}-{severity}.webp" width="{WIDTH}" height="{height}" loading="lazy" '
            f'alt="{spec.name}, severity {severity}"><figcaption>{under}</figcaption></figure>'
        )
    lines += [f'<div class="strip">{"".join(figures)}</div>', ""]
    if _moves(spec) and spec.scope != "prompt":
        wide = WIDTH * 3 // 2
        lines += [
            f'<video class="loop" src="{spec.name}.mp4" width="{wide}" height="{wide * 2 // 3}" autoplay loop '
            f'muted playsinline preload="metadata" '
            f'aria-label="{spec.name} at severity {_middle(spec)}, a loop"></video>',
            "",
        ]
    return lines


def _overview(members: list[Corruption], family: str, with_pictures: bool) -> list[str]:
    if not with_pictures:
        return [", ".join(f"[{spec.name}]({family}.md#{spec.name})" for spec in members)]
    height = round(WIDTH * photograph.SIZE[0] / photograph.SIZE[1])
    figures = [
        f'<figure><a href="{family}.html#{spec.name}"><img src="{spec.name}-{_middle(spec)}.webp" width="{WIDTH}" '
        f'height="{height}" loading="lazy" alt="{spec.name}"></a><figcaption>{spec.name}</figcaption></figure>'
        for spec in members
    ]
    return [f'<div class="strip">{"".join(figures)}</div>']


def _pictures(spec: Corruption, video: Video, kept: Path, folder: Path) -> None:
    """The pictures of one corruption below `folder`, from `kept` where they were made of the same code."""
    made_of = hashlib.sha256()
    for module in (photograph, inspect.getmodule(spec.function), inspect.getmodule(write)):
        made_of.update(inspect.getsource(module).encode() if module else b"")
    made_of.update(json.dumps([spec.name, spec.version, spec.levels, repr(spec.values)]).encode())
    store = kept / f"{spec.name}-{made_of.hexdigest()[:16]}"
    if not (store / "done").is_file():
        store.mkdir(parents=True, exist_ok=True)
        _make(spec, video, store)
        (store / "done").touch()
    for path in store.iterdir():
        if path.name != "done":
            (folder / path.name).write_bytes(path.read_bytes())


def _make(spec: Corruption, video: Video, store: Path) -> None:
    strongest = Condition(spec.name, spec.levels)
    shown = most_changed(video, [strongest]) if spec.scope == "clip" else SHOWN
    for severity in range(1, spec.levels + 1):
        corrupted = corrupt_video(video, Condition(spec.name, severity))
        if spec.scope == "prompt":
            t = min(corrupted.prompts)
            frame = paint_mask(source_frame(corrupted.frames, t), corrupted.prompts[t])
        else:
            frame = source_frame(corrupted.frames, shown)
        _small(frame, WIDTH).save(store / f"{spec.name}-{severity}.webp", quality=72, method=6)
    if _moves(spec) and spec.scope != "prompt":
        frames = corrupt_video(video, Condition(spec.name, _middle(spec))).frames
        write_film(store / f"{spec.name}.mp4", (np.asarray(_small(f, WIDTH * 3 // 2)) for f in frames), video.fps)


def _small(frame: np.ndarray, width: int) -> Image.Image:
    height = round(width * frame.shape[0] / frame.shape[1])
    return Image.fromarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))


def _strengths() -> dict[tuple[str, int], tuple[str, str]]:
    """(corruption, severity) -> (PSNR, change), in the mode that a corruption has by default."""
    found: dict[tuple[str, int], tuple[str, str]] = {}
    first = {name: (spec.temporal or ("",))[0] for name, spec in corruptions().items()}
    with (ROOT / "benchmarks" / "strength.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if first.get(row["corruption"]) == row["temporal"]:
                psnr, change = float(row["psnr"]), float(row["change"])
                found[row["corruption"], int(row["severity"])] = (f"{psnr:.1f}", f"{change:.1f}")
    return found
