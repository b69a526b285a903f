"""From what users type (corruptions, families, presets, severities) to the list of conditions to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from robust_vos_bench.conditions.batch import find_device
from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.conditions.corruption import Corruption, corruptions
from robust_vos_bench.conditions.presets import (
    DEFAULT_PRESET,
    PresetEntry,
    PresetInfo,
    check_severity,
    load_preset,
    offers_profile,
    preset_names,
)
from robust_vos_bench.conditions.profile import check_profile
from robust_vos_bench.errors import UsageError, unknown

TEMPORAL = ("frame", "video", "drift")
"""Names of the modes of randomness in time."""


def families() -> dict[str, list[str]]:
    """Family -> names of its corruptions, both sorted."""
    table: dict[str, list[str]] = {}
    for name, spec in corruptions().items():
        table.setdefault(spec.family, []).append(name)
    return dict(sorted(table.items()))


def select(
    corruption: Sequence[str] | str = (),
    severities: Sequence[int] = (),
    preset: str | None = None,
    temporal: str | None = None,
    profile: str | None = None,
    seed: int = 0,
    clean_reference: bool | None = None,
    device: str = "",
) -> tuple[list[Condition], PresetInfo]:
    """The conditions that a choice means, in order and without repetition, and the preset they belong to.

    corruption: names of corruptions, families or presets ("clean" gives the clean condition; it is *not* added
    otherwise). A family means its members in the preset, where it has any there, else all of the family. Without a
    preset, `common` is looked at first; without both, all of `common`.
    severities: whole levels; by default those of the preset, or 1..levels. temporal, profile, clean_reference: what
    replaces the preset's choice. Where a *named* corruption does not offer the mode that is an error; members of a
    family or preset that do not offer it keep their own (a Condition says which it has).
    device: torch device ("cuda") that makes the frames of those corruptions that have a batch implementation; ""
    and "cpu" are our own code on the CPU.
    PresetInfo: the preset with its selected entries only; name "custom" and version 0 where corruptions lie outside.
    Raises UsageError for unknown names and for what is not offered.
    """
    names = [corruption] if isinstance(corruption, str) else list(corruption)
    if temporal is not None and temporal not in TEMPORAL:
        raise unknown("temporal mode", temporal, TEMPORAL, f"Modes are {', '.join(TEMPORAL)}.")
    if profile is not None:
        check_profile(profile)
    base, chosen, named, clean = _resolve(names, preset)
    within = preset is not None or base.name in names
    chosen = [_with_severities(entry, severities, within) for entry in chosen]
    if severities:
        chosen = [entry for entry in chosen if entry.severities]
        if not chosen and not clean:
            raise UsageError(f"preset {base.name} has no severity {_list(severities)} in what is selected")
    if temporal is not None:
        chosen = _override(chosen, named, "temporal", temporal, lambda spec: temporal in spec.temporal)
    if profile is not None:
        chosen = _override(
            chosen, named, "profile", profile, lambda spec: profile == "constant" or offers_profile(spec)
        )
    if clean_reference is not None:
        chosen = [replace(entry, clean_reference=clean_reference) for entry in chosen]
    info = replace(base, entries=tuple(chosen))
    if clean_reference is not None:
        info = replace(info, clean_reference=clean_reference)
    conditions = info.conditions(seed)
    if device not in ("", "cpu"):
        find_device(device)
        table = corruptions()
        conditions = [replace(c, device=device) if table[c.corruption].batch is not None else c for c in conditions]
    return ([CLEAN] if clean else []) + conditions, info


def _resolve(names: list[str], preset: str | None) -> tuple[PresetInfo, list[PresetEntry], set[str], bool]:
    """(preset, its chosen entries, corruptions that were asked for by their own name, whether "clean" was)."""
    clean = "clean" in names
    names = [name for name in names if name != "clean"]
    if not names:
        base = load_preset(preset or DEFAULT_PRESET)
        return base, [] if clean and preset is None else list(base.entries), set(), clean
    presets = [name for name in names if name in preset_names() and name not in corruptions()]
    if preset is None and len(presets) == 1 and len(names) == 1:
        base = load_preset(presets[0])
        return base, list(base.entries), set(), clean
    base = load_preset(preset or DEFAULT_PRESET)
    inside = {entry.corruption: entry for entry in base.entries}
    chosen: dict[str, PresetEntry] = {}
    named: set[str] = set()
    outside = False
    for name in names:
        found = _members(name, inside, base, strict=preset is not None)
        if name in corruptions():
            named.add(name)
        for entry in found:
            outside |= entry is not inside.get(entry.corruption)
            chosen.setdefault(entry.corruption, entry)
    if outside:
        base = PresetInfo("custom", 0, "Corruptions chosen by hand", clean_reference=False)
    return base, list(chosen.values()), named, clean


def _members(name: str, inside: dict[str, PresetEntry], base: PresetInfo, strict: bool) -> list[PresetEntry]:
    if name in corruptions():
        if name in inside:
            return [inside[name]]
        if strict:
            raise UsageError(f"preset {base.name} has no {name}; it has {', '.join(inside)}")
        return [_default(corruptions()[name])]
    if name in families():
        within = [entry for entry in inside.values() if entry.corruption in families()[name]]
        if within:
            return within
        if strict:
            raise UsageError(f"preset {base.name} has nothing of the family {name}; it has {', '.join(inside)}")
        return [_default(corruptions()[member]) for member in families()[name]]
    if name in preset_names():
        return list(load_preset(name).entries)
    known = [*corruptions(), *families(), *preset_names(), "clean"]
    raise unknown("corruption", name, known, "See `rvos-bench list corruptions`.")


def _default(spec: Corruption) -> PresetEntry:
    return PresetEntry(spec.name, tuple(range(1, spec.levels + 1)), spec.temporal[0] if spec.temporal else "")


def _with_severities(entry: PresetEntry, severities: Sequence[int], in_preset: bool) -> PresetEntry:
    if not severities:
        return entry
    spec = corruptions()[entry.corruption]
    for severity in severities:
        check_severity(spec, severity)
    wanted = dict.fromkeys(severities)
    if in_preset:
        return replace(entry, severities=tuple(s for s in wanted if s in entry.severities))
    return replace(entry, severities=tuple(wanted))


def _override(
    chosen: list[PresetEntry], named: set[str], key: str, value: str, offered: Callable[[Corruption], bool]
) -> list[PresetEntry]:
    result, any_offered = [], False
    for entry in chosen:
        spec = corruptions()[entry.corruption]
        fits = offered(spec)
        any_offered |= fits
        if not fits and entry.corruption in named:
            have = ", ".join(spec.temporal) or "none: it draws nothing" if key == "temporal" else "constant"
            raise UsageError(f"{spec.name} does not offer the {key} mode {value!r} (offered: {have})")
        changes: dict[str, Any] = {key: value} if fits else {}
        result.append(replace(entry, **changes))
    if chosen and not any_offered:
        raise UsageError(f"nothing in the selection offers the {key} mode {value!r}")
    return result


def _list(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in values)
