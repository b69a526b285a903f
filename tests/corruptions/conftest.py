"""Natural frames and draws for the tests of corruptions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from robust_vos_bench.conditions import Draw, find_corruption


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A natural image that comes with scikit-image, RGB uint8 512 x 512."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut())


@pytest.fixture(scope="session")
def crop(photo: np.ndarray) -> np.ndarray:
    """A textured part of it: 128 x 161 (odd width), bright and dark, grey and coloured."""
    return np.ascontiguousarray(photo[60:188, 150:311])


@pytest.fixture(scope="session")
def make_draw() -> Callable[..., Draw]:
    """A draw of a registered corruption; keywords replace its fields."""

    def make(name: str, severity: int = 3, frame: int = 0, **fields: object) -> Draw:
        spec = find_corruption(name)
        values: dict[str, object] = {
            "corruption": name,
            "version": spec.version,
            "severity": severity,
            "seed": 0,
            "dataset": "test",
            "video": "clip",
            "frame": frame,
            "num_frames": 24,
            "temporal": spec.temporal[0] if spec.temporal else "frame",
        }
        return Draw(**(values | fields))  # type: ignore[arg-type]

    return make
