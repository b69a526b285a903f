"""Words that tables, notes and pages share."""

from __future__ import annotations

import math
from collections.abc import Sequence


def points(value: float) -> str:
    """One decimal, or n/a."""
    return "n/a" if math.isnan(value) else f"{round(value, 1) + 0.0:.1f}"  # + 0.0: never "-0.0"


def plural(count: int, noun: str) -> str:
    """ "1 video", "2 videos"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def unscored_note(videos: int) -> str:
    """The note on videos without truth to score; "" where there are none."""
    return f"{plural(videos, 'video')} without truth after the prompt: not scored, for any model." * bool(videos)


def listed(names: Sequence[str], most: int = 3) -> str:
    """ "a", "a and b", "a, b and c", "a, b and 38 more"."""
    if len(names) <= most:
        return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
    shown = ", ".join(names[: most - 1])
    return f"{shown} and {len(names) - most + 1} more"
