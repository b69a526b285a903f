"""Where a run happened: versions, commit, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "scipy", "opencv-python", "pillow", "imagecorruptions-imaug", "numba", "av")


def package_versions() -> dict[str, str]:
    """Versions of the libraries that results depend on; absent ones are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def tool() -> dict[str, Any]:
    """This package's version, and its commit where it runs from a checkout."""
    from robust_vos_bench.version import __version__

    described: dict[str, Any] = {"version": __version__}
    top = Path(__file__).resolve().parents[2]
    if (top / ".git").exists():
        described["commit"] = _git(top, "rev-parse", "--short=12", "HEAD")
        described["dirty"] = bool(_git(top, "status", "--porcelain", "--untracked-files=no"))
    return described


def environment(device: str) -> dict[str, Any]:
    """Python, machine, libraries and, where one is used, the GPU."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "device": device,
        "packages": package_versions(),
    }
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():  # the GPUs of a cluster may be on other nodes
            return found
        found["gpu"] = torch.cuda.get_device_name(device)
        found["cuda"] = torch.version.cuda
    return found


def _git(top: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(top), *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
