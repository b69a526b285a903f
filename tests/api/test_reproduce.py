"""A published score beside ours: on small data sets with known scores."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import robust_vos_bench as rvos
from helpers.hosts import Files, internet
from robust_vos_bench.analysis.published import read_published
from robust_vos_bench.api.reproduce import find_row
from robust_vos_bench.cli import main
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.models import find_entry, parse_options
from robust_vos_bench.models.checkpoint import on_card
from robust_vos_bench.models.options import entry_options

ROW = """
[[score]]
model = "{model}"
dataset = "{dataset}"
metric = "J&F"
value = {value}
source = "paper"
run = "{run}"
"""


def scores(path: Path, *rows: tuple[str, str, str, float]) -> Path:
    text = '[sources]\npaper = "table 1"\n'
    text += "".join(ROW.format(model=m, run=r, dataset=d, value=v) for m, r, d, v in rows)
    path.write_text(text)
    return path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two objects: one rests, so that repeating the first mask scores 100; one leaves its place, which scores 0."""
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RVOS_BENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    for kind in ("JPEGImages", "Annotations"):
        for folder in (f"clips/{kind}/a", f"DAVIS/{kind}/480p/a"):
            (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "DAVIS/ImageSets/2017").mkdir(parents=True)
    (tmp_path / "DAVIS/ImageSets/2017/val.txt").write_text("a\n")
    for t in range(4):
        mask = np.zeros((60, 80), np.uint8)
        mask[5:20, 5:25] = 1
        mask[(30, 42)[t > 0] : (40, 52)[t > 0], (5, 50)[t > 0] : (20, 65)[t > 0]] = 2
        image = Image.fromarray(mask, "P")
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        frame = Image.fromarray(np.full((60, 80, 3), 90, np.uint8))
        for root, size in (("clips", ""), ("DAVIS", "480p/")):
            image.save(tmp_path / f"{root}/Annotations/{size}a/{t:05d}.png")
            frame.save(tmp_path / f"{root}/JPEGImages/{size}a/{t:05d}.jpg")
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(words)
    return int(done.value.code or 0)


