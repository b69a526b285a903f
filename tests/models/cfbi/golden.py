"""Teacher-forced runs of the published goldens (official code, deterministic weights, DAVIS `camel`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from recordings import Recording, camel

from robust_vos_bench.adapters.cfbi.model import CFBIAdapter, matching_options
from robust_vos_bench.adapters.cfbi.protocol import Inputs, Session
from robust_vos_bench.datasets.video import Video

VARIANTS = {"cfbi_resnet101": "cfbi", "cfbip_resnet101": "plus", "cfbi_mobilenetv2": "mobilenetv2"}


@dataclass
class Golden:
    """One file: recorded arrays, what made it, and the clip."""

    arrays: dict[str, np.ndarray]
    variant: str
    options: dict[str, Any]
    video: Video


def load(shared: Path, davis: Path, name: str) -> Golden:
    """A golden by file stem, or a skip where it is not there."""
    path = shared / "models" / "cfbi" / "golden" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no golden {path.name}")
    run = Recording.read(path)
    return Golden(
        run.arrays,
        VARIANTS[run.meta["variant"]],
        _options(run.meta["argv"][3:]),
        clip(davis, run.meta["scene"], len(run["labels"]) + 1),
    )


def _options(flags: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    i = 0
    while i < len(flags):
        flag = flags[i]
        values = []
        i += 1
        while i < len(flags) and not flags[i].startswith("--"):
            values.append(flags[i])
            i += 1
        if flag == "--max_long_edge":
            options["max_edge"] = int(values[0])
        elif flag == "--global_atrous_rate":
            options["rate"] = int(values[0])
        elif flag == "--min_matching_pixels":
            options["min_pixels"] = int(values[0])
        elif flag == "--float16":
            options["half"] = True
        elif flag == "--flip":
            options["flip"] = True
        elif flag == "--ms":
            options["scales"] = tuple(float(value) for value in values)
        else:
            assert flag in ("--frames", "--level", "--prob_stride", "--full_prob_frames"), flag
    return options


def clip(davis: Path, scene: str, frames: int) -> Video:
    """The first frames of `camel` with the prompts of a scene."""
    images = camel(davis, frames)
    mask = np.asarray(Image.open(davis / "Annotations" / "480p" / "camel" / "00000.png")) > 0
    single = mask.astype(np.uint8)
    if scene == "single":
        return Video.from_arrays(images, single)
    if scene == "late":
        late = np.zeros_like(single)
        late[40:200, 40:200] = 2
        return Video.from_arrays(images, {0: single, 3: late})
    assert scene == "three", scene
    rows, columns = np.nonzero(mask)
    cx, cy = (columns.min() + columns.max() + 1) // 2, (rows.min() + rows.max() + 1) // 2
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    three = np.where(x < cx, 1, np.where(y < cy, 2, 3)).astype(np.uint8) * single
    return Video.from_arrays(images, three)


@lru_cache(maxsize=3)
def adapter(variant: str) -> CFBIAdapter:
    """A variant with recipe weights; building one takes seconds, so they are kept."""
    return CFBIAdapter("random", variant=variant)


def session(golden: Golden) -> Session:
    """A state for the golden's video with its options, on the cached network."""
    return session_of(adapter(golden.variant), golden.video, **golden.options)


def session_of(model: CFBIAdapter, video: Video, **options: Any) -> Session:
    """A state with other options than the adapter's: those of `Inputs` and of `matching_options`."""
    inputs = Inputs(**{name: options.pop(name) for name in ("scales", "flip", "max_edge") if name in options})
    return Session(model.network, video, inputs, matching_options(**options))


@dataclass
class Step:
    """One compared frame."""

    t: int
    logits: list[np.ndarray]
    probabilities: np.ndarray
    labels: np.ndarray


def forced(golden: Golden, limit: int | None = None) -> Iterator[Step]:
    """Run the golden's clip; after every frame the golden label map is committed instead of ours."""
    state = session(golden)
    total = len(golden.video) if limit is None else min(limit, len(golden.video))
    with torch.no_grad():
        for t, frame in zip(range(total), golden.video.frames):
            prompt = golden.video.prompts.get(t)
            given = None if prompt is None else state.to_slots(prompt)
            if t == 0:
                state.embed(state.image(frame))
                state.commit(given, given)
                continue
            logits = state.predict(state.image(frame))
            probabilities = state.probabilities(state.enlarged(logits))
            labels = probabilities.argmax(0).to(torch.uint8)
            if given is not None:
                labels = torch.where(given > 0, given, labels)
            yield Step(t, [values.numpy() for values in logits], probabilities.numpy(), labels.numpy())
            state.commit(torch.from_numpy(golden.arrays["labels"][t - 1]), given)
