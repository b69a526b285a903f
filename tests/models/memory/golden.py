"""Recorded runs of the official code, and the same runs through the adapters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from recordings import Recording, steps

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models import load_adapter

FRAMES = 8


@dataclass
class Played:
    """What an adapter made of the clip: labels T x H x W and, by frame, probabilities (1 + k) x H x W."""

    labels: np.ndarray
    probabilities: dict[int, np.ndarray]
    diagnostics: list[str]
    session: Any = None


def recorded(shared: Path, system: str, run: str) -> Recording:
    """The arrays and settings of one run."""
    return Recording.read(shared / "models" / "family" / "golden" / system / f"{run}.npz")


def recorded_alone(shared: Path, system: str, run: str) -> Recording:
    """One run of a system that has a folder of its own."""
    return Recording.read(shared / "models" / system / "golden" / f"{run}.npz")


def cut(shared: Path, golden: Recording, frames: int | None = None) -> Video:
    """The recorded clip in the order and the part that a run names, with the masks that it was given."""
    pictures = Recording.read(shared / "models" / "family" / "golden" / "inputs.npz")["frames"]
    case = golden.meta["case"]
    if "order" in case:
        top, bottom, left, right = *case["rows"], *case["cols"]
        pictures = pictures[case["order"], top:bottom, left:right]
    count = len(golden["labels"]) if frames is None else frames
    given = {int(key.removeprefix("mask_t")): mask for key, mask in golden.arrays.items() if key.startswith("mask_t")}
    return Video.from_arrays(list(pictures[:count]), {t: m for t, m in given.items() if t < count}, name="cut")


def clip(shared: Path, scene: str, frames: int = FRAMES) -> Video:
    """The recorded clip with the masks of a scene (single, multi3, late3), 238 x 427."""
    arrays = Recording.read(shared / "models" / "family" / "golden" / "inputs.npz").arrays
    if scene == "late3":
        prompts = {0: arrays["mask_late_t0"], 4: arrays["mask_late_t4"]}
    else:
        prompts = {0: arrays[f"mask_{scene}"]}
    masks = {t: np.asarray(mask).astype(np.uint8) for t, mask in prompts.items() if t < frames}
    return Video.from_arrays(list(arrays["frames"][:frames]), masks, name=scene)


def keys(shared: Path, system: str, folder: str = "family") -> dict[str, tuple[int, ...]]:
    """Names and shapes of the official state_dict."""
    found = json.loads((shared / "models" / folder / "keys" / f"{system}.json").read_text())
    return {name: tuple(shape) for name, shape in found.items()}


def play(model: str, video: Video, **options: Any) -> Played:
    """Segment a video with recipe weights at its own size, and keep every frame's probabilities."""
    adapter: Any = load_adapter(model, "random", "cpu", size=None, **options)
    session = adapter.session(video)
    labels, probabilities = [], {}
    for t, mask in enumerate(steps(session, video)):
        labels.append(mask)
        probabilities[t] = session.probabilities.numpy()
    return Played(np.stack(labels), probabilities, session.diagnostics, session)


def compare(played: Played, golden: Recording) -> dict[str, float]:
    """Largest differences: frame 1, whole clip's means, the last frame; and the rate of differing labels."""
    arrays = golden.arrays
    count = len(arrays["labels"])
    first = np.abs(played.probabilities[1][:, ::2, ::2] - arrays["prob_s2_f16_1"][: len(played.probabilities[1])]).max()
    means = 0.0
    for t in range(1, count):
        ours = played.probabilities[t].mean((1, 2))
        means = max(means, float(np.abs(ours - arrays["prob_mean"][t, : len(ours)]).max()))
    return {
        "first": float(first),
        "means": means,
        "last": float(np.abs(played.probabilities[count - 1] - arrays["prob_f32_7"]).max()),
        "labels": float((played.labels != arrays["labels"]).mean()),
    }


@dataclass
class Differences:
    """Of one frame: largest difference of a mean, rate of labels, and of the recorded probabilities where there are."""

    means: float
    labels: float
    largest: float = 0.0
    beyond: float = 0.0
    """Share of probabilities that differ by more than 1e-3."""


def differences(session: Any, mask: np.ndarray, golden: Recording, t: int) -> Differences:
    """What a session made of frame t, and what was recorded."""
    ours = session.probabilities.numpy()
    means = float(np.abs(ours.mean((1, 2)) - golden["prob_mean"][t, : len(ours)]).max())
    labels = float((mask != golden["labels"][t]).mean())
    for key, part in ((f"prob_f32_{t}", ours), (f"prob_s2_f16_{t}", ours[:, ::2, ::2])):
        if key in golden:
            apart = np.abs(part - golden[key][: len(ours)].astype(np.float32))
            return Differences(means, labels, float(apart.max()), float((apart > 1e-3).mean()))
    return Differences(means, labels)
