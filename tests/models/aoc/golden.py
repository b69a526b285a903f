"""Recorded runs of the official code on the `camel` clip, and the same runs through the adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recordings import Recording, camel, steps

from robust_vos_bench.adapters.aoc.clustering import Clusters
from robust_vos_bench.adapters.aoc.memory import UNCERTAIN
from robust_vos_bench.adapters.aoc.model import RPCM
from robust_vos_bench.adapters.aoc.proxies import ProxyBank
from robust_vos_bench.datasets.video import Video

LONG_EDGE = 428
"""`--max_long_edge` of the recorded runs: 480 x 854 becomes 241 x 433."""


def golden(shared: Path, name: str) -> Recording:
    """One golden file."""
    return Recording.read(shared / "models" / "aoc" / "golden" / f"{name}.npz")


def clip(shared: Path, scene: str, frames: int) -> Video:
    """The first frames of `camel` with the masks of a scene (single, multi3, late)."""
    masks = golden(shared, "masks")
    prompts = {0: masks["late_f0"], 3: masks["late_f3"]} if scene == "late" else {0: masks[scene]}
    images = camel(shared / "models" / "frames", frames)
    return Video.from_arrays(images, {t: m.astype(np.uint8) for t, m in prompts.items() if t < frames}, name=scene)


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
    clusters: Recording | None = None
    frames: dict[int, Predicted] = field(default_factory=dict)

    def run(self, video: Video) -> Replay:
        """Segment `video`; the adapter is left as it was."""
        network: Any = self.adapter.network
        self.session: Any = self.adapter.session(video)
        session, decide, network_forward = self.session, self.session.decide, network.forward
        logits: list[torch.Tensor] = []

        def forward(*arguments: Any) -> Any:
            result = network_forward(*arguments)
            logits.append(result[0])
            return result

        def decided(probabilities: torch.Tensor, given: torch.Tensor | None) -> Any:
            references = session.reference.frames
            labels, remembered = decide(probabilities, given)
            t = session.time
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

        session.decide, network.forward = decided, forward
        if self.clusters is not None:
            session.bank = ProxyBank(cluster=self.recorded_clusters())
        try:
            list(steps(session, video))
        finally:
            del network.forward
        return self

    def recorded_clusters(self) -> Callable[[np.ndarray, int, int], Clusters]:
        """Clusterings as recorded at the frame in hand; the rows must be as many as there were."""
        recorded = self.clusters
        assert recorded is not None

        def cluster(rows: np.ndarray, count: int, slot: int) -> Clusters:
            key = f"km_t{self.session.time}_o{slot}"
            assert recorded[f"{key}_n"].tolist() == [len(rows), count]
            return Clusters(recorded[f"{key}_centroid"], recorded[f"{key}_label"].astype(np.int32))

        return cluster
