"""Golden hashes: the same frames in any process, order and number of threads, and on any machine with these libraries.

The hashes were made with numpy 2.4, OpenCV 5.0 and Pillow 13. Where a corruption runs inside OpenCV (mean_blur,
spatter, jpeg_compression) or Pillow (pixelate), another version of that library may differ in the last level; all
others use integers, tables and sums of fixed order only. After a wanted change, raise the corruption's version and run
`python tests/corruptions/test_golden.py`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.conditions import Condition, corrupt_video, find_corruption, load_preset
from robust_vos_bench.datasets.video import Video

FILE = Path(__file__).with_name("golden.json")
FRAMES = (0, 3, 5)


def clip() -> Video:
    """Six frames of 96 x 131: ramps, blocks and noise, all from integers."""
    rng = np.random.Generator(np.random.PCG64(2026))
    y, x = np.mgrid[:96, :131]
    base = np.stack([(2 * x) % 256, (3 * y + x) % 256, (x * y // 16) % 256], -1)
    base[30:60, 40:90] = rng.integers(0, 256, (30, 50, 3))
    base[70:90, 10:30] = 255
    mask = np.zeros((96, 131), np.uint8)
    mask[30:60, 40:90] = 1
    return Video.from_arrays([np.roll(base, 2 * t, 1).astype(np.uint8) for t in range(6)], mask, name="golden", fps=4.0)


def conditions() -> list[Condition]:
    """Every frame-wise corruption in every mode at its lowest and highest severity."""
    names = [n for p in ("common", "common-extra", "common-bar", "youtube-vos-p") for n in load_preset(p).corruptions]
    return [
        Condition(name, severity, temporal)
        for name in names
        for temporal in find_corruption(name).temporal or ("",)
        for severity in (1, find_corruption(name).levels)
    ]


def hashes(order: int = 1) -> dict[str, str]:
    """Label -> sha256 over three frames, which are made in the given order (1 or -1)."""
    video = clip()
    result = {}
    for condition in conditions()[::order]:
        frames = corrupt_video(video, condition).frames
        made = {t: np.ascontiguousarray(frames[t]).tobytes() for t in FRAMES[::order]}  # type: ignore[index]
        result[condition.label] = hashlib.sha256(b"".join(made[t] for t in FRAMES)).hexdigest()[:32]
    return dict(sorted(result.items()))


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    """Hashes made in this process."""
    return hashes()


def test_golden_hashes(here: dict[str, str]) -> None:
    golden = json.loads(FILE.read_text(encoding="utf-8"))
    assert set(golden) == set(here)
    assert [label for label in here if here[label] != golden[label]] == []


def test_every_condition_gives_other_frames(here: dict[str, str]) -> None:
    assert len(set(here.values())) == len(here)


@pytest.mark.parametrize(
    ("setting", "order"),
    [("setNumThreads(3)", -1), ("ipp.setUseIPP(False)", 1)],
    ids=["another-order", "another-processor"],
)
def test_another_process(here: dict[str, str], setting: str, order: int) -> None:
    """IPP chooses its code by the processor, so its absence stands for another machine."""
    code = (
        f"import json, sys, cv2; cv2.{setting}; sys.path.insert(0, sys.argv[1]);"
        f"import test_golden; print(json.dumps(test_golden.hashes({order})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == here


if __name__ == "__main__":
    FILE.write_text(json.dumps(hashes(), indent=1) + "\n", encoding="utf-8")
