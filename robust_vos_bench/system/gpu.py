"""Errors after which a process can use its GPU no more."""

from __future__ import annotations

import re

_RUINED = re.compile(r"\bCUDA error: |\bHIP error: ")
"""How torch's RuntimeError (AcceleratorError) begins where a kernel or the driver failed."""


def ruined_by(error: BaseException) -> BaseException | None:
    """The error that left the GPU context of this process unusable, or None for any other kind.

    Every later call fails with the same words, those that clean up too: the first one, which stands deepest in the
    chain of causes and contexts, says what happened.
    """
    found: BaseException | None = None
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RuntimeError) and _RUINED.search(str(seen)):
            found = seen
        seen = seen.__cause__ or seen.__context__
    return found
