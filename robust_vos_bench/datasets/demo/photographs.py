"""The photographs that come inside scikit-image's wheel; nothing is downloaded and scikit-image is not imported."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust_vos_bench.errors import DataError

PIXELS = {
    "astronaut": "a8c429c18afa7b0fd5673e598d73a21225d94c864a71bbb3885126fdecb41071",
    "brick": "3501e216fb0968c378803347d3a13e3cc04021eaecc44b64c6528088c7ea0f64",
    "camera": "13e2b4aa92cb1649b4aac5a4d48b38a8ea3a18b86e8abdf5a4871abf24c9d038",
    "chelsea": "416b729128bfb2c3d1eb69bf9b1734a796293abc17939267b2dc94f8a5784031",
    "coffee": "0ce2b51640b9c95f19617f03eabf40c3f0368589cc1ee1190b70966165ac184f",
    "grass": "c7ca5c984d6b5a2787506e70a42bcac22b164b00e8e1cf9e06cf76b8110c5734",
    "gravel": "e73bd88250cbfd7f96f232357ecad0d2302252483457337f5cf79d2c5b82227a",
    "horse": "d45c4524da3d8c2c5f11f46a648d76ea070381cdb72c59a8c4f3a4585ac1df97",
    "ihc": "c5b3ef509a92f16d4c29be8cf0300fe75d53e13a3ce650159db932caea8dcc1b",
    "motorcycle_left": "ca829467c1d4f427da9c4862ba43829da6ac90afe1f75735e95dba9e3fd9620b",
}
"""Photograph -> sha256 of its RGB pixels. PNG only: a JPEG's pixels depend on the decoder."""


@lru_cache(maxsize=16)
def photograph(name: str) -> NDArray[np.uint8]:
    """RGB uint8 H x W x 3, read-only. Raises DataError where scikit-image lacks the file or has another picture."""
    path = _folder() / f"{name}.png"
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"), np.uint8)
    except OSError as error:
        raise DataError(
            f"{path}: a photograph of scikit-image that the demo needs is missing or damaged; {_ADVICE}"
        ) from (error)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    if digest != PIXELS[name]:
        raise DataError(f"{path}: not the photograph that the demo is defined on (another scikit-image?); {_ADVICE}")
    pixels.setflags(write=False)
    return pixels


_ADVICE = "install one that has it (0.22 and 0.26 are known to): pip install --force-reinstall scikit-image==0.26.0"


def _folder() -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DataError(f"scikit-image is not installed, and the demo is made from its photographs; {_ADVICE}")
    return Path(spec.origin).parent / "data"
