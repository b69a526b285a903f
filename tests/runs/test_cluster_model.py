"""The cluster on paper: what it must give where the answer is known, and that the page has its table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import cluster_model  # noqa: E402
from cluster_model import Constants, Simulation  # noqa: E402

NOTHING = Constants(0, 0, 0, 0, 0, 0, 0, 0)


def test_without_any_cost_every_node_works_all_the_time() -> None:
    found = Simulation(4, 10.0, NOTHING, [50] * 40, 0.0).run()
    assert found.seconds == pytest.approx(50.0) and found.utilisation == pytest.approx(1.0)


def test_each_cost_takes_what_it_must() -> None:
    frame = Simulation(1, 10.0, Constants(100.0, 0, 0, 0, 0, 0, 0, 0), [10] * 8, 0.0).run()
    assert frame.seconds == pytest.approx(16.0) and frame.limit == "between frames (50.0 %)"
    gap = Simulation(1, 10.0, Constants(0, 500.0, 0, 0, 0, 0, 0, 0), [10] * 8, 0.0).run()
    assert gap.seconds == pytest.approx(8 + 7 * 0.5)
    start = Simulation(2, 10.0, Constants(0, 0, 3.0, 0, 0, 0, 0, 0), [10] * 8, 0.0).run()
    assert start.seconds == pytest.approx(7.0) and start.lost["starting"] == pytest.approx(6.0)
    tail = Simulation(3, 10.0, NOTHING, [10] * 4, 0.0).run()
    assert tail.seconds == pytest.approx(2.0) and tail.lost["nothing left to do"] == pytest.approx(2.0)


def test_a_driver_that_writes_slower_than_units_come_is_the_limit() -> None:
    found = Simulation(10, 10.0, NOTHING, [10] * 200, 200.0).run()
    assert found.seconds == pytest.approx(200 * 0.2 + 1.0, rel=0.02), "one record after the other"
    assert found.limit.startswith("waiting for the driver") and found.utilisation == pytest.approx(0.5, abs=0.02)


def test_the_page_has_the_table_of_the_command() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert cluster_model.table(cluster_model.load()) in page
