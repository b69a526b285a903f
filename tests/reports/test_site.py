"""The leaderboards as static pages: nothing from outside, permanent names, filters that work in a real browser."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from robust_vos_bench.analysis import access
from robust_vos_bench.analysis.access import ACCESS, weights_access
from robust_vos_bench.analysis.published import read_published
from robust_vos_bench.cli import cli
from robust_vos_bench.errors import DataError
from robust_vos_bench.models.registry import builtin_entries
from robust_vos_bench.reports.latex import tex
from robust_vos_bench.reports.leaderboard_files import leaderboard
from robust_vos_bench.reports.published import published_table
from robust_vos_bench.runs.records import ModelRecord

Make = Callable[..., Path]
BOARDS = Path(__file__).resolve().parents[2] / "leaderboards"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "[--a<script><b>\"'&|_x"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the repository's own results."""
    folder = shutil.copytree(BOARDS, tmp_path_factory.mktemp("site") / "boards")
    leaderboard(output=folder, site=True)
    return folder / "site"


def test_nothing_comes_from_outside(site: Path) -> None:
    names = {path.name for path in site.iterdir()}
    for path in site.glob("*.html"):
        text = path.read_text()
        links = re.findall(r"""(?:src|href|action)=["']([^"'#]+)""", text)
        assert [link for link in links if link not in names] == [], path
        assert "default-src 'none'" in text and not re.search(r"(src|href)=.https?:|url\(|@import", text)
    assert {"index.html", "published.html", "submit.html", "demo-common-v1.html", "demo-common-v1.tex"} <= names


def names_of(folder: Path) -> list[str]:
    return re.findall(r'= "(.*)"', (folder / "names.toml").read_text())


