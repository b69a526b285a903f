"""Presets: versioned TOML files that say which corruptions, severities and modes in time make up a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path
from typing import Protocol, runtime_checkable

from robust_vos_bench.conditions.catalogue import CORRUPTIONS
from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.conditions.preset_file import PresetFile, Row, read_preset_file
from robust_vos_bench.conditions.profile import PROFILES
from robust_vos_bench.errors import ContractError, DataError, RvosError
from robust_vos_bench.origin import Origin, is_file_spec
from robust_vos_bench.registry import Item, Registry
from robust_vos_bench.system.paths import user_path
from robust_vos_bench.system.text import read_text

DEFAULT_PRESET = "common"
GROUP = "robust_vos_bench.presets"


@runtime_checkable
class TextFile(Protocol):
    """A file or folder: a `pathlib.Path`, or a resource of a package."""

    @property
    def name(self) -> str: ...

    def is_dir(self) -> bool: ...

    def iterdir(self) -> Iterator[TextFile]: ...

    def read_text(self, encoding: str) -> str: ...


@dataclass(frozen=True)
class PresetEntry:
    """One corruption of a preset with what the preset chooses for it."""

    base: Condition
    """The first of its conditions; the others differ in severity alone."""
    severities: tuple[int, ...]

    @property
    def corruption(self) -> str:
        """Name of its corruption."""
        return self.base.corruption

    def conditions(self, seed: int = 0) -> list[Condition]:
        """One condition per severity, in order."""
        return [replace(self.base, severity=severity, seed=seed) for severity in self.severities]


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
        return [condition for entry in self.entries for condition in entry.conditions(seed)]


@dataclass(frozen=True)
class PresetSource:
    """The text of a preset before it is read."""

    name: str
    text: str
    where: str
    """The file, for errors."""
    folder: Path | None = None
    """Where `own.py:name` in the file is looked for; None where corruptions are given by name only."""


def preset_names() -> list[str]:
    """Names of the presets that are built in or come with an installed package, sorted."""
    return sorted(PRESETS.usable())


def load_preset(name: str) -> PresetInfo:
    """The preset of that name, or of that path where `name` ends in ".toml".

    UsageError for an unknown name, DataError naming file and key where the file is wrong.
    """
    item = PRESETS.find(name)
    info = _parse(item.value)
    if item.origin.kind != "file" and info.name != item.value.name:
        raise DataError(f"{item.value.where}, preset.name: {info.name!r} is not the file's name")
    return info


def _builtin() -> Iterator[PresetSource]:
    for file in sorted((files("robust_vos_bench.corruptions") / "presets").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            yield PresetSource(file.name.removesuffix(".toml"), _text(file), f"presets/{file.name}")


def _from_package(point: EntryPoint, loaded: object) -> list[PresetSource]:
    found: list[PresetSource] = []
    for one in loaded if isinstance(loaded, (list, tuple)) else [loaded]:
        place = Path(one) if isinstance(one, str) else one
        if not isinstance(place, (Path, TextFile)):
            raise ContractError(f"expected a TOML file, a folder of them, or a list of both, got {place!r}")
        inside = sorted(place.iterdir(), key=lambda f: f.name) if place.is_dir() else [place]
        for file in inside:
            if file.name.endswith(".toml"):
                found.append(PresetSource(file.name.removesuffix(".toml"), _text(file), str(file)))
    if not found:
        raise ContractError(f"no preset (.toml) in {loaded}")
    return found


def _from_file(name: str) -> Item[PresetSource]:
    path = user_path(name)
    if not path.is_file():
        raise DataError(f"no preset file at {path}")
    source = PresetSource(path.stem, _text(path), str(path), path.absolute().parent)
    return Item(source, Origin("file", str(path.absolute())))


def _text(file: TextFile) -> str:
    if isinstance(file, Path):
        return read_text(file)
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text ({error}); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error


PRESETS: Registry[PresetSource] = Registry(
    kind="preset",
    group=GROUP,
    builtin=_builtin,
    names=lambda source: (source.name,),
    read=_from_package,
    from_file=_from_file,
    is_file=lambda name: name.endswith(".toml"),
    see="See `rvos-bench list presets`.",
)
"""All presets."""


@lru_cache(maxsize=64)
def _parse(source: PresetSource) -> PresetInfo:
    data = read_preset_file(source.text, source.where)
    entries = tuple(
        _entry(row, data, source, f"{source.where}, corruption[{i}]") for i, row in enumerate(data.corruption)
    )
    names = [entry.corruption for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{source.where}: corruption {name!r} is listed twice")
    head = data.preset
    return PresetInfo(
        name=head.name,
        version=head.version,
        description=head.description,
        source=head.source,
        entries=entries,
        videos=head.videos,
        clean_reference=bool(head.clean_reference),
        left_out=data.left_out,
    )


def _entry(row: Row, data: PresetFile, source: PresetSource, where: str) -> PresetEntry:
    head, name = data.preset, row.name
    if is_file_spec(name) and source.folder is not None:
        name = str(source.folder / user_path(name))
    try:
        item = CORRUPTIONS.find(name)
    except RvosError as error:
        raise DataError(f"{where}.name: {error}") from error
    spec = item.value
    chosen = head.severities if row.severities is None else row.severities
    severities = tuple(range(1, spec.levels + 1)) if chosen is None else chosen
    for severity in severities:
        if not 1 <= severity <= spec.levels:
            raise DataError(f"{where}.severities: {severity!r} is not one of 1..{spec.levels} of {spec.name}")
    if not severities or len(set(severities)) < len(severities):
        raise DataError(f"{where}.severities: expected distinct levels, got {list(severities)}")
    inherited = head.temporal if head.temporal in spec.temporal else None
    temporal = row.temporal if row.temporal is not None else inherited or spec.default_temporal
    if temporal and temporal not in spec.temporal:
        offered = ", ".join(spec.temporal) or "none: it draws nothing"
        raise DataError(f"{where}.temporal: {spec.name} does not offer {temporal!r} (offered: {offered})")
    profile = row.profile or head.profile
    if profile not in PROFILES:
        raise DataError(f"{where}.profile: {profile!r} is not one of {', '.join(PROFILES)}")
    if profile != "constant" and not spec.offers_profile:
        raise DataError(f"{where}.profile: the severity of {spec.name} cannot vary over time")
    # None where neither says anything: as the corruption declares.
    clean_reference = head.clean_reference if row.clean_reference is None else row.clean_reference
    origin = None if item.origin.kind == "built in" else item.origin
    base = Condition(spec.name, severities[0], temporal, profile, clean_reference=clean_reference, origin=origin)
    return PresetEntry(base, severities)
