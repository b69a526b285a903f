"""The samples that an object's filter is fitted to: those of the first frame, then frames that show the object."""

from __future__ import annotations

import torch
from torch import Tensor

from .errors_on_grid import Errors

_RATE = 0.1
"""Weight of the first sample that is added; later ones weigh more, by 1 / (1 - rate) each."""


class Remembered:
    """At most `slots` samples: projected features, errors on their grid, and weights that sum to 1.

    A new sample takes the place of the one with the least weight. The first frame is not protected (as official).
    """

    def __init__(self, slots: int, features: Tensor, errors: Errors) -> None:
        """features: n x 96 x h x w of the first samples, the given frame first, which weighs twice as much."""
        count = len(features)
        if count > slots:
            raise ValueError(f"{count} samples do not fit into {slots} slots")
        first = torch.ones(count)
        first[0] = 2
        self.weights = torch.zeros(slots)
        """Of all slots, float32; those of free ones are 0."""
        self.weights[:count] = first / first.sum()
        self.features = [each.clone() for each in features.float()]
        """By slot, 96 x h x w float32."""
        self.errors = [
            Errors(*(part[i : i + 1] for part in (errors.coupled, errors.pulled, errors.constant)))
            for i in range(count)
        ]
        self.latest: int | None = None
        """Slot of the sample that was added last."""

    def add(self, features: Tensor, errors: Errors) -> int:
        """Remember one more sample (features: 96 x h x w) and return its slot."""
        slot = int(self.weights.argmin())
        if self.latest is None:
            self.weights /= 1 - _RATE
            weight = torch.tensor(_RATE)
        else:
            weight = self.weights[self.latest] / (1 - _RATE)
        self.weights[slot] = weight
        self.weights /= self.weights.sum()
        self.latest = slot
        if slot == len(self.features):
            self.features.append(features.float())
            self.errors.append(errors)
        else:
            self.features[slot], self.errors[slot] = features.float(), errors
        return slot

    def all(self) -> tuple[Tensor, Errors, Tensor]:
        """Features n x 96 x h x w, errors and weights of the used slots."""
        count = len(self.features)
        return torch.stack(self.features), Errors.joined(self.errors), self.weights[:count]
