"""Which part of `aoc.lite` or `cfbi.lite` minds a corruption? Parts switched off at inference, one after the other.

    python benchmarks/ablation.py --data-root ~/DAVIS [--corruption mean_blur] [--severity 3] [--frames 36]
        [--videos dog,bmx-trees,dance-twirl] [--dataset davis2016:val]

Networks were not trained without the part, so that a loss on clean frames is to be expected; what tells is a part whose
absence *helps* under the corruption. J is the mean over frames behind the first, area that of the predicted by the
true area: below 1, objects are let go; above, background is swallowed. "reference clean": all frames but the first are
corrupted. One thread.

parts: `references` remembers the first frame alone; `carried` forgets what the decoder hands on from frame to frame;
`calibration` sets the factors of the conditioning blocks (`aoc.lite`) or of the gates (`cfbi.lite`) to one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from robust_vos_bench.adapters.aoc.lite import Conditioning, Head
from robust_vos_bench.adapters.kit.gct import IAGate

from robust_vos_bench.conditions import CLEAN, Condition, corrupt_video
from robust_vos_bench.datasets import Video, open_dataset
from robust_vos_bench.models import load_adapter


def without_carried() -> Any:
    """Every frame is decoded as the first."""
    whole = Head.forward

    def forward(self: Head, x: Any, low: Any, vector: Any, slots: int, carried: Any) -> Any:
        return whole(self, x, low, vector, slots, None)

    return patch.object(Head, "forward", forward)


def without_calibration() -> Any:
    """Channels keep their strength, whatever the object's vector says."""
    whole = Conditioning.calibrate

    def calibrate(self: Conditioning, x: Any, vector: Any, slots: int) -> Any:
        return torch.ones_like(whole(self, x, vector, slots))

    return patch.object(Conditioning, "calibrate", calibrate)


def without_gates() -> Any:
    """The same of CFBI's gates."""
    whole = IAGate.factor

    def factor(self: IAGate, vector: Any) -> Any:
        return torch.ones_like(whole(self, vector))

    return patch.object(IAGate, "factor", factor)


@contextmanager
def nothing() -> Iterator[None]:
    """Leave the network whole."""
    yield


ROWS: list[tuple[str, str, dict[str, Any], Callable[[], Any]]] = [
    ("aoc.lite", "whole", {}, nothing),
    ("aoc.lite", "no remembered references", {"gap": 10**6}, nothing),
    ("aoc.lite", "nothing carried", {}, without_carried),
    ("aoc.lite", "no calibration", {}, without_calibration),
    ("aoc.lite-corrupted", "whole", {}, nothing),
    ("aoc.lite-corrupted", "no calibration", {}, without_calibration),
    ("cfbi.lite", "whole", {}, nothing),
    ("cfbi.lite", "no calibration", {}, without_gates),
    ("aot.lite", "whole", {}, nothing),
]


def beginning(video: Video, frames: int) -> Video:
    """The first frames of a video, decoded."""
    source = iter(video.frames)
    return Video.from_arrays([next(source) for _ in range(min(frames, len(video)))], video.prompts[0])


def measure(adapter: Any, video: Video, truth: list[NDArray[np.bool_]]) -> tuple[float, float]:
    """Mean J and mean ratio of areas behind frame 0."""
    masks = [mask > 0 for mask in adapter.segment(video)][1:]
    overlap = [(m & t).sum() / max(1, (m | t).sum()) for m, t in zip(masks, truth[1:])]
    area = [m.sum() / max(1, t.sum()) for m, t in zip(masks, truth[1:])]
    return float(np.mean(overlap)), float(np.mean(area))


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="davis2016:val")
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--videos", default="dog,bmx-trees,dance-twirl")
    parser.add_argument("--corruption", default="mean_blur")
    parser.add_argument("--severity", type=int, default=3)
    parser.add_argument("--frames", type=int, default=36)
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = given.videos.split(",")
    data = open_dataset(given.dataset, given.data_root, videos=names)
    conditions = [CLEAN] + [Condition(given.corruption, given.severity, clean_reference=kept) for kept in (False, True)]
    print("| video | model | | clean: J, area | corrupted: J, area | reference clean: J, area |")
    print("|---|---|---|---|---|---|")
    for name in names:
        video = beginning(data.video(name), given.frames)
        known = data.truth(name)
        assert known is not None, f"{name}: no truth"
        truth = [np.zeros(video.size, bool) if m is None else m > 0 for m in known.masks[: len(video)]]
        for model, label, options, part in ROWS:
            adapter = load_adapter(model, device="cpu", **options)
            with part(), torch.inference_mode():
                found = [measure(adapter, corrupt_video(video, condition), truth) for condition in conditions]
            cells = " | ".join(f"{100 * j:.1f}, {area:.2f}" for j, area in found)
            print(f"| {name} | `{model}` | {label} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
