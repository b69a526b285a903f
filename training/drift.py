"""How a training's closed loop holds over long clips: `python training/drift.py DIR`; no video is needed.

Held-out clips of many frames that move out slowly and come back, so that the last frame is close to the first: does J
come back too, or does an error stay? References are kept as at inference: the given frame, and every `--gap`-th after,
`--memory` in all. Objects keep their looks here, so that clips of this kind are easier than real videos.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))  # run as a script, not installed

from robust_vos_bench.errors import RvosError
from training.clips import Clips, render
from training.draws import draw
from training.images import Stills, find_data, load_stills
from training.rollout import jaccard_by_frame
from training.state import load
from training.trainer import build

FAR = 4.0
"""The farthest time of a clip; training clips go as far in two steps."""


def slow_clips(stills: Stills, number: int, batch: int, length: int, side: int) -> Clips:
    """Clips that go out to `FAR` and come back in `length` even steps; one to three objects by turns."""
    drawn = draw(stills, 0, ("drift", number), batch, length, side, 1 + number % 3)
    there = FAR * torch.sin(torch.linspace(0, torch.pi, length))
    return render(stills, replace(drawn, times=there.expand(batch, -1).clone(), jitter=drawn.jitter * 0.25), side)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    made = argparse.ArgumentParser(description="J by frame of a training state on long held-out clips.")
    made.add_argument("folder", type=Path, help="folder of the training state (--out of train.py)")
    made.add_argument("--data", type=Path, help="folder with images/ and masks/")
    made.add_argument("--frames", type=int, default=25)
    made.add_argument("--batches", type=int, default=3, help="of four clips")
    made.add_argument("--side", type=int, default=257, help="of the clips in pixels, 16 n + 1")
    made.add_argument("--gap", type=int, default=5)
    made.add_argument("--memory", type=int, default=3)
    given = made.parse_args(arguments)
    try:
        state = load(given.folder / "state.pt")
        with torch.random.fork_rng(devices=[]):
            network = build(str(state.settings["model"]))
        network.load_state_dict(state.average)
        stills = load_stills(find_data(given.data), True)
        frames: list[list[float]] = [[] for _ in range(given.frames - 1)]
        for number in range(given.batches):
            clips = slow_clips(stills, number, 4, given.frames, given.side)
            for values, more in zip(frames, jaccard_by_frame(network.eval(), clips, given.gap, given.memory)):
                values += more
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    means = [sum(values) / len(values) if values else float("nan") for values in frames]
    every = [value for values in frames for value in values]
    sys.stdout.write(f"step {state.step}, mean J {sum(every) / max(1, len(every)):.4f}\n")
    sys.stdout.write("".join(f"frame {t:3}  {mean:.4f}\n" for t, mean in enumerate(means, 1)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
