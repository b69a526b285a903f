"""One adapter over one video: masks, scores, time and memory."""

from robust_vos_bench.evaluation.segment import Outcome, evaluate

__all__ = ["Outcome", "evaluate"]
