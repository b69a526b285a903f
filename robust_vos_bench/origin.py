"""Where a model, corruption, data set or preset comes from, carried to every process that needs it.

A Python file is loaded from its text, not from its path: the text travels in the plan, so that a worker process or a
cluster node runs what the command was given, whether or not it can see the file, and also if the file is edited while
the run goes on.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import linecache
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Literal

from robust_vos_bench.errors import ContractError, UsageError
from robust_vos_bench.system.imports import files_beside
from robust_vos_bench.system.paths import user_path
from robust_vos_bench.system.tracebacks import with_place

FILE_MODULE = "rvos_bench_file_"
"""Modules loaded from a file given on the command line have names that start like this."""


@dataclass(frozen=True)
class Origin:
    """Where an item comes from. Small, picklable, and enough to find the item again in another process."""

    kind: Literal["built in", "package", "file", "script", "split"] = "built in"
    """"package": an entry point of an installed distribution. "file": `path/to/file.py:name` or a preset file.
    "script": defined in the program that is running (a script, a notebook, an imported module). "split": frames that
    lie stored in folders of `place`."""
    place: str = ""
    """Distribution and version, or the absolute path of the file."""
    digest: str = ""
    """Hex sha256 of the file (with that of the files beside it that it imports) or of the source text; "" for what is
    known by a version of its own."""
    content: bytes = field(default=b"", repr=False, compare=False)
    """What another process needs to make the item: the text of the file, or a pickled object for "script"."""

    def __str__(self) -> str:
        if self.kind == "built in":
            return self.kind
        return f"{self.kind} {self.place}" + (f" (sha256 {self.digest[:8]})" if self.digest else "")


BUILT_IN = Origin()

_loaded: dict[str, Origin] = {}
"""Module name -> the file that it was made from."""
_beside: dict[Path, str] = {}
"""File that such a module imports -> its sha256 when that was loaded."""
_provided: dict[str, Origin] = {}
"""Absolute path -> the file as another process read it; see `provided`."""


def is_file_spec(text: str) -> bool:
    """Whether `text` has the form `path/to/file.py:name`."""
    return ".py:" in text


def split_spec(text: str) -> tuple[Path, str]:
    """`path/to/file.py:name` -> (path, name)."""
    path, _, name = text.partition(".py:")
    return user_path(path + ".py"), name


def misread(text: str, form: str) -> str:
    """What to write instead of a file without a name in it, or of a module; "" for any other text.

    form: "path/to/file.py:Class".
    """
    what = form.rpartition(":")[2]
    path = user_path(text)
    if text.endswith(".py"):
        own = _names_in(path)
        example = f"{text}:{own[0] if own else what}"
        has = f" (it has {', '.join(own)})" if own else "" if path.is_file() else " (and there is no such file here)"
        return f"a file may hold several: write {form}, as in {example}{has}"
    module, colon, name = text.partition(":")
    if colon and all(part.isidentifier() for part in (*module.split("."), name)):
        return (
            "a module is not looked up by its name: write the file, "
            f"{form}, as in {module.replace('.', '/')}.py:{name}; an installed package offers its own by an entry point"
        )
    return ""


def _names_in(path: Path) -> list[str]:
    """Public classes and functions at the top of a Python file; none where it cannot be read."""
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        found = ast.parse(path.read_bytes()).body
        kinds = (ast.ClassDef, ast.FunctionDef)
        return [node.name for node in found if isinstance(node, kinds) and not node.name.startswith("_")]
    return []


def file_origin(path: Path, kind: str, form: str) -> Origin:
    """The origin of a file: its text as it is now, or as another process provided it.

    kind, form: words for the error, "model" and "path/to/file.py:Class". Raises UsageError where there is no such file.
    """
    place = str(path.absolute())
    if place in _provided:
        return _provided[place]
    if not path.is_file():
        raise UsageError(f"{kind} file {str(path)!r} does not exist (expected {form})")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{kind} file {str(path)!r} cannot be read ({error.strerror})") from error
    return Origin("file", place, _digest(content, files_beside(Path(place), content)), content)


def _digest(content: bytes, beside: Mapping[Path, str]) -> str:
    """Hex sha256 of a file, or of it and all that it imports."""
    own = hashlib.sha256(content).hexdigest()
    return hashlib.sha256("\n".join([own, *beside.values()]).encode()).hexdigest() if beside else own


@contextlib.contextmanager
def provided(origin: Origin | None) -> Iterator[None]:
    """Within the block, that file is the text in `origin`, whether it exists here or was edited since."""
    if origin is None or origin.kind != "file":
        yield
        return
    before = _provided.get(origin.place)
    _provided[origin.place] = origin
    try:
        yield
    finally:
        if before is None:
            del _provided[origin.place]
        else:
            _provided[origin.place] = before


def load_module(origin: Origin) -> ModuleType:
    """The module made from a file's text; made once per process for each path and text.

    Modules that lie beside the file can be imported by it where that folder exists; those that were edited since an
    earlier version of it was loaded are imported anew. Raises ContractError, naming the file, where it cannot be
    imported, and UsageError where modules beside it are other ones than those of `origin.digest`.
    """
    path = Path(origin.place)
    key = hashlib.sha256(f"{origin.place}\0{origin.digest}".encode()).hexdigest()[:12]
    name = f"{FILE_MODULE}{path.stem}_{key}"
    if name in sys.modules:
        return sys.modules[name]
    _renew(path, origin)
    folder = str(path.parent)
    if path.parent.is_dir() and folder not in sys.path:
        sys.path.append(folder)  # last of all: it must not hide an installed module
    module = ModuleType(name)
    module.__file__ = origin.place
    sys.modules[name] = module  # before it runs: dataclasses and pickle look it up
    _loaded[name] = origin
    # Tracebacks show the text that runs, also where the file is not here or was edited since.
    lines = origin.content.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[origin.place] = (len(origin.content), None, lines, origin.place)
    try:
        exec(compile(origin.content, origin.place, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # a script that calls exit() would end the command as if all were well
        del sys.modules[name], _loaded[name]
        said = f"{path}: cannot be imported: {type(error).__name__}: {error}"
        raise ContractError(said if isinstance(error, SyntaxError) else with_place(said, error)) from error
    return module


def _renew(path: Path, origin: Origin) -> None:
    """Let edited modules beside a file be imported again, all of them: they hold parts of each other."""
    beside = files_beside(path, origin.content)
    if path.parent.is_dir() and origin.digest != _digest(origin.content, beside):
        raise UsageError(
            f"{path}: files beside it that it imports are not here, or were edited since the run was begun "
            f"({', '.join(file.name for file in beside) or 'none is here'}); put them back, or run the command again"
        )
    if any(_beside.get(file, sha) != sha for file, sha in beside.items()):
        for name, module in list(sys.modules.items()):
            if (place := getattr(module, "__file__", None)) is not None and Path(place) in beside:
                del sys.modules[name]
        importlib.invalidate_caches()
    _beside.update(beside)


def origin_of_module(name: str) -> Origin | None:
    """The file that a module was made from by `load_module`; None for any other module."""
    return _loaded.get(name)
