"""One line that lives: on a terminal it is drawn again four times a second, elsewhere it is printed now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

REDRAWN = 4
"""Times a second on a terminal."""
PLAIN_SECONDS = 10.0
"""Off a terminal, the first line after this many seconds; later ones after a tenth of the time so far."""
PLAIN_SECONDS_AT_MOST = 300.0
_BAR, _NAME, _WHAT = 20, 20, 44
"""Columns of the bar, and of the name of the work at least and at most."""


@dataclass(frozen=True)
class Reading:
    """What a line says."""

    what: str
    done: float = 0.0
    total: float | None = None
    noun: str = ""
    """What is counted ("frames"); without it nothing is."""
    count: str = ""
    """The count in words, where it is no plain number."""
    rate: str = ""
    elapsed: float = 0.0
    left: float | None = None
    """Seconds; None where nobody knows yet."""
    failed: int = 0

    @property
    def counted(self) -> str:
        """ "1,234/13,680 frames"."""
        if self.count or not self.noun:
            return self.count
        if self.total is None:
            return f"{int(self.done):,} {self.noun}"
        total = f"{int(self.total):,}"
        return f"{int(self.done):>{len(total)},}/{total} {self.noun}"

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None where the total is not known."""
        return None if not self.total else min(max(self.done / self.total, 0.0), 1.0)

    def times(self) -> list[str]:
        """Elapsed, and left where the end is known to exist."""
        left = [] if self.total is None else [f"{clock(self.left)} left"]
        return [f"{clock(self.elapsed)} elapsed", *left]

    def plain(self) -> str:
        """As a line of a file."""
        failed = [f"{self.failed} failed"] if self.failed else []
        return ", ".join(part.strip() for part in (self.counted, self.rate, *self.times(), *failed, self.what) if part)


def clock(seconds: float | None) -> str:
    """ "0:07", "1:02:33", "2d 03:10"; "?" for None."""
    if seconds is None:
        return "?"
    whole = int(max(seconds, 0.0) + 0.5)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d {hours % 24:02d}:{minutes:02d}"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def drawn(reading: Reading, width: int) -> Text:
    """The line for a terminal of `width` columns: what does not fit is left out, the least important first."""
    share = reading.share
    times = reading.times()
    failed = f"{reading.failed} failed" if reading.failed else ""
    percent = "" if share is None else f"{100 * share:.0f} %"
    count = reading.counted if len(reading.counted) + 2 <= width or not percent else percent
    # The most important first.
    wanted = [("count", count), ("left", times[1] if len(times) > 1 else ""), ("elapsed", times[0]), ("failed", failed)]
    fits: dict[str, str] = {}
    room = width
    for name, text in wanted:
        if text and len(text) + 2 <= room:
            fits[name] = text
            room -= len(text) + 2
    if not fits and len(percent) <= width:
        fits["count"] = percent
    if reading.rate and room >= _NAME + len(reading.rate) + 4:
        fits["rate"] = reading.rate
        room -= len(reading.rate) + 2
    # What remains is for the name of the work, of one width whatever it is, so that nothing jumps, and for a bar.
    bar = min(_BAR, room - _NAME - 4) if share is not None and room >= _NAME + 14 else 0
    named = min(_WHAT, room - (bar + 2 if bar else 0) - 2)
    line = Text(no_wrap=True, overflow="crop")
    parts: list[Text] = [Text(f"{reading.what[:named]:{named}}")] if named >= 8 else []
    if share is not None and bar:
        length = bar
        full = round(length * share)
        parts.append(Text("━" * full, "green") + Text("━" * (length - full), "bright_black"))
    parts += [Text(fits[name]) for name in ("count", "rate", "elapsed", "left") if name in fits]
    parts += [Text(fits["failed"], "red")] if "failed" in fits else []
    for i, part in enumerate(parts):
        line.append_text(Text("  ") + part if i else part)
    line.truncate(max(width, 1))
    return line


class LiveLine:
    """Shows what `read` says until it is stopped; on stderr. quiet: nothing at all.

    read: is called from a thread, and must be quick. plain: whether lines are printed where there is no terminal.
    """

    def __init__(self, read: Callable[[], Reading], quiet: bool = False, plain: bool = True) -> None:
        self.console = Console(file=sys.stderr, highlight=False)
        self._read, self._quiet, self._plain = read, quiet, plain
        self._live: Live | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; does nothing where it has begun. A line that another one began pauses until this one stops."""
        if self._quiet or self in _shown:
            return
        if _shown:
            _shown[-1]._pause()
        _shown.append(self)
        self._begin()

    def stop(self) -> None:
        """Take the line away."""
        if self not in _shown:
            return
        self._pause()
        _shown.remove(self)
        if _shown:
            _shown[-1]._begin()

    def _begin(self) -> None:
        if self.console.is_terminal or self.console.is_jupyter:
            self._live = Live(
                get_renderable=self._renderable, console=self.console, transient=True, refresh_per_second=REDRAWN
            )
            self._live.start()
        elif self._plain:
            self._end.clear()
            self._thread = threading.Thread(target=self._print, name="progress", daemon=True)
            self._thread.start()

    def _pause(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._thread is not None:
            self._end.set()
            self._thread.join(timeout=5)
            self._thread = None

    def say(self, text: str) -> None:
        """A line above it."""
        self.console.print(text, markup=False, soft_wrap=True)

    def _renderable(self) -> Text:
        try:
            return drawn(self._read(), self.console.width)
        except Exception:  # a line that cannot be drawn ends nothing
            return Text()

    def _print(self) -> None:
        start = time.monotonic()
        while not self._end.wait(min(max(PLAIN_SECONDS, (time.monotonic() - start) / 10), PLAIN_SECONDS_AT_MOST)):
            try:
                self.say(self._read().plain())
            except Exception:  # the same
                return


_shown: list[LiveLine] = []
"""The lines that have begun; only the last one is seen."""
