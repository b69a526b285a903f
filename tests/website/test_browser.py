"""The built site in a real browser, opened from the disk: search answers, and no page is wider than its window."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SEARCH = """
const all = (root, wanted) => {
  const found = [];
  const walk = (node) => {
    if (wanted(node)) found.push(node);
    if (node.shadowRoot) walk(node.shadowRoot);
    for (const child of node.children || []) walk(child);
  };
  walk(root);
  return found;
};
document.querySelector(".md-search__button").click();
let tries = 0;
const isField = (n) => n.tagName === "INPUT" && n.getAttribute("aria-label") === "Search";
const look = () => {
  const [field] = all(document.documentElement, isField);
  if (field && field.value !== "jackknife") {
    field.value = "jackknife";
    field.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
  }
  const links = all(document.documentElement, (n) => n.tagName === "A" && n.getRootNode() !== document && n.href);
  document.title = "FOUND " + links.map((n) => n.href.split("/").pop()).join(" ");
  if (!links.length && ++tries < 60) setTimeout(look, 500);
};
setTimeout(look, 500);
"""
WIDTH = """
document.title = "WIDTH " + document.documentElement.scrollWidth + " OF " + innerWidth;
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("zensical", reason="needs the extra: pip install 'rvos-bench[docs]'")
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    folder = tmp_path_factory.mktemp("site") / "site"
    words = [sys.executable, "-m", "website", "--no-gallery", "--output", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def title(page: Path, script: str, tmp_path: Path, *flags: str) -> str:
    """The title of a page after a script has run in it."""
    tried = page.with_name("tried.html")
    tried.write_text(page.read_text().replace("</body>", f"<script>{script}</script></body>"))
    words = [
        *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
        *(
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=40000",
            *flags,
            "--dump-dom",
            tried.as_uri(),
        ),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    tried.unlink()
    found = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    return found[1]


@pytest.mark.slow
def test_search_answers_on_a_page_from_the_disk(site: Path, tmp_path: Path) -> None:
    assert re.search(r"FOUND .*metrics\.html|FOUND .*\.html\?h=jackknife", title(site / "index.html", SEARCH, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("width", [500, 768, 1440])  # a headless window is no narrower than 500
def test_no_page_is_wider_than_its_window(site: Path, tmp_path: Path, width: int) -> None:
    for name in ("index.html", "models.html", "api/running.html", "lite-study.html"):
        said = title(site / name, WIDTH, tmp_path, f"--window-size={width},900")
        wide, _, window = said.removeprefix("WIDTH ").partition(" OF ")
        assert int(wide) <= int(window), (name, said)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "setting"), [("light", 1), ("dark", 0)])
def test_pictures_follow_the_scheme(site: Path, tmp_path: Path, scheme: str, setting: int) -> None:
    script = """
    const all = [...document.querySelectorAll("img[src*='.svg#only']")];
    const shown = all.filter((i) => i.offsetWidth && i.naturalWidth);
    document.title = "SHOWN " + shown.map((i) => i.src.split("/").pop().split(".")[0]).join(" ");
    """
    wait = f'addEventListener("load", () => {{ {script} }});'
    said = title(site / "concepts.html", wait, tmp_path, f"--blink-settings=preferredColorScheme={setting}")
    names = said.removeprefix("SHOWN ").split()
    assert len(names) == 9 and all(name.endswith(f"-{scheme}") for name in names), said
