"""How untrained weights of SAM 2.1 are scaled; its masks then show the given objects."""

from __future__ import annotations

from robust_vos_bench.models.untrained import Untrained

UNTRAINED = Untrained(scales={"positional_encoding_gaussian_matrix": (0, 1)})
