"""The peers whose own loop takes a whole video: STCN, RDE, GSFM, MiVOS and QDMN, and TBD."""

from __future__ import annotations

import importlib
from typing import Any
from unittest import mock

import torch
from ours import image_tensor

from peers.stm_line.checkout import Frame, filled, one_hot
from peers.stm_line.loop import Loop


class Core(Loop):
    """The `InferenceCore` of STCN, RDE, GSFM (`encode_key` reads a frame) and MiVOS, QDMN."""

    def __init__(self, network: str, **options: Any) -> None:
        super().__init__()
        self.network = filled(getattr(importlib.import_module("model.eval_network"), network)())
        self.loop = importlib.import_module("inference_core").InferenceCore
        self.tensors = importlib.import_module("util.tensor_util")
        self.options = options

    def run(self, frame: Frame, mask: Frame) -> None:
        """`interact` over all frames."""
        images = torch.zeros(1, self.length, 3, *frame.shape[:2])
        images[:, 0] = self.image(frame)
        given = one_hot(mask)[:, None]
        options = dict(self.options)
        first = [options.pop("args")] if "args" in options else []
        core = self.loop(*first, self.network, images, len(given), **options)
        reader = "encode_key" if hasattr(core, "encode_key") else "get_query_kv_buffered"
        read = getattr(core, reader)

        def reading(index: int) -> Any:
            if index:
                core.images[:, index] = self.tensors.pad_divide_by(self.frame(), 16)[0]
                self.index = index
            return read(index)

        setattr(core, reader, reading)
        self.core = core
        core.interact(given, 0, self.length)

    def labels(self) -> Frame:
        """The best channel, padding cut off."""
        out: Frame = (
            self.tensors.unpad(self.core.prob[:, self.index], self.core.pad).argmax(0)[0].to(torch.uint8).numpy()
        )
        return out


class Tbd(Loop):
    """TBD's forward over a whole video; the encoder reads a frame, `aggregate_objects` gives a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.module = importlib.import_module("tbd")
        self.network: Any = filled(self.module.TBD())

    def image(self, frame: Frame) -> torch.Tensor:
        """In 0..1; the network normalises."""
        return image_tensor(frame, "cpu")

    def run(self, frame: Frame, mask: Frame) -> None:
        """`TBD.forward`."""
        height, width = frame.shape[:2]
        padding = self.module.get_padding(height, width, 16)
        read, aggregate = self.network.vos.encoder.forward, self.module.aggregate_objects
        seen: list[int] = []

        def reading(image: torch.Tensor) -> Any:
            seen.append(0)
            if len(seen) > 1:
                image = self.module.attach_padding(self.frame()[None], [None], padding)[0][:, 0]
            return read(image)

        def aggregating(*given: Any) -> Any:
            found = aggregate(*given)
            top, left = padding[2], padding[0]
            self.found = found[0][0, 0, top : top + height, left : left + width]
            return found

        images = torch.zeros(1, self.length, 3, height, width)
        images[:, 0] = self.image(frame)
        given = [torch.from_numpy(mask).long()[None, None], *[None] * (self.length - 1)]
        rows, columns = -(-height // 16), -(-width // 16)
        y = torch.arange(rows).repeat_interleave(columns).float()
        x = torch.arange(columns).repeat(rows).float()
        distance = ((y[:, None] - y).square() + (x[:, None] - x).square()).sqrt()
        self.network.vos.encoder.forward = reading
        with mock.patch.object(self.module, "aggregate_objects", aggregating):
            self.network(images, given, distance[None], None)

    def labels(self) -> Frame:
        """Of the last frame."""
        out: Frame = self.found.to(torch.uint8).numpy()
        return out
