"""Models: the adapter contract, cards, the registry and checkpoints."""

from robust_vos_bench.models.adapter import Checkpoint, Session, SessionAdapter, StreamingAdapter, VOSAdapter
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights
from robust_vos_bench.models.contract import check_mask, segment_checked
from robust_vos_bench.models.describe import describe_models
from robust_vos_bench.models.options import parse_options
from robust_vos_bench.models.registry import choose, entries, find_entry, load_adapter

__all__ = [
    "Checkpoint",
    "ModelCard",
    "ModelEntry",
    "Session",
    "SessionAdapter",
    "StreamingAdapter",
    "VOSAdapter",
    "Weights",
    "check_mask",
    "choose",
    "describe_models",
    "entries",
    "find_entry",
    "load_adapter",
    "parse_options",
    "segment_checked",
]
