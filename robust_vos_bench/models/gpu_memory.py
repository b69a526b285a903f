"""GPU memory of models as it was measured: lets several share a device, and says beforehand whether they fit."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from robust_vos_bench.errors import DataError
from robust_vos_bench.models.card import ModelCard
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.system.paths import user_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "gpu_gib.toml"
"""Model name -> GiB that a process with it takes at 480p; `benchmarks/gpu_day` writes it."""


def gpu_gib(card: ModelCard) -> float | None:
    """GiB of a GPU that a process with this model needs at 480p: as measured here, else as the card says, else None.

    Measured is what `$RVOS_BENCH_GPU_GIB` names, else `gpu_gib.toml` in the cache folder. Raises DataError, naming the
    file, where it cannot be read.
    """
    return measured_gib().get(card.name, card.gpu_gib)


def measured_file() -> Path:
    """Where the numbers of this machine's GPU lie, or would lie."""
    named = os.environ.get("RVOS_BENCH_GPU_GIB")
    return user_path(named).absolute() if named else cache_folder() / FILE


def measured_gib() -> dict[str, float]:
    """What the file has; nothing where there is none, unless a variable names it."""
    path = measured_file()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if "RVOS_BENCH_GPU_GIB" in os.environ:
            raise DataError(f"{path}: is not there (RVOS_BENCH_GPU_GIB names it)") from None
        return {}
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it, or let benchmarks/gpu_day write it") from error
    for name, gib in found.items():
        if isinstance(gib, bool) or not isinstance(gib, (int, float)) or not 0 < gib < 1e4:
            raise DataError(f'{path}: {name!r} is {gib!r}; a line is "model" = GiB, e.g. "aot.r50_l" = 3.4')
    return {name: float(gib) for name, gib in found.items()}
