"""Compiled kernels are kept in the cache folder: a file left in the package would hide the next installation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from robust_vos_bench.system.kernel_store import kernel_folder

CODE = """
import numpy as np
from robust_vos_bench.corruptions.kernels import filters
sums = np.zeros((4, 5), np.int32)
filters._column_sums(np.arange(15, dtype=np.uint8).reshape(3, 5), sums)
print(sum(filters._column_sums.stats.cache_hits.values()), sums.sum(), filters.__file__)
"""


def test_kernels_are_stored_outside_the_package_and_found_again(tmp_path: Path) -> None:
    """The second process loads what the first compiled; beside the sources nothing appears."""
    environment = {**os.environ, "RVOS_BENCH_CACHE": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    said = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=True)
        said.append(done.stdout.split(maxsplit=2))
    assert [hits for hits, _, _ in said] == ["0", "1"]
    assert said[0][1] == said[1][1]
    package = Path(said[0][2].strip()).parents[2]
    assert not [path for path in package.rglob("*.nb[ci]") if "__pycache__" in path.parts]
    assert list(tmp_path.glob("kernels/*/*.nbc"))


def test_another_source_has_another_folder(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one")
    (tmp_path / "b.py").write_text("two")
    first = kernel_folder([tmp_path / "a.py"])
    assert first == kernel_folder([tmp_path / "a.py"]) != kernel_folder([tmp_path / "b.py"])
