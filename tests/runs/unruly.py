"""Adapters that change settings of the whole process, each in one way, and one that notices."""

from __future__ import annotations

import os
import random
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageFile

from robust_vos_bench import ModelCard, VOSAdapter
from robust_vos_bench.datasets import Mask, Video


class Still(VOSAdapter):
    """Repeats the first prompt."""

    card = ModelCard("still")

    def segment(self, video: Video) -> Iterator[Mask]:
        for t, _ in enumerate(video.frames):
            self.turn(t)
            yield video.prompts[0]

    def turn(self, t: int) -> None:
        """What is done at each frame."""


class Reader(VOSAdapter):
    """The prompt where a frame is red: all that it is given shows in its masks."""

    card = ModelCard("reader")

    def segment(self, video: Video) -> Iterator[Mask]:
        for frame in video.frames:
            yield np.where(frame[..., 0] > 150, video.prompts[0], np.uint8(0))


class Gambler(VOSAdapter):
    """Draws from the global generators, at loading and at every frame."""

    card = ModelCard("gambler")

    def __init__(self, **words: object) -> None:
        super().__init__(**words)  # type: ignore[arg-type]
        self.weight = float(torch.rand(1))

    def segment(self, video: Video) -> Iterator[Mask]:
        for _ in video.frames:
            drawn = self.weight + float(torch.rand(1)) + np.random.rand() + random.random()
            yield np.roll(video.prompts[0], int(10 * drawn), 1)


class Scribbler(VOSAdapter):
    """Paints over all that it is given."""

    card = ModelCard("scribbler")

    def segment(self, video: Video) -> Iterator[Mask]:
        for frame in video.frames:
            frame[:] = 0
            for prompt in video.prompts.values():
                prompt[:] = 0
            yield np.zeros(video.size, np.uint8)


class Unruly(Still):
    """Changes everything it can reach, at loading and at every frame."""

    card = ModelCard("unruly")

    def __init__(self, **words: object) -> None:
        super().__init__(**words)  # type: ignore[arg-type]
        self.turn(0)

    def turn(self, t: int) -> None:
        """Every setting that other code would feel."""
        import torch

        os.chdir("/")
        os.environ["RVOS_BENCH_DATA"] = "/nowhere"
        os.environ.pop("PATH", None)
        warnings.simplefilter("error")
        np.seterr(all="raise")
        np.random.seed(1)
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        Image.MAX_IMAGE_PIXELS = 10
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        cv2.setNumThreads(7)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Witness(Still):
    """Fails where it meets anything of that."""

    card = ModelCard("witness")

    def turn(self, t: int) -> None:
        """Look around."""
        import torch

        assert str(Path.cwd()) != "/" and os.environ.get("RVOS_BENCH_DATA") != "/nowhere" and os.environ["PATH"]
        assert not ImageFile.LOAD_TRUNCATED_IMAGES and Image.MAX_IMAGE_PIXELS != 10
        assert torch.get_default_dtype() is torch.float32 and torch.is_grad_enabled()
        assert not torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == 1
        assert np.geterr()["over"] != "raise" and cv2.getNumThreads() == 1
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN


class Double(Still):
    """Sets torch's default dtype while it is built and needs it at work: its own settings are its own."""

    card = ModelCard("double")

    def __init__(self, **words: object) -> None:
        import torch

        super().__init__(**words)  # type: ignore[arg-type]
        torch.set_default_dtype(torch.float64)

    def turn(self, t: int) -> None:
        """Needs double precision."""
        import torch

        assert torch.zeros(1).dtype is torch.float64


class Chatty(Still):
    """Puts a number among its diagnostics."""

    card = ModelCard("chatty")

    def turn(self, t: int) -> None:
        """What a record cannot hold."""
        self.diagnostics.append(17)  # type: ignore[arg-type]


class Addresses(Still):
    """Raises an error that tells where an object lies in memory."""

    card = ModelCard("addresses")

    def turn(self, t: int) -> None:
        """A text that differs from run to run."""
        raise ValueError(f"cannot use {object()!r}")
