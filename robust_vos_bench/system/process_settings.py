"""Settings of the whole process that somebody's code may change: taken, compared and put back.

A model shares its process with the engine and with other models. `ProcessSettings.taken()` before a model's turn and
`restore()` after it keep what one of them sets (a working directory, torch's default dtype, Pillow's tolerance of cut
files) from reaching anybody else.
"""

from __future__ import annotations

import contextlib
import gc
import locale
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from .streams import lent_streams

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGPIPE", "SIGCHLD") if hasattr(signal, name)
)


_UNKNOWN = object()


@dataclass(frozen=True)
class Setting:
    """One setting: how to read it, and how to put a value back."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    initial: Any = _UNKNOWN
    """Its value in a library that has just been imported, where that is the same everywhere."""


class ProcessSettings:
    """The settings of this process at one moment."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    @classmethod
    def taken(cls) -> ProcessSettings:
        """The settings as they are now. Libraries that nobody has imported have none."""
        values: dict[str, Any] = {}
        for setting in _settings():
            with contextlib.suppress(Exception):  # what cannot be read cannot be put back either
                values[setting.name] = setting.read()
        return cls(values)

    def restore(self) -> list[str]:
        """Put back what is different now; returns the names of those settings.

        Settings of a library that was imported since get the values that it starts with.
        """
        changed = []
        for setting in _settings():
            value = self._values.get(setting.name, setting.initial)
            if value is _UNKNOWN:
                continue
            with contextlib.suppress(Exception):
                if setting.read() != value:
                    setting.write(value)
                    changed.append(setting.name)
        return changed

    def changed_to(self, other: ProcessSettings) -> list[str]:
        """Names of the settings that are not the same in `other`.

        Settings of a library that was imported in between count from the values that it starts with, where known.
        """
        changed = []
        for setting in _settings():
            before = self._values.get(setting.name, setting.initial)
            if before is not _UNKNOWN and setting.name in other._values and other._values[setting.name] != before:
                changed.append(setting.name)
        return changed

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """These settings hold within the block; what the block changes becomes part of them, and nobody else's."""
        outside = ProcessSettings.taken()
        self.restore()
        try:
            with lent_streams():
                yield
        finally:
            self._values = ProcessSettings.taken()._values
            outside.restore()


def _settings() -> Iterator[Setting]:
    yield Setting("working directory", os.getcwd, os.chdir)
    yield Setting("environment variables", lambda: dict(os.environ), _set_environment)
    yield Setting("warnings filters", lambda: list(warnings.filters), _set_filters)
    yield Setting("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit)
    yield Setting("locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v))
    yield Setting("permissions of new files (umask)", _umask, os.umask)
    yield Setting("folder of temporary files", lambda: tempfile.tempdir, lambda v: setattr(tempfile, "tempdir", v))
    yield Setting("garbage collection", gc.isenabled, lambda v: gc.enable() if v else gc.disable())
    yield Setting("timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout)
    yield Setting("import path", lambda: list(sys.path), lambda v: sys.path.__setitem__(slice(None), v))
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            yield Setting(
                f"handler of {number.name}", partial(signal.getsignal, number), partial(signal.signal, number)
            )
    yield Setting("random", random.getstate, random.setstate)
    for module, made in _LIBRARIES.items():
        if module in sys.modules:
            yield from made(sys.modules[module])


def _umask() -> int:
    # It can only be read by setting it; what another thread makes meanwhile is readable by the user alone.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _numpy(numpy: Any) -> Iterator[Setting]:
    yield Setting("numpy error handling", numpy.geterr, lambda v: numpy.seterr(**v))
    yield Setting(
        "numpy.random", _numpy_random, lambda v: numpy.random.set_state((v[0], numpy.frombuffer(v[1], "u4"), *v[2:]))
    )


def _numpy_random() -> Any:
    kind, keys, *rest = sys.modules["numpy"].random.get_state()
    return (kind, keys.tobytes(), *rest)


def _set_numpy_random(state: tuple[Any, ...]) -> None:
    numpy = sys.modules["numpy"]
    numpy.random.set_state((state[0], numpy.frombuffer(state[1], numpy.uint32), *state[2:]))


def _pillow(image: Any) -> Iterator[Setting]:
    yield _attribute("Pillow's limit of pixels", image, "MAX_IMAGE_PIXELS")


def _pillow_files(image_file: Any) -> Iterator[Setting]:
    yield _attribute("Pillow's tolerance of cut files", image_file, "LOAD_TRUNCATED_IMAGES")


def _torch(torch: Any) -> Iterator[Setting]:
    yield Setting("torch default dtype", torch.get_default_dtype, torch.set_default_dtype, torch.float32)
    yield Setting("torch gradient mode", torch.is_grad_enabled, torch.set_grad_enabled, True)
    yield Setting("torch threads", torch.get_num_threads, torch.set_num_threads)
    yield Setting(
        "torch deterministic mode",
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
        False,
    )
    precision = torch.get_float32_matmul_precision
    yield Setting("torch float32 precision", precision, torch.set_float32_matmul_precision, "highest")
    for name in ("benchmark", "deterministic", "allow_tf32", "enabled"):
        yield _attribute(f"cudnn.{name}", torch.backends.cudnn, name)
    if hasattr(torch, "get_default_device"):
        yield Setting("torch default device", lambda: str(torch.get_default_device()), torch.set_default_device, "cpu")
    yield Setting("torch random state", _torch_random, _set_torch_random)
    if torch.cuda.is_initialized():
        yield Setting(
            "torch GPU random state",
            lambda: [state.numpy().tobytes() for state in torch.cuda.get_rng_state_all()],
            lambda states: torch.cuda.set_rng_state_all(
                [torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in states]
            ),
        )


def _torch_random() -> Any:
    return sys.modules["torch"].get_rng_state().numpy().tobytes()


def _set_torch_random(state: bytes) -> None:
    torch = sys.modules["torch"]
    torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _opencv(cv2: Any) -> Iterator[Setting]:
    yield Setting("OpenCV threads", cv2.getNumThreads, cv2.setNumThreads)
    yield Setting("OpenCV optimisations", cv2.useOptimized, cv2.setUseOptimized)
    if hasattr(cv2, "ipp"):
        yield Setting("OpenCV's use of IPP", cv2.ipp.useIPP, cv2.ipp.setUseIPP)


def _matplotlib(matplotlib: Any) -> Iterator[Setting]:
    settings = matplotlib.rcParams  # read as a plain dictionary: asking it for the back end would choose one
    yield Setting(
        "matplotlib back end",
        lambda: dict.__getitem__(settings, "backend"),
        lambda value: dict.__setitem__(settings, "backend", value),
    )


_LIBRARIES: dict[str, Callable[[Any], Iterator[Setting]]] = {
    "numpy": _numpy,
    "PIL.Image": _pillow,
    "PIL.ImageFile": _pillow_files,
    "torch": _torch,
    "cv2": _opencv,
    "matplotlib": _matplotlib,
}


def _attribute(name: str, owner: Any, attribute: str) -> Setting:
    return Setting(name, lambda: getattr(owner, attribute), lambda value: setattr(owner, attribute, value))


def _set_environment(values: dict[str, str]) -> None:
    for name in os.environ.keys() - values.keys():
        del os.environ[name]
    for name, value in values.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _set_filters(values: list[Any]) -> None:
    warnings.filters[:] = values  # type: ignore[index]
    with contextlib.suppress(AttributeError):
        warnings._filters_mutated()  # type: ignore[attr-defined]
