"""The loop over one video: every object is scored by its model and refined, all are merged, and models learn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.torch_adapter import TorchSession

from . import merging
from .augmentation import ROUNDS, augmented
from .network import FRTM, tensor_of
from .placements import KEPT, TRIED
from .target import Fitting, Target

Draws = Callable[[int], tuple[np.random.RandomState, torch.Generator]]
"""Original id of an object -> what its samples and its first weights are drawn from."""


@dataclass(frozen=True)
class Rules:
    """What the authors' two programs do differently, and what can be set right."""

    fill: bool = True
    """The hole behind a moved object is painted over; else grey."""
    direct: bool = False
    """The refiner enlarges straight to the size of the frame."""
    raw: bool = False
    """Labels come from the objects' own probabilities, before they were merged once."""
    corrected: bool = False
    """Placements are made in fours, and a label is the id of its object."""


class FRTMSession(TorchSession):
    """One video."""

    def __init__(
        self,
        network: FRTM,
        draws: Draws,
        fitting: Fitting,
        rules: Rules,
        device: str = "cpu",
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.network, self.draws, self.fitting, self.rules = network, draws, fitting, rules
        self.device = device
        self.targets: list[Target] = []
        """In order of appearance, as in `ids`."""
        self.found = torch.empty(0)
        """Of the last frame, k x H x W, of objects that appeared before it."""
        self.masks = torch.empty(0)
        """Of the last frame, k x H x W: the share of each object where it is the largest."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame."""
        image = torch.from_numpy(np.array(frame)).to(self.device)[None]
        earlier = len(self.targets)
        features = self.network.feature_extractor(tensor_of(image), 5 if earlier else 4)
        projected, found = self.tracked(features, (frame.shape[0], frame.shape[1]))
        new = [] if prompt is None else self.ids.add(prompt)
        if prompt is not None and new:
            given = np.stack([(prompt == i).astype(np.uint8) for i in new])
            for i, mask in zip(new, given):
                self.targets.append(self.begun(i, frame, mask, features["layer4"]))
            starting = torch.from_numpy(given).to(self.device).float()
            found = torch.cat([found * (1 - starting.amax(0)), starting])
        merged = merging.shares(found)
        self.masks = merging.winners(merged)
        if not last:
            for target, x, mask in zip(self.targets[:earlier], projected, self.masks):
                target.learn(x, mask)
        if prompt is not None and not earlier:
            return np.where(np.isin(prompt, new), prompt, np.uint8(0))
        labels = strongest(merged) if self.rules.raw else merging.labels(self.masks)
        mask = self.named(labels.cpu().numpy())
        return np.where(np.isin(prompt, new), prompt, mask) if prompt is not None and new else mask

    def tracked(self, features: dict[str, Tensor], size: tuple[int, int]) -> tuple[list[Tensor], Tensor]:
        """For each object so far its projected features, 96 x h x w; and their probabilities, k x H x W."""
        projected, logits = [], []
        reduced = self.network.refiner.reduced(features) if self.targets else {}
        for target in self.targets:
            with self.full_precision():
                x, scores = target.scores(features["layer4"].float())
            target.seen += 1
            projected.append(x)
            logits.append(self.network.refiner.logits(scores, reduced, size, self.rules.direct).float())
        self.found = torch.stack(logits) if logits else torch.empty((0, *size), device=self.device)
        return projected, torch.sigmoid(self.found)

    def begun(self, i: int, frame: Frame, mask: NDArray[np.uint8], given: Tensor) -> Target:
        """The model of a new object. given: features of the frame itself, 1 x C x h x w."""
        random, generator = self.draws(i)
        samples = augmented(
            np.ascontiguousarray(frame), mask, random, KEPT if self.rules.corrected else TRIED, self.rules.fill
        )
        if samples.warped < KEPT:
            self.warn(
                f"object {i}: {ROUNDS} rounds of placements gave {samples.warped} frames that show it, not {KEPT}; the "
                "given frame stands in for the others"
            )
        maps = [given]
        for image in samples.images[1 : 1 + samples.warped]:  # one at a time: less memory, and no slower
            pixels = tensor_of(torch.from_numpy(image).to(self.device)[None])
            maps.append(self.network.feature_extractor(pixels, 4)["layer4"])
        maps += [given] * (KEPT - samples.warped)
        with self.full_precision():
            features = torch.cat(maps).float()
            return Target.begun(features, torch.from_numpy(samples.masks).to(self.device), generator, self.fitting)

    def named(self, labels: NDArray[np.int64]) -> Mask:
        """Objects by number, in order of appearance -> ids.

        The official code looks the number up among the ids in ascending order: where an object with a smaller id comes
        later, those after it carry each other's ids. It knows the ids of the whole video; here those so far count.
        """
        ids, table = self.ids.ids, np.zeros(len(self.ids) + 1, np.uint8)
        table[1:] = ids if self.rules.corrected else sorted(ids)
        if not self.rules.corrected and ids != sorted(ids):
            self.warn(
                "objects appeared in another order than that of their ids, and the official code then mixes up their "
                "labels; so does this model unless corrected=true"
            )
        out: Mask = table[labels]
        return out

    def full_precision(self) -> torch.autocast:
        """Without autocast: the models' numbers span too much for half precision."""
        return torch.autocast(self.device.split(":")[0], enabled=False)
