"""rvos-bench: how much does a video object segmentation model lose when the video is bad?

The public names below load on first use, so that `import robust_vos_bench` and the command line stay fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from robust_vos_bench.version import __version__

_PUBLIC = {
    "Condition": "robust_vos_bench.conditions",
    "ContractError": "robust_vos_bench.errors",
    "DataError": "robust_vos_bench.errors",
    "ModelCard": "robust_vos_bench.models",
    "RvosError": "robust_vos_bench.errors",
    "StreamingAdapter": "robust_vos_bench.models",
    "VOSAdapter": "robust_vos_bench.models",
    "Video": "robust_vos_bench.datasets",
    "load_adapter": "robust_vos_bench.models",
    "load_run": "robust_vos_bench.reports",
    "open_dataset": "robust_vos_bench.datasets",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from robust_vos_bench.conditions import Condition as Condition
    from robust_vos_bench.datasets import Video as Video
    from robust_vos_bench.datasets import open_dataset as open_dataset
    from robust_vos_bench.errors import ContractError as ContractError
    from robust_vos_bench.errors import DataError as DataError
    from robust_vos_bench.errors import RvosError as RvosError
    from robust_vos_bench.models import ModelCard as ModelCard
    from robust_vos_bench.models import StreamingAdapter as StreamingAdapter
    from robust_vos_bench.models import VOSAdapter as VOSAdapter
    from robust_vos_bench.models import load_adapter as load_adapter
    from robust_vos_bench.reports import load_run as load_run


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'robust_vos_bench' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
