"""How untrained weights of SAM 2 and its kin are scaled; masks then show the given objects."""

from __future__ import annotations

from robust_vos_bench.models.untrained import Untrained


def canonical(name: str) -> str:
    """One matrix has two names."""
    return name.replace("shared_image_embedding.", "prompt_encoder.shared_embedding.")


UNTRAINED = Untrained(
    scales={"positional_embedding": (0, 1), "running_mean": (0, 0.05)},
    kept=frozenset({"num_batches_tracked"}),
    canonical=canonical,
)
