"""False regions in what a network remembers of its own answers, so that it learns not to believe them.

In clips of three frames a network's own mask is nearly right, and copying it is nearly enough: on long videos such
networks let an error grow from frame to frame, although the first mask says better.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARES = 0.5, 0.25
"""Of the clips have false regions: at first, and once surfaces are renewed as well (see `training/renewal.py`)."""
MOST = 3
"""False regions in a frame."""
SMALLEST, LARGEST = 0.04, 0.2
"""Half axes of a region, as shares of the side."""
ON_OBJECT = 0.6
"""Share of the regions whose centre lies on a slot drawn first; the others lie anywhere."""


def mistaken(labels: Tensor, valid: Tensor, rng: torch.Generator, share: float = SHARES[0]) -> Tensor:
    """Labels B x S x S with ellipses that claim to be another valid slot (bool B x slots); the input is left alone."""
    side = labels.shape[-1]
    out = labels.clone()
    rows = torch.arange(side, device=labels.device, dtype=torch.float32)
    for sample, slots in enumerate(valid.cpu()):
        known = slots.nonzero().flatten().tolist()
        if len(known) < 2 or _draw(rng) >= share:
            continue
        for _ in range(1 + int(_draw(rng) * MOST)):
            slot = known[int(_draw(rng) * len(known))]
            y, x = _centre(labels[sample], slot if _draw(rng) < ON_OBJECT else None, rng)
            height, width = (side * (SMALLEST + (LARGEST - SMALLEST) * _draw(rng)) for _ in "hw")
            inside = ((rows - y) / height).square()[:, None] + ((rows - x) / width).square()[None] < 1
            others = [s for s in known if s != int(labels[sample, y, x])]
            out[sample][inside] = others[int(_draw(rng) * len(others))]
    return out


def _centre(labels: Tensor, slot: int | None, rng: torch.Generator) -> tuple[int, int]:
    side = labels.shape[-1]
    where = _draw(rng)
    if slot is not None:
        cells = (labels == slot).flatten().nonzero().flatten()
        if len(cells):
            return divmod(int(cells[int(where * len(cells))]), side)
    return divmod(int(where * side * side), side)


def _draw(rng: torch.Generator) -> float:
    return float(torch.rand((), generator=rng, dtype=torch.float64))
