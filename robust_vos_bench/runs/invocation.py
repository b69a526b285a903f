"""One invocation: a command (or Python call) that computed units of a run or took them over; where and when."""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from robust_vos_bench.runs.environment import environment, tool
from robust_vos_bench.system.paths import as_text


class ToolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The rvos-bench that computed something."""

    version: str = ""
    commit: str | UnsetType = UNSET
    """Short commit, where it ran from a checkout."""
    dirty: bool | UnsetType = UNSET
    """Whether that checkout had local changes."""

    def __str__(self) -> str:
        return f"{self.version} {'' if self.commit is UNSET else self.commit}".strip()


class EnvironmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A machine and its libraries."""

    python: str = ""
    system: str = ""
    """System and processor: "Linux x86_64"."""
    cpus: int | None = None
    device: str = "cpu"
    """The first worker's torch device; "" where nothing was computed."""
    packages: dict[str, str] = {}
    """Library -> version."""
    gpu: str | UnsetType = UNSET
    """Name of the GPU, where the device is one."""
    cuda: str | UnsetType | None = UNSET
    """CUDA version that torch was built for, where the device is a GPU."""


class InvocationRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One invocation of a run. It is written before its first unit, and never changed after its end."""

    id: str
    """What records of its units name; "" for that of a run made before invocations were told apart."""
    started: str
    ended: str | UnsetType = UNSET
    """Absent where it was killed, or is still at work."""
    command: list[str] = []
    """The command line that means the same, whatever variables and settings files it was started with; empty where
    there is none, which only happens in Python."""
    call: str = ""
    """Where no command means the same: the Python call that does."""
    workers: int = 0
    """Worker processes; 0 on a cluster, or where nothing was computed."""
    tool: ToolRecord = ToolRecord()
    environment: EnvironmentRecord = EnvironmentRecord()
    units: int | UnsetType = UNSET
    """Units that it computed, failed ones included; absent where it did not end."""
    reused: int | UnsetType = UNSET
    """Units that it took over from other run directories; absent where it did not end."""
    run: str = ""
    """Id of the run that its units were taken over from; "" for an invocation of this run directory."""
    host: str = ""
    user: str = ""
    home: str = ""
    folder: str = ""
    """Machine, person, home and working directory: they stay in the run directory (see `analysis.sharing`)."""

    @property
    def is_own(self) -> bool:
        """Whether it worked in this run directory."""
        return not self.run


@dataclass(frozen=True)
class Started:
    """How a run was started: the words that start it again."""

    command: Sequence[str] = ()
    call: str = ""
    devices: Sequence[str] = field(default=())
    """One per worker of this machine."""


def now() -> str:
    """The present second, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def begin(started: Started, computes: bool) -> InvocationRecord:
    """An invocation that begins now, here. computes: whether it will compute anything, for which a device is used."""
    devices = started.devices or ("cpu",)
    return InvocationRecord(
        id=secrets.token_hex(6),
        started=now(),
        command=[as_text(word) for word in started.command],
        call=as_text(started.call),
        workers=len(started.devices) if computes else 0,
        tool=msgspec.convert(tool(), ToolRecord),
        environment=msgspec.convert(environment(devices[0] if computes else ""), EnvironmentRecord),
        host=as_text(platform.node()),
        user=as_text(_user()),
        home=as_text(os.path.expanduser("~")),  # noqa: PTH111 (a home that cannot be found stays "~")
        folder=as_text(_folder()),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, in some containers
        return ""


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # deleted meanwhile
        return ""
