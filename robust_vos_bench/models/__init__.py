"""Models: the adapter contract, cards, the registry and checkpoints."""

from robust_vos_bench.models.adapter import Checkpoint, StreamingAdapter, VOSAdapter
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights
from robust_vos_bench.models.registry import entries, find_entry, load_adapter

__all__ = [
    "Checkpoint",
    "ModelCard",
    "ModelEntry",
    "StreamingAdapter",
    "VOSAdapter",
    "Weights",
    "entries",
    "find_entry",
    "load_adapter",
]
