"""Deformation of layers: thin-plate splines on a lattice, and poses that move over time."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

CONTROLS = 4
"""Control points a side."""
LATTICE = 33
"""Points a side of the lattice on which a spline is evaluated."""
REACH = 1.5
"""The lattice covers [-REACH, REACH], the object's box [-1, 1]."""


@lru_cache(maxsize=1)
def _basis() -> Tensor:
    """(LATTICE^2) x (CONTROLS^2): displacement on the lattice of a unit displacement of each control point."""
    side = torch.linspace(-1, 1, CONTROLS, dtype=torch.float64)
    points = torch.cartesian_prod(side, side)
    n = len(points)
    system = torch.zeros(n + 3, n + 3, dtype=torch.float64)
    system[:n, :n] = _kernel(torch.cdist(points, points))
    system[:n, n] = system[n, :n] = 1
    system[:n, n + 1 :] = points
    system[n + 1 :, :n] = points.T
    solved = torch.linalg.inv(system)[:, :n]
    wide = torch.linspace(-REACH, REACH, LATTICE, dtype=torch.float64)
    places = torch.cartesian_prod(wide, wide)
    rows = torch.cat([_kernel(torch.cdist(places, points)), torch.ones(len(places), 1), places], 1)
    out: Tensor = (rows @ solved).float()
    return out


def _kernel(distance: Tensor) -> Tensor:
    return distance.square() * torch.log(distance.clamp_min(1e-12))


def spline(displacements: Tensor) -> Tensor:
    """Thin-plate spline through displaced control points: ... x CONTROLS^2 x 2 (y, x) -> ... x 2 x LATTICE x LATTICE.

    In units of the object's half box. Between the control points it bends least; beyond them it goes on smoothly.
    """
    field = _basis().to(displacements.device) @ displacements
    out: Tensor = field.transpose(-1, -2).unflatten(-1, (LATTICE, LATTICE))
    return out


def rotation(angle: Tensor) -> Tensor:
    """Angles ... -> matrices ... x 2 x 2 for (y, x) columns."""
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
