"""docs/reliability.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_every_test_that_the_page_names_exists() -> None:
    page = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(test_\w+)`", page))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    assert len(names) > 20
    assert {name for name in names if f"def {name}(" not in sources} == set()
    assert [file for file in re.findall(r"`(tests/[\w/]+\.py)`", page) if not (TESTS.parent / file).is_file()] == []
