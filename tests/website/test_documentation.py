"""The site: staged links, what the link check finds, every public name on a page, and a build from a clean checkout."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import robust_vos_bench

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from website import generated, links, stage  # noqa: E402
from website.__main__ import BUILT, is_site  # noqa: E402


def test_links_are_made_right_for_the_site() -> None:
    pages = {
        "docs/a.md": "a.md",
        "CHANGELOG.md": "changelog.md",
        "docs/models/b.md": "models/b.md",
        "README.md": "index.md",
    }
    text = (
        "[log](../CHANGELOG.md#x), [the\nother](models/b.md) [home](../README.md) [web](https://example.org) "
        "[code](../pyproject.toml) [`setup.py`](../setup.py)\n```python file=x.py\n[no](nothing.md)\n```\n"
    )
    assert stage.rewrite(text, "docs/a.md", pages, ROOT) == (
        "[log](changelog.md#x), [the\nother](models/b.md) [home](index.md) [web](https://example.org) "
        'code (`pyproject.toml`) `setup.py`\n```python title="x.py"\n[no](nothing.md)\n```\n'
    )
    assert stage.rewrite("[up](../a.md)", "docs/models/b.md", pages, ROOT) == "[up](../a.md)"
    with pytest.raises(ValueError, match=r"docs/a\.md: links to nothing\.md"):
        stage.rewrite("[no](nothing.md)", "docs/a.md", pages, ROOT)


def test_the_check_finds_dead_links_and_requests(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">b</a><a href="b.html#gone">x</a><a href="c.html">c</a>'
        '<a href="https://example.org">fine</a><a href="#top">fine</a><img src="no.png">'
    )
    (tmp_path / "b.html").write_text('<p id="there"></p><script src="https://example.org/x.js"></script>')
    assert links.faults(tmp_path) == [
        "a.html: b.html#gone: no such anchor",
        "a.html: c.html: no such file",
        "a.html: no.png: no such file",
        "b.html: loads https://example.org/x.js from another host",
    ]


def test_every_public_name_is_in_the_reference(tmp_path: Path) -> None:
    generated.write(tmp_path)
    text = "".join(path.read_text() for path in (tmp_path / "api").glob("*.md"))
    shown = re.findall(r"^::: \S+\.(\w+)$", text, re.M)
    assert sorted(shown) == sorted({*robust_vos_bench.__all__} - {"__version__"})
    commands = (tmp_path / "commands.md").read_text()
    assert "## rvos-bench run\n" in commands and "### rvos-bench weights get\n" in commands


@pytest.mark.slow
def test_the_site_builds_with_every_link_right(tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="needs the extra: pip install 'rvos-bench[docs]'")
    words = [sys.executable, "-m", "website", "--no-gallery", "--output", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "api" / "running.html").is_file()


def test_only_an_empty_folder_or_an_earlier_site_is_replaced(tmp_path: Path) -> None:
    """`--output` of a folder with something in it must not lose that."""
    assert is_site(tmp_path)
    (tmp_path / "thesis.tex").write_text("years of work")
    assert not is_site(tmp_path)
    (tmp_path / BUILT).touch()
    assert is_site(tmp_path)
