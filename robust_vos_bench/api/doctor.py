"""What this machine has, and what to do about what it lacks: `rvos-bench doctor`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

EXTRAS = {"matplotlib": "report", "ray": "ray", "cutie": "cutie", "transformers": "hf"}
"""Module -> the extra that brings it."""
REQUIRED = ("numpy", "PIL", "cv2", "av", "scipy", "numba", "pandas", "safetensors")
"""Modules that are always needed; one that cannot be imported is told."""


def diagnose() -> dict[str, dict[str, Any]]:
    """Facts by topic."""
    import torch

    from robust_vos_bench.datasets.root import data_root
    from robust_vos_bench.models.checkpoint import search_folders
    from robust_vos_bench.runs.environment import environment, tool
    from robust_vos_bench.system.libraries import state_of

    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = environment(device)
    packages = found.pop("packages")
    extras = {module: state_of(module, f"pip install 'rvos-bench[{extra}]'") for module, extra in EXTRAS.items()}
    for module in REQUIRED:
        if (state := state_of(module, "pip install --force-reinstall rvos-bench")) != "installed":
            packages[module] = state
    here = Path.cwd()
    usage = shutil.disk_usage(here)
    unset = "RVOS_BENCH_DATA is not set; give --data-root"
    folders = {
        "weights are looked for in": ", ".join(str(f.parent / "<family>") for f in search_folders("family")),
        "data root": str(data_root()) if os.environ.get("RVOS_BENCH_DATA") else unset,
        "free disk here": f"{usage.free / 2**30:.0f} GiB in {here}",
        "writable here": "yes" if os.access(here, os.W_OK) else "no: give --output",
    }
    return {"rvos-bench": tool(), "machine": found, "libraries": packages, "extras": extras, "folders": folders}
