"""Standard output and error that never end the work: closed, broken, or unable to show a character.

What a command prints is the least of its results. Where nobody reads it any more (`rvos-bench run | head -1`), or where
it was closed before the start, the work goes on and the exit code is that of the work. A full disk behind standard
output is an error, because the output was asked for there. A character that the encoding lacks is written in another
way ("->", "\\xe9").
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from robust_vos_bench.system.atomic import write_error

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_HANDLER = "rvos-bench-readable"
_PLAIN = {
    "·": "-", "→": "->", "±": "+/-", "–": "-", "—": "-", "…": "...", "×": "x", "≤": "<=", "≥": ">=", "’": "'",
    "“": '"', "”": '"', "•": "*", "█": "#", "━": "-", "─": "-", "│": "|", "≈": "~", "\xa0": " ",
}  # fmt: skip
"""What stands for a character that the encoding lacks; others become escapes, so that names stay apart."""
_NOBODY_READS = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EIO, errno.EBADF})
"""A closed pipe or socket, a terminal that has gone, a descriptor that was closed."""


def _readable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


def _find_codec(name: str) -> codecs.CodecInfo | None:
    """ASCII under a name of its own: click takes a stream named "ascii" for a mistake, and writes UTF-8 to it."""
    if name not in ("ascii_readable", "ascii-readable"):
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name="ascii-readable",
        encode=known.encode,
        decode=known.decode,
        incrementalencoder=known.incrementalencoder,
        incrementaldecoder=known.incrementaldecoder,
        streamreader=known.streamreader,
        streamwriter=known.streamwriter,
    )


codecs.register_error(_HANDLER, _readable)
codecs.register(_find_codec)


class _Descriptor(io.FileIO):
    """Descriptor 1 or 2, which takes everything; what nobody reads is dropped."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self._given_up = False

    def write(self, data: ReadableBuffer, /) -> int:
        """All of it, also where it goes nowhere. Raises WriteError where standard output is on a full disk."""
        if not self._given_up:
            try:
                return super().write(data)
            except OSError as error:
                self._given_up = True
                if self.fileno() == 1 and error.errno not in _NOBODY_READS:
                    raise write_error(Path("standard output"), error) from error
        return memoryview(data).nbytes


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """Within this block nothing that is printed can end the work; afterwards the streams are as before."""
    before = sys.stdout, sys.stderr
    make_forgiving()
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


def make_forgiving() -> None:
    """The same for the rest of this process."""
    for number in (0, 1, 2):
        _open_again(number)
    sys.stdout = _forgiving(sys.stdout, 1)
    sys.stderr = _forgiving(sys.stderr, 2)


def _open_again(number: int) -> None:
    """Where a standard descriptor was closed before the start: else the next file that is opened would get its number,
    and with it whatever a library prints."""
    try:
        os.fstat(number)
    except OSError:
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)


def _forgiving(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream.buffer, io.BytesIO) or _number(stream) != number:
        return stream  # somebody else's: a notebook's, a test's
    if os.name == "nt":  # its console takes characters, not bytes
        stream.reconfigure(errors=_HANDLER)
        return stream
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    encoding = stream.encoding
    with contextlib.suppress(LookupError):
        encoding = "ascii-readable" if codecs.lookup(encoding).name == "ascii" else encoding
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(number)),
        encoding=encoding,
        errors=_HANDLER,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _number(stream: Any) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(stream.fileno())
    return -1


class _Lent:
    """A stream under its own methods, but `close` and `detach` do nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def close(self) -> None:
        """The stream belongs to the process."""

    def detach(self) -> Any:
        """The stream's buffer, which stays attached."""
        return self._stream.buffer


_lent: dict[int, _Lent] = {}
"""Proxies by the stream's identity. They live as long as the process: `print` in a thread that outlives its block uses
its stream without holding it, and would crash the process where that has gone (CPython 3.11)."""


def _lend(stream: TextIO | None) -> Any:
    if stream is None or isinstance(stream, _Lent):
        return stream
    return _lent.setdefault(id(stream), _Lent(stream))  # the proxy holds the stream, so that the number stays its own


@contextlib.contextmanager
def lent_streams() -> Iterator[None]:
    """`sys.stdout` and `sys.stderr` cannot be closed within this block, and are put back where it replaces them."""
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_lend, kept)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = kept
