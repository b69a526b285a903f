"""A network over a clip in closed loop: what it predicted for one frame is what it knows at the next."""

from __future__ import annotations

from collections.abc import Callable, Container

import torch
from torch import Tensor

from training.clips import Clips
from training.losses import only_valid
from training.ours import Level, LiteNetwork, full, level, set_levels, strongest

Step = Callable[[Tensor, int], None]
"""Called with the logits at full size (B x slots x S x S) and the number of every predicted frame."""
Altered = Callable[[Tensor], Tensor]
"""Called with predicted labels (B x S x S); what it returns is remembered in their place."""


def roll_out(
    network: LiteNetwork,
    clips: Clips,
    seen: Step,
    truth_fed: bool = False,
    references: Container[int] = (),
    identities: Tensor | None = None,
    altered: Altered | None = None,
    limit: int | None = None,
    levelled: bool = False,
) -> None:
    """Segment frames 1.. of the clips from the labels of frame 0.

    truth_fed: remember the true labels of every frame instead of the predicted ones (the first steps of training).
    references: predicted frames that are also kept as references, by networks that do so. identities: B x slots,
    under which networks that tell objects apart by identities shall know them. altered: what becomes of predicted
    labels before they are remembered. limit: references kept at most. levelled: every frame gets the levels of frame 0.
    """
    batch, length, _, side, _ = clips.frames.shape
    together = clips.frames.transpose(0, 1).flatten(0, 1)
    maps = network.trunk(together)
    if levelled:
        first = [level(m[:batch]) for m in maps]
        maps = set_levels(maps, [Level(*(x.repeat(length, 1, 1, 1) for x in wanted)) for wanted in first])
    features = network.describe(maps)
    memory = network.memory(limit)
    if identities is not None:
        network.disguise(memory, identities)
    for t in range(length):
        current = network.part(features, slice(t * batch, (t + 1) * batch))
        labels = clips.labels[:, t]
        if t:
            logits = only_valid(full(network.segment(current, memory, clips.slots), (side, side)), clips.valid)
            seen(logits, t)
            if not truth_fed:
                labels = strongest(logits.detach(), 1)
                labels = labels if altered is None else altered(labels)
        if t < length - 1:
            keep = t in references and network.keeps_predictions
            network.remember(current, memory, labels, clips.slots, keep, t == 0)


@torch.no_grad()
def closed_loop_jaccard(network: LiteNetwork, clips: Clips, levelled: bool = False) -> list[float]:
    """J of every object that is asked for, its mean over the frames after the first on which it is to be seen."""
    sums, counts = torch.zeros(2, *clips.valid.shape)

    def seen(logits: Tensor, t: int) -> None:
        _add_jaccard(strongest(logits, 1), clips.labels[:, t], sums, counts)

    roll_out(network, clips, seen, levelled=levelled)
    return _means(sums, counts, clips.valid)


@torch.no_grad()
def jaccard_by_frame(network: LiteNetwork, clips: Clips, gap: int, limit: int) -> list[list[float]]:
    """J of the objects to be seen in each frame after the first; every `gap`-th is a reference, `limit` in all."""
    found: list[list[float]] = []

    def seen(logits: Tensor, t: int) -> None:
        sums, counts = torch.zeros(2, *clips.valid.shape)
        _add_jaccard(strongest(logits, 1), clips.labels[:, t], sums, counts)
        found.append(_means(sums, counts, clips.valid))

    roll_out(network, clips, seen, references=range(gap, clips.labels.shape[1], gap), limit=limit)
    return found


def static_jaccard(clips: Clips) -> list[float]:
    """The same for a model that repeats the first mask."""
    sums, counts = torch.zeros(2, *clips.valid.shape)
    for t in range(1, clips.labels.shape[1]):
        _add_jaccard(clips.labels[:, 0], clips.labels[:, t], sums, counts)
    return _means(sums, counts, clips.valid)


def _add_jaccard(found: Tensor, truth: Tensor, sums: Tensor, counts: Tensor) -> None:
    for slot in range(1, sums.shape[1]):
        mine, theirs = found == slot, truth == slot
        there = theirs.any(-1).any(-1).cpu()
        both, either = (mine & theirs).sum((1, 2)), (mine | theirs).sum((1, 2))
        sums[:, slot] += torch.where(there, (both / either.clamp_min(1)).cpu(), 0.0)
        counts[:, slot] += there


def _means(sums: Tensor, counts: Tensor, valid: Tensor) -> list[float]:
    wanted = valid.cpu() & (counts > 0)
    wanted[:, 0] = False
    return [float(v) for v in (sums / counts.clamp_min(1))[wanted]]
