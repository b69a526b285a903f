"""The HTML report: self-contained, escaped, and working in a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from robust_vos_bench import load_run
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.data import run_data
from robust_vos_bench.reports.html import build_report
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.json import to_json

Make = Callable[..., Path]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

CLICK = """<script>
const table = document.querySelector("table.sortable");
const names = () => [...table.tBodies[0].rows].map(r => r.cells[0].textContent);
const before = names(), button = table.tHead.rows[0].cells[3].querySelector("button");
button.click(); const down = names(); button.click(); const up = names();
const plain = getComputedStyle(document.body).backgroundColor; document.getElementById("theme").click();
const other = getComputedStyle(document.body).backgroundColor;
const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
document.title = JSON.stringify({before, down, up, themed: plain !== other, wide});
</script>"""


def test_nothing_comes_from_outside(run_folder: Make) -> None:
    page = build_report([load_run(run_folder())])
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", re.sub(r"xlink:href=\"#", "", page))
    assert "default-src 'none'" in page
    assert 'aria-label="J&amp;F over severity' in page


def test_everything_a_run_says_is_escaped(run_folder: Make) -> None:
    evil = "<script>alert(1)</script>"
    page = build_report([load_run(run_folder(models=[evil], missing=[(evil, "fog-1", "a")], error=f"x {evil}"))])
    assert evil not in page and "&lt;script&gt;alert(1)" in page


def test_missing_cells_and_failures_are_told(run_folder: Make) -> None:
    page = build_report([load_run(run_folder(missing=[("one", "fog-5", "b")], error="lost its mind"))])
    assert "lost its mind" in page and "n/a" in page


def test_a_run_without_truth_has_a_report_all_the_same(run_folder: Make) -> None:
    folder = run_folder(models=["one"])
    store = RunStore(folder)
    for label in ("clean", "fog-1", "fog-5", "shot_noise-3"):
        for record in store.records(label, "one").values():
            store.add(msgspec.structs.replace(record, objects=()))
    store.add(msgspec.structs.replace(record, objects=(), status="failed", error="lost its mind"))
    run = load_run(folder)
    page = build_report([run])
    assert "3 videos (3 not scored)" in page and "No J&amp;F for a, b, c: J&amp;F compares" in page
    assert "lost its mind" in page and "Only" not in page
    assert json.loads(to_json(run_data(run)))["models"][0]["mpc"] is None and run.table()["mPC_low"].isna().all()


def test_a_chosen_video_must_exist(run_folder: Make) -> None:
    run = load_run(run_folder())
    assert "J&amp;F by frame in b" in build_report([run], video="b")
    with pytest.raises(UsageError, match="no run has a video 'z'"):
        build_report([run], video="z")


def test_the_same_run_gives_the_same_page(run_folder: Make) -> None:
    folder = run_folder()
    assert build_report([load_run(folder)]) == build_report([load_run(folder)])


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [400, 1280])
def test_it_works_in_a_browser(run_folder: Make, tmp_path: Path, width: int) -> None:
    page = tmp_path / "page.html"
    page.write_text(build_report([load_run(run_folder(gap=0.1))]).replace("</body>", CLICK + "</body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'user'}"]
    command += ["--enable-logging=stderr", f"--window-size={width},900", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # type: ignore[arg-type]
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None, done.stderr
    found = json.loads(html.unescape(title.group(1)))
    assert found["up"] == ["two", "one"] and found["down"] == ["one", "two"]
    assert found["themed"] and not found["wide"]
    assert "CONSOLE" not in done.stderr, done.stderr


@pytest.mark.slow
def test_a_large_study_reports_quickly_and_stays_small(run_folder: Make) -> None:
    conditions = [("", 0, ""), *((f"c{i}", s, f"f{i % 5}") for i in range(15) for s in range(1, 6))]
    videos = [f"v{i}" for i in range(61)]  # as many objects as DAVIS 2017, of its length
    folder = run_folder(models=[f"m{i}" for i in range(20)], videos=videos, conditions=conditions, frames=70)
    start = time.process_time()
    page = build_report([load_run(folder)])
    assert time.process_time() - start < 10
    assert len(page) < 5_000_000
