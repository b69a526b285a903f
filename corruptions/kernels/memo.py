"""Layers that are the same on every frame of a video are made once, not once a frame."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from robust_vos_bench.conditions.draw import Draw

_Layer = TypeVar("_Layer")
_KEEP = 4
_layers: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
_lock = Lock()


def video_layer(draw: Draw, make: Callable[[], _Layer], *facts: object) -> _Layer:
    """`make()`, remembered for the last few videos unless the draw is fresh on every frame.

    facts: all that the layer depends on beside the video's draw (size, parameters at the severity of this frame).
    Callers must not write to the result.
    """
    if draw.temporal == "frame":
        return make()
    key = (draw.corruption, draw.version, draw.severity, draw.seed, draw.dataset, draw.video, draw.temporal, *facts)
    with _lock:
        if key in _layers:
            _layers.move_to_end(key)
            layer: _Layer = _layers[key]
            return layer
    layer = make()
    with _lock:
        _layers[key] = layer
        while len(_layers) > _KEEP:
            _layers.popitem(last=False)
    return layer
