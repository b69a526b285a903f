"""Auto-PGD within a box (Croce and Hein, ICML 2020): steps by the sign of the gradient with momentum, and a step that
is halved where it brings nothing. No parameter is tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

RISING = 0.75
"""Share of the steps since the last checkpoint that must have raised the loss."""
MOMENTUM = 0.75


class Value(NamedTuple):
    """A point evaluated: its loss (raised by the search), the gradient there, and what the caller made of it."""

    loss: float
    gradient: Tensor


class Step(NamedTuple):
    """One evaluated point of a search."""

    point: Tensor
    value: Value


def checkpoints(steps: int) -> list[int]:
    """Numbers of steps after which the step size is looked at: 0.22 n, then shorter by 0.03 n, at least 0.06 n."""
    length, least, less = max(int(0.22 * steps), 1), max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)
    at, found = length, []
    while at <= steps:
        found.append(at)
        length = max(length - less, least)
        at += length
    return found


def apgd(
    evaluate: Callable[[Tensor], Value],
    project: Callable[[Tensor], Tensor],
    start: Tensor,
    radius: float,
    steps: int,
) -> Iterator[Step]:
    """Every evaluated point, the start first: 1 + steps of them. The caller keeps the best and may stop at any.

    evaluate: loss and gradient at a point of the box. project: the nearest point of the box. radius: half its width.
    """
    point = project(start)
    value = evaluate(point)
    yield Step(point, value)
    best, before, size = Step(point, value), point, 2.0 * radius
    looks, losses = set(checkpoints(steps)), [value.loss]
    last_look, best_at_look, halved = 0, value.loss, True
    for n in range(1, steps + 1):
        momentum = MOMENTUM if n > 1 else 1.0
        stepped = project(point + size * torch.sign(value.gradient))
        moved = project(point + momentum * (stepped - point) + (1 - momentum) * (point - before))
        before, point = point, moved
        value = evaluate(point)
        losses.append(value.loss)
        yield Step(point, value)
        if value.loss > best.value.loss:
            best = Step(point, value)
        if n in looks:
            rose = sum(losses[i] > losses[i - 1] for i in range(last_look + 1, n + 1))
            stuck = not halved and best_at_look >= best.value.loss
            halved = rose <= RISING * (n - last_look) or stuck
            last_look, best_at_look = n, best.value.loss
            if halved:
                size /= 2
                point, value = best
