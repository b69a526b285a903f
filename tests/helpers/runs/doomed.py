"""A run in a process that is going to die: what it does, what is done to it, and what it says before.

The processes are forked by a server that has everything imported (`multiprocessing` "forkserver"), so that one costs
hundredths of a second.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

import robust_vos_bench as rvos
import robust_vos_bench.runs.work.worker
from robust_vos_bench.api.run import run
from robust_vos_bench.conditions import CORRUPTIONS
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.models import find_entry
from robust_vos_bench.runs.records import UnitRecord

# Imported once, by the server.
for name in ("salt_and_pepper", "pixelate"):
    CORRUPTIONS.find(name)
find_entry("static")

MODELS = Path(__file__).resolve().parents[2] / "runs" / "models.py"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
"""Events of Python's auditing, beside "open", that stand for changes of files."""


@dataclass(frozen=True)
class Doom:
    """What happens to one process."""

    kind: str
    """"none", "kill" (from outside, at any moment), "torn" (in the middle of a write), "call" (before a call that
    changes files), "full", "limit" (a full disk), "read-only", "clock" (it jumps, and then the process is killed),
    "worker", "producer" (a process of the run is killed)."""
    seed: int


class Reporter(rvos.Listener):
    """Tells the test what the run reports as written."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def started(self, plan: object, state: object, folder: Path) -> None:
        self.pipe.send("started")

    def unit(self, record: UnitRecord) -> None:
        self.pipe.send(msgspec.json.encode(record))


def work(clips: Path, out: Path, masks: bool, doom: Doom, pipe: Connection) -> None:
    """The body of the process. Sends "started", each reported record, and last of all "done" or the error."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    rng = random.Random(doom.seed)
    DOOMS.get(doom.kind, lambda rng, out: None)(rng, out)
    many = {"workers": 2, "producers": int(doom.kind == "producer")} if doom.kind in ("worker", "producer") else {}
    try:
        done = run(
            [f"{MODELS}:Repeat", "static"],
            "salt_and_pepper,pixelate",
            severity=3,
            dataset=open_dataset("folder", clips),
            output=out,
            save_masks=masks,
            progress=Reporter(pipe),
            allow_failures=True,
            device="cpu",
            **{"workers": 1, "producers": 0, **many},
        )
        pipe.send("done" if done.manifest.status == "complete" else "partial")
    except rvos.RvosError as error:
        pipe.send(f"error {error.exit_code}: {error}")
    except BaseException:  # the test fails with it
        pipe.send(f"unexpected {traceback.format_exc()}")
        raise


def die() -> None:
    """As by the memory killer of the system: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def torn(rng: random.Random, out: Path) -> None:
    """A write stops in the middle, and with it the process."""
    left, write = iter(range(rng.randint(0, 30), -1, -1)), os.write

    def partly(file: int, data: bytes) -> int:
        if next(left) == 0:
            write(file, data[: rng.randint(0, len(data))])
            die()
        return write(file, data)

    os.write = partly  # type: ignore[assignment]


def changes(out: Path, act: Callable[[], None]) -> None:
    """Call `act` before every call that changes something below `out`."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if isinstance(arguments[0], (str, bytes)) and arguments[2] & WRITES and below(arguments[0]):
                act()
        elif event == "os.truncate" or (event in CHANGES and below(arguments[0])):
            act()

    def below(path: str | bytes) -> bool:
        return os.fsdecode(path).startswith(str(out))

    sys.addaudithook(hook)


def call(rng: random.Random, out: Path) -> None:
    """Death before one of the calls that change files, or right after a flush to the disk."""
    left = iter(range(rng.randint(0, 120), -1, -1))
    flush = os.fsync

    def count() -> None:
        if next(left) == 0:
            die()

    def flushed(file: int) -> None:
        count()
        flush(file)
        count()

    os.fsync = flushed  # type: ignore[assignment]
    changes(out, count)


def full(rng: random.Random, out: Path) -> None:
    """The disk takes so many bytes more, then it takes parts of records, then nothing."""
    room, write = [rng.randint(0, 12_000)], os.write

    def scarce(file: int, data: bytes) -> int:
        if not room[0] and data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = write(file, data[: room[0]])
        room[0] -= taken
        return taken

    os.write = scarce  # type: ignore[assignment]


def limit(rng: random.Random, out: Path) -> None:
    """No file may grow beyond a size: the system itself cuts writes short and then refuses them."""
    size = rng.randint(0, 6000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def read_only(rng: random.Random, out: Path) -> None:
    """From some moment on nothing can be changed."""
    left = [rng.randint(0, 80)]

    def refuse() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    changes(out, refuse)


def clock(rng: random.Random, out: Path) -> None:
    """Every look at the clock sees another year, forwards or backwards."""
    now, gmtime, strftime = time.time, time.gmtime, time.strftime

    def jumping(*given: Any) -> float:
        return now() + rng.uniform(-3e8, 3e8)

    time.time = jumping
    time.gmtime = lambda seconds=None: gmtime(jumping() if seconds is None else seconds)  # type: ignore[assignment]
    time.strftime = lambda form, moment=None: strftime(form, moment or gmtime(jumping()))  # type: ignore[assignment]


DOOMS: dict[str, Callable[[random.Random, Path], None]] = {
    "torn": torn,
    "call": call,
    "full": full,
    "limit": limit,
    "read-only": read_only,
    "clock": clock,
}


def descendants(pid: int) -> Iterator[tuple[int, int]]:
    """(depth, pid) of the processes that a process has started, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                status = (entry / "stat").read_text()
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"spawn_main" in words:  # not the tracker of resources
                parents.setdefault(int(status.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    level, depth = [pid], 0
    while level:
        level, depth = [child for parent in level for child in parents.get(parent, [])], depth + 1
        yield from ((depth, child) for child in level)
