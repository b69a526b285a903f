"""Where somebody else's code raised an error: the line for a message, the whole text for a log.

A model fails inside torch, far below the line that its author can change. That line is the innermost one in code that
is neither the benchmark's, nor Python's, nor an installed library's.
"""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path

LONGEST = 40_000
"""Characters of a traceback that are kept; of a longer one the middle is left out."""
_ENGINE = Path(__file__).resolve().parents[1]
_PLUG_INS = ("adapters", "corruptions")
"""Folders that lie inside the installed package and hold models and corruptions."""
_INSTALLED = ("site-packages", "dist-packages")
_PYTHON = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})


def place(error: BaseException, owner: type | None = None) -> str:
    """ "my_model.py:17 in step": where `error` was raised, as its author would look for it; "" where nobody knows.

    owner: the class of the model, if there is one. A model of an installed package is found in that package.
    """
    frames = [
        (Path(frame.f_code.co_filename), line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith("<")
    ]
    home = _home(owner)
    at_home = lambda path: home is not None and path.is_relative_to(home)  # noqa: E731
    for wanted in (_is_own, at_home, _is_plug_in, _is_installed, bool):
        for path, line, function in reversed(frames):
            if wanted(path):
                named = path.relative_to(home.parent).as_posix() if home and path.is_relative_to(home) else path.name
                return f"{named}:{line}" + ("" if function.startswith("<") else f" in {function}")
    return ""


def with_place(text: str, error: BaseException, owner: type | None = None) -> str:
    """The text with the place of the error after it."""
    where = place(error, owner)
    return f"{text} ({where})" if where else text


def whole(error: BaseException) -> str:
    """The traceback of an error, its causes first, as Python prints it."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    if len(text) > LONGEST:
        half = LONGEST // 2
        text = f"{text[:half]}\n  ... {len(text) - LONGEST} characters left out ...\n{text[-half:]}"
    return text


def _is_own(path: Path) -> bool:
    """Neither the benchmark's, nor an installed library's, nor Python's."""
    return not (_is_benchmark(path) or _is_installed(path) or any(path.is_relative_to(folder) for folder in _PYTHON))


def _is_benchmark(path: Path) -> bool:
    return path.is_relative_to(_ENGINE) or _is_plug_in(path)


def _is_plug_in(path: Path) -> bool:
    """A model or a corruption that is built in: inside the package, or beside it in a checkout."""
    parents = [_ENGINE] if any(part in _INSTALLED for part in _ENGINE.parts) else [_ENGINE, _ENGINE.parent]
    return any(path.is_relative_to(parent / name) for parent in parents for name in _PLUG_INS)


def _is_installed(path: Path) -> bool:
    return not path.is_relative_to(_ENGINE) and any(part in _INSTALLED for part in path.parts)


def _home(owner: type | None) -> Path | None:
    """The folder of a class's package, or its file where it is in none; families of this package are one each."""
    if owner is None:
        return None
    parts = owner.__module__.split(".")
    depth = 3 if parts[:1] == ["robust_vos_bench"] else 1
    module = sys.modules.get(".".join(parts[:depth]))
    if (file := getattr(module, "__file__", None)) is None:
        return None
    path = Path(file)
    return path.parent if path.name == "__init__.py" else path
