"""What in the lite models minds a corruption? Parts switched off or changed at inference, one after the other.

    python benchmarks/ablation.py --data-root ~/DAVIS [--corruption mean_blur,gaussian_noise,contrast] [--severity 3]
        [--frames 20] [--videos dog,camel]
        [--damaged sharp] [--dataset davis2016:val] [--workers 2] [--output ablation.csv]

Networks were always trained with the part, so that a loss on clean frames is to be expected; what tells is a part
whose absence *helps* under the corruption. J is the mean over frames behind the first, area that of the predicted by
the true area: below 1, objects are let go; above, background is swallowed. "all": every frame is corrupted; "sharp":
every frame but the first. The table holds means over videos, and of how many of them J is above that of the whole
model; its last column is the mean of all "sharp" ones minus the whole model's, with a 95 % interval over videos. The
CSV has one row per video; `--show FILE` prints the table of one. The size is that of docs/lite-study.md, one thread
per worker.

no blocks: the factors of the conditioning blocks are one (`aoc.lite`). no gates: so are those of CFBI's gates, which
`aoc.lite` has as well. recent vector: what blocks, gates and dynamic layers read is made from the frame before alone,
not from the remembered frames too. levelled: the adapter's option of that name. first reference: predicted frames are
not remembered. nothing carried: AOC-Net's decoder starts every frame as it does the second.
"""

from __future__ import annotations

import argparse
import csv
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from lite_runs import SIZE
from lite_scores import mean_of
from numpy.typing import NDArray
from ours import AOCLite, CFBILite, Conditioning, Head, IAGate, MatchedNetwork

from robust_vos_bench.conditions import CLEAN, Condition, corrupt_video
from robust_vos_bench.datasets import Video, open_dataset
from robust_vos_bench.models import load_adapter


def _ones(owner: type, name: str) -> Any:
    """A method that gives ones of the shape that it would give."""
    whole = getattr(owner, name)
    return patch.object(owner, name, lambda self, *given: torch.ones_like(whole(self, *given)))


@contextmanager
def whole() -> Iterator[None]:
    """Leave the network as it is."""
    yield


def no_blocks() -> Any:
    """Channels keep their strength, whatever the conditioning blocks say."""
    return _ones(Conditioning, "calibrate")


def no_gates() -> Any:
    """The same of the gates."""
    return _ones(IAGate, "factor")


@contextmanager
def no_blocks_no_gates() -> Iterator[None]:
    """Both."""
    with no_blocks(), no_gates():
        yield


@contextmanager
def recent_vector() -> Iterator[None]:
    """The half of each slot's vector that comes from the remembered frames is that of the frame before."""
    with ExitStack() as stack:
        for network in (AOCLite, CFBILite):
            read = network.read

            def recent(
                self: MatchedNetwork, features: Any, memory: Any, maps: Any, vector: Any, slots: int, read: Any = read
            ) -> Any:
                half = vector[:, vector.shape[1] // 2 :]
                return read(self, features, memory, maps, torch.cat([half, half], 1), slots)

            stack.enter_context(patch.object(network, "read", recent))
        yield


@contextmanager
def nothing_carried() -> Iterator[None]:
    """Every frame is decoded as the second."""
    plain = Head.forward
    with patch.object(Head, "forward", lambda self, x, low, vector, slots, _: plain(self, x, low, vector, slots, None)):
        yield


ROWS: dict[str, dict[str, tuple[Any, dict[str, Any]]]] = {
    "aoc.lite": {
        "whole": (whole, {}),
        "no blocks": (no_blocks, {}),
        "no blocks, no gates": (no_blocks_no_gates, {}),
        "recent vector": (recent_vector, {}),
        "levelled": (whole, {"levelled": True}),
        "first reference": (whole, {"gap": 10**6}),
        "nothing carried": (nothing_carried, {}),
    },
    "cfbi.lite": {
        "whole": (whole, {}),
        "no gates": (no_gates, {}),
        "recent vector": (recent_vector, {}),
        "levelled": (whole, {"levelled": True}),
    },
    "aot.lite": {
        "whole": (whole, {}),
        "levelled": (whole, {"levelled": True}),
        "first reference": (whole, {"gap": 10**6}),
    },
}


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


def one_video(given: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """All rows of a video."""
    torch.set_num_threads(1)
    data = open_dataset(given.dataset, given.data_root, videos=[name])
    video = beginning(data.video(name), given.frames)
    known = data.truth(name)
    assert known is not None, f"{name}: no truth"
    truth = [np.zeros(video.size, bool) if m is None else m > 0 for m in known.masks[: len(video)]]
    conditions = {("clean", ""): CLEAN}
    for corruption in given.corruption.split(","):
        for damaged in given.damaged.split(","):
            sound = damaged == "sharp"
            conditions[corruption, damaged] = Condition(corruption, given.severity, clean_reference=sound)
    rows = []
    for (corruption, damaged), condition in conditions.items():
        shown = corrupt_video(video, condition)
        frames = Video.from_arrays(list(shown.frames), video.prompts[0])  # the same for every row
        for model, parts in ROWS.items():
            for part, (change, options) in parts.items():
                with change(), torch.inference_mode():
                    j, area = measure(load_adapter(model, device="cpu", size=SIZE, **options), frames, truth)
                row = {"video": name, "model": model, "part": part, "corruption": corruption, "damaged": damaged}
                rows.append({**row, "J": round(100 * j, 2), "area": round(area, 3)})
    return rows


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Means over videos as a Markdown table."""
    cells: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        column = f"{row['corruption']} {row['damaged']}".strip()
        cells.setdefault((row["model"], row["part"]), {}).setdefault(column, []).append(row)
    columns = list(next(iter(cells.values())))
    print("| model | | " + " | ".join(columns) + " | against whole |")
    print("|---" * (len(columns) + 3) + "|")
    for (model, part), found in cells.items():
        texts, gains = [], []
        for column in columns:
            here, base = found[column], cells[model, "whole"][column]
            better = sum(float(a["J"]) > float(b["J"]) for a, b in zip(here, base))
            note = "" if part == "whole" else f", {better} of {len(here)}"
            means = [float(np.mean([float(row[key]) for row in here])) for key in ("J", "area")]
            texts.append(f"{means[0]:.1f} ({means[1]:.2f}{note})")
            if column.endswith("sharp"):
                gains.append([float(a["J"]) - float(b["J"]) for a, b in zip(here, base)])
        texts.append("" if part == "whole" else mean_of(np.mean(gains, 0)).text)
        print(f"| `{model}` | {part} | " + " | ".join(texts) + " |")


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="davis2016:val")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--videos", help="names with commas [default: all]")
    parser.add_argument("--corruption", default="mean_blur,gaussian_noise,contrast")
    parser.add_argument("--severity", type=int, default=3)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument(
        "--damaged",
        default="all,sharp",
        choices=("all,sharp", "sharp"),
        help="sharp: leave out the runs with the first frame damaged too",
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, help="CSV with one row per video")
    parser.add_argument("--show", type=Path, help="print the table of such a CSV, run nothing")
    given = parser.parse_args()
    if given.show is not None:
        with given.show.open(newline="") as file:
            show(list(csv.DictReader(file)))
        return
    names = given.videos.split(",") if given.videos else open_dataset(given.dataset, given.data_root).videos
    rows = []
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        for name, found in zip(names, pool.map(functools.partial(one_video, given), names)):
            rows += found
            print(f"{name} done", flush=True)
    if given.output is not None:
        with given.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    show(rows)


if __name__ == "__main__":
    main()
