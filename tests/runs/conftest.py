"""A tiny real data set on disk and a way to run the command line on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MODELS = Path(__file__).with_name("models.py")


def write_clip(root: Path, name: str, frames: int, size: tuple[int, int], seed: int) -> None:
    """A noisy clip with a square that moves two pixels a frame; two objects in clip "b"."""
    rng = np.random.default_rng(seed)
    images, masks = root / "JPEGImages" / name, root / "Annotations" / name
    images.mkdir(parents=True)
    masks.mkdir(parents=True)
    for t in range(frames):
        image = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        mask = np.zeros(size, np.uint8)
        mask[8:24, 5 + 2 * t : 21 + 2 * t] = 1
        if name == "b":
            mask[28:36, 30:42] = 2
        image[mask > 0] = (200, 40, 40)
        Image.fromarray(image).save(images / f"{t:05d}.png")
        Image.fromarray(mask).save(masks / f"{t:05d}.png")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder data set of three small videos."""
    root = tmp_path / "clips"
    for seed, (name, frames) in enumerate({"a": 6, "b": 5, "c": 7}.items()):
        write_clip(root, name, frames, (40, 56), seed)
    return root


@pytest.fixture
def rvos(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `rvos-bench` in a process of its own."""

    def call(*words: object, **settings: object) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", **settings.pop("env", {})}  # type: ignore[dict-item]
        return subprocess.run(
            [sys.executable, "-m", "robust_vos_bench.cli", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=env,
            timeout=180,
            **settings,  # type: ignore[call-overload]
        )

    return call


@pytest.fixture
def launch(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start `rvos-bench` in a session of its own, to be stopped in the middle."""

    def start(*words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "robust_vos_bench.cli", *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    return start
