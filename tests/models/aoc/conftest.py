"""Adapters with recipe weights, built once for all tests of the family."""

from __future__ import annotations

import pytest

from robust_vos_bench.adapters.aoc.model import AOC, RPCM
from robust_vos_bench.models import load_adapter

from .golden import LONG_EDGE


@pytest.fixture(scope="package")
def aoc() -> AOC:
    """AOC-Net at the size of the recorded runs."""
    adapter = load_adapter("aoc", "random", "cpu", max_long_edge=LONG_EDGE)
    assert isinstance(adapter, AOC)
    return adapter


@pytest.fixture(scope="package")
def rpcm() -> RPCM:
    """RPCM at the size of the recorded runs."""
    adapter = load_adapter("rpcm", "random", "cpu", max_long_edge=LONG_EDGE)
    assert isinstance(adapter, RPCM)
    return adapter
