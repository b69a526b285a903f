"""Recorded runs of the official code on the `camel` clip, and the same runs through the adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from robust_vos_bench.adapters.aoc.clustering import Clusters
from robust_vos_bench.adapters.aoc.memory import UNCERTAIN
from robust_vos_bench.adapters.aoc.model import RPCM
from robust_vos_bench.adapters.aoc.proxies import ProxyBank
from robust_vos_bench.datasets.video import Mask, Video

LONG_EDGE = 428
"""`--max_long_edge` of the recorded runs: 480 x 854 becomes 241 x 433."""

Golden = dict[str, np.ndarray]


def golden(shared: Path, name: str) -> Golden:
    """The arrays of one golden file."""
    with np.load(shared / "models" / "aoc" / "golden" / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def clip(shared: Path, scene: str, frames: int) -> Video:
    """The first frames of `camel` with the masks of a scene (single, multi3, late)."""
    masks = golden(shared, "masks")
    prompts = {0: masks["late_f0"], 3: masks["late_f3"]} if scene == "late" else {0: masks[scene]}
    folder = shared / "models" / "frames" / "JPEGImages" / "480p" / "camel"
    images = [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.jpg"))[:frames]]
    return Video.from_arrays(images, {t: m.astype(np.uint8) for t, m in prompts.items() if t < frames}, name=scene)


def play(adapter: RPCM, video: Video) -> list[Mask]:
    """Segment a video with the adapter itself, so that its state can be looked at (`segment` works on a copy)."""
    adapter.reset(video)
    last = len(video) - 1
    return [adapter.step(frame, video.prompts.get(t), t == last) for t, frame in enumerate(video.frames)]


@dataclass
class Predicted:
    """What an adapter computed for one frame."""

    probabilities: torch.Tensor
    labels: np.ndarray
    remembered: np.ndarray | None
    logits: torch.Tensor
    references: int


@dataclass
class Replay:
    """Runs an adapter over a video and keeps what it predicts, by frame.

    forced: recorded labels (T - 1, H, W) that are fed back in place of the predictions.
    clusters: recorded clusterings that stand in for k-means.
    """

    adapter: RPCM
    forced: np.ndarray | None = None
    clusters: Golden | None = None
    frames: dict[int, Predicted] = field(default_factory=dict)

    def run(self, video: Video) -> Replay:
        """Segment `video`; the adapter is left as it was."""
        adapter: Any = self.adapter
        decide, network_forward = adapter.decide, adapter.network.forward
        logits: list[torch.Tensor] = []

        def forward(*arguments: Any) -> Any:
            result = network_forward(*arguments)
            logits.append(result[0])
            return result

        def decided(probabilities: torch.Tensor, given: torch.Tensor | None) -> Any:
            references = adapter.reference.frames
            labels, remembered = decide(probabilities, given)
            t = adapter.time
            if self.forced is not None:
                recorded = torch.from_numpy(self.forced[t - 1]).long()
                if remembered is not None:
                    remembered = torch.where(remembered == UNCERTAIN, remembered, recorded)
                own, labels = labels, recorded
            else:
                own = labels
            kept = None if remembered is None else remembered.numpy()
            self.frames[t] = Predicted(probabilities, own.numpy(), kept, logits[-1], references)
            return labels, remembered

        adapter.decide, adapter.network.forward = decided, forward
        if self.clusters is not None:
            adapter.proxy_bank = lambda: ProxyBank(cluster=self.recorded_clusters())
        try:
            play(adapter, video)
        finally:
            del adapter.decide, adapter.network.forward
            adapter.__dict__.pop("proxy_bank", None)
        return self

    def recorded_clusters(self) -> Callable[[np.ndarray, int, int], Clusters]:
        """Clusterings as recorded at the frame in hand; the rows must be as many as there were."""
        recorded = self.clusters
        assert recorded is not None

        def cluster(rows: np.ndarray, count: int, slot: int) -> Clusters:
            key = f"km_t{self.adapter.time}_o{slot}"
            assert recorded[f"{key}_n"].tolist() == [len(rows), count]
            return Clusters(recorded[f"{key}_centroid"], recorded[f"{key}_label"].astype(np.int32))

        return cluster