def test_within_and_not_within(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scores(world / "s.toml", ("Still", "static", "folder", 50.2), ("Better", "static", "folder", 50.3))
    found = rvos.reproduce("Still", data_root="clips", scores=file, workers=1, device="cpu", progress=False)
    assert found.ours == pytest.approx(50.0, abs=1e-9) and found.within and found.difference == pytest.approx(-0.2)
    assert found.folder.is_dir() and found.source == "table 1" and found.complete
    words = ("--data-root=clips", f"--scores={file}", "--workers=1", "--device=cpu", "--quiet")
    assert run("reproduce", "Better", *words) == 3
    out = capsys.readouterr().out
    assert "published    50.3   table 1" in out and "difference  -0.30   NOT within 0.2 points" in out
    assert run("reproduce", "Still", *words, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["within"] and shown["published"] == 50.2 and shown["margin"] == 0.2 and shown["run"] == "static"


def test_data_that_is_not_here_is_fetched(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scores(world / "s.toml", ("Still", "static", "davis2017:val", 50.0))
    with zipfile.ZipFile(world / "made.zip", "w") as archive:
        for path in sorted((world / "DAVIS").rglob("*")):
            archive.write(path, path.relative_to(world))
    with internet() as net:
        place = "/csergi/share/davis/DAVIS-2017-trainval-480p.zip"
        net.hosts["data.vision.ee.ethz.ch"] = Files({place: (world / "made.zip").read_bytes()})
        words = ("--data-root=data", f"--scores={file}", "--workers=1", "--device=cpu", "--json")
        assert run("reproduce", "Still", *words, "--offline") == 4 and net.requests == []
        assert "rvos-bench data get davis2017:val" in capsys.readouterr().err
        assert run("reproduce", "Still", *words) == 3  # one video of 30
    out, err = capsys.readouterr()
    assert "fetching davis2017:val from https://data.vision.ee.ethz.ch" in err
    shown = json.loads(out)
    assert shown["ours"] == pytest.approx(50.0) and not shown["complete"] and shown["videos"] == 1


def test_a_part_of_a_data_set_compares_with_nothing(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scores(world / "s.toml", ("Still", "static", "davis2017:val", 50.0))
    words = ("--data-root=DAVIS", f"--scores={file}", "--workers=1", "--device=cpu", "--quiet")
    assert run("reproduce", "static", *words) == 3
    assert "not comparable: 1 videos are not the whole of davis2017:val" in capsys.readouterr().out


def test_the_list_says_what_each_row_costs(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scores(world / "s.toml", ("Still", "static", "folder", 50.2), ("XMem", "xmem", "davis2017:val", 86.2))
    rvos.run("static", "clean", dataset="folder", data_root="clips", workers=1, device="cpu", progress=False)
    assert run("reproduce", "--list", "--data-root=clips", f"--scores={file}", "--json") == 0
    still, xmem = json.loads(capsys.readouterr().out)
    assert (still["weights"], still["data"], still["scored"], still["frames"]) == ("here", "here", "here", 4)
    assert xmem["weights"] == "fetchable" and xmem["data"] == "fetchable" and xmem["frames"] == 1999
    assert xmem["hours"] is None
    assert run("reproduce", "--list", f"--scores={file}") == 0 and "1999 frames" in capsys.readouterr().out


def test_without_data_or_weights_it_says_what_to_do(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reproduce", "xmem", "--data-root=none") == 4
    assert "rvos-bench data get davis2017:val" in capsys.readouterr().err
    assert run("reproduce", "xmem", "--data-root=DAVIS") == 4
    assert "rvos-bench weights get xmem" in capsys.readouterr().err
    assert run("reproduce", "xmem", "--dataset=youtubevos2019:valid") == 2
    assert "evaluation server (G 85.5)" in capsys.readouterr().err
    assert run("reproduce") == 2 and run("reproduce", "xmen") == 2 and run("reproduce", "labelprop") == 2
    assert run("reproduce", "xmem", "--dataset=demo") == 2 and "davis2017:val" in capsys.readouterr().err


def test_every_published_row_can_be_run_as_it_stands() -> None:
    """Names, files and options of the package's own list exist; no row is there twice."""
    published = read_published()
    rows = [row for row in published.score if row.run]
    assert len(rows) > 80 and len(published.score) == len(
        {(row.model, row.dataset, row.metric, row.source) for row in published.score}
    )
    for row in rows:
        entry = find_entry(row.run)
        assert not row.checkpoint or on_card(entry.card, row.checkpoint), row
        assert parse_options(entry, list(row.option)) is not None and entry_options(entry) is not None
        assert entry.card.weights[0].published, row


def test_a_row_is_found_by_either_name() -> None:
    published = read_published()
    assert find_row(published, "xmem").model == "XMem" and find_row(published, "xmem").value == 86.2
    assert find_row(published, "XMem-s012", "davis2016:val").value == 92.0
    assert find_row(published, "aot").run == "aot.r50_l" and find_row(published, "cfbi").checkpoint.endswith(
        "davis.pth"
    )
    with pytest.raises(UsageError, match=r"Did you mean .*'stcn'"):
        find_row(published, "stcm")


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    good = scores(tmp_path / "s.toml", ("a", "static", "folder", 1.0)).read_text()
    for text, said in (
        (good.replace('source = "paper"', 'source = "none"'), "source 'none' is not listed"),
        (good.replace("value = 1.0", 'value = "x"'), "value"),
        (good + 'checkpont = "x"\n', "checkpont"),
        ("[", "s.toml"),
    ):
        (tmp_path / "s.toml").write_text(text)
        with pytest.raises(DataError, match=said):
            read_published(tmp_path / "s.toml")
