"""File systems without locks, read-only folders, and systems that lack what Linux has."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.ray.transfer import FileServer, ShippedDataset
from robust_vos_bench.system.atomic import WriteError
from robust_vos_bench.system.locks import exclusive

MODELS = Path(__file__).with_name("models.py")
Rvos = Callable[..., subprocess.CompletedProcess[str]]
NO_LOCKS = ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTTY"]

BROKEN_LOCKS = """
import errno, fcntl, os
def flock(file, operation):
    raise OSError(getattr(errno, os.environ["RVOS_TEST_ERRNO"]), "no locks here")
fcntl.flock = flock
"""
LIKE_WINDOWS = """
import importlib.abc, os, signal, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("resource", "pwd", "grp", "termios", "tty", "pty"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
for module, names in ((os, "sched_getaffinity readv getpgid setsid killpg wait3 nice"),
                      (signal, "pthread_sigmask SIGKILL SIGALRM SIGPIPE SIGCHLD SIGHUP")):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
import fcntl
del fcntl.flock
"""


@pytest.fixture
def patched(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Environment of a command in which a piece of code runs first, in every process of it."""

    def make(code: str, **more: str) -> dict[str, str]:
        folder = tmp_path / "patch"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(code)
        return {"PYTHONPATH": str(folder), "PYTHONWARNINGS": "default", **more}

    return make


def words(clips: Path, out: Path, *more: object) -> list[object]:
    data = ("--dataset", "folder", "--data-root", clips, "--corruption", "pixelate", "--severity", 2)
    return ["run", "--model", f"{MODELS}:Repeat", *data, "--output", out, *more]


@pytest.mark.parametrize("name", NO_LOCKS)
def test_a_run_goes_on_without_locks_and_says_so(
    clips: Path, tmp_path: Path, rvos: Rvos, patched: Callable[..., dict[str, str]], name: str
) -> None:
    env = patched(BROKEN_LOCKS, RVOS_TEST_ERRNO=name)
    done = rvos(*words(clips, tmp_path / "out", "--workers", 1), env=env)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'out'}: its file system has no file locks" in done.stderr
    assert "Unexpected" not in done.stderr and not list((tmp_path / "out").glob(".lock*holder"))
    if name == NO_LOCKS[0]:
        again = rvos(*words(clips, tmp_path / "whole", "--workers", 1))
        assert again.returncode == 0 and "no file locks" not in again.stderr
        assert (tmp_path / "out/scores.csv").read_bytes() == (tmp_path / "whole/scores.csv").read_bytes()


def test_corrupt_goes_on_without_locks_and_says_so(
    clips: Path, tmp_path: Path, rvos: Rvos, patched: Callable[..., dict[str, str]]
) -> None:
    command = ["corrupt", "--dataset", "folder", "--data-root", clips, "-c", "pixelate", "-s", 2, "--workers", 1]
    done = rvos(*command, "-o", tmp_path / "bare", env=patched(BROKEN_LOCKS, RVOS_TEST_ERRNO="ENOLCK"))
    assert done.returncode == 0, done.stderr
    assert "has no file locks" in done.stderr and "Unexpected" not in done.stderr
    assert rvos(*command, "-o", tmp_path / "locked").returncode == 0
    bare, locked = (json.loads(next((tmp_path / d).glob("*/rvos-bench.json")).read_text()) for d in ("bare", "locked"))
    assert bare["videos"] == locked["videos"] and bare["status"] == "complete"


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def flock(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def node(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, ShippedDataset]:
    """The data, and what a node has of it that does not see their folder."""
    data, absent = open_dataset("folder", clips), open_dataset("folder", clips)
    for name in ("root", "frames_root", "masks_root"):
        monkeypatch.setattr(absent, name, tmp_path / "elsewhere" / getattr(absent, name).name)
    return data, ShippedDataset(absent, {name: data.fingerprint(name) for name in data.videos}, FileServer(data))


def test_data_reach_a_node_without_locks(
    clips: Path, tmp_path: Path, no_flock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, shipped = node(clips, tmp_path, monkeypatch)
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    with pytest.warns(UserWarning, match="no file locks"):
        there = shipped.video("b")
    assert [f.tobytes() for f in there.frames] == [f.tobytes() for f in data.video("b").frames]
    rename = Path.rename

    def beaten(part: Path, target: Path) -> Path:
        """Another process of the node, which no lock keeps out, is quicker."""
        (target / "JPEGImages").parent.mkdir()
        for path in sorted(part.rglob("*")):
            place = target / path.relative_to(part)
            place.mkdir() if path.is_dir() else place.write_bytes(path.read_bytes())
        return rename(part, target)

    monkeypatch.setattr(Path, "rename", beaten)
    with pytest.warns(UserWarning, match="no file locks"):
        assert len(shipped.video("c")) == len(data.video("c"))


def test_a_cache_that_cannot_be_written_names_its_variable(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, shipped = node(clips, tmp_path, monkeypatch)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WriteError, match="RVOS_BENCH_CACHE"):
        shipped.video("a")


def note(path: Path, pid: int, host: str) -> None:
    path.with_name(f"{path.name}.holder").write_text(f"pid {pid} on {host} since 2020-02-02 20:20:20")


def test_without_locks_a_live_writer_of_this_machine_is_still_seen(tmp_path: Path, no_flock: None) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        note(lock, other.pid, socket.gethostname())
        with (
            pytest.raises(UsageError, match=rf"pid {other.pid} on .*delete {lock}\.holder"),
            exclusive(lock, UsageError),
        ):
            pass
        other.kill()
    with pytest.warns(UserWarning, match=f"pid {other.pid}"), exclusive(lock, UsageError):
        pass
    assert not lock.with_name("lock.holder").exists()


def test_without_locks_a_writer_of_another_machine_is_named(tmp_path: Path, no_flock: None) -> None:
    lock = tmp_path / "lock"
    note(lock, os.getppid(), "Another-Host")
    with pytest.warns(UserWarning, match=r"no file locks.*pid \d+ on Another-Host"), exclusive(lock, UsageError):
        pass


def test_a_lock_that_cannot_be_made_names_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def frozen(path: object, flags: int, *more: int, **named: int) -> int:
        if flags & (os.O_CREAT | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", frozen)
    with pytest.raises(WriteError, match=f"{tmp_path / 'lock'}.*read-only"), exclusive(tmp_path / "lock", UsageError):
        pass


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_needs_nothing_that_windows_lacks(
    clips: Path, tmp_path: Path, rvos: Rvos, patched: Callable[..., dict[str, str]], workers: int
) -> None:
    """As far as that can be told elsewhere: what Windows lacks is taken away from every process first."""
    start = time.monotonic()
    command = [*words(clips, tmp_path / "out", "--workers", workers), "--producers", workers - 1]
    done = rvos(*command, env=patched(LIKE_WINDOWS))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and time.monotonic() - start < 120
    assert rvos(*words(clips, tmp_path / "whole", "--workers", 1)).returncode == 0
    assert (tmp_path / "out/scores.csv").read_bytes() == (tmp_path / "whole/scores.csv").read_bytes()
