"""A checkout that is imported as it is, its networks with our weights, and masks as they take them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from ours import UNTRAINED_MEMORY, fill_untrained

Frame = NDArray[np.uint8]

STUBS = (
    "matplotlib",
    "matplotlib.pyplot",
    "numpy.lib.arraysetops",
    "progressbar",
    "retrying",
    "sklearn",
    "sklearn.decomposition",
    "tqdm",
)
"""Imported by one checkout or another and used by none of what runs here."""


@contextlib.contextmanager
def importing(checkout: Path) -> Iterator[None]:
    """The checkout on the path for good, and no downloads of ImageNet weights, which ours overwrite, meanwhile."""
    sys.path.insert(0, str(checkout.resolve()))
    with contextlib.ExitStack() as stack:
        for name in STUBS:
            if name not in sys.modules:
                sys.modules[name] = mock.MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None))
                stack.callback(sys.modules.pop, name)
        sys.modules["retrying"].retry = lambda *given, **named: lambda function: function  # type: ignore[attr-defined]
        stack.enter_context(mock.patch("torch.utils.model_zoo.load_url", lambda *given, **named: {}))
        stack.enter_context(mock.patch("torch.hub.load_state_dict_from_url", lambda *given, **named: {}))
        with contextlib.suppress(ImportError, RuntimeError):
            models = vision()
            for name in ("resnet18", "resnet50", "densenet121"):
                make = getattr(models, name)
                stack.enter_context(mock.patch.object(models, name, lambda *given, _make=make, **named: _make()))
        for module, loader in (
            ("model.mod_resnet", "load_weights_sequential"),
            ("model.resnet", "load_weights_add_extra_dim"),
        ):
            with contextlib.suppress(ImportError, AttributeError):
                resnet = importlib.import_module(module)
                stack.enter_context(mock.patch.object(resnet, loader, lambda *given, **named: None))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        yield


def vision() -> Any:
    """torchvision's models; a build for another torch misses operators that none of them needs."""
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision.models")


def filled(network: torch.nn.Module) -> torch.nn.Module:
    """Untrained weights by name."""
    fill_untrained(network, UNTRAINED_MEMORY)
    return network.eval()


def one_hot(mask: Frame) -> torch.Tensor:
    """k x H x W float for ids 1..k."""
    return torch.stack([torch.from_numpy(mask == i).float() for i in range(1, int(mask.max()) + 1)])
