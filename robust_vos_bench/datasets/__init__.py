"""Data sets: lazy videos with prompts, and ground truth apart from them."""

from robust_vos_bench.datasets.dataset import Dataset, Layout
from robust_vos_bench.datasets.registry import DATASETS, ENTRIES, DatasetEntry, dataset_names, open_dataset
from robust_vos_bench.datasets.video import Frame, FrameSource, IndexableFrames, Mask, Truth, Video

__all__ = [
    "DATASETS",
    "ENTRIES",
    "Dataset",
    "DatasetEntry",
    "Frame",
    "FrameSource",
    "IndexableFrames",
    "Layout",
    "Mask",
    "Truth",
    "Video",
    "dataset_names",
    "open_dataset",
]
