"""The library transformers, imported without torchvision where that cannot be imported."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from types import ModuleType
from typing import Any
from unittest.mock import patch

from robust_vos_bench.system.process_settings import ProcessSettings


def library() -> ModuleType:
    """The module `transformers`. Raises ModuleNotFoundError where it is not installed.

    Its networks need no torchvision, but import it where it is installed. A torchvision that does not fit torch (a
    build for a GPU beside torch for a CPU) raises then, so it is hidden from transformers. What the import sets for the
    whole process (an environment variable of torch's compiler, warnings filters) is put back.
    """
    before = ProcessSettings.taken()
    try:
        warnings.simplefilter("ignore")
        utils = importlib.import_module("transformers.utils.import_utils")
        if utils.is_torchvision_available() and not _imports("torchvision"):
            _hide(utils)
        importlib.import_module("transformers.modeling_utils")
        return importlib.import_module("transformers")
    finally:
        before.restore()


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except Exception:  # operators that torch does not know raise RuntimeError
        return False
    return True


def _hide(utils: Any) -> None:
    """Let the library look once more for torchvision and not find it; it remembers the answer."""
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name.partition(".")[0] == "torchvision" else find(name, package)

    utils.is_torchvision_available.cache_clear()
    utils.is_torchvision_v2_available.cache_clear()
    with patch.object(importlib.util, "find_spec", without):
        utils.is_torchvision_available()
