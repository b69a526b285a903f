"""From a checkpoint that is not read as it is to safetensors; only ever on an explicit command.

One with pickled objects is read in a process of its own; one of TensorFlow holds numbers alone (`tensor_bundle`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.checkpoint import sha256_of
from robust_vos_bench.models.file_kinds import contents_of, plain
from robust_vos_bench.models.tensor_bundle import index_in_archive, index_of, read_bundle, unpacked
from robust_vos_bench.system.atomic import make_folder, replacing
from robust_vos_bench.system.confine import can_confine

_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL")
"""Environment variables that the process gets; tokens and proxies are not among them."""


@dataclass(frozen=True)
class Converted:
    """A file that was made."""

    source: str
    output: str
    sha256: str
    """Of the output."""
    tensors: int
    objects: tuple[str, ...]
    """Classes and functions that the source names beside those of tensors; none was called."""
    how: str
    """"without network", or why the process was not cut off; or the format, for one that holds numbers alone."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {**asdict(self), "objects": list(self.objects)}


def warning_of(source: Path) -> str:
    """What a person should know before a file is converted."""
    found = contents_of(source).classes
    shown = ", ".join(plain(name, 60) for name in found[:5]) + (", ..." if len(found) > 5 else "")
    held = f" that holds objects of {shown}" if found else ""
    able = "can neither open a connection nor start a program" if can_confine() else "is NOT cut off from the network"
    return (
        f"WARNING: {source} is a pickle{held}. Read in the usual way, such a file can run any program in your name. "
        "Here nothing that it names is called: its objects are replaced by empty ones and only tensors are kept, in a "
        f"process that {able}. What remains is a fault in the reader of Python or torch, and that process may read and "
        "write your files: convert files of people whom you trust."
    )


def convert_file(
    source: Path, output: Path, check: Callable[[Path], None] = lambda path: None, unconfined: bool = False
) -> Converted:
    """Write the tensors of `source` to `output` as safetensors.

    check: looks at the new file before it gets its name. unconfined: also where the system cannot cut a process off
    from the network. Raises WeightsError that says why not; `output` is then as before.
    """
    if is_tensorflow(source):
        return _convert_tensorflow(source, output, check)
    if not source.is_file():
        raise WeightsError(f"{source}: no such file")
    make_folder(output.parent)
    with replacing(output) as part:
        words = [sys.executable, "-m", "robust_vos_bench.models.inert", str(source), str(part)]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        done = subprocess.run(
            words + (["--unconfined"] if unconfined else []),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            close_fds=True,
        )
        try:
            told = json.loads(done.stdout.decode().strip().splitlines()[-1])
        except (ValueError, IndexError):
            said = plain(done.stderr.decode("utf-8", "replace")[-300:]) or f"exit code {done.returncode}"
            raise WeightsError(f"{source}: the process that converts it ended without a result ({said})") from None
        if "error" in told:
            raise WeightsError(str(told["error"]))
        part.chmod(0o644)  # safetensors are written for their owner alone
        check(part)
        digest = sha256_of(part)
    return Converted(str(source), str(output), digest, told["tensors"], tuple(told["classes"]), told["how"])


def is_tensorflow(source: Path) -> bool:
    """Whether a path is a checkpoint of TensorFlow: its index, a file beside that, their beginning, or an archive."""
    return index_of(source) is not None or (source.is_file() and index_in_archive(source) is not None)


def _convert_tensorflow(source: Path, output: Path, check: Callable[[Path], None]) -> Converted:
    """All tensors by TensorFlow's names, in its layouts."""
    from safetensors.numpy import save_file

    make_folder(output.parent)
    with unpacked(source) as index, replacing(output) as part:
        tensors, left_out = read_bundle(index)
        if not tensors:
            raise WeightsError(f"{source}: a checkpoint without tensors")
        save_file(tensors, part)
        part.chmod(0o644)
        check(part)
        digest = sha256_of(part)
    how = "from TensorFlow's format, all checksums compared"
    if left_out:
        how += f"; left out, because they are texts: {', '.join(plain(name, 60) for name in left_out[:5])}"
    return Converted(str(source), str(output), digest, len(tensors), (), how)
