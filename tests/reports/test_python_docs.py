"""The blocks of docs/python.md, executed in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from robust_vos_bench.analysis import measures

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_the_page_runs(run_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'rvos-bench[report]'")
    run_folder("rvos-results/example", gap=0.1)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 8
    monkeypatch.setattr(measures, "_registered", {})
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["done"].manifest.units.ok == 4  # type: ignore[attr-defined]
    table = names["table"]
    assert list(table["model"]) == ["one", "two"] and (table["mPC_low"] < table["mPC_high"]).all()  # type: ignore
    assert list(names["every"]["lost"]) == [0, 0] and names["every"]["area"].notna().all()  # type: ignore[index]
    assert names["one"]["mPC"] == table["mPC"][0] and names["one"].rank.rank == 1  # type: ignore
    assert list(names["found"].frame()["name"][:3]) == ["P", "mPC", "drop"]  # type: ignore[attr-defined]
    assert names["page"].is_file() and (tmp_path / "boards" / f"{names['board'].name}.md").is_file()  # type: ignore
    assert names["together"].models == ["one", "two"] and names["together"].left_out  # type: ignore[attr-defined]
    assert (names["spread"] > 0).all()  # type: ignore[operator]
    assert names["by_corruption"].loc["one", "fog"] == pytest.approx(0.72, abs=0.02)  # type: ignore[attr-defined]
    assert names["difference"].value == pytest.approx(10, abs=1.5)  # type: ignore[attr-defined]
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert len(names["masks"]) == 5 and set(names["units"]["status"]) == {"ok"}  # type: ignore[arg-type, index]
