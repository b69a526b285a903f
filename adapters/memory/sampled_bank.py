"""The memory of GraphMemVOS: the first frame, the one before, and four spread over all frames between."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .bank import weighted_rows

SPREAD = 4
"""Frames that are chosen anew for every query."""


def chosen(frame: int) -> list[int]:
    """Frames that frame number `frame`, 1 or later, is compared with; some more than once, which then count so.

    Within the first five: the first and the one before. Then also the middles of four equal parts of all frames
    before this one (a part of two or three frames has its middle at the second).
    """
    if frame == 1:
        return [0]
    if frame <= SPREAD:
        return [0, frame - 1]
    part = frame // SPREAD
    return [0, *(part * j + part // 2 for j in range(SPREAD)), frame - 1]


def last_uses(frames: int) -> dict[int, int]:
    """Frame of a video of `frames` -> the last frame that is compared with it."""
    return {index: frame for frame in range(1, frames) for index in chosen(frame)}


class SampledBank:
    """Keys and values of whole frames, encoded once each; of every frame but those that will not be looked at again.

    frames: number of frames from the first one of this memory to the end of the video, where it is known: of them at
    most about three in ten are held at a time. Otherwise every frame is. max_frames: bound on frames held beside the
    one before; the first stays, of the others those go that lie closest together, and the nearest ones held are
    looked at in the place of those that went.
    """

    def __init__(self, frames: int | None = None, max_frames: int | None = None) -> None:
        self._uses = None if frames is None else last_uses(frames)
        self.max_frames = max_frames
        self.seen = 0
        """Frames that were remembered: the number of the frame that is compared next."""
        self.held: dict[int, tuple[Tensor, Tensor]] = {}
        """Number of a frame -> keys k x hw x C and values k x hw x D."""

    def add(self, key: Tensor, value: Tensor, temporary: bool = False, reference: bool = False) -> None:
        """Remember a frame, key k x C x h x w and value k x D x h x w. (Which frames stay is the bank's to decide.)"""
        rows = [x.float().flatten(2).transpose(1, 2).contiguous() for x in (key, value)]
        self._forget()
        self.held[self.seen] = (rows[0], rows[1])
        self.seen += 1

    def _forget(self) -> None:
        """Before a frame is added: drop frames that it and later ones will not be looked at beside."""
        if self._uses is not None:
            for index in [i for i in self.held if i and self._uses.get(i, 0) <= self.seen]:
                del self.held[index]
        while self.max_frames is not None and len(self.held) > self.max_frames:
            order = sorted(self.held)
            after = [*order[1:], self.seen]
            gaps = [after[n] - order[n - 1] for n in range(1, len(order))]
            if not gaps:
                return
            del self.held[order[1 + gaps.index(min(gaps))]]

    def read(self, key: Tensor) -> Tensor:
        """Query keys 1 x C x h x w -> readout k x D x h x w, over all cells of the chosen frames."""
        if not self.held:
            raise RuntimeError("an empty memory was read")
        frames = [self.held[self._nearest(index)] for index in chosen(self.seen)]
        with torch.autocast(key.device.type, enabled=False):
            query = key.float().flatten(2)[0].t() / math.sqrt(key.shape[1])
            found = []
            for i in range(len(frames[0][0])):
                keys, values = (torch.cat([frame[part][i] for frame in frames]) for part in (0, 1))
                found.append(weighted_rows(query @ keys.t(), values, None))
        rows: Tensor = torch.stack(found).transpose(1, 2)
        return torch.unflatten(rows, 2, key.shape[-2:])

    def _nearest(self, index: int) -> int:
        if index in self.held:
            return index
        return min(self.held, key=lambda i: (abs(i - index), i))
