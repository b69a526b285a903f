"""Conditions: what is done to a video before a model sees it."""

from robust_vos_bench.conditions.apply import condition_fingerprint, corrupt_truth, corrupt_video, hit_frames
from robust_vos_bench.conditions.catalogue import (
    CORRUPTIONS,
    corruption_of,
    corruptions,
    find_corruption,
)
from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.conditions.corruption import Corruption, corruption
from robust_vos_bench.conditions.draw import Draw
from robust_vos_bench.conditions.presets import PRESETS, PresetEntry, PresetInfo, load_preset, preset_names
from robust_vos_bench.conditions.selection import families, made_on, select

__all__ = [
    "CLEAN",
    "CORRUPTIONS",
    "PRESETS",
    "Condition",
    "Corruption",
    "Draw",
    "PresetEntry",
    "PresetInfo",
    "condition_fingerprint",
    "corrupt_truth",
    "corrupt_video",
    "corruption",
    "corruption_of",
    "corruptions",
    "families",
    "find_corruption",
    "hit_frames",
    "load_preset",
    "made_on",
    "preset_names",
    "select",
]
