"""The loopback as the internet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from helpers.hosts import Internet, internet

BODY = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet() as made:
        yield made


@pytest.fixture
def body() -> bytes:
    return BODY
