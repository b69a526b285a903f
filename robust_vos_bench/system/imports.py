"""Which files beside a Python file take part in it, found in its text: nothing is imported."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_NOT_BESIDE = frozenset(sys.stdlib_module_names) | {"robust_vos_bench"}
"""The engine has versions of its own, also where the file lies in a checkout of it."""


def files_beside(path: Path, content: bytes) -> dict[Path, str]:
    """Files in the folder of `path` that its text imports, and those that they import -> hex sha256, in order of names.

    Imports in functions count, those by `importlib` or by an extended `sys.path` do not. Text that is no Python: none.
    """
    folder, found = path.parent, dict[Path, str]()
    waiting = [(path, _imports(content))]
    while waiting:
        importer, names = waiting.pop()
        for name in names:
            for file in _files(folder, _absolute(name, importer, folder)):
                if file != path and file not in found:
                    found[file], imports = _read(file, file.stat().st_mtime_ns)
                    waiting.append((file, imports))
    return dict(sorted(found.items()))


def _imports(content: bytes) -> tuple[str, ...]:
    """Dotted names that a text imports, with the dots of relative ones in front."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return ()
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names[base] = None
            joint = "" if base.endswith(".") else "."
            names.update(dict.fromkeys(f"{base}{joint}{alias.name}" for alias in node.names))
    return tuple(names)


@lru_cache(maxsize=4096)
def _read(file: Path, changed: int) -> tuple[str, tuple[str, ...]]:
    """Hex sha256 and imports of a file. changed: its time of change, so that an edited one is read again."""
    content = file.read_bytes()
    return hashlib.sha256(content).hexdigest(), _imports(content)


def _absolute(name: str, importer: Path, folder: Path) -> list[str]:
    """Parts of a name from `folder` on; none where it leads out of it."""
    bare = name.lstrip(".")
    parts = [part for part in bare.split(".") if part]
    if level := len(name) - len(bare):
        base = importer.parent
        for _ in range(level - 1):
            base = base.parent
        if base == folder or folder not in base.parents:  # the file itself is in no package
            return []
        return [*base.relative_to(folder).parts, *parts]
    return [] if not parts or parts[0] in _NOT_BESIDE else parts


def _files(folder: Path, parts: list[str]) -> Iterator[Path]:
    """The packages on the way to a module, and the module."""
    for count in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:count])
        for file in (place / "__init__.py", place.with_name(place.name + ".py")):
            if file.is_file():
                yield file
