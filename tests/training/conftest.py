"""Training tests run on a few made-up stills, so that they need no data set."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[2]))  # `training` is not installed with the package

from robust_vos_bench.models.synthetic import texture
from training.images import Stills, load_stills


@pytest.fixture(scope="session")
def ecssd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as ECSSD with 42 small pictures of a textured disc, two of them held out."""
    folder = tmp_path_factory.mktemp("ecssd")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rng = np.random.default_rng(0)
    for i in range(42):
        height, width = 120 + 4 * (i % 5), 150 - 3 * (i % 4)
        y, x = np.mgrid[:height, :width]
        radius = 20 + i % 17
        inside = (y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2
        picture = texture(rng, (height, width), 9) * 0.5
        picture[inside] = (texture(rng, (height, width), 4) * 0.4 + rng.uniform(60, 150, 3))[inside]
        Image.fromarray(picture.astype(np.uint8)).save(folder / "images" / f"{i:04d}.jpg", quality=90)
        Image.fromarray(inside).save(folder / "masks" / f"{i:04d}.png")
    return folder


@pytest.fixture(scope="session")
def stills(ecssd: Path) -> Stills:
    """The training part of it."""
    return load_stills(ecssd, held_out=False)
