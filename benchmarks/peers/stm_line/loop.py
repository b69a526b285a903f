"""A loop over a whole video that waits, in a thread of its own, for one frame at a time."""

from __future__ import annotations

import threading
from typing import Any

import torch
from ours import image_tensor, normalise
from torch.overrides import TorchFunctionMode

from peers.stm_line.checkout import Frame


class OnCpu(TorchFunctionMode):
    """What is meant for a GPU stays where it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.cuda:
            return args[0]
        if str(kwargs.get("device", "")).startswith("cuda"):
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


class Loop:
    """A loop over a whole video in a thread that is given one frame at a time. Subclasses say what it runs."""

    length = 0
    """Frames of the video; set before `start`."""

    def __init__(self) -> None:
        self._asked, self._given = threading.Semaphore(0), threading.Semaphore(0)
        self._frame: Frame | None = None
        self._failure: BaseException | None = None

    def start(self, frame: Frame, mask: Frame) -> None:
        """Begin a video and run until the second frame is asked for."""
        threading.Thread(target=self._main, args=(frame, mask), daemon=True).start()
        self._wait()

    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        self._frame = frame
        self._given.release()
        self._wait()
        return self.labels()

    def frame(self) -> torch.Tensor:
        """Called in the loop: the next frame, 1 x 3 x H x W."""
        self._asked.release()
        self._given.acquire()
        assert self._frame is not None
        return self.image(self._frame)

    def _wait(self) -> None:
        self._asked.acquire()
        if self._failure is not None:
            raise RuntimeError("the official code failed") from self._failure

    def _main(self, frame: Frame, mask: Frame) -> None:
        try:
            with torch.no_grad(), OnCpu():
                self.run(frame, mask)
        except BaseException as failure:
            self._failure = failure
        self._asked.release()

    def image(self, frame: Frame) -> torch.Tensor:
        """1 x 3 x H x W as the official data set makes it."""
        return normalise(image_tensor(frame, "cpu"))

    def run(self, frame: Frame, mask: Frame) -> None:
        """The official loop."""
        raise NotImplementedError

    def labels(self) -> Frame:
        """Of the last frame."""
        raise NotImplementedError
