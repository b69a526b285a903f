"""Seconds and peak memory per frame of any registered model at 480p, beside the authors' own code where it is at hand.

    python benchmarks/models.py --model aot.t,aot.r50_l [--objects 1,3,10] [--frames 8] [--device cpu] [--threads 1]
    python benchmarks/models.py --model deaot.t --peer ~/src/aot-benchmark
    python benchmarks/models.py --model aot.r50_l --objects 3 --frames 60        # long videos: does the cost grow?
    python benchmarks/models.py --model aot.lite --checkpoint none --before ~/old/bin/python   # beside an older version

Each side runs in a process of its own that holds the same frames, and the two take turns frame by frame, so that
other work on the machine disturbs both alike. A frame's time runs from the uint8 image to the uint8 mask, resizing
and copies to and from the device included; the first two frames (reference, first-time tables) are not counted.
On a CPU the figure to trust is the process's CPU time; wall time is given beside it. Memory is the process's peak
resident size on a CPU and the peak allocated by torch on a GPU.

`--before` names the Python of another environment, in which an older version of this package is installed; its side is
called "before". `--checkpoint none` takes the weights that a model comes with.

A peer needs a driver, `benchmarks/peers/<folder>.py` for the models of `adapters/<folder>/`, with
`open_peer(path, model, device) -> Peer`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 480, 854
WARM_UP = 2


class Peer(Protocol):
    """The authors' code behind two methods; frames are RGB uint8 480 x 854 x 3, masks uint8 480 x 854, ids 1..k.

    One with a `length` is told the number of frames there.
    """

    def start(self, frame: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        """Begin a video."""

    def step(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Segment the next frame."""


@dataclass
class Timing:
    """One side of one case."""

    side: str
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of every frame after the first."""
    wall: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """Peak MiB so far, after every frame."""
    masks: list[Any] = field(default_factory=list, repr=False)

    def median(self, values: list[float]) -> float:
        """Median without the warm-up."""
        return statistics.median(values[WARM_UP - 1 :] or values)


def clip(frames: int, folder: Path | None) -> list[NDArray[np.uint8]]:
    """480 x 854 RGB frames: from a folder of images, else a window that drifts over a photograph."""
    import cv2

    if folder is not None:
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not files:
            sys.exit(f"no images in {folder}")
        images: list[Any] = [cv2.imread(str(files[i % len(files)])) for i in range(frames)]
        return [np.ascontiguousarray(cv2.resize(i, (WIDTH, HEIGHT))[:, :, ::-1]) for i in images]
    from skimage.data import coffee

    wide = cv2.resize(coffee(), (WIDTH + 200, HEIGHT + 120), interpolation=cv2.INTER_CUBIC)
    turn = [(60 + round(50 * np.sin(t / 7)), 100 + round(90 * np.sin(t / 11))) for t in range(frames)]
    return [np.ascontiguousarray(wide[y : y + HEIGHT, x : x + WIDTH]) for y, x in turn]


def grid(objects: int) -> NDArray[np.uint8]:
    """`objects` rectangles of 5 x 4 cells."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for i in range(objects):
        y, x = divmod(i, 5)
        mask[y * 120 + 15 : y * 120 + 105, x * 170 + 20 : x * 170 + 150] = i + 1
    return mask


def serve(pipe: Connection, setup: dict[str, Any]) -> None:
    """A worker process: build one side, then segment a frame for every message."""
    import torch

    torch.set_num_threads(setup["threads"])
    frames, mask = clip(setup["frames"], setup["folder"]), grid(setup["objects"])
    masks = peer_masks(setup, frames, mask) if setup["peer"] else our_masks(setup, frames, mask)
    cuda = setup["device"].startswith("cuda")
    pipe.send(importlib.util.find_spec("robust_vos_bench").origin)  # type: ignore[union-attr]
    for _ in frames:
        pipe.recv()
        wall, cpu = time.perf_counter(), time.process_time()
        out = next(masks)
        if cuda:
            torch.cuda.synchronize()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else resident()
        pipe.send((cpu, wall, peak, out))


def resident() -> float:
    """Peak resident MiB of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def our_masks(setup: dict[str, Any], frames: list[Any], mask: NDArray[np.uint8]) -> Iterator[Any]:
    """Masks of a registered model."""
    from robust_vos_bench.datasets import Video
    from robust_vos_bench.models import find_entry, load_adapter
    from robust_vos_bench.models.options import parse_options

    options = parse_options(find_entry(setup["model"]), setup["options"])
    adapter = load_adapter(setup["model"], setup["checkpoint"], setup["device"], **options)
    return adapter.segment(Video.from_arrays(frames, mask))


def peer_masks(setup: dict[str, Any], frames: list[Any], mask: NDArray[np.uint8]) -> Iterator[Any]:
    """Masks of the authors' code, through its driver."""
    from robust_vos_bench.models import find_entry

    card = find_entry(setup["model"]).card
    driver = find_driver(find_entry(setup["model"]).target)
    spec = importlib.util.spec_from_file_location("peer_driver", driver)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    peer: Peer = module.open_peer(setup["peer"], card.name, setup["device"])

    if hasattr(peer, "length"):
        peer.length = len(frames)

    def masks() -> Iterator[Any]:
        peer.start(frames[0], mask)
        yield mask
        for frame in frames[1:]:
            yield peer.step(frame)

    return masks()


def find_driver(target: str) -> Path:
    """The driver of the adapter folder a model lives in ("robust_vos_bench.adapters.aot.adapter:..." -> aot.py)."""
    folder = target.split(":")[0].removeprefix("robust_vos_bench.adapters.").split(".")[0]
    driver = Path(__file__).parent / "peers" / f"{folder}.py"
    if not driver.is_file():
        sys.exit(f"no peer driver {driver}")
    return driver


