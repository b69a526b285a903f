"""Scenes -> frames and exact masks, made once per process and kept for the clips used last."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.demo import render
from robust_vos_bench.datasets.demo.outlines import OUTLINES, cutout
from robust_vos_bench.datasets.demo.photographs import PIXELS, photograph
from robust_vos_bench.datasets.demo.scenes import SCENES, Scene, Thing

VERSION = 1
"""Raised when any pixel of any clip changes; part of every fingerprint."""

VARIANTS = {"": (None, None), "full": (240, 24), "480p": (480, 24)}
"""Variant -> (rows, frames); None: the scene's own small size."""


SMALL_SPAN = (0.1, 0.8)
"""The part of each scene that the small, short version shows, so that nothing jumps too far from frame to frame."""


@dataclass(frozen=True)
class Clip:
    """A rendered scene; the arrays are read-only."""

    frames: NDArray[np.uint8]
    """RGB, T x H x W x 3."""
    masks: NDArray[np.uint8]
    """Object ids, T x H x W: which labelled thing is in front; things that only pass by are 0."""


def clip_names(variant: str) -> tuple[str, ...]:
    """Names of the clips of one variant, in order."""
    return tuple(scene.name for scene in SCENES if scene.small or variant)


def clip_shape(name: str, variant: str) -> tuple[int, int, int]:
    """(T, H, W) of a clip without making it."""
    scene = _scene(name)
    rows, frames = VARIANTS[variant]
    rows, frames = rows or scene.rows, frames or scene.frames
    return frames, rows, -(-rows * 8 // 9) * 2


def clip_fingerprint(name: str, variant: str) -> str:
    """Hex digest of everything that a clip is made from."""
    scene = _scene(name)
    outlines = [OUTLINES.get(thing.cutout) for thing in scene.things]
    recipe = (VERSION, variant, SMALL_SPAN, clip_shape(name, variant), scene, outlines, sorted(PIXELS.items()))
    return hashlib.sha256(repr(recipe).encode()).hexdigest()


@lru_cache(maxsize=8)
def clip(name: str, variant: str = "") -> Clip:
    """Make one clip: under a second for the small ones."""
    scene = _scene(name)
    count, rows, columns = clip_shape(name, variant)
    start, stop = (0.0, 1.0) if variant else SMALL_SPAN
    frames = np.empty((count, rows, columns, 3), np.uint8)
    masks = np.zeros((count, rows, columns), np.uint8)
    wall = _shrunk(_tinted(photograph(scene.photograph), scene.tint), rows * scene.camera[0].height)
    background = render.pack(wall)
    layers = [render.pack(_layer(thing, rows)) for thing in scene.things]
    for t in range(count):
        time = start + (stop - start) * t / (count - 1)
        frames[t], masks[t] = _draw(scene, background, layers, time, (rows, columns))
        frames[t] = render.grain(_lit(frames[t], scene.light, time), seed=_seed(name, t), strength=scene.grain)
    frames.setflags(write=False)
    masks.setflags(write=False)
    return Clip(frames, masks)


def _draw(
    scene: Scene,
    background: render.Picture,
    layers: list[render.Picture],
    time: float,
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    camera = render.pose(render.interpolate(scene.camera, time), background.rows, size[0])
    frame = np.ascontiguousarray(render.sample(background, camera, (0, size[0], 0, size[1]))[..., :3])
    mask = np.zeros(size, np.uint8)
    for thing, layer in zip(scene.things, layers):
        if time < thing.enters:
            continue
        at = render.pose(render.interpolate(thing.keys, time), layer.rows, size[0])
        amplitude, waves, periods = thing.bend
        bend = render.sway(layer.rows, amplitude, waves, periods * time)
        margin = int(amplitude * layer.rows) + 1
        box = render.reach(at, (layer.rows, layer.columns), size, margin)
        if box[0] >= box[1] or box[2] >= box[3]:
            continue
        drop = size[0] // 40
        low = (min(box[0] + drop, size[0]), min(box[1] + drop, size[0]), box[2], box[3])
        drawn = render.sample(layer, at, box, bend)
        render.shade(frame, drawn[: low[1] - low[0], :, 3], low)
        render.paint(frame, drawn, box, _between(thing.gain, time))
        visible = mask[box[0] : box[1], box[2] : box[3]]
        visible[drawn[..., 3] >= 128] = thing.object_id
    return frame, mask


def _layer(thing: Thing, rows: int) -> NDArray[np.uint8]:
    pixels, cover = cutout(thing.cutout)
    rgba = np.dstack([_tinted(pixels, thing.tint), cover])
    # A border of nothing keeps bilinear edges soft where the outline touches the photograph's rim.
    rgba = np.pad(rgba, ((4, 4), (4, 4), (0, 0)), mode="edge")
    rgba[:4, :, 3] = rgba[-4:, :, 3] = 0
    rgba[:, :4, 3] = rgba[:, -4:, 3] = 0
    return _shrunk(rgba, rows * max(key.height for key in thing.keys))


def _shrunk(image: NDArray[np.uint8], rows: float) -> NDArray[np.uint8]:
    """Halved until it is less than twice `rows` high, so that bilinear sampling does not alias."""
    while image.shape[0] >= 2 * rows:
        image = render.halve(image)
    return image


def _tinted(pixels: NDArray[np.uint8], tint: tuple[int, int, int]) -> NDArray[np.uint8]:
    if tint == (256, 256, 256):
        return pixels
    return np.asarray(np.minimum(pixels.astype(np.int32) * np.array(tint, np.int32) >> 8, 255), np.uint8)


def _lit(frame: NDArray[np.uint8], light: tuple[int, ...], time: float) -> NDArray[np.uint8]:
    return np.asarray(np.minimum(frame.astype(np.int32) * _between(light, time) >> 8, 255), np.uint8)


def _between(values: tuple[int, ...], time: float) -> int:
    if len(values) == 1:
        return values[0]
    place = time * (len(values) - 1)
    i = min(int(place), len(values) - 2)
    return round(values[i] + (values[i + 1] - values[i]) * (place - i))


def _scene(name: str) -> Scene:
    return next(scene for scene in SCENES if scene.name == name)


def _seed(name: str, frame: int) -> int:
    return int.from_bytes(hashlib.sha256(f"demo grain {name} {frame}".encode()).digest()[:8], "little")
