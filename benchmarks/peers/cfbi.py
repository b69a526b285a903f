"""The authors' CFBI code (a checkout of z-x-yang/CFBI), to be timed beside ours: a driver of `benchmarks/models.py`.

    python benchmarks/models.py --model cfbi,cfbi.plus,cfbi.mobilenetv2 --checkpoint random --peer ~/src/CFBI

Nothing of the checkout is changed or copied: its networks are imported and called as its own evaluator calls them,
with the same deterministic weights as ours.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from ours import UNTRAINED_CFBI, fill_untrained, network_size, prepare

CONFIGS = {
    "cfbi": "configs.resnet101_cfbi",
    "cfbi.plus": "configs.resnet101_cfbip",
    "cfbi.mobilenetv2": "configs.mobilenet_cfbi",
}
RATES = {
    # What the authors' scripts for DAVIS pass: atrous rate, minimum of matching pixels.
    "cfbi": (1, 0),
    "cfbi.plus": (2, 100),
    "cfbi.mobilenetv2": (1, 0),
}


class OfficialCFBI:
    """The official network in the official loop (no late objects, no flip, no scales), with untrained weights."""

    def __init__(self, checkout: Path, model: str, device: str) -> None:
        self.network: Any = official_network(checkout, model).eval().to(device)
        self.device = device

    def start(self, frame: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        """Embed the first frame; ids in the mask are 1..k."""
        self.size = frame.shape[:2]
        self.count = torch.tensor([int(mask.max())], device=self.device)
        self.labels = torch.from_numpy(mask.astype(np.int64)).to(self.device)[None, None]
        _, self.previous = self._forward(frame, [], [], None, None)
        self.reference, self.first = self.previous, self.labels

    def step(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One call of the official `forward_for_eval`."""
        probabilities, self.previous = self._forward(frame, [self.reference], [self.first], self.previous, self.labels)
        self.labels = probabilities[0].argmax(0)[None, None]
        return self.labels[0, 0].to(torch.uint8).cpu().numpy()

    @torch.no_grad()
    def _forward(self, frame: NDArray[np.uint8], *memory: Any) -> Any:
        image = prepare(frame, network_size(self.size, 1040.0)).to(self.device)
        return self.network.forward_for_eval(*memory, image, gt_ids=self.count, pred_size=list(self.size))


def open_peer(path: str | Path, model: str, device: str) -> OfficialCFBI:
    """The official code for one of our model names."""
    return OfficialCFBI(Path(path), model, device)


def official_network(checkout: Path, model: str) -> torch.nn.Module:
    """Build the official network from its configuration and fill it by name."""
    with _importing(checkout):
        config = importlib.import_module(CONFIGS[model]).cfg
        config.TEST_GLOBAL_ATROUS_RATE, config.TEST_GLOBAL_MATCHING_MIN_PIXEL = RATES[model]
        # What the official command line sets besides; not every configuration file has it.
        config.MODEL_FLOAT16_MATCHING, config.TEST_LOCAL_PARALLEL, config.TEST_GLOBAL_CHUNKS = False, True, 4
        if model == "cfbi.plus":
            config.TEST_GLOBAL_ATROUS_RATE = [config.TEST_GLOBAL_ATROUS_RATE, 1, 1]
        deeplab = importlib.import_module("networks.deeplab.deeplab").DeepLab
        extracter = deeplab(backbone=config.MODEL_BACKBONE, freeze_bn=config.MODEL_FREEZE_BN)
        network: torch.nn.Module = importlib.import_module(config.MODEL_MODULE).get_module()(config, extracter)
    fill_untrained(network, UNTRAINED_CFBI)
    return network


@contextlib.contextmanager
def _importing(checkout: Path) -> Iterator[None]:
    """The checkout on the path, in an empty folder (its configurations make folders), seeing a GPU (they ask)."""
    folder, path = Path.cwd(), list(sys.path)
    sys.path.insert(0, str(checkout.resolve()))
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        try:
            with mock.patch("torch.cuda.is_available", lambda: True), contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            os.chdir(folder)
            sys.path[:] = path
