"""Fixtures for the tests of scoring."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["numpy", "numba"])
def backend(request: pytest.FixtureRequest) -> str:
    """Both back ends; their numbers must not differ in a bit."""
    return str(request.param)
