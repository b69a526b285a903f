"""Global random state: snapshots of it, and a block that leaves it as it was. All settings: `process_settings`."""

from __future__ import annotations

import contextlib
import random
import secrets
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore the states of `random`, `numpy.random` and (where it is loaded) torch on leaving the block."""
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    cpu = None if torch is None else torch.get_rng_state()
    gpus = torch.cuda.get_rng_state_all() if torch is not None and torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch is not None and cpu is not None:
            torch.set_rng_state(cpu)
            if gpus:
                torch.cuda.set_rng_state_all(gpus)


def random_state() -> dict[str, Any]:
    """Comparable snapshots of the global generators: `random`, `numpy.random`, and torch's where it is loaded."""
    kind, keys, *rest = np.random.get_state()
    state: dict[str, Any] = {
        "random": random.getstate(),
        "numpy.random": (kind, np.asarray(keys).tobytes(), tuple(map(float, rest))),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch random state"] = torch.get_rng_state().numpy().tobytes()
    return state


def fresh_random_state() -> None:
    """Begin the global generators anew: `random`, `numpy.random` and, where it is loaded, torch's on every device."""
    _seed(0)


def unusual_random_state() -> None:
    """Move the global generators to where no program has them by accident."""
    _seed(secrets.randbits(128))


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed % 2**63)
