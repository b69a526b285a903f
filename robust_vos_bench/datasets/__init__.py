"""Data sets: lazy videos with prompts, and ground truth apart from them."""

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.registry import ENTRIES, DatasetEntry, dataset_names, open_dataset
from robust_vos_bench.datasets.video import Frame, FrameSource, Mask, Truth, Video

__all__ = [
    "ENTRIES",
    "Dataset",
    "DatasetEntry",
    "Frame",
    "FrameSource",
    "Mask",
    "Truth",
    "Video",
    "dataset_names",
    "open_dataset",
]
