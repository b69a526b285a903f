"""The authors' RPCM code (a checkout of JerryX1110/RPCMVOS), timed beside ours: a driver of `benchmarks/models.py`.

    python benchmarks/models.py --model rpcm --peer ~/src/RPCMVOS

Nothing of the checkout is changed or copied: its networks are imported and called as its own evaluator calls them,
with the same deterministic weights as ours and only the moves to a GPU switched off. AOC-Net's published code cannot be
imported at all, so there is no peer to run for it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from ours import UNCERTAIN, UNTRAINED_AOC, fill_untrained, network_size, prepare, uncertain

EVERY = 5
"""Frames between remembered frames."""

SETTINGS = {
    # what the official configuration sets; it cannot be loaded without a GPU
    "MODEL_EPSILON": 1e-5,
    "MODEL_ASPP_OUTDIM": 256,
    "MODEL_GN_GROUPS": 32,
    "MODEL_GN_EMB_GROUPS": 25,
    "MODEL_SEMANTIC_EMBEDDING_DIM": 100,
    "MODEL_PRE_HEAD_EMBEDDING_DIM": 64,
    "MODEL_HEAD_EMBEDDING_DIM": 256,
    "MODEL_REFINE_CHANNELS": 64,
    "MODEL_LOW_LEVEL_INPLANES": 256,
    "MODEL_MULTI_LOCAL_DISTANCE": [2, 4, 6, 8, 10, 12],
    "MODEL_MATCHING_BACKGROUND": True,
    "MODEL_LOCAL_DOWNSAMPLE": True,
    "MODEL_FLOAT16_MATCHING": False,
    "TRAIN_TOP_K_PERCENT_PIXELS": 0.15,
    "TRAIN_HARD_MINING_STEP": 1,
    "TEST_GLOBAL_CHUNKS": 16,
    "TEST_GLOBAL_ATROUS_RATE": 1,
    "TEST_LOCAL_ATROUS_RATE": 1,
    "TEST_LOCAL_PARALLEL": True,
}


class OfficialRPCM:
    """The official network in the official loop (no late objects, no scales, no flip), with untrained weights."""

    def __init__(self, checkout: Path, device: str) -> None:
        self.device = device
        sys.path.insert(0, str(checkout.resolve()))
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                extracter = importlib.import_module("networks.deeplab.deeplab").DeepLab(backbone="resnet")
                module = importlib.import_module("networks.rpcm.rpcm").get_module()
                self.network: Any = module(SimpleNamespace(**SETTINGS), extracter)
        finally:
            sys.path.remove(str(checkout.resolve()))
        fill_untrained(self.network, UNTRAINED_AOC)
        self.network.eval().to(device)

    def start(self, frame: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        """Begin a video; ids in the mask are 1..k."""
        self.size = frame.shape[:2]
        self.count = torch.tensor([int(mask.max())], device=self.device)
        self.references: list[Any] = []
        self.masks: list[torch.Tensor] = []
        self.memory: list[list[Any]] = [[None, None]]
        self.time = 0
        _, embedding, _ = self._forward(frame, None, None)
        labels = torch.from_numpy(mask.astype(np.int64)).to(self.device)
        self._keep(embedding, labels, labels)

    def step(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Segment the next frame."""
        probabilities, embedding, self.memory = self._forward(frame, self.previous, self.labels)
        labels = probabilities[0].argmax(0)
        self._keep(embedding, labels, labels.masked_fill(uncertain(probabilities[0]), UNCERTAIN))
        return np.asarray(labels.to(torch.uint8).cpu().numpy())

    @torch.no_grad()
    def _forward(self, frame: NDArray[np.uint8], previous: Any, labels: Any) -> Any:
        image = prepare(frame, network_size((self.size[0], self.size[1]), 1040)).to(self.device)
        with mock.patch.object(torch.Tensor, "cuda", lambda tensor, *_, **__: tensor):
            return self.network.forward_for_eval(
                self.memory, self.references, self.masks, previous, labels, image, list(self.size), self.count
            )

    def _keep(self, embedding: Any, labels: torch.Tensor, remembered: torch.Tensor) -> None:
        """Remember the frame if it is its turn; it is the previous one in any case."""
        if self.time % EVERY == 0:
            self.references.append(embedding)
            self.masks.append(remembered[None, None])
        self.previous, self.labels = embedding, labels[None, None]
        self.time += 1


def open_peer(path: str | Path, model: str, device: str) -> OfficialRPCM:
    """The driver's entry point."""
    if model != "rpcm":
        raise SystemExit(f"the published code of {model} cannot run; only that of rpcm can")
    return OfficialRPCM(Path(path), device)
