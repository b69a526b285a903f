"""A disk that is full or turns read-only in mid-run: told, nothing lost, and the same command finishes the run."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.work.clip_cache import CachedClip
from robust_vos_bench.runs.work.prefetch import ClipFile
from robust_vos_bench.system.atomic import WriteError

MODELS = Path(__file__).with_name("models.py")
Rvos = Callable[..., subprocess.CompletedProcess[str]]
GRID = ("--corruption", "pixelate,salt_and_pepper", "--severity", 3)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs of a given size; skips where that is not allowed."""
    place = tmp_path / "small"
    place.mkdir()

    def mount(size: str) -> Path:
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small tmpfs needs privileges that are not given here")
        return place

    yield mount
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_keeps_what_was_finished(
    clips: Path, rvos: Rvos, small_disk: Callable[[str], Path], workers: int
) -> None:
    small = small_disk("64k")
    words = ["run", "--model", f"{MODELS}:Slow", "--dataset", "folder", "--data-root", clips, *GRID]
    words += ["--workers", workers, "--output", small / "out"]
    (small / "filler").write_bytes(b"x" * (64 - 5 * 4) * 1024)  # room for the manifest and some records
    done = rvos(*words)
    assert done.returncode == 4, done.stderr
    assert "disk is full" in done.stderr and "run the same command again" in done.stderr
    kept = {p: p.read_bytes() for p in small.glob("out/cells/*/*.jsonl")}
    (small / "filler").unlink()
    again = rvos(*words)
    assert again.returncode == 0, again.stderr
    assert all(path.read_bytes().startswith(data) for path, data in kept.items())


def test_a_disk_that_turns_read_only(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["run", "--model", f"{MODELS}:Repeat", "--dataset", "folder", "--data-root", clips, *GRID]
    words += ["--workers", 1, "--output", out]

    def run() -> int:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        return int(str(left.value.code))

    opened = os.open
    cells = []

    def open_until_frozen(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if Path(path).parent.parent.name == "cells" and flags & os.O_WRONLY:
            cells.append(path)
        if len(cells) > 4 and flags & os.O_WRONLY and out in Path(path).parents:
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", open_until_frozen)
    assert run() == 4
    assert "read-only" in capsys.readouterr().err
    monkeypatch.undo()
    assert run() == 0
    assert "resuming: 4 done, 5 to do" in capsys.readouterr().err


def test_half_a_record_never_stays(small_disk: Callable[[str], Path]) -> None:
    small = small_disk("32k")
    store = RunStore(small)
    record = UnitRecord(key="k", model="m", condition="clean", video="v", status="ok", warnings=("w" * 3000,))
    with pytest.raises(WriteError, match="disk is full"):
        for _ in range(100):
            store.add(record)
    data = store.cell_path("clean", "m").read_bytes()
    assert data.endswith(b"\n") and 0 < data.count(b"\n") < 100
    assert store.records("clean", "m")["v"] == record


def test_scratch_space_for_a_shared_clip_that_runs_out(small_disk: Callable[[str], Path]) -> None:
    import numpy as np

    frames = [np.random.default_rng(t).integers(0, 256, (100, 100, 3), np.uint8) for t in range(10)]
    small = small_disk("64k")
    with CachedClip(frames, (100, 100), small) as spooled:
        for _ in range(2):  # every model that asks is told the same
            with pytest.raises(WriteError, match="disk is full"):
                list(spooled)


def test_scratch_space_that_runs_out_is_an_error_not_a_crash(small_disk: Callable[[str], Path]) -> None:
    import numpy as np

    small = small_disk("64k")
    clip = ClipFile(small / "clip", 10, (100, 100), create=True)
    with pytest.raises(WriteError, match="disk is full"):
        for t in range(10):
            clip.write(t, np.ones((100, 100, 3), np.uint8))
    assert clip.ready(0) and np.array_equal(clip.read(0), np.ones((100, 100, 3), np.uint8))
    clip.close(remove=True)


def test_a_reported_record_is_flushed_with_the_names_that_lead_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file whose folder is not flushed may be gone after a power cut, with every byte of it."""
    flushed: list[Path] = []
    sync = os.fsync

    def note(handle: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{handle}").readlink())
        sync(handle)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("/proc tells which file a descriptor is")
    monkeypatch.setattr(os, "fsync", note)
    store = RunStore(tmp_path / "out")
    store.add(UnitRecord(key="k", model="m", condition="clean", video="v", status="ok"))
    cell = store.cell_path("clean", "m")
    assert flushed == [cell, cell.parent, cell.parent.parent, store.folder]
    flushed.clear()
    store.add(UnitRecord(key="k", model="m", condition="clean", video="w", status="ok"))
    assert flushed == [cell], "after that a file needs its own bytes only"
    store.write_scores([])
    assert [path.name for path in flushed[1:]][-1] == "out" and ".scores.csv" in flushed[1].name
