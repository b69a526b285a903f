"""The sizes at which SWEM looks at a video: a fixed one for DAVIS, one that follows the frames for YouTube-VOS."""

from __future__ import annotations

from typing import Literal, get_args

SizeRule = Literal["davis", "youtube-vos"]
SIZE_RULES = get_args(SizeRule)


def sixteenths(side: int) -> int:
    """The nearest multiple of 16, the larger one of two; at least 16."""
    return max(16, (side + 8) // 16 * 16)


def network_size(frame: tuple[int, int], rule: SizeRule, size: int | None) -> tuple[int, int]:
    """(H, W) of the network's image, multiples of 16, for frames of (H, W).

    size: the short side, 480 as published; None: the frames' own. "davis": `size` high and 1.8 times as wide, whatever
    the frames are. "youtube-vos": the short side becomes `size`, frames that are smaller keep theirs; each side goes
    to the nearest multiple of 16.
    """
    if size is None:
        return sixteenths(frame[0]), sixteenths(frame[1])
    size = sixteenths(size)
    if rule == "davis":
        return size, sixteenths(size * 9 // 5)
    short = min(frame)
    if short < size:
        return sixteenths(frame[0]), sixteenths(frame[1])
    other = sixteenths(int(max(frame) * size / short))
    return (size, other) if frame[0] < frame[1] else (other, size)
