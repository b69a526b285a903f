"""`RVOS_BENCH_OFFLINE=1`: the network is not touched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from robust_vos_bench.fetch.problems import FetchError
from robust_vos_bench.system.variables import environment

VARIABLE = "RVOS_BENCH_OFFLINE"
_OF_LIBRARIES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""The same for libraries that read it in the processes that are started."""


class OfflineError(FetchError):
    """Something would have to be fetched, and the network must not be touched."""


def is_offline() -> bool:
    """Whether the user forbade the network: by `RVOS_BENCH_OFFLINE` (anything but "", 0, false, no, off)."""
    return os.environ.get(VARIABLE, "").strip().lower() not in ("", "0", "false", "no", "off")


@contextlib.contextmanager
def offline(on: bool = True) -> Iterator[None]:
    """Within the block, here and in processes that are started, the network is not touched. on=False: no change."""
    with environment(dict.fromkeys((VARIABLE, *_OF_LIBRARIES) if on else (), "1")):
        yield
