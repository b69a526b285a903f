"""How far the lanes of a cluster are, told through an actor beside the driver."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections import Counter
from typing import Any

from robust_vos_bench.runs.ray.leaving import leaving_when_asked

TELL_SECONDS = 1.0
"""A lane tells the driver how far it is at most this often."""
SILENCE = 120.0
"""Seconds without a word after which a lane counts as gone."""


class Board:
    """What all lanes do now, in an actor beside the driver: process -> (frames, text, when it was told)."""

    def __init__(self) -> None:
        self._notes: dict[str, tuple[int, str, float]] = {}

    def tell(self, who: str, frames: int, text: str) -> None:
        """One process says what it does."""
        self._notes[who] = (frames, text, time.monotonic())

    def read(self) -> list[tuple[int, str]]:
        """(frames, text) of every process that has said something lately; a lost node says nothing any more."""
        now = time.monotonic()
        return [(frames, text) for frames, text, told in self._notes.values() if text and now - told < SILENCE]


class RemotePulse:
    """A pulse in another node's process: one message in `TELL_SECONDS` and one per unit; it waits for no answer."""

    def __init__(self, board: Any) -> None:
        self._board, self._who = board, f"{platform.node()}-{os.getpid()}"
        self._frames, self._text, self._told = 0, "", -math.inf

    def says(self, text: str) -> None:
        """What the worker does now; between two groups the last word stands."""
        if text:
            self._text = text
            self._send()

    def frame(self, count: int) -> None:
        """So many frames of the unit at hand are segmented; the end of a unit is told at once, or they count twice."""
        ended, self._frames = count == 0 and self._frames > 0, count
        self._send(now=ended)

    def read(self) -> tuple[int, str]:
        """(frames, text) of this moment."""
        return self._frames, self._text

    def _send(self, now: bool = False) -> None:
        due = time.monotonic() - self._told > TELL_SECONDS
        if due or now:
            self._told = time.monotonic() if due else self._told
            with contextlib.suppress(Exception), leaving_when_asked():  # a board that is gone is missed by nobody
                self._board.tell.remote(self._who, self._frames, self._text)


class BoardPulse:
    """The driver's end: all lanes together, as of the last time that the board was read."""

    def __init__(self, ray: Any, board: Any) -> None:
        self._ray, self._board = ray, board
        self._asked: Any = None
        self._refreshed = -math.inf
        self._notes: list[tuple[int, str]] = []

    def refresh(self) -> None:
        """Take the board's answer if it is there, and ask again, once in `TELL_SECONDS`; never waits."""
        if time.monotonic() - self._refreshed < TELL_SECONDS:
            return
        self._refreshed = time.monotonic()
        with contextlib.suppress(self._ray.exceptions.RayError):
            if self._asked is not None:
                done, _ = self._ray.wait([self._asked], timeout=0)
                if not done:
                    return
                self._notes = self._ray.get(self._asked)
            self._asked = self._board.read.remote()

    def says(self, text: str) -> None:
        """Nobody writes here."""

    def frame(self, count: int) -> None:
        """Nobody writes here."""

    def read(self) -> tuple[int, str]:
        """(frames of all lanes, the text of most)."""
        texts = Counter(text for _, text in self._notes)
        return sum(frames for frames, _ in self._notes), texts.most_common(1)[0][0] if texts else ""
