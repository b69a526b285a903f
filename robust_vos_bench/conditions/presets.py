"""Presets: versioned TOML files that say which corruptions, severities and modes in time make up a benchmark."""

from __future__ import annotations

import importlib.resources
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.conditions.corruption import Corruption, corruptions
from robust_vos_bench.conditions.profile import PROFILES
from robust_vos_bench.errors import DataError, UsageError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_PRESET = "common"


@dataclass(frozen=True)
class PresetEntry:
    """One corruption of a preset with what the preset chooses for it."""

    corruption: str
    severities: tuple[int, ...]
    temporal: str = ""
    profile: str = "constant"
    clean_reference: bool = False
    note: str = ""
    source: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else defines it (codec settings ...), recorded for readers; never changes the output by itself."""


@dataclass(frozen=True)
class PresetInfo:
    """A preset: its name and version go into every record, and its entries never change within a version."""

    name: str
    version: int
    description: str
    source: str = ""
    entries: tuple[PresetEntry, ...] = ()
    videos: int | None = None
    """How many videos of the data set a run takes by default; None is all."""
    clean_reference: bool = False
    """Whether frames that carry a prompt stay clean by default."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Corruptions of the source that are not offered, with the reason."""

    @property
    def corruptions(self) -> tuple[str, ...]:
        """Names of its corruptions in order."""
        return tuple(entry.corruption for entry in self.entries)

    def conditions(self, seed: int = 0) -> list[Condition]:
        """Every condition of the preset in order, without the clean one."""
        return [
            Condition(e.corruption, s, e.temporal, e.profile, seed, e.clean_reference)
            for e in self.entries
            for s in e.severities
        ]


def preset_names() -> list[str]:
    """Names of the presets that come with the package, sorted."""
    folder = importlib.resources.files("robust_vos_bench.corruptions") / "presets"
    return sorted(f.name[: -len(".toml")] for f in folder.iterdir() if f.name.endswith(".toml"))


@lru_cache(maxsize=64)
def load_preset(name: str) -> PresetInfo:
    """The preset of that name, or of that path where `name` ends in ".toml".

    UsageError for an unknown name, DataError naming file and key where the file is wrong.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise DataError(f"no preset file at {path}")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
        return _parse(text, str(path))
    if name not in preset_names():
        raise unknown("preset", name, preset_names(), "See `rvos-bench list presets`.")
    file = importlib.resources.files("robust_vos_bench.corruptions") / "presets" / f"{name}.toml"
    info = _parse(file.read_text(encoding="utf-8"), f"presets/{name}.toml")
    if info.name != name:
        raise DataError(f"presets/{name}.toml, preset.name: {info.name!r} is not the file's name")
    return info


_HEAD = {
    "name": str,
    "version": int,
    "description": str,
    "source": str,
    "clean_reference": bool,
    "temporal": str,
    "profile": str,
    "severities": list,
    "videos": int,
}
_ENTRY = {
    "name": str,
    "severities": list,
    "temporal": str,
    "profile": str,
    "clean_reference": bool,
    "note": str,
    "source": str,
    "settings": dict,
}


def _fields(table: Any, known: Mapping[str, type], where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise DataError(f"{where}: expected a table, got {type(table).__name__}")
    for key, value in table.items():
        if key not in known:
            raise DataError(f"{where}.{key}: unknown key; known are {', '.join(known)}")
        kind = known[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise DataError(f"{where}.{key}: expected {kind.__name__}, got {value!r}")
    return table


def _parse(text: str, file: str) -> PresetInfo:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{file}: not valid TOML: {error}") from error
    for key in data:
        if key not in ("preset", "corruption", "left_out"):
            raise DataError(f"{file}: unknown table [{key}]; known are [preset], [[corruption]], [left_out]")
    head = _fields(data.get("preset", {}), _HEAD, f"{file}, preset")
    for key in ("name", "version", "description"):
        if key not in head:
            raise DataError(f"{file}, preset.{key}: missing")
    rows = data.get("corruption", [])
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{file}: no [[corruption]] entry")
    entries = tuple(_entry(row, head, f"{file}, corruption[{i}]") for i, row in enumerate(rows))
    names = [entry.corruption for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{file}: corruption {name!r} is listed twice")
    left_out = data.get("left_out", {})
    for name, reason in left_out.items():
        if not isinstance(reason, str):
            raise DataError(f"{file}, left_out.{name}: expected the reason as text, got {reason!r}")
    if head.get("videos") is not None and head["videos"] < 1:
        raise DataError(f"{file}, preset.videos: expected at least 1, got {head['videos']}")
    return PresetInfo(
        name=head["name"],
        version=head["version"],
        description=head["description"],
        source=head.get("source", ""),
        entries=entries,
        videos=head.get("videos"),
        clean_reference=head.get("clean_reference", False),
        left_out=dict(left_out),
    )


def _entry(row: Any, head: Mapping[str, Any], where: str) -> PresetEntry:
    row = _fields(row, _ENTRY, where)
    if "name" not in row:
        raise DataError(f"{where}.name: missing")
    name = row["name"]
    if name not in corruptions():
        raise DataError(f"{where}.name: {unknown('corruption', name, corruptions())}")
    spec = corruptions()[name]
    severities = row.get("severities", head.get("severities", list(range(1, spec.levels + 1))))
    for severity in severities:
        if not isinstance(severity, int) or isinstance(severity, bool) or not 1 <= severity <= spec.levels:
            raise DataError(f"{where}.severities: {severity!r} is not one of 1..{spec.levels} of {name}")
    if not severities or len(set(severities)) < len(severities):
        raise DataError(f"{where}.severities: expected distinct levels, got {severities}")
    default = spec.temporal[0] if spec.temporal else ""
    inherited = head.get("temporal", default)
    temporal = row.get("temporal", inherited if inherited in spec.temporal else default)
    if temporal and temporal not in spec.temporal:
        offered = ", ".join(spec.temporal) or "none: it draws nothing"
        raise DataError(f"{where}.temporal: {name} does not offer {temporal!r} (offered: {offered})")
    profile = row.get("profile", head.get("profile", "constant"))
    if profile not in PROFILES:
        raise DataError(f"{where}.profile: {profile!r} is not one of {', '.join(PROFILES)}")
    if profile != "constant" and not offers_profile(spec):
        raise DataError(f"{where}.profile: the severity of {name} cannot vary over time")
    return PresetEntry(
        corruption=name,
        severities=tuple(severities),
        temporal=temporal,
        profile=profile,
        clean_reference=row.get("clean_reference", head.get("clean_reference", False)),
        note=row.get("note", ""),
        source=row.get("source", ""),
        settings=dict(row.get("settings", {})),
    )


def offers_profile(spec: Corruption) -> bool:
    """Whether the severity of this corruption may vary over a video (`profile` other than "constant")."""
    return spec.profiles and spec.scope == "frame"


def check_severity(spec: Corruption, severity: int) -> None:
    """UsageError naming the range where a corruption has no such whole level."""
    if isinstance(severity, bool) or not isinstance(severity, int) or not 1 <= severity <= spec.levels:
        raise UsageError(f"severity {severity} is out of range: {spec.name} has severities 1..{spec.levels}")
