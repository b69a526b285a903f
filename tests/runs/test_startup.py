"""What start and resume must not do: load heavy libraries, open videos, load models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.datasets.layout import FolderDataset

HEAVY = ("torch", "scipy.stats", "numba", "cv2", "pandas", "skimage", "imagecorruptions", "ray")


def loaded_by(*words: object, cwd: Path) -> set[str]:
    """The heavy libraries that a command loads."""
    program = (
        "import sys\nfrom robust_vos_bench.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as done:\n    code = done.code\n"
        f"print('loaded:', code, *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, cwd=cwd, check=True
    )
    code, *names = done.stdout.splitlines()[-1].split()[1:]
    assert code == "0", done.stderr
    return set(names)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    assert loaded_by(*words, cwd=tmp_path) == set()


def test_a_finished_run_opens_no_video_and_loads_no_model(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--model", "static", "--dataset", "folder", "--data-root", clips]
    words += ["--corruption", "pixelate", "--severity", 3, "--workers", 1, "--output", tmp_path / "out"]
    call = [str(word) for word in words]
    with pytest.raises(SystemExit) as left:
        main(call)
    assert left.value.code == 0

    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("a finished run needs neither videos nor models")

    monkeypatch.setattr(FolderDataset, "video", refuse)
    monkeypatch.setattr(FolderDataset, "truth", refuse)
    monkeypatch.setattr("robust_vos_bench.runs.work.loading.load_adapter", refuse)
    monkeypatch.setattr("robust_vos_bench.runs.local.engine.start_worker", refuse)
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(call)
    assert left.value.code == 0 and "6 done, 0 to do" in capsys.readouterr().err
    monkeypatch.undo()
    assert loaded_by(*words, cwd=tmp_path) == set()
