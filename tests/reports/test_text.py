"""The closing table fits a terminal of 80 columns and never cuts a number."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from robust_vos_bench.analysis.matrix import ScoreMatrix
from robust_vos_bench.analysis.table import RobustnessTable
from robust_vos_bench.analysis.words import points
from robust_vos_bench.reports.text import WIDTH, print_summary
from robust_vos_bench.runs.records import ConditionRecord


@pytest.mark.parametrize("families", [1, 4, 8])
def test_it_fits_and_cuts_no_number(families: int) -> None:
    conditions = [ConditionRecord(label="clean")]
    for f in range(families):
        conditions += [
            ConditionRecord(label=f"corruption_{f}-{s}", corruption=f"corruption_{f}", severity=s, family=f"family{f}")
            for s in range(1, 6)
        ]
    models = ("static", "deaot.swinb_l", "a_model_with_a_very_long_name[size=480,memory=5,radius=0.3]")
    values = np.random.default_rng(0).random((3, len(conditions), 4))
    objects = tuple((f"v{i}", 1) for i in range(4))
    matrix = ScoreMatrix(models, tuple(conditions), objects, values, values, tuple(v for v, _ in objects), {})
    text = io.StringIO()
    table = RobustnessTable(matrix)
    print_summary(Console(file=text, width=WIDTH, color_system=None), table, "davis2017:val", "common v1")
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= WIDTH
    for line in lines:
        assert "…" not in line or line.lstrip().startswith("a_model_with"), line
    for s in (row.summary for row in table):
        head = next(line for line in lines if line.split()[:1] == [s.model] or line.strip().startswith(s.model[:12]))
        assert f"{s.mpc:.1f}" in head
    for f in range(families if families > 1 else 0):
        assert any(f"family{f}" in line for line in lines)


def test_options_in_a_name_are_shown_and_objects_without_a_score_counted() -> None:
    names = ("m[size=240]", "m[size=480]")
    columns = (
        ConditionRecord(label="clean"),
        ConditionRecord(label="fog-1", corruption="fog", severity=1, family="weather"),
    )
    values = np.full((2, 2, 1), 0.5)
    matrix = ScoreMatrix(names, columns, (("v", 1),), values, values, ("v",), {}, (("v", 2),), ("w",))
    text = io.StringIO()
    console = Console(file=text, width=WIDTH, color_system=None, markup=False)
    print_summary(console, RobustnessTable(matrix), "davis2017:val", "common v1")
    assert (
        all(name in text.getvalue() for name in names)
        and "1 object never appears after its prompt frame and is not scored" in text.getvalue()
    )
    assert "1 video without truth after the prompt: not scored" in text.getvalue()


@pytest.mark.parametrize(("value", "shown"), [(-0.03, "0.0"), (-0.06, "-0.1"), (0.25, "0.2"), (float("nan"), "n/a")])
def test_points_have_one_decimal_and_no_negative_zero(value: float, shown: str) -> None:
    assert points(value) == shown
