"""Sign steps along a running sum of gradients (MI-FGSM: Dong et al., CVPR 2018), smaller from step to step.

On whole grey levels a gradient's signs change with every step; their sum keeps what they have in common. Within few
steps that finds far more than Auto-PGD, which has its first steps twice as wide as the box; in the end both come to the
same (benchmarks/adversarial.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from robust_vos_bench.attacks.apgd import Step, Value

KEPT = 0.75
"""Share of the sum that is kept from step to step."""
LAST = 0.1
"""The last step, as a share of the first: in between it falls evenly."""


def momentum(
    evaluate: Callable[[Tensor], Value],
    project: Callable[[Tensor], Tensor],
    start: Tensor,
    first: float,
    steps: int,
) -> Iterator[Step]:
    """Every evaluated point, the start first: 1 + steps of them. The caller keeps the best and may stop at any.

    evaluate: loss and gradient at a point of the box. project: the nearest point of the box. first: the first step.
    """
    point = project(start)
    value = evaluate(point)
    yield Step(point, value)
    summed = torch.zeros_like(point)
    for n in range(steps):
        size = value.gradient.abs().mean()
        summed = KEPT * summed + (value.gradient / size if size > 0 else value.gradient)
        share = 1.0 - (1.0 - LAST) * n / max(steps - 1, 1)
        point = project(point + share * first * torch.sign(summed))
        value = evaluate(point)
        yield Step(point, value)
