"""SWEM: the calls that its loop makes per frame.

The package is imported without its trainer, and begins with the bases that ours draws.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from ours import drawn_keys, image_tensor

from peers.stm_line.checkout import Frame, filled, one_hot, vision


class Swem:
    """SWEM's loop for DAVIS: match, decode, remember."""

    size = (480, 864)

    def __init__(self, checkout: Path) -> None:
        for name in ("methods", "methods.SWEM"):  # without what they import, which is training and evaluation
            package = types.ModuleType(name)
            package.__path__ = [str(checkout.joinpath(*name.split(".")))]
            sys.modules[name] = package
        resnet = importlib.import_module("methods.basic_modules.mod_resnet")
        resnet.model_dirs = {"resnet50": ""}  # type: ignore[attr-defined]
        settings = SimpleNamespace(
            KEYDIM=128, VALDIM=512, NUM_BASES=128, NUM_EM_ITERS=4, EM_TAU=0.05, TOPL=64, SINGLE_OBJ=False,
            BACKBONE="resnet50",
        )  # fmt: skip
        module = importlib.import_module("methods.SWEM.swem")
        weights = vision().resnet50().state_dict()
        with (
            mock.patch("torch.load", lambda *given, **named: weights),
            mock.patch.object(resnet, "load_weights_sequential", lambda *given, **named: None),
        ):
            self.network = filled(module.SWEM(settings))
        core: Any = self.network.swem_core

        def begin(size: tuple[int, ...], **settings: Any) -> tuple[torch.Tensor, ...]:
            keys = torch.stack([drawn_keys(0, "clip", size[-1], i + 1) for i in range(size[1])])[None]
            sides = torch.zeros(*size[:3], 512, size[-1]), torch.full((*size[:3], 1, size[-1]), 1e-6)
            return keys, *sides

        core.random_init = begin

    def image(self, frame: Frame) -> torch.Tensor:
        """1 x 3 x 480 x 864 as the official evaluator makes it."""
        return torch.nn.functional.interpolate(image_tensor(frame, "cpu"), self.size, mode="bicubic")

    def remember(self, hard: torch.Tensor, soft: torch.Tensor) -> None:
        """What the loop does at the end of a frame, and before the next one."""
        small = torch.nn.functional.interpolate(soft, self.size, mode="bilinear")
        value = self.network("encode_value", self.now, small, self.features[2])
        self.network("memorize", self.features[0], value, hard, small)

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """Give the first frame and its mask."""
        masks = torch.cat([torch.from_numpy(mask == 0)[None].float(), one_hot(mask)])[None]
        image = self.image(frame)
        features = self.network("encode_key", image)
        small = torch.nn.functional.interpolate(masks, self.size, mode="nearest")
        self.network("init", features[0], self.network("encode_value", image, small, features[2]), masks)
        self.shape, self.left = mask.shape, self.length - 1

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        self.now = self.image(frame)
        self.features = self.network("encode_key", self.now)
        key, value, _, f8, f4 = self.features
        context, count = self.network("match", key, value)
        _, soft = self.network("segment", count, context, f8, f4, None, self.shape)
        labels = soft.argmax(1)
        self.left -= 1
        if self.left:
            hard = (labels[:, None] == torch.arange(count + 1)[None, :, None, None]).float()
            self.remember(hard, soft)
        return np.asarray(labels[0].to(torch.uint8).numpy())

    length = 0
    """Frames of the video; set before `start`."""
