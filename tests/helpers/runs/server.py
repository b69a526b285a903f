"""What the server of doomed processes loads: everything that a run imports, by one run of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from . import doomed


class Nobody:
    """Listens to the run."""

    def send(self, said: object) -> None:
        """Nothing is kept."""


with tempfile.TemporaryDirectory() as folder:
    for kind, values in (("JPEGImages", np.zeros((8, 8, 3), np.uint8)), ("Annotations", np.ones((8, 8), np.uint8))):
        (Path(folder) / "clips" / kind / "a").mkdir(parents=True)
        for t in range(2):
            Image.fromarray(values).save(Path(folder) / "clips" / kind / "a" / f"{t:05d}.png")
    doomed.work(Path(folder) / "clips", Path(folder) / "out", True, doomed.Doom("none", 0), Nobody())  # type: ignore[arg-type]
