"""Libraries that are installed but cannot be loaded, because a library of the system is missing."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator

from robust_vos_bench.errors import MissingExtraError

_PACKAGES = {
    "libGL.so": "libgl1",
    "libgthread-2.0.so": "libglib2.0-0",
    "libglib-2.0.so": "libglib2.0-0",
    "libSM.so": "libsm6",
    "libXext.so": "libxext6",
    "libXrender.so": "libxrender1",
    "libX11.so": "libx11-6",
    "libxcb.so": "libxcb1",
}
"""Library of the system that OpenCV's windows need -> its package in Debian and Ubuntu."""
_MISSING = re.compile(r"(lib[\w.+-]+?\.so)[\w.]*: cannot open shared object file")


def explained(error: ImportError) -> MissingExtraError | None:
    """What to install, for an import that failed for want of a library of the system; None for any other error."""
    found = _MISSING.search(str(error))
    if found is None:
        return None
    library = found[1]
    full = str(error).partition(":")[0]
    if library not in _PACKAGES:
        return MissingExtraError(
            f"the library {library} of the system is missing ({error}); install the package that brings it"
        )
    return MissingExtraError(
        f"OpenCV cannot be loaded: the library {full} of the system is missing. On Debian or Ubuntu: "
        f"apt-get install {_PACKAGES[library]}. Without root, or where there is no screen: "
        "pip uninstall -y opencv-python && "
        "pip install --force-reinstall opencv-python-headless, which computes the same and opens no windows"
    )


@contextlib.contextmanager
def explained_imports() -> Iterator[None]:
    """Inside the block, an import that fails for want of a library of the system raises MissingExtraError."""
    try:
        yield
    except ImportError as error:
        if (clear := explained(error)) is not None:
            raise clear from error
        raise


def require_opencv() -> None:
    """Raise MissingExtraError where OpenCV cannot be loaded: once, before worker processes would each fail on it."""
    with explained_imports():
        importlib.import_module("cv2")


def state_of(module: str, cure: str) -> str:
    """ "installed" where a module can really be imported, else why not and what to do (`cure` where it is absent)."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        return f"absent: {cure}" if missing.partition(".")[0] == module else f"broken: it needs {missing!r}: {cure}"
    except ImportError as error:
        return f"broken: {explained(error) or ' '.join(str(error).split())}"
    except Exception as error:  # a module may raise anything when it is imported
        return f"broken: {type(error).__name__}: {' '.join(str(error).split())}"
    return "installed"
