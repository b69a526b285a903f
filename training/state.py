"""Everything a training needs to go on, in one file that is replaced whole or not at all."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robust_vos_bench.errors import DataError


@dataclass
class State:
    """Progress of one training."""

    settings: dict[str, Any]
    """What the result depends on; a training goes on only under the same ones."""
    step: int = 0
    network: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    """Exponential moving average of the weights: what is validated and exported."""
    optimiser: dict[str, Any] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    """Time spent on steps so far, over all runs and devices."""
    devices: dict[str, int] = field(default_factory=dict)
    """Steps made on each kind of device."""
    losses: list[float] = field(default_factory=list)
    """Of the steps since the last row of the curve, so that a training in pieces has the same curve."""


def save(state: State, path: Path) -> None:
    """Write beside the target, sync, rename: whatever happens, `path` holds a whole state, the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save(vars(state), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: Path, settings: Mapping[str, Any] | None = None) -> State:
    """Read a state; with `settings`, raise a DataError that names what differs from those it was made under."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        state = State(**found)
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable training state ({error})") from error
    if settings is not None and state.settings != dict(settings):
        names = sorted({*state.settings, *settings})
        changed = [
            f"{n}: {state.settings.get(n)!r} there, {settings.get(n)!r} now"
            for n in names
            if state.settings.get(n) != settings.get(n)
        ]
        raise DataError(f"{path} was made under other settings ({'; '.join(changed)}): give another --out")
    return state
