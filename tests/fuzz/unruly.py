"""A model that does at one frame of one video what its options say, and is a good one everywhere else."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from robust_vos_bench import ModelCard, VOSAdapter
from robust_vos_bench.datasets import Mask, Video

YIELDS: dict[str, Any] = {
    "float": lambda mask: mask.astype(np.float32),
    "nan": lambda mask: np.full(mask.shape, np.nan),
    "int64": lambda mask: mask.astype(np.int64),
    "bool": lambda mask: mask > 0,
    "small": lambda mask: mask[::2],
    "turned": lambda mask: mask.T,
    "deep": lambda mask: mask[None],
    "list": lambda mask: mask.tolist(),
    "none": lambda mask: None,
    "text": lambda mask: "mask",
    "scalar": lambda mask: np.uint8(1),
    "id": lambda mask: np.full_like(mask, 77),
    "object": lambda mask: mask.astype(object),
}


class Odd(Exception):
    """An exception that cannot be pickled or shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


RAISES: dict[str, Any] = {
    "value": lambda: ValueError("\x1b[31mred\x00\ud800"),
    "key": lambda: KeyError(),
    "memory": lambda: MemoryError("no memory"),
    "recursion": lambda: RecursionError("too deep"),
    "exit": lambda: SystemExit(3),
    "stop": lambda: StopIteration(4),
    "assert": lambda: AssertionError(),
    "odd": lambda: Odd(),
    "os": lambda: OSError(28, "No space left on device"),
    "unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "group": lambda: RuntimeError("x" * 100000),
}


def noise() -> None:
    """Lines for longer than the video lasts."""
    for _ in range(100):
        with contextlib.suppress(ValueError):  # the stream of the video's turn is closed after it
            print("noise")


class Unruly(VOSAdapter):
    """Repeats the prompts; `what` happens at frame 2 of video `where`."""

    card = ModelCard("unruly")

    def __init__(self, checkpoint: Any = None, device: str = "cpu", *, what: str = "", where: str = "b") -> None:
        super().__init__(checkpoint, device)
        self.what, self.where = what, where

    def segment(self, video: Video) -> Iterator[Mask]:
        mask = np.zeros(video.size, np.uint8)
        for t, _ in enumerate(video.frames):
            prompt = video.prompts.get(t)
            if prompt is not None:
                mask = np.where(prompt > 0, prompt, mask)
            if video.name == self.where and t == 2:
                kind, _, name = self.what.partition(":")
                if kind == "yield":
                    yield YIELDS[name](mask)
                    continue
                if kind == "raise":
                    raise RAISES[name]()
                if name == "fewer":
                    return
                if name == "more":
                    yield mask.copy()
                if kind == "do":
                    self.act(name)
            yield mask.copy()

    def act(self, name: str) -> None:
        """Things that end with the video's own turn."""
        if name == "thread":
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        elif name == "thread error":
            thread = threading.Thread(target=lambda: 1 / 0)
            threading.excepthook, kept = (lambda *words: None), threading.excepthook
            thread.start()
            thread.join()
            threading.excepthook = kept
        elif name == "folder":
            os.chdir("/")
        elif name == "environment":
            os.environ.clear()
        elif name == "warnings":
            warnings.simplefilter("error")
        elif name == "numpy":
            np.seterr(all="raise")
            np.random.seed(3)
        elif name == "pillow":
            from PIL import Image, ImageFile

            ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = True, 3
        elif name == "torch":
            import torch

            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
        elif name == "recursion":
            sys.setrecursionlimit(5000)
        elif name == "diagnostics":
            self.diagnostics.append(["no", "text"])  # type: ignore[arg-type]
        elif name == "diagnostics text":
            self.diagnostics.append("\ud800 lone")
        elif name == "memory":
            self.kept = np.zeros(2_000_000)
        elif name == "memory that nobody has":
            self.kept = np.zeros(1 << 56)
        elif name == "thread that stays":
            threading.Thread(target=time.sleep, args=(2,)).start()
        elif name == "thread that writes":
            threading.Thread(target=noise).start()
        elif name == "umask":
            os.umask(0o777)
        elif name == "gc":
            gc.disable()
        elif name == "temporary":
            tempfile.tempdir = "/nowhere"
        elif name == "sockets":
            socket.setdefaulttimeout(1e-9)
        elif name == "opencv":
            import cv2

            cv2.setUseOptimized(False)
            cv2.ipp.setUseIPP(False)
        elif name == "modules":
            sys.modules.pop("json", None)
        elif name == "closes":
            sys.stdout.close()
        elif name == "process":
            subprocess.Popen(["sleep", "2"])
