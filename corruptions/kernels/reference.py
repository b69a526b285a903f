"""The reference implementation of ImageNet-C (`imagecorruptions-imaug`), keyed and without side effects."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from robust_vos_bench.datasets.video import Frame

_OWN_SEED = frozenset({"impulse_noise", "glass_blur"})
"""They ignore `np.random.seed` and take `seed=` instead; the others refuse that argument."""


@contextmanager
def global_numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator inside the block and put its state back afterwards."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def reference(name: str, frame: Frame, severity: int, seed: int) -> Frame:
    """`frame` (RGB uint8 H x W x 3, both sides at least 32) corrupted by the reference at severity 1..5.

    seed: 0..2**32-1; equal seeds give equal frames, in any process. The reference truncates to uint8.
    """
    from imagecorruptions import corrupt

    options = {"seed": seed} if name in _OWN_SEED else {}
    with global_numpy_seed(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result: Frame = corrupt(np.ascontiguousarray(frame), severity=severity, corruption_name=name, **options)
    return result
