"""Where the cells of remembered frames have moved to (HMMN): best matches of frames, and Gaussians on them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

RADIUS = 3
"""Cells that a cell of the previous frame may move in each direction (a window of 7 x 7)."""
SIGMA = 3.0
"""Deviation in cells of the Gaussian of the previous frame."""
WIDER = 0.5
"""Share by which the deviation grows per frame further back in the memory."""
BLOCK = 1 << 20
"""Numbers of an affinity that are worked on at a time (4 MiB)."""


def blocks_of(rows: int, width: int) -> Iterator[slice]:
    """Slices of rows of a table, each of about `BLOCK` numbers."""
    step = max(1, BLOCK // width)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def moved(keys: Tensor, query: Tensor, size: tuple[int, int]) -> Tensor:
    """For each cell of the previous frame the cell of the current one within `RADIUS` that is most similar.

    keys: hw x C of the previous frame. query: hw x C of the current one. Returns hw cells, int64; the first of equals.
    """
    height, width = size
    cells = torch.arange(len(keys), device=keys.device)[:, None]
    far_rows = (cells // width - torch.arange(height, device=keys.device)).abs() > RADIUS
    far_columns = (cells % width - torch.arange(width, device=keys.device)).abs() > RADIUS
    found = []
    keys, query = keys.detach(), query.detach()  # a place passes no gradient
    for part in blocks_of(len(keys), len(query)):
        affinity = keys[part] @ query.t() / math.sqrt(query.shape[1])
        grid = affinity.view(-1, height, width).masked_fill_(far_rows[part, :, None], -torch.inf)
        grid.masked_fill_(far_columns[part, None], -torch.inf)
        found.append(affinity.max(1).indices)
    return torch.cat(found)


class Tracks:
    """For each frame of a memory the cells to which its cells have moved, per object.

    The list is that of the memory, without the previous frame until the next call of `follow` appends it.
    """

    def __init__(self) -> None:
        self.cells: list[Tensor] = []
        """k x hw (int64) per frame, oldest first."""

    def forget(self, position: int) -> None:
        """The frame at this position is no longer in memory; -1: the newest."""
        del self.cells[position]

    def follow(self, best: Tensor) -> Tensor:
        """Move all tracks by one frame; best: k x hw, where the cells of the previous frame went (`moved`).

        Returns the centres of the Gaussians, k x (T hw), frames oldest first. A moved track is a cell of the current
        frame, yet `best` is looked up there once more, as if it were one of the previous: so the official code does,
        and so HMMN was trained.
        """
        self.cells = [best.gather(1, cells) for cells in self.cells]
        centres = torch.cat([*(best.gather(1, cells) for cells in self.cells), best], 1)
        self.cells.append(best)
        return centres


def exponents(centres: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Of the Gaussians of one object, along columns and rows: their sum is the exponent at a cell.

    centres: (T hw) cells, frames oldest first. The deviation grows with the place in memory, not with time. Returns
    h x (T hw) and w x (T hw), float32.
    """
    height, width = size
    back = torch.arange(len(centres) // (height * width) - 1, -1, -1, device=centres.device)
    twice = (2 * (SIGMA * (1 + WIDER * back)) ** 2).repeat_interleave(height * width)
    rows = torch.arange(height, device=centres.device)[:, None] - centres // width
    columns = torch.arange(width, device=centres.device)[:, None] - centres % width
    return rows.square() / -twice, columns.square() / -twice
