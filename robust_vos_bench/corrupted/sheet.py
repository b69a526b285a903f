"""The layout of a preview: rows of corruptions, columns of severities, titles, and the clean picture once."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from robust_vos_bench.conditions.catalogue import corruption_of
from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.datasets.overlay import text_font
from robust_vos_bench.datasets.video import Frame, Video

if TYPE_CHECKING:
    from PIL.Image import Image

GAP = 6
LINE = 18
"""Height of a line of a heading; small text has less."""
SMALL = 14
LABELS = 168
"""Width of the column of names."""
BACKGROUND = (24, 24, 24)
INK = (238, 238, 238)
SOFT = (165, 165, 165)
BESIDE = 4
"""Pictures beside each other where severities make no columns."""
_MODES = {"frame": "new in every frame", "video": "the same in all frames", "drift": "drifts over time"}


@dataclass(frozen=True)
class Tile:
    """One picture: what it shows and where it is."""

    condition: Condition
    left: int
    top: int
    prompt: bool = False
    """Whether the first prompt is painted on it."""
    title: str = ""
    """Above it; "" where rows and columns say what it is."""


@dataclass(frozen=True)
class Row:
    """The name of a corruption beside its pictures."""

    top: int
    title: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """Where everything is, in pixels."""

    size: tuple[int, int]
    """(width, height), both even, as codecs want."""
    tile: tuple[int, int]
    """(height, width) of a picture."""
    tiles: tuple[Tile, ...]
    rows: tuple[Row, ...]
    headings: tuple[tuple[int, int, str], ...]
    """(left, top, text) of each column."""
    caption: tuple[int, int]
    """(left, top) of what is said of the video."""

    def draw(self, caption: Sequence[str], picture: Callable[[Tile], Frame]) -> Image:
        """The sheet as an RGB image. picture: gives the frame of a tile, RGB uint8 H x W x 3."""
        from PIL import Image, ImageDraw

        sheet = Image.new("RGB", self.size, BACKGROUND)
        draw = ImageDraw.Draw(sheet)
        plain, small = text_font(13), text_font(11)
        for tile in self.tiles:
            frame = Image.fromarray(np.ascontiguousarray(picture(tile)))
            sheet.paste(frame.resize((self.tile[1], self.tile[0]), Image.Resampling.BOX), (tile.left, tile.top))
            if tile.title:
                draw.text((tile.left, tile.top - LINE + 1), tile.title, fill=INK, font=plain)
        for left, top, text in self.headings:
            draw.text((left, top), text, fill=INK, font=plain)
        for row in self.rows:
            draw.text((GAP, row.top), row.title, fill=INK, font=plain)
            room = max(0, (self.tile[0] - LINE) // SMALL)
            for i, text in enumerate(row.details[:room]):
                draw.text((GAP, row.top + LINE + i * SMALL), text, fill=SOFT, font=small)
        for i, text in enumerate(caption):
            draw.text((self.caption[0], self.caption[1] + i * LINE), text, fill=INK if i == 0 else SOFT, font=plain)
        return sheet


def arrange(conditions: Sequence[Condition], video: Video, tile_width: int) -> Sheet:
    """The layout for some corrupted conditions of a video.

    Where a corruption has several severities: rows and columns, the clean picture above. Else one picture beside the
    other, the clean one first.
    """
    tile = (max(1, round(video.size[0] * tile_width / video.size[1])), tile_width)
    rows: dict[tuple[str, str, str, int, bool | None], dict[int, Condition]] = {}
    for c in conditions:
        rows.setdefault((c.corruption, c.temporal, c.profile, c.seed, c.clean_reference), {})[c.severity] = c
    if max(len(levels) for levels in rows.values()) == 1:
        return _side_by_side(list(conditions), tile)
    severities = sorted({severity for levels in rows.values() for severity in levels})
    left = {severity: LABELS + GAP + i * (tile[1] + GAP) for i, severity in enumerate(severities)}
    first = LABELS + GAP
    prompts = all(_is_prompt(c) for c in conditions)
    tiles = [Tile(CLEAN, first, GAP, prompts)]
    top = GAP + tile[0] + GAP
    headings = [(x, top, f"severity {severity}") for severity, x in left.items()]
    top += LINE + GAP // 2
    named = [Row(GAP, "clean", ("first prompt painted on",) if prompts else ())]
    for levels in rows.values():
        strongest = levels[max(levels)]
        named.append(Row(top, _name(strongest), _details(strongest)))
        tiles += [Tile(c, left[s], top, _is_prompt(c)) for s, c in sorted(levels.items())]
        top += tile[0] + GAP
    caption = (first + tile[1] + 2 * GAP, GAP)
    width = max(LABELS + GAP + len(severities) * (tile[1] + GAP), caption[0] + 160)
    return Sheet(_even(width, top), tile, tuple(tiles), tuple(named), tuple(headings), caption)


def _side_by_side(conditions: list[Condition], tile: tuple[int, int]) -> Sheet:
    columns = min(BESIDE, len(conditions) + 1)
    prompts = all(_is_prompt(c) for c in conditions)
    tiles = []
    start = 2 * GAP + 3 * LINE
    for i, c in enumerate([CLEAN, *conditions]):
        left = GAP + (i % columns) * (tile[1] + GAP)
        top = start + (i // columns) * (tile[0] + LINE + GAP) + LINE
        prompt = prompts if c.is_clean else _is_prompt(c)
        title = "clean" if c.is_clean else f"{_name(c)}, severity {c.severity}"
        tiles.append(Tile(c, left, top, prompt, title))
    height = start + -(-len(tiles) // columns) * (tile[0] + LINE + GAP)
    return Sheet(_even(GAP + columns * (tile[1] + GAP), height), tile, tuple(tiles), (), (), (GAP, GAP))


def _is_prompt(condition: Condition) -> bool:
    return not condition.is_clean and corruption_of(condition).scope == "prompt"


def _name(condition: Condition) -> str:
    return condition.corruption.replace("_", " ")


def _details(condition: Condition) -> tuple[str, ...]:
    spec = corruption_of(condition)
    facts = ["first prompt, painted on" if spec.scope == "prompt" else _MODES.get(condition.temporal, "")]
    facts += [f"severity over time: {condition.profile}"] if condition.profile != "constant" else []
    facts += [f"seed {condition.seed}"] if condition.seed else []
    facts += ["frames with a prompt stay clean"] if condition.clean_reference else []
    lines = [line for fact in facts if fact for line in textwrap.wrap(fact, 26)]
    return (*lines, *textwrap.wrap(spec.summary, 26))


def _even(width: int, height: int) -> tuple[int, int]:
    return width + width % 2, height + height % 2
