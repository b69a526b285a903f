"""The small data set and the models of the run tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MODELS = Path(__file__).resolve().parents[1] / "runs" / "models.py"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder data set of two small videos with one object each."""
    root = tmp_path / "clips"
    for seed, name in enumerate(("a", "b")):
        rng = np.random.default_rng(seed)
        images, masks = root / "JPEGImages" / name, root / "Annotations" / name
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for t in range(5):
            image = rng.integers(0, 255, (40, 56, 3), dtype=np.uint8)
            mask = np.zeros((40, 56), np.uint8)
            mask[8:24, 5 + 2 * t : 21 + 2 * t] = 1
            image[mask > 0] = (200, 40, 40)
            Image.fromarray(image).save(images / f"{t:05d}.png")
            Image.fromarray(mask).save(masks / f"{t:05d}.png")
    return root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results land in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
