"""How a training's closed loop holds over long clips: `python training/drift.py DIR`; no video is needed.

Held-out clips of many frames that move slowly out and back, so that the last frame is close to the first. Networks that
copy their last mask start well and end badly here, which clips of three or five frames do not show. References are kept
as at inference: the given frame, and every `--gap`-th after it, `--memory` in all.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parents[1]))  # run as a script, not installed

from robust_vos_bench.adapters.lite.network import LiteNetwork, full

from robust_vos_bench.errors import RvosError
from training.clips import Clips, draw, render
from training.images import Stills, find_data, load_stills
from training.losses import only_valid
from training.state import load
from training.trainer import build

FAR = 4.0
"""The farthest time of a clip; training clips go as far in two steps."""


def slow_clips(stills: Stills, number: int, batch: int, length: int, side: int) -> Clips:
    """Clips that go out to `FAR` and come back in `length` even steps; one to three objects by turns."""
    drawn = draw(stills, 0, ("drift", number), batch, length, side, 1 + number % 3)
    there = FAR * torch.sin(torch.linspace(0, torch.pi, length))
    return render(stills, replace(drawn, times=there.expand(batch, -1).clone(), jitter=drawn.jitter * 0.25), side)


@torch.no_grad()
def jaccard_by_frame(network: LiteNetwork, clips: Clips, gap: int, memory: int) -> Tensor:
    """Mean J over the objects of a batch for each frame after the first, T - 1 values."""
    length, side = clips.frames.shape[1], clips.frames.shape[3]
    known = network.memory(memory)
    found = []
    labels = clips.labels[:, 0]
    for t in range(length):
        features = network.encode(clips.frames[:, t])
        if t:
            logits = full(network.segment(features, known, clips.slots), (side, side))
            labels = only_valid(logits, clips.valid).argmax(1)
            found.append(_mean_jaccard(labels, clips.labels[:, t], clips.valid))
        keep = network.keeps_predictions and t % gap == 0
        network.remember(features, known, labels, clips.slots, keep, t == 0)
    return torch.stack(found)


def _mean_jaccard(found: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    slots = torch.arange(1, valid.shape[1], device=truth.device)[:, None, None]
    mine, theirs = found[:, None] == slots, truth[:, None] == slots
    both, either = (mine & theirs).sum((2, 3)), (mine | theirs).sum((2, 3))
    counted = valid[:, 1:] & theirs.flatten(2).any(2)
    return (both / either.clamp_min(1))[counted].mean()


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
        rows = [
            jaccard_by_frame(
                network.eval(), slow_clips(stills, n, 4, given.frames, given.side), given.gap, given.memory
            )
            for n in range(given.batches)
        ]
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    mean = torch.stack(rows).mean(0)
    sys.stdout.write(f"step {state.step}, mean J {float(mean.mean()):.4f}\n")
    sys.stdout.write("".join(f"frame {t + 1:3}  {float(v):.4f}\n" for t, v in enumerate(mean)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
