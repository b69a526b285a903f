"""A bar for work counted in pieces or bytes: live on a terminal and in a notebook, plain lines elsewhere; on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.filesize import decimal

from robust_vos_bench.system.live import LiveLine, Reading
from robust_vos_bench.system.waits import heard_by


class Bar:
    """A bar for work that is counted in pieces: live on a terminal, now and then a plain line elsewhere.

    total: pieces, None where that is not known yet. noun: what a piece is ("videos"). sizes: pieces are bytes. count:
    is asked for the pieces so far, from another thread; without it, `step` and `reached` tell them. extra: is asked
    for more words. Off a terminal there are lines where the pieces have a name or are bytes.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        noun: str = "",
        quiet: bool = False,
        sizes: bool = False,
        count: Callable[[], float] | None = None,
        extra: Callable[[], str] = lambda: "",
    ) -> None:
        self.what, self.failed = what, 0
        """What is done just now, and how many pieces failed."""
        self._done: float = 0
        self._there: float | None = None
        """Pieces that were there before the start: a download that goes on."""
        self._total, self._noun, self._sizes = total, noun, sizes
        self._start, self._before = time.monotonic(), 0.0
        self._count, self._extra = count, extra
        self._wait = ""
        self._hearing = heard_by(self._heard)
        self._line = LiveLine(self._read, quiet, bool(noun) or sizes)

    def __enter__(self) -> Bar:
        self._start = time.monotonic()
        self._hearing.__enter__()
        self._line.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._line.stop()
        self._hearing.__exit__(None, None, None)

    def step(self, what: str = "", pieces: float = 1) -> None:
        """Some pieces more; what: what was just done."""
        self._done += pieces
        self.what = what or self.what

    def reached(self, done: float, total: int | None) -> None:
        """So many pieces of so many are done."""
        if self._there is None:
            self._there = done
        self._done, self._total = done, total or None

    def skipped(self, pieces: float) -> None:
        """So many of the pieces were there already; they say nothing of how long the others take."""
        self._there = (self._there or 0) + pieces

    def say(self, text: str) -> None:
        """A line on stderr, above the bar."""
        self._line.say(text)

    def _read(self) -> Reading:
        elapsed = time.monotonic() - self._start
        done, total = self._done if self._count is None else self._count(), self._total
        what = self._wait or self.what
        made = done - (self._there or 0)
        if made <= 0:
            self._before = elapsed
        spent = elapsed - self._before  # without the start of processes
        left = spent * (total - done) / made if total and made > 0 and spent > 0.2 else None
        noun = self._noun or ("" if self._sizes else "done")
        if not self._sizes:
            rate = f"{made / spent:.1f} fps" if noun == "frames" and made > 0 and spent > 0.5 else ""
            rate = self._extra() or rate
            return Reading(what, done, total, noun, "", rate, elapsed, left, self.failed)
        count = decimal(int(done)) + ("" if total is None else f" of {decimal(total)}")
        rate = f"{decimal(int(made / spent))}/s" if spent > 1 and made > 0 else ""
        return Reading(what, done, total, "", count, rate, elapsed, left, self.failed)

    def _heard(self, what: str) -> None:
        self._wait = what
