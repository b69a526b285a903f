"""Whether optional packages are installed, without importing them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec

EXTRA_MODULES = {"cutie": "cutie", "hf": "transformers", "video": "av", "ray": "ray"}
"""The module whose presence shows that an extra is installed."""


def extra_installed(extra: str) -> bool:
    """Whether the packages of an extra are there: by their module where known, else by the extra's requirements."""
    if extra in EXTRA_MODULES:
        return find_spec(EXTRA_MODULES[extra]) is not None
    try:
        metadata(extra)
    except PackageNotFoundError:
        return find_spec(extra.replace("-", "_")) is not None
    return True
