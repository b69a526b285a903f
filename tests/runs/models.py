"""Adapters that misbehave in one way each; the engine must survive all of them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robust_vos_bench import ModelCard, VOSAdapter
from robust_vos_bench.datasets import Mask, Video


class Repeat(VOSAdapter):
    """Repeats the first prompt and depends a little on the frames, so that corruption changes its score."""

    card = ModelCard("repeat")

    def segment(self, video: Video) -> Iterator[Mask]:
        mask = np.zeros(video.size, np.uint8)
        for t, frame in enumerate(video.frames):
            prompt = video.prompts.get(t)
            if prompt is not None:
                mask = np.where(prompt > 0, prompt, mask)
            shift = int(frame.astype(np.int64).sum() % 3)
            yield np.roll(mask, shift, axis=1)


class Slow(Repeat):
    """Takes its time, so that a run can be killed in the middle."""

    card = ModelCard("slow")

    def segment(self, video: Video) -> Iterator[Mask]:
        for mask in super().segment(video):
            time.sleep(0.03)
            yield mask


class Alike(Repeat):
    """Has a name that differs from the next one's in punctuation only."""

    card = ModelCard("a like")


class AlikeToo(VOSAdapter):
    """Sees nothing."""

    card = ModelCard("a_like")

    def segment(self, video: Video) -> Iterator[Mask]:
        for _ in video.frames:
            yield np.zeros(video.size, np.uint8)


class Exits(Repeat):
    """Ends its script, as research code does where it is at a loss."""

    card = ModelCard("exits")

    def segment(self, video: Video) -> Iterator[Mask]:
        if video.name == "b":
            raise SystemExit(0)
        yield from super().segment(video)


class Prints(Repeat):
    """Says what it does, on stdout, in Python and by a process of its own."""

    card = ModelCard("prints")

    def segment(self, video: Video) -> Iterator[Mask]:
        print("now", video.name)
        os.system("echo then")
        yield from super().segment(video)


print("models are imported")


class Dies(Repeat):
    """Takes its process down on one video."""

    card = ModelCard("dies")

    def segment(self, video: Video) -> Iterator[Mask]:
        if video.name == "b":
            os._exit(7)
        yield from super().segment(video)


class DiesOnce(Repeat):
    """Takes its process down once, told by a file in the working folder."""

    card = ModelCard("dies_once")

    def segment(self, video: Video) -> Iterator[Mask]:
        marker = Path(os.environ["RVOS_TEST_MARKER"])
        if video.name == "b" and not marker.exists():
            marker.touch()
            os._exit(7)
        yield from super().segment(video)


class Raises(Repeat):
    """Raises in the middle of one video."""

    card = ModelCard("raises")

    def segment(self, video: Video) -> Iterator[Mask]:
        for t, mask in enumerate(super().segment(video)):
            if video.name == "b" and t == 2:
                raise ValueError("cannot see anything")
            yield mask


class WrongSize(VOSAdapter):
    """Breaks the contract on every video."""

    card = ModelCard("wrong_size")

    def segment(self, video: Video) -> Iterator[Mask]:
        for _ in video.frames:
            yield np.zeros((3, 3), np.uint8)


class OutOfMemory(Repeat):
    """Runs out of GPU memory on one video, unless a file in the working folder says that there is enough now."""

    card = ModelCard("out_of_memory")
    loaded = 0

    def __init__(self, checkpoint: str | None = None, device: str = "cpu") -> None:
        super().__init__(checkpoint, device)
        type(self).loaded += 1
        self.kept: list[np.ndarray] = []

    def segment(self, video: Video) -> Iterator[Mask]:
        import torch

        for t, mask in enumerate(super().segment(video)):
            self.kept.append(np.zeros(1_000_000, np.uint8))
            if video.name == "b" and t == 2 and not Path("enough").exists():
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            yield mask


class Sleeps(Repeat):
    """Waits as for a GPU of so many frames per second; the processor is free meanwhile."""

    card = ModelCard("sleeps")

    def __init__(self, checkpoint: str | None = None, device: str = "cpu", fps: float = 20.0) -> None:
        super().__init__(checkpoint, device)
        self.fps = fps

    def segment(self, video: Video) -> Iterator[Mask]:
        for mask in super().segment(video):
            time.sleep(1 / self.fps)
            yield mask


class Notes(Sleeps):
    """Notes the Ray node that it works on as a file's name in a folder."""

    card = ModelCard("notes")

    def __init__(self, checkpoint: str | None = None, device: str = "cpu", fps: float = 20.0, notes: str = "") -> None:
        super().__init__(checkpoint, device, fps)
        self.notes = notes

    def segment(self, video: Video) -> Iterator[Mask]:
        if "ray" in sys.modules and sys.modules["ray"].is_initialized():
            Path(self.notes, sys.modules["ray"].get_runtime_context().get_node_id()).touch()
        yield from super().segment(video)


class Ruins(Repeat):
    """Ruins the GPU context of its process on one video: as CUDA does, every later call fails too."""

    card = ModelCard("ruins")

    def segment(self, video: Video) -> Iterator[Mask]:
        global ruined
        ruined = ruined or video.name == "b"
        if ruined:
            raise RuntimeError("CUDA error: device-side assert triggered")
        yield from super().segment(video)


ruined = False
