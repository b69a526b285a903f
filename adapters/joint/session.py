"""The loop of JOINT over one video: each object is tracked alone, and their scores meet once per frame."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.torch_adapter import TorchSession

from .network import JOINT, Seen
from .regions import Window, cut
from .tracker import Settings, Tracker

EPS = 1e-7
GIVEN = 200.0
"""Distance of the scores of pixels inside and outside a given mask."""


class JointSession(TorchSession):
    """One video. Objects may begin on any frame; frames count from there for each of them."""

    def __init__(
        self,
        network: JOINT,
        settings: Settings,
        device: str = "cpu",
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.network, self.settings, self.device = network, settings, device
        self.trackers: list[Tracker] = []
        self.probabilities = torch.empty(0)
        """Of the last frame, (1 + k) x H x W."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame."""
        image = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).to(self.device)
        looked: dict[Window, Seen] = {}

        def look(part: Window) -> Seen:
            """Regions of several objects that are equal are seen once."""
            if part not in looked:
                looked[part] = self.network.look(cut(image, part, self.settings.region))
            return looked[part]

        before = self.probabilities[1:]
        scores = [tracker.track(image, q, look) for tracker, q in zip(self.trackers, before)]
        new = [] if prompt is None else self.ids.add(prompt)
        for number in new:
            assert prompt is not None
            given = prompt == number
            scores.append((torch.from_numpy(given).to(self.device).float() - 0.5) * GIVEN)
            self.trackers.append(Tracker(self.network, self.settings, image, given))
            if not given.any(0).sum() > 1 or not given.any(1).sum() > 1:
                self.warn(
                    f"object {number} is a single row or column on its first frame, for which the authors' code has no "
                    "search region; its sides are taken as at least one pixel"
                )
        self.probabilities, best = merged(torch.stack(scores))
        labels = self.ids.to_original(best.cpu().numpy())
        return np.where(np.isin(prompt, new), prompt, labels) if prompt is not None and new else labels


def merged(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Scores k x H x W of all objects -> probabilities (1 + k) x H x W, and the best channel of each pixel, H x W."""
    background = torch.prod(1 - torch.sigmoid(scores), 0, keepdim=True).clamp(EPS, 1 - EPS)
    probabilities = torch.softmax(torch.cat([torch.log(background / (1 - background)), scores]), 0)
    return probabilities, strongest(probabilities)
