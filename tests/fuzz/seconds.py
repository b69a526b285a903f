"""For how long a fuzzer runs: `RVOS_BENCH_FUZZ_SECONDS` (default 15); its seed: `RVOS_BENCH_FUZZ_SEED`, printed."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

SECONDS = float(os.environ.get("RVOS_BENCH_FUZZ_SECONDS", "15"))


def fuzz(strategy: SearchStrategy[Any], check: Callable[[Any], None], share: float = 1.0, batch: int = 25) -> int:
    """Draw and check examples until the time is over; the number of examples. The first failure is shrunk and raised.

    share: of the time. batch: examples per seed.
    """
    first = int(os.environ.get("RVOS_BENCH_FUZZ_SEED", "0")) or secrets.randbits(32)
    print(f"RVOS_BENCH_FUZZ_SEED={first}")
    end, count, number = time.monotonic() + SECONDS * share, 0, 0

    def counted(example: Any) -> None:
        nonlocal count
        count += 1
        check(example)

    while not count or time.monotonic() < end:
        one = settings(
            max_examples=batch,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )(given(strategy)(counted))
        seed(first + number)(one)()
        number += 1
    print(f"{count} examples in {number} batches, {SECONDS * share:.0f} s")
    return count
