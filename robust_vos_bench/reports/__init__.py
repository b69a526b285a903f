"""Renderings of robustness tables: terminal, Markdown, HTML, CSV, JSON, plots; packed results and masks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust_vos_bench.analysis.run import Run as Run
    from robust_vos_bench.analysis.run import load_run as load_run

__all__ = ["Run", "load_run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("robust_vos_bench.analysis.run"), name)
    raise AttributeError(f"module 'robust_vos_bench.reports' has no attribute {name!r}")
