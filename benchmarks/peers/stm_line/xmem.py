"""XMem, whose own core takes one frame at a time."""

from __future__ import annotations

import importlib

import torch
from ours import image_tensor, normalise

from peers.stm_line.checkout import Frame, filled, one_hot


class Steps:
    """XMem's `InferenceCore`, which takes one frame at a time."""

    def __init__(self) -> None:
        config = {
            "enable_long_term": True,
            "enable_long_term_count_usage": True,
            "max_mid_term_frames": 10,
            "min_mid_term_frames": 5,
            "max_long_term_elements": 10000,
            "num_prototypes": 128,
            "top_k": 30,
            "mem_every": 5,
            "deep_update_every": -1,
        }
        self.network = filled(importlib.import_module("model.network").XMem(config))
        self.core = importlib.import_module("inference.inference_core").InferenceCore(self.network, config=config)

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """Give the first frame and its mask."""
        labels = list(range(1, int(mask.max()) + 1))
        self.core.set_all_labels(labels)
        self.core.step(normalise(image_tensor(frame, "cpu"))[0], one_hot(mask), labels)

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        out: Frame = self.core.step(normalise(image_tensor(frame, "cpu"))[0]).argmax(0).to(torch.uint8).numpy()
        return out
