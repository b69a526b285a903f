"""Reads the tensors of a checkpoint that holds other objects too, without calling any class or function that it names.

Run as a program, `python -m robust_vos_bench.models.inert SOURCE TARGET [--unconfined]`, it gives up the network first,
writes safetensors and prints what it found as JSON. `convert` starts it.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import sys
import types
import warnings
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.file_kinds import contents_of, inert_class, kind_of, plain
from robust_vos_bench.models.state_dicts import unwrapped
from robust_vos_bench.system.confine import NO_WAY, can_confine, confine

_CALLED = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch", "Size"),
        ("torch._utils", "_rebuild_tensor"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
    }
)
"""What makes tensors of numbers and names; torch's own reader for tensors alone calls these too."""


class InertUnpickler(pickle.Unpickler):
    """What is not needed for tensors is replaced by inert classes, which take anything and do nothing."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of a name in the file."""
        return super().find_class(module, name) if (module, name) in _CALLED else inert_class(module, name)


def read_tensors(path: Path) -> dict[str, Any]:
    """The state_dict in a checkpoint of torch, whatever else is in it. Raises WeightsError where there is none."""
    import torch

    if kind_of(path) not in ("zip", "pickle"):
        raise WeightsError(f"{path}: holds tensors alone; it needs no conversion")
    reader: Any = types.ModuleType("inert")
    reader.Unpickler = InertUnpickler
    reader.load = lambda file, **options: InertUnpickler(file, **options).load()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    except MemoryError:
        raise
    except Exception as error:  # a damaged or unusual pickle raises whatever its bytes lead to
        raise WeightsError(
            f"{path}: its tensors cannot be read without running code of the file: {plain(error)}"
        ) from error
    return unwrapped(loaded, path)


def main(source: Path, target: Path, unconfined: bool) -> None:
    """Convert one file; libraries are imported before the network is given up."""
    if not can_confine() and not unconfined:
        raise WeightsError(f"{source}: not converted: {NO_WAY}; --unconfined converts it all the same")
    import torch  # noqa: F401 - it may start programs of the system while it is imported
    from safetensors.torch import save_file

    how = "without network"
    try:
        confine()
    except OSError as error:
        if not unconfined:
            raise WeightsError(f"{source}: not converted: {error}; --unconfined converts it all the same") from error
        how = f"not cut off from the network ({error})"
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * source.stat().st_size + (64 << 20),) * 2)
    state = read_tensors(source)
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, target)
    print(json.dumps({"how": how, "classes": contents_of(source).classes, "tensors": len(state)}))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), "--unconfined" in sys.argv[3:])
    except WeightsError as problem:
        print(json.dumps({"error": str(problem)}))
