"""Keeps stdout for what a command prints itself: the table, or the JSON."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import click


@contextlib.contextmanager
def prints_on_stderr() -> Iterator[None]:
    """What models print in this process, and in those it starts, goes to stderr within this block."""
    try:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, AttributeError):  # one of the two is closed: there is nothing to keep apart
        yield
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Warnings of our own kind (UserWarning) are one plain line on stderr within this block, not two with code."""

    def show(message: Any, *place: Any, **more: Any) -> None:
        click.echo(str(message), err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
