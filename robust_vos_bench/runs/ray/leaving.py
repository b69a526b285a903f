"""A process that Ray wants to end: its group goes elsewhere, and no unit fails for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

ENDED_BY_RAY = 77
"""Exit status of a worker that Ray asked to leave."""


@contextlib.contextmanager
def leaving_when_asked() -> Iterator[None]:
    """Around every call of Ray's in a worker: Ray asks by a SystemExit there, in the middle of whatever runs, and a
    model that seems to raise it would fail its video."""
    try:
        yield
    except SystemExit:
        os._exit(ENDED_BY_RAY)
