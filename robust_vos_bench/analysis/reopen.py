"""The data of a run, opened again from what its manifest says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import UNSET

from robust_vos_bench.datasets import DATASETS, Dataset, open_dataset
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.records import Manifest


def dataset_of(
    manifest: Manifest,
    data_root: Path | None = None,
    videos: Sequence[str] | None = None,
    dataset: str | None = None,
) -> Dataset:
    """The data set that a run was made on. data_root: where it lies now, if it has moved. videos: only these. dataset:
    how it is opened, where it is a class in a file ("my_data.py:MyData"), which its name in the run does not tell.

    Masks of a video file that were given by hand and are gone are done without: frames can still be shown. Raises
    DataError where the data is not there, UsageError for a name that opens nothing, or another data set.
    """
    recorded = manifest.dataset
    root = data_root or (Path(recorded.root) if recorded.root else None)
    masks = () if recorded.masks is UNSET else recorded.masks
    if dataset is not None:
        if (name := open_dataset(dataset, root).name) != recorded.name:
            raise UsageError(f"{dataset} is {name}, and the run was made on {recorded.name}")
        return open_dataset(dataset, root, videos=videos)
    try:
        return open_dataset(recorded.name, root, videos=videos, masks=masks)
    except UsageError as error:
        if DATASETS.knows(recorded.name.partition("@")[0].partition(":")[0]):
            raise
        hint = "A data set that is a class in a file is told with --dataset path/to/file.py:name"
        raise UsageError(f"{error} {hint}.") from error
    except DataError:
        if recorded.name != "video":
            raise
        return open_dataset(recorded.name, root, videos=videos, bare=True)
