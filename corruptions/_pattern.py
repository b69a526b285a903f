"""What one video draws once: patterns that all its frames, and all severities, share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import wraps
from threading import Lock
from typing import Any, TypeVar, overload

from robust_vos_bench.conditions.draw import Draw

T = TypeVar("T")


def pattern(draw: Draw) -> Draw:
    """The draw with the severity taken out of its key.

    A pattern in time or space (when a freeze comes, where a flake flies) is then the same at every severity, which
    differ by strength alone; drawn anew, a short clip could meet a weak stretch at severity 5 and a strong one at 1.
    """
    return replace(draw, severity=0)


@overload
def per_video(make: Callable[..., T]) -> Callable[..., T]: ...
@overload
def per_video(*, keep: int) -> Callable[[Callable[..., T]], Callable[..., T]]: ...
def per_video(make: Callable[..., T] | None = None, *, keep: int = 6) -> Any:
    """Decorator: remember the last `keep` results of `make(draw, *args)` with hashable args.

    `make` may use nothing of the draw but its generators `rng` (of the video, or of the frame in mode "frame") and
    `video_rng`, so that a result that is remembered and one that is made again are the same.
    """

    def remember(make: Callable[..., T]) -> Callable[..., T]:
        kept: OrderedDict[Hashable, T] = OrderedDict()
        lock = Lock()

        @wraps(make)
        def remembered(draw: Draw, *args: Hashable) -> T:
            frame = draw.frame if draw.temporal == "frame" else None
            key = (draw.corruption, draw.version, draw.severity, draw.seed, draw.dataset, draw.video, frame, args)
            with lock:
                if key in kept:
                    kept.move_to_end(key)
                    return kept[key]
            result = make(draw, *args)
            with lock:
                kept[key] = result
                while len(kept) > keep:
                    kept.popitem(last=False)
            return result

        return remembered

    return remember if make is None else remember(make)
