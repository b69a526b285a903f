"""CoVOS's two networks: a light encoder of pictures, and the propagator that corrects warped masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from robust_vos_bench.models.untrained import Untrained

from ..encoders.resnet import Bottleneck, stage

SLOTS = 11
"""Channels of the propagator's masks: the background and ten objects."""


class LightEncoder(nn.Module):
    """The first quarter of a ResNet-50, with the official names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.res2 = stage(Bottleneck, 64, 64, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Normalised RGB, N x 3 x H x W -> N x 256 x H/4 x W/4."""
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)
        out: Tensor = self.res2(F.max_pool2d(x, 3, 2, 1))
        return out


class PreActivated(nn.Module):
    """x + conv2(relu(conv1(relu(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """N x width x H x W, the same shape."""
        out: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return out


class CoVOSNetwork(nn.Module):
    """Light encoder and propagator; the latter's tensors stand at the root, as in the official file but its prefix."""

    def __init__(self) -> None:
        super().__init__()
        self.light_encoder = LightEncoder()
        self.feat_transform = nn.Conv2d(256, 64, 1)
        self.feat_warp_transform = nn.Conv2d(256, 64, 1)
        self.conv_res = nn.Sequential(
            nn.Conv2d(256 + 3 * SLOTS, 128, 3, padding=1, bias=False),
            nn.Conv2d(128, 64, 3, padding=1, bias=False),  # officially without an activation between
            *(PreActivated(64) for _ in range(3)),
        )
        self.classifier = nn.Sequential(nn.Conv2d(64, SLOTS, 1))

    def encode(self, image: Tensor) -> Tensor:
        """Features of a picture: 1 x 3 x H x W -> 256 x H/4 x W/4."""
        features: Tensor = self.light_encoder(image)
        return features[0]

    def likeness(self, now: Tensor, warped: Tensor) -> Tensor:
        """How far to trust warped masks at each cell: 1 x h x w in 0..1. now, warped: features, 256 x h x w."""
        products = self.feat_transform(now[None]) * self.feat_warp_transform(warped[None])
        return torch.sigmoid(products.sum(1))

    def propagate(self, now: Tensor, trust: Tensor, warped: Tensor, patched: Tensor) -> Tensor:
        """Logits of the objects. warped, patched: (1 + n) x h x w aggregated, n <= 10. Returns n x h x w.

        Channel 0 of the input is the background, channel 0 of the output the first object: as official.
        """
        objects = len(warped) - 1
        p, q = (F.pad(masks, (0, 0, 0, 0, 0, SLOTS - 1 - objects)) for masks in (warped, patched))
        x = torch.cat([p, p * trust, now, q])[None]
        logits: Tensor = self.classifier(self.conv_res(x))[0, :objects]
        return logits


def _masks_seen(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Larger weights on the channels that see masks, beside 256 channels of features."""
    if name == "conv_res.0.weight":
        for channels in (slice(None, 2 * SLOTS), slice(2 * SLOTS + 256, None)):
            values[:, channels] *= 64
    return values


UNTRAINED = Untrained(scales={"running_mean": (0, 0.05)}, kept=frozenset({"num_batches_tracked"}), adjusted=_masks_seen)

UNUSED = ("layer2.", "layer3.")
"""What else the file of the light encoder holds: stages that no part of CoVOS runs."""


def groups(objects: int) -> Sequence[slice]:
    """Objects by tens, as many as the propagator holds at a time."""
    return [slice(start, min(start + SLOTS - 1, objects)) for start in range(0, objects, SLOTS - 1)]
