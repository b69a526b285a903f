"""Conditions: what is done to a video before a model sees it."""

from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.conditions.draw import Draw

__all__ = ["CLEAN", "Condition", "Draw"]
