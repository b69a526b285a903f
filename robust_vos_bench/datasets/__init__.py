"""Data sets: lazy videos with prompts, and ground truth apart from them."""

from robust_vos_bench.datasets.built_in import ENTRIES
from robust_vos_bench.datasets.dataset import Dataset, Layout
from robust_vos_bench.datasets.entry import DatasetEntry
from robust_vos_bench.datasets.opening import open_dataset
from robust_vos_bench.datasets.registry import DATASETS, dataset_names
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
