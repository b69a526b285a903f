"""Runs of the official code, and ours fed with their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from recordings import Recording

from robust_vos_bench.adapters.aot.adapter import AOTAdapter, Session
from robust_vos_bench.adapters.aot.engine import Tracker
from robust_vos_bench.adapters.aot.sizes import SizeRule
from robust_vos_bench.adapters.aot.variants import VARIANTS
from robust_vos_bench.models import load_adapter

OFFICIAL = {name: variant.title.lower().replace("-", "_") for name, variant in VARIANTS.items()}
"""Our names -> the official config names."""
OURS = {official: name for name, official in OFFICIAL.items()}
PROMPTS = {
    "three": {0: "three"},
    "tta": {0: "three"},
    "thirteen": {0: "thirteen"},
    "newobj": {0: "newobj_0", 4: "newobj_4"},
    "grow": {0: "grow_0", 3: "grow_3"},
}
"""Clip -> frame -> mask in masks.npz."""


@dataclass(frozen=True)
class Golden(Recording):
    """One official run."""

    @classmethod
    def load(cls, folder: Path, name: str) -> Golden:
        run = Recording.read(folder / f"{name}.npz")
        return cls(run.arrays, run.meta)

    @property
    def labels(self) -> NDArray[np.uint8]:
        return self["labels"]

    def adapter(self, device: str = "cpu", **options: Any) -> AOTAdapter:
        """Our adapter with the run's weights and size."""
        adapter = load_adapter(OURS[self.meta["model"]], "random", device, **options)
        assert isinstance(adapter, AOTAdapter)
        if self.meta["short"]:
            adapter.size_rule = SizeRule(float(self.meta["short"]), 1040.0)
        return adapter

    def prompts(self, folder: Path) -> dict[int, NDArray[np.uint8]]:
        masks = Recording.read(folder / "masks.npz")
        return {t: masks[name] for t, name in PROMPTS[self.meta["case"]].items()}


def camel(golden_frames: Path, t: int) -> NDArray[np.uint8]:
    """Frame t of the clip all runs use, RGB, decoded as the official loader does."""
    (path,) = golden_frames.rglob(f"camel/{t:05d}.jpg")

    image = cv2.imread(str(path))
    assert image is not None
    return np.ascontiguousarray(image[:, :, ::-1])


@dataclass(frozen=True)
class Decoded:
    """One view of one frame when its logits were computed."""

    low: NDArray[np.float32]
    """All engines' logits, low resolution."""
    objects: list[int]
    memory_frames: list[int]


class Forced(Session):
    """A session that remembers the official labels instead of its own, so that one flipped pixel stays one."""

    def __init__(self, adapter: AOTAdapter, labels: NDArray[np.uint8]) -> None:
        super().__init__(adapter)
        self.official, self.t = labels, -1

    def step(self, frame: NDArray[np.uint8], prompt: NDArray[np.uint8] | None, last: bool) -> NDArray[np.uint8]:
        self.t += 1
        return super().step(frame, prompt, last)

    def _official(self, labels: list[torch.Tensor]) -> list[torch.Tensor]:
        if self.t == 0:
            return labels
        forced = torch.from_numpy(self.official[self.t - 1]).to(labels[0].device)[None, None]
        return [forced] * len(labels)

    def _refer(self, labels: list[torch.Tensor]) -> None:
        super()._refer(self._official(labels))

    def _remember(self, labels: list[torch.Tensor]) -> None:
        super()._remember(self._official(labels))


def replay(
    golden: Golden,
    folder: Path,
    golden_frames: Path,
    frames: int | None = None,
    device: str = "cpu",
    forced: bool = True,
    watch: Callable[[int, Session], None] | None = None,
    prepare: Callable[[Session], None] | None = None,
    **options: Any,
) -> list[tuple[NDArray[np.uint8], list[Decoded]]]:
    """(dense labels, what each view was decoded from) of frames 1, 2, ... of an official run."""
    adapter = golden.adapter(device, **options)
    session = Forced(adapter, golden.labels) if forced else Session(adapter)
    prompts = golden.prompts(folder)
    decoded: list[Decoded] = []
    for tracker in session.trackers:
        tracker.low_logits = _recorded(tracker, decoded)  # type: ignore[method-assign]
    if prepare is not None:
        prepare(session)
    results = []
    for t in range(1 + (frames or len(golden.labels))):
        decoded.clear()
        mask = session.step(camel(golden_frames, t), prompts.get(t), False)
        if t:
            results.append((session.ids.to_dense(mask), list(decoded)))
        if watch is not None:
            watch(t, session)
    return results


def _recorded(tracker: Tracker, into: list[Decoded]) -> Callable[[], list[torch.Tensor]]:
    compute = tracker.low_logits

    def wrapped() -> list[torch.Tensor]:
        logits = compute()
        array = torch.cat([each[0] for each in logits]).float().cpu().numpy()
        engines = tracker.engines
        into.append(Decoded(array, [engine.objects for engine in engines], [len(engine.bank) for engine in engines]))
        return logits

    return wrapped
