"""Words that tables, notes and pages share."""

from __future__ import annotations

import math


def points(value: float) -> str:
    """One decimal, or n/a."""
    return "n/a" if math.isnan(value) else f"{round(value, 1) + 0.0:.1f}"  # + 0.0: never "-0.0"


def plural(count: int, noun: str) -> str:
    """ "1 video", "2 videos"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def unscored_note(videos: int) -> str:
    """The note on videos without truth to score; "" where there are none."""
    return f"{plural(videos, 'video')} without truth after the prompt: not scored, for any model." * bool(videos)
