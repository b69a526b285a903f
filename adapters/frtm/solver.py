"""Gauss-Newton with preconditioned conjugate gradients, for scores that are linear in each of two convolutions.

Derivatives are written out, so that no gradient mode of the caller matters. Everything is float64: the preconditioner
leaves the systems so badly conditioned that float32 runs of one and the same program part after five steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors_on_grid import Errors

PROJECT_DAMPING, FILTER_DAMPING = 1e-4, 1e-2
"""Weights of the penalties, lambda^2 |theta|^2, and the preconditioner's diagonal."""


class Cells:
    """Features of samples, to be convolved 3 x 3 into one map. features: n x C x h x w."""

    def __init__(self, features: Tensor) -> None:
        self.rows = features.permute(0, 2, 3, 1).double().contiguous()

    def scores(self, kernel: Tensor) -> Tensor:
        """kernel: 9 x C (rows, then columns) -> n x h x w, with zeros from beyond the border."""
        height, width = self.rows.shape[1:3]
        parts = F.pad(self.rows @ kernel.T, (0, 0, 1, 1, 1, 1))
        out = torch.zeros_like(self.rows[..., 0])
        for tap in range(9):
            y, x = divmod(tap, 3)
            out += parts[:, y : y + height, x : x + width, tap]
        return out

    def gradient(self, pull: Tensor) -> Tensor:
        """The transposed map: n x h x w -> 9 x C."""
        height, width = pull.shape[1:]
        padded = F.pad(pull, (1, 1, 1, 1))
        moved = [
            padded[:, 2 - y : 2 - y + height, 2 - x : 2 - x + width] for y, x in (divmod(tap, 3) for tap in range(9))
        ]
        return torch.stack([part.flatten() for part in moved]) @ self.rows.flatten(0, 2)


class Problem(ABC):
    """Least squares of samples over parameters. weights: of the samples, n."""

    damping: Sequence[float]

    def __init__(self, cells: Cells, errors: Errors, weights: Tensor) -> None:
        self.cells, self.errors = cells, errors
        self.weights = weights.double().to(cells.rows.device)[:, None, None]

    @abstractmethod
    def kernel(self, parameters: Sequence[Tensor]) -> Tensor:
        """The one 3 x 3 convolution, 9 x C, that the parameters make."""

    @abstractmethod
    def moved(self, parameters: Sequence[Tensor], step: Sequence[Tensor]) -> Tensor:
        """Change of the kernel with a step of the parameters, to first order."""

    @abstractmethod
    def pulled(self, parameters: Sequence[Tensor], gradient: Tensor) -> list[Tensor]:
        """The transposed map: gradient of the kernel -> of the parameters."""

    def objective(self, parameters: Sequence[Tensor]) -> float:
        """Sum of all squared residuals."""
        sums = self.errors.sums(self.cells.scores(self.kernel(parameters)))
        penalty = sum(m * m * float(p.square().sum()) for m, p in zip(self.damping, parameters))
        return float((self.weights[:, 0, 0] * sums).sum()) + penalty

    def slope(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """-J^T r."""
        scores = self.cells.scores(self.kernel(parameters))
        pull = self.weights * (self.errors.applied(scores) - self.errors.pulled)
        back = self.pulled(parameters, self.cells.gradient(pull))
        return [-b - m * m * p for m, b, p in zip(self.damping, back, parameters)]

    def normal(self, parameters: Sequence[Tensor], step: Sequence[Tensor]) -> list[Tensor]:
        """J^T J step."""
        pull = self.weights * self.errors.applied(self.cells.scores(self.moved(parameters, step)))
        back = self.pulled(parameters, self.cells.gradient(pull))
        return [b + m * m * s for m, b, s in zip(self.damping, back, step)]


class WholeModel(Problem):
    """Parameters: projection 96 x C, filter 96 x 9. cells: features of the backbone."""

    damping = (PROJECT_DAMPING, FILTER_DAMPING)

    def kernel(self, parameters: Sequence[Tensor]) -> Tensor:
        """filter^T projection."""
        project, weights = parameters
        return weights.T @ project

    def moved(self, parameters: Sequence[Tensor], step: Sequence[Tensor]) -> Tensor:
        """By the rule of products."""
        (project, weights), (more, other) = parameters, step
        return weights.T @ more + other.T @ project

    def pulled(self, parameters: Sequence[Tensor], gradient: Tensor) -> list[Tensor]:
        """9 x C -> 96 x C and 96 x 9."""
        project, weights = parameters
        return [weights @ gradient, project @ gradient.T]


class FilterAlone(Problem):
    """Parameter: filter 96 x 9. cells: projected features."""

    damping = (FILTER_DAMPING,)

    def kernel(self, parameters: Sequence[Tensor]) -> Tensor:
        """The filter itself."""
        return parameters[0].T

    def moved(self, parameters: Sequence[Tensor], step: Sequence[Tensor]) -> Tensor:
        """The filter's step."""
        return step[0].T

    def pulled(self, parameters: Sequence[Tensor], gradient: Tensor) -> list[Tensor]:
        """9 x 96 -> 96 x 9."""
        return [gradient.T]


def fitted(
    problem: Problem, parameters: Sequence[Tensor], schedule: Sequence[int], fletcher_reeves: bool = False
) -> list[Tensor]:
    """The parameters after one linearisation for each entry of the schedule, its steps of conjugate gradients.

    fletcher_reeves: this rule for new directions in the place of Polak and Ribiere's.
    """
    theta = [p.double() for p in parameters]
    for steps in schedule:
        here = list(theta)
        move = conjugate_gradients(
            lambda p, here=here: problem.normal(here, p),  # type: ignore[misc]
            problem.slope(theta),
            problem.damping,
            steps,
            fletcher_reeves,
        )
        theta = [p + d for p, d in zip(theta, move)]
    return theta


def conjugate_gradients(
    matrix: Callable[[Sequence[Tensor]], list[Tensor]],
    right: Sequence[Tensor],
    preconditioner: Sequence[float],
    steps: int,
    fletcher_reeves: bool = False,
) -> list[Tensor]:
    """An approximation of x in matrix(x) = right, from zero. preconditioner: its diagonal, a number for each tensor."""
    residual, before = list(right), list(right)
    x = [torch.zeros_like(r) for r in right]
    direction: list[Tensor] = []
    last = 0.0
    for i in range(steps):
        z = [r / m for r, m in zip(residual, preconditioner)]
        rho = _dot(residual, z)
        if rho == 0:
            break
        if not direction:
            direction = z
        else:
            turn = rho if fletcher_reeves else rho - _dot(before, z)
            beta = max(0.0, turn / last)
            direction = [a + beta * p for a, p in zip(z, direction)]
        q = matrix(direction)
        alpha = rho / _dot(direction, q)
        x = [a + alpha * p for a, p in zip(x, direction)]
        if i < steps - 1:
            before, last = residual, rho
            residual = [r - alpha * b for r, b in zip(residual, q)]
    return x


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Inner product over all tensors."""
    return float(sum((a * b).sum() for a, b in zip(one, other)))
