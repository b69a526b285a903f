"""Machines without libGL: every verb names the package to install, and `doctor` tells what cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robust_vos_bench.errors import MissingExtraError
from robust_vos_bench.system.libraries import explained, explained_imports, state_of


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with an OpenCV that finds no libgthread, and a matplotlib that finds another package too old."""
    text = 'raise ImportError("{}: cannot open shared object file: No such file or directory")\n'
    (tmp_path / "lib" / "cv2").mkdir(parents=True)
    (tmp_path / "lib" / "cv2" / "__init__.py").write_text(text.format("libgthread-2.0.so.0"))
    (tmp_path / "lib" / "matplotlib.py").write_text('raise RuntimeError("numpy is\\ntoo old")\n')
    return tmp_path / "lib"


@pytest.mark.parametrize(
    "words",
    [
        ["check", "flow", "--device", "cpu"],
        ["run", "--model", "flow", "--workers", "1", "-q"],
        ["run", "--model", "static", "--workers", "2", "-q"],
    ],
)
def test_the_package_to_install_is_named_once(words: list[str], broken: Path, tmp_path: Path) -> None:
    done = call(words, broken, tmp_path)
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("Error: OpenCV cannot be loaded: the library libgthread-2.0.so.0")
    assert "apt-get install libglib2.0-0" in done.stderr and "opencv-python-headless" in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("libgthread") == 1


def test_doctor_imports_what_it_lists(broken: Path, tmp_path: Path) -> None:
    done = call(["doctor"], broken, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  "))
    assert lines["cv2"].startswith("broken: OpenCV cannot be loaded") and "libglib2.0-0" in lines["cv2"]
    assert lines["matplotlib"] == "broken: RuntimeError: numpy is too old"
    assert state_of("json", "") == "installed" and state_of("no_such_module", "pip x") == "absent: pip x"


def test_only_missing_libraries_are_explained() -> None:
    assert explained(ImportError("cannot import name 'x' from 'cv2'")) is None
    other = explained(ImportError("libfoo.so.3: cannot open shared object file: No such file"))
    assert other is not None and "libfoo.so" in str(other) and other.exit_code == 4
    with pytest.raises(ImportError, match="name 'x'"), explained_imports():
        raise ImportError("name 'x'")
    with pytest.raises(MissingExtraError, match="libgl1"), explained_imports():
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")


def call(words: list[str], path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "robust_vos_bench.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=120, check=False)
