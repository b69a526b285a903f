"""Untrained weights for tests and timing: drawn from an entry's name alone, scaled by a table per family.

The same values fill the authors' networks, so that outputs can be compared where no trained weights are at hand.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Untrained:
    """How the draws of a family are scaled, so that its masks neither collapse nor ignore the memory.

    n is a standard normal draw per number. The first line that applies gives the values of an entry:

    - `kept`: the network's own;
    - `scales`: mean + spread n;
    - `running_var`: 1 + 0.1 |n|;
    - fewer than two axes: 0.05 n for biases, 1 + 0.05 n for all else;
    - all else: gain n / sqrt(inputs), where inputs is the product of all axes but the first.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> draws = rvos.Untrained(scales={"temperature": (1.0, 0.1)})
    >>> draws.scales["temperature"]
    (1.0, 0.1)
    """

    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Whole name of an entry, or its last part, -> (mean, spread)."""
    gain: Callable[[str, Shape], float] = lambda name, shape: 1.0
    centred: bool = False
    """Draws of several input channels lose their mean over these."""
    kept: frozenset[str] = frozenset()
    """Last parts of the names of constants and index tables."""
    canonical: Callable[[str], str] = str
    """The name to draw from, where one tensor has several."""
    adjusted: Callable[[str, NDArray[np.float64]], NDArray[np.float64]] = lambda name, values: values
    """Changes of single entries, last of all."""

    def values(self, name: str, shape: Shape) -> NDArray[np.float32] | None:
        """Values of an entry of a state_dict, float32 of this shape; None where it keeps what it has."""
        name = self.canonical(name)
        if name.rsplit(".", 1)[-1] in self.kept:
            return None
        return self.adjusted(name, self._scaled(name, draw(name, shape))).astype(np.float32)

    def _scaled(self, name: str, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        leaf = name.rsplit(".", 1)[-1]
        mean_and_spread = self.scales.get(name) or self.scales.get(leaf)
        if mean_and_spread is not None:
            mean, spread = mean_and_spread
            return mean + spread * noise
        if leaf == "running_var":
            return 1 + 0.1 * np.abs(noise)
        if noise.ndim < 2:
            return 0.05 * noise if leaf.endswith("bias") else 1 + 0.05 * noise
        if self.centred and noise.shape[1] > 1:
            noise = noise - noise.mean(axis=1, keepdims=True)
        inputs = np.prod(noise.shape[1:], dtype=np.float64)
        return np.asarray(noise / np.sqrt(inputs) * self.gain(name, noise.shape))


def draw(name: str, shape: Shape) -> NDArray[np.float64]:
    """Standard normal values that the name alone determines."""
    return np.asarray(np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape))
