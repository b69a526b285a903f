"""Systems whose loops are unlike each other, over two small real videos, stopped in the middle and resumed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

MODELS = "hmmn,swem,afb_urr,graphmem,frtm.resnet18,joint,covos,feelvos"
VIDEOS = {"dog": 4, "libby": 4}
"""Real videos, and how many frames of each."""
SIZE = (160, 96)


def small_copy(davis: Path, target: Path) -> None:
    """A folder data set with the first frames of the videos, reduced."""
    for video, count in VIDEOS.items():
        for kind, resample in (("JPEGImages", Image.Resampling.BOX), ("Annotations", Image.Resampling.NEAREST)):
            [source] = davis.glob(f"{kind}/*/{video}")
            folder = target / kind / video
            folder.mkdir(parents=True)
            for path in sorted(source.iterdir())[: 3 * count : 3]:
                Image.open(path).resize(SIZE, resample).save(folder / f"{path.stem}.png")


@pytest.mark.slow
def test_the_last_eight_run_and_resume(davis_root: Path, tmp_path: Path) -> None:
    small_copy(davis_root, tmp_path / "data")
    words = [
        *(sys.executable, "-m", "robust_vos_bench", "run", "--model", MODELS, "--checkpoint", "random"),
        *("--option", "covos:base=static", "--corruption", "fog", "--severity", "3", "--workers", "1"),
        *("--dataset", "folder:binary", "--data-root", str(tmp_path / "data"), "--output", str(tmp_path / "run")),
    ]
    environment = {**os.environ, "RVOS_BENCH_REUSE": "0"}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        until = time.monotonic() + 400
        while len(list((tmp_path / "run").glob("cells/*/*.jsonl"))) < 5 and time.monotonic() < until:
            assert first.poll() is None, first.communicate()
            time.sleep(0.1)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=200)
    assert first.returncode == 130
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    units = {(row["model"], row["condition"], row["video"]) for row in rows}
    assert len({model for model, _, _ in units}) == 8 and len(units) == 8 * 2 * 2
    assert all(0 <= float(row["J&F"]) <= 1 for row in rows)
