"""What notebooks show: tables with intervals, comparisons, films and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.datasets import shown
from robust_vos_bench.datasets.shown import ShownFiles

Make = Callable[..., Path]
EVIL = "<script>alert(1)</script>"


def test_a_run_shows_its_finding_and_its_table(run_folder: Make) -> None:
    run = rvos.load_run(run_folder(models=[EVIL, "two"], gap=0.1))
    text = run._repr_html_()
    interval = run.robustness[EVIL].interval("mPC")
    assert interval is not None and f"{interval.low:.1f} to {interval.high:.1f}<svg" in text
    assert EVIL not in text and "of its clean score" in text and text.index("&lt;script") < text.index("two</td>")
    missing = rvos.load_run(run_folder("part", missing=[("two", "fog-5", "b")]))._repr_html_()
    assert "n/a" in missing and "nan" not in missing


def test_a_comparison_shows_differences_around_zero(run_folder: Make) -> None:
    found = rvos.compare(run_folder(gap=0.1))
    text = found._repr_html_()
    assert f"<b>{found.headline[1].interval.value:.1f}</b>" in text and text.count("<svg") == 5 and "nan" not in text
    assert "0.250" in text and "n/a" in rvos.compare(run_folder("one", videos=["a"]))._repr_html_()


def test_films_and_pictures_are_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, film = tmp_path / "<b>.png", tmp_path / "film.mp4"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(picture)
    film.write_bytes(b"not really a film")
    text = ShownFiles([picture, film, tmp_path / "gone.gif"])._repr_html_()
    assert "data:image/png;base64,iVBOR" in text and "<video" in text and "data:video/mp4" in text
    assert "<b>.png" not in text and "gone.gif</code> is not there any more" in text
    monkeypatch.setattr(shown, "LIMIT", 10)
    assert "is too large to be shown here" in ShownFiles([film])._repr_html_()
    assert ShownFiles()._repr_html_() == "<p>no films</p>" and isinstance(ShownFiles([film]), list)
