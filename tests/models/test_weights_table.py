"""The table of weights in docs/models.md is the one that the cards give."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_is_as_the_cards_are() -> None:
    spec = importlib.util.spec_from_file_location("weights_table", ROOT / "benchmarks" / "weights_table.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    page = made.PAGE.read_text(encoding="utf-8")
    assert made.written(page) == page, "python benchmarks/weights_table.py"
    assert page.count("| fetched") > 30
