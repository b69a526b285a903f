"""Shared fixtures: where the reference data lies, and tests that need it skip with a reason where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

# Tests run in one process a core: one thread each, also in the processes that they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test asks the internet for anything; `helpers.hosts.internet` takes this away where the loopback plays it.
os.environ["RVOS_BENCH_OFFLINE"] = "1"
# Runs that are compared with one another are all computed; tests of reuse take this away.
os.environ["RVOS_BENCH_REUSE"] = "0"

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process for a single file or test, where starting workers takes longer; None: as many as `-n auto` says."""
    chosen = config.invocation_params.args
    files = [arg for arg in chosen if isinstance(arg, str) and ".py" in arg]
    return 0 if len(files) == 1 else None


SHARED = Path(os.environ.get("RVOS_BENCH_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data folder (`RVOS_BENCH_SHARED`, default `../shared`)."""
    if not SHARED.is_dir():
        pytest.skip(f"reference data not found at {SHARED}; set RVOS_BENCH_SHARED")
    return SHARED


@pytest.fixture(scope="session")
def davis_root(shared: Path) -> Path:
    """Eight real DAVIS-2016 videos, laid out as the official archive."""
    root = shared / "data" / "DAVIS-2016-dev"
    if not root.is_dir():
        pytest.skip(f"no DAVIS videos at {root}")
    return root


@pytest.fixture(scope="session")
def golden_frames(shared: Path) -> Path:
    """The clip that the recorded tensors were made from (`camel` in another encoding than DAVIS's), DAVIS layout."""
    root = shared / "models" / "frames"
    if not root.is_dir():
        pytest.skip(f"no frames of the recorded tensors at {root}")
    return root
