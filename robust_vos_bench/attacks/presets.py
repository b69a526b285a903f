"""Presets of attacks: versioned TOML files that say which threats, and how hard each is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import msgspec

from robust_vos_bench.attacks.effort import Effort
from robust_vos_bench.attacks.threat import Threat, in_order
from robust_vos_bench.errors import DataError, RvosError, unknown
from robust_vos_bench.system.paths import user_path
from robust_vos_bench.system.text import read_text


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    version: int
    description: str
    steps: int = Effort.steps
    losses: tuple[str, ...] = Effort.losses
    queries: int = Effort.queries
    horizon: int = Effort.horizon
    window: int = Effort.window
    noise: bool = True
    """Also random corners of every box: the baseline."""
    unbounded_videos: int = 0
    """Videos on which a search without a bound is made as a check."""
    restart_videos: int = 0
    """Videos on which three starts are compared as a check."""


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    frames: str
    budgets: tuple[int, ...]
    starts: int = Effort.starts


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    preset: _Head
    threat: tuple[_Row, ...]


@dataclass(frozen=True)
class AttackPreset:
    """A preset: its name and version are part of every key, and it never changes within a version."""

    name: str
    version: int
    description: str
    threats: tuple[Threat, ...]
    """In the order in which they are searched, noise last."""
    effort: Effort
    starts: Mapping[str, int]
    """Name of a threat -> searches by loss."""
    unbounded_videos: int = 0
    restart_videos: int = 0

    def effort_of(self, threat: Threat, place: int = 0) -> Effort:
        """How hard a threat is tried. place: of the video in the data set; the first ones have the checks as well."""
        fields = asdict(self.effort) | {
            "starts": self.starts.get(threat.name, Effort.starts),
            "unbounded": place < self.unbounded_videos,
            "restarts": 3 if place < self.restart_videos and threat.needs_gradients else 0,
        }
        return Effort(**fields)

    def facts(self, threat: Threat) -> dict[str, Any]:
        """What decides the frames of a threat, for keys: the checks change none."""
        if threat.kind == "noise":
            return {}
        if threat.kind == "square":
            return {"queries": self.effort.queries, "eot": self.effort.eot}
        known = asdict(self.effort_of(threat, 1 << 30))
        left_out = ("queries", "unbounded", "restarts", "checkpointed")
        return {name: list(v) if isinstance(v, tuple) else v for name, v in known.items() if name not in left_out}


PRESETS = ("adversarial", "adversarial-quick", "adversarial-black", "adversarial-patch")
"""Presets that come with the project, the standard one first."""
QUICK = ("adversarial-quick",)
"""Presets that are never on a leaderboard."""


def load_attack_preset(name: str) -> AttackPreset:
    """The preset of that name, or of that path where `name` ends in ".toml". UsageError for an unknown name, DataError
    naming the file where it is wrong."""
    if name.endswith(".toml"):
        path = user_path(name)
        if not path.is_file():
            raise DataError(f"no preset file at {path}")
        return read_attack_preset(read_text(path), str(path))
    if name not in PRESETS:
        raise unknown("preset of attacks", name, PRESETS, f"They are {', '.join(PRESETS)}, or a file .toml.")
    file = files("robust_vos_bench.attacks") / "presets" / f"{name}.toml"
    return read_attack_preset(file.read_text(encoding="utf-8"), f"presets/{name}.toml")


def read_attack_preset(text: str, where: str) -> AttackPreset:
    """The preset that a text says. Raises DataError that names the file and the key."""
    try:
        found = msgspec.convert(msgspec.toml.decode(text), _File)
    except msgspec.DecodeError as error:
        detail = re.sub(r" - at `\$\.?([^`]*)`", r" (\1)", str(error))
        raise DataError(f"{where}: {detail}") from error
    head = found.preset
    try:
        threats = [Threat(row.kind, budget, row.frames) for row in found.threat for budget in row.budgets]
        effort = Effort(
            steps=head.steps, losses=head.losses, queries=head.queries, horizon=head.horizon, window=head.window
        )
        starts = {Threat(row.kind, 1, row.frames).name: row.starts for row in found.threat}
        for count in starts.values():
            Effort(starts=count)
    except RvosError as error:
        raise DataError(f"{where}: {error}") from error
    if not threats:
        raise DataError(f"{where}: no [[threat]] with budgets")
    noise = noise_of(threats) if head.noise else []
    return AttackPreset(
        name=head.name,
        version=head.version,
        description=head.description,
        threats=tuple(in_order([*threats, *noise])),
        effort=effort,
        starts=starts,
        unbounded_videos=head.unbounded_videos,
        restart_videos=head.restart_videos,
    )


def noise_of(threats: list[Threat]) -> list[Threat]:
    """The baseline of threats: random corners of the same boxes."""
    return [t.noise for t in threats if t.needs_model and t.noise is not None]
