"""Training tests run on a few made-up stills, so that they need no data set."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.training.films import COLOURS, write_film

sys.path.append(str(Path(__file__).resolve().parents[2]))  # `training` is not installed with the package

from robust_vos_bench.models.synthetic import texture
from training.images import Stills, load_stills
from training.videos import Videos, load_videos


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


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder of three films to train on, one to watch, and one of the validation split that is no picture at all."""
    folder = tmp_path / "films"
    for name, colour in COLOURS.items():
        write_film(folder, name, colour)
    write_film(folder, "watch", (200, 200, 30))
    never = folder / "JPEGImages" / "blackswan"
    never.mkdir()
    (never / "00000.jpg").write_bytes(b"not to be opened")
    (folder / "ImageSets").mkdir()
    (folder / "ImageSets" / "train.txt").write_text("\n".join(COLOURS) + "\n")
    (folder / "ImageSets" / "valid.txt").write_text("watch\n")
    return folder


@pytest.fixture
def videos(films: Path) -> Videos:
    """The three to train on."""
    return load_videos(films, held_out=False)
