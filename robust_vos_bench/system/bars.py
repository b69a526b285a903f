"""A bar for work counted in pieces or bytes: live on a terminal and in a notebook, plain lines elsewhere; on stderr."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

PLAIN_SECONDS = 10.0
"""Off a terminal, at most one progress line in this many seconds."""


class Bar:
    """A bar for work that is counted in pieces: live on a terminal, now and then a plain line elsewhere.

    total: pieces, None where that is not known yet. noun: what a piece is, for the plain lines ("videos"); without it
    there are none. sizes: pieces are bytes.
    """

    def __init__(self, what: str, total: int | None, noun: str = "", quiet: bool = False, sizes: bool = False) -> None:
        self._console = Console(file=sys.stderr, highlight=False)
        hidden = quiet or not (self._console.is_terminal or self._console.is_jupyter)
        count = (DownloadColumn(), TransferSpeedColumn()) if sizes else (MofNCompleteColumn(),)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), *count, TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=hidden)
        self._task = self._bar.add_task(what, total=total)
        self._noun = "" if not hidden or quiet else noun
        self._what = what if sizes and hidden and not quiet else ""
        self._done, self._total = 0, total
        self._last = time.monotonic()

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._bar.stop()

    def step(self, what: str = "") -> None:
        """One piece more; what: the piece that was just done."""
        self._done += 1
        if what:
            self._bar.update(self._task, advance=1, description=what[:40])
        else:
            self._bar.update(self._task, advance=1)
        if self._noun and time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            self.say(f"{self._done}/{self._total} {self._noun}, now {what}")

    def reached(self, done: int, total: int | None) -> None:
        """So many pieces of so many are done; of bytes there is a plain line now and then off a terminal."""
        self._bar.update(self._task, completed=done, total=total or None)
        if self._what and time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            whole = f" of {total / 2**20:.0f}" if total else ""
            self.say(f"{self._what}: {done / 2**20:.0f}{whole} MiB")

    def say(self, text: str) -> None:
        """A line on stderr, above the bar."""
        self._console.print(text, markup=False, soft_wrap=True)