def test_names_of_pages_stay(run_folder: Make, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    leaderboard(run_folder(split=9), output=boards, site=True)
    names = boards / "names.toml"
    given = names_of(boards)
    assert given == ["demo-2-corruptions-severity-1-3-5-3-videos"]
    assert (boards / "site" / f"{given[0]}.html").exists()
    names.write_text(names.read_text().replace(given[0], "chosen-by-people"))
    leaderboard(run_folder("other", models=["new"], videos=["a", "b"], split=9), output=boards, site=True)
    kept = dict(re.findall(r'"(.*)" = "(.*)"', names.read_text()))
    assert "chosen-by-people" in kept.values() and len(set(kept.values())) == 2
    assert (boards / "site" / "chosen-by-people.html").exists()
    before = {path.name: path.read_bytes() for path in (boards / "site").iterdir()}
    leaderboard(output=boards, site=True)
    assert {path.name: path.read_bytes() for path in (boards / "site").iterdir()} == before
    for wrong in ("../out", "index", "A b"):
        names.write_text(f'"x" = "{wrong}"\n')
        with pytest.raises(DataError, match=r"names\.toml"):
            leaderboard(output=boards, site=True)


def test_what_is_written_below_a_board_stands_on_its_page(run_folder: Make, tmp_path: Path) -> None:
    [page] = leaderboard(run_folder(), output=tmp_path)
    file = tmp_path / f"{page.name}.md"
    file.write_text(f"{file.read_text()}\nRows with `size=304`\nran <b>without</b>.\n\nAnd more.\n")
    for _ in range(2):
        leaderboard(output=tmp_path, site=True)
    [site] = [path.read_text() for path in (tmp_path / "site").glob("*.html") if path.stem in names_of(tmp_path)]
    assert site.count('<p class="soft">Rows with <code>size=304</code> ran &lt;b&gt;without&lt;/b&gt;.</p>') == 1
    assert site.count("And more.") == 1 and "size=304" not in (tmp_path / "site" / "index.html").read_text()


def test_two_boards_of_one_description_get_two_names(run_folder: Make, tmp_path: Path) -> None:
    for name, videos in (("one", ["a", "b"]), ("two", ["b", "c"])):
        leaderboard(run_folder(name, videos=videos, split=9), output=tmp_path, site=True)
    given = sorted(re.findall(r'= "(.*)"', (tmp_path / "names.toml").read_text()))
    assert len(given) == 2 and given[1] == f"{given[0]}-2"


def test_whether_weights_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    lite = builtin_entries()["aot.lite"].card.weights[0]
    assert weights_access(ModelRecord("aot.lite", "1", {}, Path(lite.file).name, lite.sha256 or "ab")) == "open"
    entry = builtin_entries()["aot.lite"]
    known = dataclasses.replace(lite, sha256="00" * 32)
    card = dataclasses.replace(entry.card, weights=(known,))
    monkeypatch.setattr(access, "builtin_entries", lambda: {"aot.lite": dataclasses.replace(entry, card=card)})
    for digest, words in (("00" * 32, "open"), ("ff" * 32, "unknown")):
        assert weights_access(ModelRecord("aot.lite", "1", {}, Path(lite.file).name, digest)) == words
    monkeypatch.undo()
    assert weights_access(ModelRecord("mine.py:Model", "1", {}, "mine.pth", "00" * 32)) == "unknown"
    assert weights_access(ModelRecord("static", "1", {}, "", "")) == "none"
    restricted = next(e for e in builtin_entries().values() if any(w.non_commercial for w in e.card.weights))
    own = next(w for w in restricted.card.weights if w.non_commercial)
    record = ModelRecord(restricted.name, "1", {}, Path(own.file).name, own.sha256 or "ab")
    assert weights_access(record) == "non-commercial" and set(ACCESS) >= {"open", "none"}


def test_published_scores_have_one_row_per_model_and_lose_none() -> None:
    found = read_published()
    table = published_table(found)
    assert len({model for model, _ in table.rows}) == len(table.rows) < len(found.score)
    assert sum(len(cell) for _, cells in table.rows for cell in cells) == len(found.score)


def test_the_command_says_where_the_site_is(run_folder: Make, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["leaderboard", str(run_folder()), "-o", str(tmp_path / "lb"), "--site"])
    assert done.exit_code == 0 and str(tmp_path / "lb" / "site" / "index.html") in done.output
    assert (tmp_path / "lb" / "site" / "index.html").exists()


def browse(page: Path, script: str, tmp_path: Path, width: int = 1280) -> Any:
    """What a script found on a page: it fills `found`."""
    then = f"const found = {{}}; {script}; document.title = JSON.stringify(found);"
    code = f"<script>addEventListener('load', () => {{ {then} }});</script>"
    probe = page.with_name(f"probe-{page.name}")
    probe.write_text(page.read_text().replace("</body>", code + "</body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'user'}"]
    command += ["--enable-logging=stderr", f"--window-size={width},900", "--dump-dom", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # type: ignore[arg-type]
    probe.unlink()
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None and "CONSOLE" not in done.stderr, done.stderr
    return json.loads(html.unescape(title.group(1)))


FILTER = """
const set = (name, value) => { document.querySelector(`[name=${name}]`).value = value; };
const go = () => document.getElementById("filters").dispatchEvent(new Event("input"));
const shown = () => [...document.querySelectorAll("tr.result")].filter((r) => !r.hidden);
found.all = shown().length; set("dataset", "demo"); set("family", "noise");
set("access", "free"); set("model", "aot"); go();
found.some = shown().length; found.csv = rvosExport("csv"); found.tex = rvosExport("tex"); found.md = rvosExport("md");
found.json = JSON.parse(rvosExport("json"));
found.dots = [...document.querySelectorAll("#plot [data-row]")].filter((m) => m.style.display !== "none").length;
found.tip = document.querySelector(`[data-row="${shown()[0].id}"]`).dataset.tip;
const open = shown()[0].querySelector("button.open"); open.click();
found.opened = document.getElementById(`${shown()[0].id}-more`).offsetHeight > 50;
found.text = shown()[0].nextElementSibling.textContent;
found.hash = location.hash; found.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
set("model", "no such model"); go(); found.none = document.getElementById("count").textContent;
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [400, 1280])
def test_filters_plot_rows_and_exports_in_a_browser(site: Path, tmp_path: Path, width: int) -> None:
    found = browse(site / "index.html", FILTER, tmp_path, width)
    rows = [path for path in BOARDS.glob("results/*/*.json.gz") if "--attacks" not in path.parent.name]
    free = [p for p in rows if p.parent.name.startswith("demo") and p.name.startswith("aot") and "-video" not in p.name]
    assert found["all"] == len(rows) > 40 and found["some"] == found["dots"] == len(found["json"]) == len(free) == 6
    assert (
        found["opened"]
        and "sha256" in found["text"]
        and "licence" in found["text"]
        and "rvos-bench run" in found["text"]
    )
    assert found["hash"] == "#dataset=demo&family=noise&access=free&model=aot" and not found["wide"]
    assert found["none"] == "No result fits these filters." and "under noise" in found["tip"]
    first = found["json"][0]
    rows = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [row["model"] for row in rows] == [row["model"] for row in found["json"]]
    board = json.loads((site / "demo-common-v1.json").read_text())["rows"]
    mine = next(row for row in board if row["model"] == first["model"])
    assert float(rows[0]["corrupted"]) == first["corrupted"] == mine["families"]["noise"]
    assert first["drop"] == pytest.approx(mine["P"] - mine["families"]["noise"], abs=1e-3)
    assert first["rank"] == 1 + sum(row["families"]["noise"] > first["corrupted"] for row in board)
    assert found["tex"].count("\\\\") == 7 and "\\textbf" not in found["tex"], "two boards are not compared"
    assert found["md"].count("\n") == 8


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_names_survive_every_export(run_folder: Make, tmp_path: Path) -> None:
    leaderboard(run_folder(models=[EVIL, "two"], gap=0.1), output=tmp_path / "lb", site=True)
    script = "for (const kind of ['csv', 'json', 'tex', 'md']) found[kind] = rvosExport(kind);"
    script += "found.bold = document.querySelectorAll('b b').length"
    found = browse(tmp_path / "lb" / "site" / "index.html", script, tmp_path)
    assert json.loads(found["json"])[0]["model"] == EVIL and not found["bold"]
    assert next(csv.DictReader(io.StringIO(found["csv"])))["model"] == EVIL
    assert f"\n{tex(EVIL)} & \\textbf{{" in found["tex"] and "a&lt;script>&lt;b>\"'&\\|_x" in found["md"]
