"""Frames corrupted in batches on a torch device: off unless a condition names one (`Condition.device`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.conditions.spec import BatchFunction
from robust_vos_bench.datasets.video import Frame
from robust_vos_bench.errors import ContractError, RvosError, UsageError

if TYPE_CHECKING:
    from torch import device as Device

BATCH_PIXELS = 4_000_000
"""A batch is as many frames as hold this many pixels: 9 at 854 x 480, one at 4K."""
MOST_FRAMES = 32


def parse_device(name: str) -> Device:
    """The torch device of that name, whether it is here or not. UsageError where corruptions cannot be made on it."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r} for corruptions; use cpu, cuda or cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"corruptions cannot be made on {name!r}; use cpu, cuda or cuda:1")
    return device


def find_device(name: str) -> Device:
    """The torch device of that name. UsageError where torch does not know it or this machine has none."""
    import torch

    device = parse_device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UsageError(f"corruptions cannot be made on {name!r}: torch sees {found} CUDA devices here; leave it out")
    return device


def batch_size(size: tuple[int, int]) -> int:
    """Frames of (height, width) in a batch."""
    return max(1, min(MOST_FRAMES, BATCH_PIXELS // max(size[0] * size[1], 1)))


def corrupt_batch(
    function: BatchFunction, frames: Sequence[Frame], severities: Sequence[float], draws: Sequence[Draw], device: str
) -> Iterator[Frame]:
    """Frames (RGB uint8, one size) corrupted on a device, in order; severities are 1 or more.

    Neighbours of equal severity share a call; a result does not depend on what else is in its batch.
    Raises UsageError for a device that is not there, RvosError where it fails (out of memory).
    """
    import torch

    place = find_device(device)
    for severity, run in groupby(range(len(frames)), key=lambda i: severities[i]):
        chosen = list(run)
        try:
            with torch.inference_mode():
                given = torch.from_numpy(np.stack([frames[i] for i in chosen])).to(place)
                made = function(given, severity, [draws[i] for i in chosen])
                results = made.cpu().numpy() if isinstance(made, torch.Tensor) else made
        except torch.cuda.OutOfMemoryError as error:
            raise RvosError(f"{draws[0].corruption}: {device} is out of memory; corrupt on the CPU") from error
        if not isinstance(results, np.ndarray) or len(results) != len(chosen):
            raise ContractError(f"corruption {draws[0].corruption} broke its contract: expected {len(chosen)} frames")
        yield from results
