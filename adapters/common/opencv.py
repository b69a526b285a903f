"""OpenCV as a repeatable function: its results and its settings must not depend on the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import cv2


@contextlib.contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Run OpenCV on one thread inside the block and restore the setting after.

    Some algorithms (DIS optical flow among them) cut the image into as many stripes as there are threads, so that
    their result would depend on the number of cores.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
