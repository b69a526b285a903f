"""Whether others can get the weights of a result: what the built-in model cards say of the file that was used."""

from __future__ import annotations

from pathlib import Path

from robust_vos_bench.models.registry import builtin_entries
from robust_vos_bench.runs.records import ModelRecord

ACCESS = {
    "none": "needs no weights",
    "open": "open weights",
    "non-commercial": "non-commercial use only",
    "unknown": "not known to be public",
}
"""What `weights_access` answers, in words."""


def weights_access(model: ModelRecord) -> str:
    """A key of `ACCESS`. Weights are open where a built-in card lists the file as published, with the same digest if it
    gives one, and without a restriction to non-commercial use."""
    if not model.checkpoint and not model.weights_sha256:
        return "none"
    entry = builtin_entries().get(model.registered_name)
    for weights in entry.card.weights if entry is not None else ():
        same = Path(weights.file).name == model.checkpoint
        if same and weights.published and weights.sha256 in ("", model.weights_sha256):
            return "non-commercial" if weights.non_commercial else "open"
    return "unknown"
