"""Does XMem's memory stay bounded on a long video? Rows and MiB of the memory as the frames go by.

    python benchmarks/long_video.py [--frames 1000] [--height 64] [--width 112] [--option NAME=VALUE ...]

A window drifts over a photograph; one object; deterministic untrained weights. Rows are memory elements that a pixel
is compared with; MiB are those of their tensors; seconds are CPU seconds per frame (mean since the row before).
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from robust_vos_bench.datasets import Video
from robust_vos_bench.models import find_entry, load_adapter
from robust_vos_bench.models.options import parse_options


def drifting(frames: int, height: int, width: int) -> list[Any]:
    """RGB windows of a photograph on a slow curve that does not close."""
    import cv2
    from skimage.data import coffee

    wide = cv2.resize(coffee(), (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
    corners = [
        (round((1 + np.sin(t / 37)) * height / 2), round((1 + np.sin(t / 53)) * width / 2)) for t in range(frames)
    ]
    return [np.ascontiguousarray(wide[y : y + height, x : x + width]) for y, x in corners]


def size(bank: Any) -> tuple[int, int, float]:
    """Rows of the working and of the long-term memory, and MiB of both."""
    parts = [part for part in (bank.working, bank.long) if part is not None]
    tensors = [t for part in parts for t in vars(part).values() if t is not None]
    return len(bank.working), len(bank.long or ()), sum(t.nbytes for t in tensors) / 2**20


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=112)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--at", default="100,250,500,1000", help="frames at which to look, by comma")
    arguments = parser.parse_args()
    frames = drifting(arguments.frames, arguments.height, arguments.width)
    mask = np.zeros(frames[0].shape[:2], np.uint8)
    mask[arguments.height // 4 : arguments.height // 2, arguments.width // 4 : arguments.width // 2] = 1
    adapter: Any = load_adapter(
        "xmem", "random", "cpu", size=None, **parse_options(find_entry("xmem"), arguments.option)
    )
    video = Video.from_arrays(frames, mask)
    session = adapter.session(video)
    looks = [int(part) for part in arguments.at.split(",")]
    print("| frames | rows at work | long-term rows | MiB | CPU s / frame |\n|---|---|---|---|---|")
    began, before = time.process_time(), 0
    for t, frame in enumerate(frames, 1):
        session.step(frame, mask if t == 1 else None, t == len(frames))
        if t in looks:
            seconds = (time.process_time() - began) / (t - before)
            working, long, mib = size(session.groups[0][1])
            print(f"| {t} | {working} | {long} | {mib:.2f} | {seconds:.3f} |", flush=True)
            began, before = time.process_time(), t


if __name__ == "__main__":
    main()
