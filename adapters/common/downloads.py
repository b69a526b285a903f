"""A guard for third-party constructors that fetch weights behind one's back."""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Iterator
from typing import Any, NoReturn
from unittest.mock import patch

import torch.hub

from robust_vos_bench.errors import WeightsError


@contextlib.contextmanager
def no_downloads(model: str) -> Iterator[None]:
    """Inside the block, torch.hub and urllib raise a WeightsError instead of opening an address.

    Backbones that load ImageNet weights by default do so through these; a benchmark must know which file it runs.
    """

    def refuse(url: Any, *arguments: Any, **settings: Any) -> NoReturn:
        address = getattr(url, "full_url", url)
        raise WeightsError(
            f"model {model!r} tried to download {address}; weights are never fetched silently. "
            "Give the file with --checkpoint FILE"
        )

    with contextlib.ExitStack() as stack:
        for owner, name in (
            (urllib.request, "urlopen"),
            (urllib.request, "urlretrieve"),
            (torch.hub, "urlopen"),
            (torch.hub, "download_url_to_file"),
        ):
            stack.enter_context(patch.object(owner, name, refuse))
        yield
