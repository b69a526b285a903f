"""The loss of one predicted frame: cross entropy over the hardest pixels, and the soft Jaccard index of each object."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

HARDEST = 0.25
"""Share of the pixels that count, once training has settled."""
ABSENT = -1e4
"""Logit of a slot that no object holds."""


def only_valid(logits: Tensor, valid: Tensor) -> Tensor:
    """Logits B x slots x H x W with those of invalid slots (bool B x slots) made too low to win."""
    return logits.masked_fill(~valid[:, :, None, None], ABSENT)


def frame_loss(logits: Tensor, labels: Tensor, valid: Tensor, hardest: float = HARDEST) -> Tensor:
    """Mean loss of a batch; logits float32 B x slots x H x W (invalid slots are too low to win), labels B x H x W."""
    pixels = F.cross_entropy(logits, labels, reduction="none").flatten(1)
    kept = max(1, int(hardest * pixels.shape[1]))
    entropy = pixels.mean() if kept == pixels.shape[1] else pixels.topk(kept, 1, sorted=False).values.mean()
    chance = torch.softmax(logits, 1)[:, 1:].flatten(2)
    wanted = torch.arange(1, logits.shape[1], device=labels.device)[:, None]
    truth = (labels.flatten(1)[:, None] == wanted).to(chance.dtype)
    both = (chance * truth).sum(2)
    either = chance.sum(2) + truth.sum(2) - both
    counted = valid[:, 1:].to(chance.dtype)
    jaccard = ((1 - (both + 1) / (either + 1)) * counted).sum() / counted.sum().clamp_min(1)
    return entropy + jaccard