def measure(setup: dict[str, Any]) -> list[Timing]:
    """Run one case, both sides in turns."""
    context = multiprocessing.get_context("spawn")
    sides = [Timing("ours")] + ([Timing("official")] if setup["peer"] else [])
    sides += [Timing("before")] if setup["before"] else []
    workers = []
    for side in sides:
        ours, theirs = context.Pipe()
        alone = {**setup, "peer": setup["peer"] if side.side == "official" else None}
        process = context.Process(target=serve, args=(theirs, alone), daemon=True)
        context.set_executable(setup["before"] if side.side == "before" else sys.executable)
        process.start()
        theirs.close()
        workers.append((process, ours))
    packages = []
    for side, (_, pipe) in zip(sides, workers):
        try:
            packages.append(pipe.recv())
        except EOFError:
            sys.exit(f"{setup['model']}, {side.side}: did not start; the reason stands above")
    if setup["before"] and packages[-1] == packages[0]:
        sys.exit(f"{setup['before']} has the same package, {packages[0]}, so there is nothing to compare")
    for t in range(setup["frames"]):
        for side, (_, pipe) in zip(sides, workers):
            pipe.send("next")
            cpu, wall, peak, mask = pipe.recv()
            side.memory.append(peak)
            side.masks.append(mask)
            if t:
                side.cpu.append(cpu)
                side.wall.append(wall)
    for process, _ in workers:
        process.join()
    return sides


def row(setup: dict[str, Any], sides: list[Timing]) -> dict[str, Any]:
    """The numbers of a case."""
    found: dict[str, Any] = {"model": setup["model"], "objects": setup["objects"], "frames": setup["frames"]}
    for side in sides:
        kind = side.wall if setup["device"].startswith("cuda") else side.cpu
        third = max(1, len(kind) // 3)
        found[side.side] = {
            "seconds": side.median(kind),
            "wall_seconds": side.median(side.wall),
            "first_third": statistics.median(kind[1 : third + 1] or kind),
            "last_third": statistics.median(kind[-third:]),
            "peak_mib": side.memory[-1],
            "peak_mib_after_3": side.memory[min(2, len(side.memory) - 1)],
        }
    for side in sides[1:]:
        differ = [float(np.mean(a != b)) for a, b in zip(sides[0].masks[1:], side.masks[1:])]
        found[side.side] |= {"frame_1_differs": differ[0], "labels_that_differ": statistics.mean(differ)}
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    others = [side for side in ("official", "before") if any(side in r for r in rows)]
    head = ["model", "objects", "frames", "s / frame", "first third", "last third", "wall s", "peak MiB (after 3)"]
    for side in others:
        head += [
            f"{side} s / frame",
            f"{side} last third",
            f"{side} peak MiB",
            "ratio",
            "frame 1 differs",
            "labels differ",
        ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for r in rows:
        o = r["ours"]
        cells = [r["model"], r["objects"], r["frames"]]
        cells += [f"{o[k]:.3g}" for k in ("seconds", "first_third", "last_third", "wall_seconds")]
        cells.append(f"{o['peak_mib']:.0f} ({o['peak_mib_after_3']:.0f})")
        for side in others:
            p = r[side]
            cells += [f"{p['seconds']:.3g}", f"{p['last_third']:.3g}", f"{p['peak_mib']:.0f}"]
            cells += [
                f"{p['seconds'] / o['seconds']:.2f}",
                *(f"{p[k]:.1e}" for k in ("frame_1_differs", "labels_that_differ")),
            ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def machine(device: str) -> str:
    """One line on where it ran."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else processor()
    return f"{name}, torch {torch.__version__}, Python {platform.python_version()}"


def processor() -> str:
    """The CPU's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def numbers(text: str) -> list[int]:
    """ "1,3,10" -> [1, 3, 10]."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="names by comma")
    parser.add_argument("--objects", type=numbers, default=[1, 3, 10])
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--checkpoint", default="random", help="a file; random: speed does not depend on it; none: the model's own"
    )
    parser.add_argument("--before", type=Path, metavar="PYTHON", help="Python of an environment with an older version")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="model option (ours only)")
    parser.add_argument("--clip", type=Path, help="folder of frames; default: a drifting photograph")
    parser.add_argument("--peer", type=Path, help="checkout of the authors' code")
    parser.add_argument("--json", type=Path, help="write all numbers there")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    rows = []
    for model in arguments.model.split(","):
        for objects in arguments.objects:
            setup = {
                "model": model,
                "objects": objects,
                "frames": arguments.frames,
                "device": arguments.device,
                "threads": arguments.threads,
                "checkpoint": None if arguments.checkpoint == "none" else arguments.checkpoint,
                "before": str(arguments.before.expanduser().absolute()) if arguments.before else None,
                "options": arguments.option,
                "folder": arguments.clip,
                "peer": arguments.peer.expanduser().resolve() if arguments.peer else None,
            }
            sides = measure(setup)
            rows.append({**row(setup, sides), "timings": [drop_masks(side) for side in sides]})
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(f"{machine(arguments.device)}, {arguments.threads} thread(s), {WIDTH} x {HEIGHT}\n\n{table(rows)}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(arguments.device), "rows": rows}, indent=1))


def drop_masks(side: Timing) -> dict[str, Any]:
    """A timing as JSON can hold it."""
    return {key: value for key, value in asdict(side).items() if key != "masks"}


if __name__ == "__main__":
    main()
