"""Votes are counted whatever the listener does, and what counting raises is not lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from robust_vos_bench.api.certify import Counting
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.listener import Listener
from robust_vos_bench.runs.records import UnitRecord


class Loud(Listener):
    """Raises when it is told of a unit."""

    def unit(self, record: UnitRecord) -> None:
        raise RuntimeError("not in the mood")


class Box:
    """Notes what is counted; draw 2 cannot be."""

    def __init__(self) -> None:
        self.counted: list[int] = []

    def add(self, draw: int) -> None:
        if draw == 2:
            raise DataError("draw 2 is damaged")
        self.counted.append(draw)


def test_a_listener_that_raises_does_not_stop_the_counting() -> None:
    box = Box()
    counting = Counting(Loud(), cast(Any, {("m", f"c{d}", "v"): (box, d) for d in range(4)}))
    with pytest.warns(RuntimeWarning, match="not in the mood"):
        for draw in range(4):
            counting.unit(cast(Any, SimpleNamespace(model="m", condition=f"c{draw}", video="v", ok=True)))
    counting.unit(cast(Any, SimpleNamespace(model="m", condition="other", video="v", ok=True)))
    assert box.counted == [0, 1, 3]
    assert isinstance(counting.error, DataError) and "draw 2" in str(counting.error)
