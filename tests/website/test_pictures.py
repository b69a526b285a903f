"""Pictures of the pages: they are what the command draws, small, on a page, and of either colour scheme."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from website import stage  # noqa: E402
from website.pictures.__main__ import DRAWINGS, FOLDER  # noqa: E402
from website.pictures.drawing import fixed, is_drawing, without_photographs  # noqa: E402

NETWORK = {"loss", "j-and-f"}
"""Drawn from the masks of a network, which takes minutes."""


def test_every_picture_is_drawn_by_the_command_and_on_a_page() -> None:
    kept = {path.stem for path in FOLDER.glob("*.svg")}
    assert kept == set(DRAWINGS)
    text = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert {path.name for path in FOLDER.iterdir()} <= set(re.findall(r"!\[[^\]]+\]\([^)]*?([^/)]+)\)", text))
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 500_000


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "cells" else n for n in DRAWINGS if n not in NETWORK]
)
def test_the_kept_picture_is_what_is_drawn(name: str) -> None:
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert without_photographs(DRAWINGS[name]().svg()) == without_photographs(kept)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_follows_the_reader_or_the_switch_of_the_site(name: str) -> None:
    svg = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert (
        is_drawing(svg) and "prefers-color-scheme" in svg and "<title>" in svg and "nan" not in without_photographs(svg)
    )
    light, dark = fixed(svg, dark=False), fixed(svg, dark=True)
    assert "prefers-color-scheme" not in light + dark and light != dark
    assert re.findall(r'(?:href|src)="(?!data:image/webp;base64,)', svg) == []


def test_the_site_shows_one_of_two(tmp_path: Path) -> None:
    text = stage.rewrite("![A cup](pictures/loss.svg) ![R](pictures/report.webp)\n", "docs/a.md", {}, ROOT)
    drawn = [f"![A cup](pictures/loss-{scheme}.svg#only-{scheme})" for scheme in ("light", "dark")]
    assert text == f"{''.join(drawn)} ![R](pictures/report.webp)\n"
    stage.stage(ROOT, tmp_path)
    assert {f"loss-{scheme}.svg" for scheme in ("light", "dark")} < {p.name for p in (tmp_path / "pictures").iterdir()}
