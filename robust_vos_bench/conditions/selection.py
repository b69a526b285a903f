"""From what users type (corruptions, families, presets, severities) to the list of conditions to run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from robust_vos_bench.conditions.batch import find_device, parse_device
from robust_vos_bench.conditions.catalogue import CORRUPTIONS, corruption_of, corruptions
from robust_vos_bench.conditions.condition import CLEAN, Condition
from robust_vos_bench.conditions.label import FORM, is_label, read_label
from robust_vos_bench.conditions.presets import (
    DEFAULT_PRESET,
    PRESETS,
    PresetEntry,
    PresetInfo,
    load_preset,
    preset_names,
)
from robust_vos_bench.conditions.profile import check_profile
from robust_vos_bench.conditions.spec import TEMPORAL, Corruption, check_severity
from robust_vos_bench.errors import UsageError, unknown
from robust_vos_bench.registry import Item


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

    This one function turns words into conditions, for the command line and for Python. What words leave open is what
    the preset says, else what `Condition` says, which for the corruptions of `common` is the same.

    corruption: names of corruptions, `path/to/own.py:name`, whole conditions ("fog-3-frame"), families, presets or
    "all" ("clean" gives the clean condition; it is *not* added otherwise). A word that is a family and a preset is the
    family. A family means its members in the preset, where it has any there, else all of the family. Without a preset,
    `common` is looked at first; without both, all of `common`.
    severities: whole levels; by default those of the preset, or 1..levels. temporal, profile, clean_reference: what
    replaces the preset's choice. Where a *named* corruption does not offer the mode that is an error; members of a
    family or preset that do not offer it keep their own (a Condition says which it has). A whole condition takes from
    all of these what it leaves open; where they contradict it that is an error.
    device: torch device ("cuda") that makes the frames of those corruptions that have a batch implementation; ""
    and "cpu" are our own code on the CPU.
    PresetInfo: the preset with its selected entries only; name "custom" and version 0 where corruptions lie outside.
    Raises UsageError for unknown names and for what is not offered.
    """
    words = [corruption] if isinstance(corruption, str) else list(corruption)
    labels = [word for word in words if _is_condition(word)]
    names = [word for word in words if word not in labels]
    if temporal is not None and temporal not in TEMPORAL:
        raise unknown("temporal mode", temporal, TEMPORAL, f"Modes are {', '.join(TEMPORAL)}.")
    if profile is not None:
        check_profile(profile)
    made = [_made(word, severities, temporal, profile, seed, clean_reference) for word in labels]
    base, chosen, named, clean = _resolve(names, preset, every=not made)
    within = preset is not None or base.name in names
    chosen = [_with_severities(entry, severities, within) for entry in chosen]
    if severities:
        chosen = [entry for entry in chosen if entry.severities]
        if not chosen and not clean and not made:
            raise UsageError(f"preset {base.name} has no severity {_list(severities)} in what is selected")
    if temporal is not None:
        chosen = _override(chosen, named, "temporal", temporal, lambda spec: temporal in spec.temporal)
    if profile is not None:
        chosen = _override(chosen, named, "profile", profile, lambda spec: profile == "constant" or spec.offers_profile)
    if clean_reference is not None:
        chosen = [replace(entry, base=replace(entry.base, clean_reference=clean_reference)) for entry in chosen]
    info = replace(base, entries=tuple(chosen))
    if clean_reference is not None:
        info = replace(info, clean_reference=clean_reference)
    conditions = info.conditions(seed)
    if made:
        if preset is not None:
            _check_inside(made, base.conditions(seed), base)
        else:
            info = replace(_CUSTOM, entries=info.entries)
        info = replace(info, entries=(*info.entries, *(PresetEntry(c, (c.severity,)) for c in made)))
        conditions = list(dict.fromkeys((*conditions, *made)))
    if device not in ("", "cpu"):
        find_device(device)
        conditions = made_on(conditions, device)
    return ([CLEAN] if clean else []) + conditions, info


_CUSTOM = PresetInfo("custom", 0, "Corruptions chosen by hand", clean_reference=False)


def _is_condition(word: str) -> bool:
    return is_label(word) and not PRESETS.knows(word)


def _made(
    word: str,
    severities: Sequence[int],
    temporal: str | None,
    profile: str | None,
    seed: int,
    clean_reference: bool | None,
) -> Condition:
    """The condition that a word writes out, completed by what is asked of all. UsageError where these contradict it."""
    said = read_label(word)
    if severities and said["severity"] not in severities:
        raise UsageError(
            f"{word} has a severity of its own, and severity {_list(severities)} is asked for: leave one out"
        )
    asked = {"temporal": temporal, "profile": profile, "seed": seed or None, "clean_reference": clean_reference}
    for key, value in asked.items():
        if value is not None and said.setdefault(key, value) != value:
            raise UsageError(f"{word} contradicts {key.replace('_', ' ')} {value}: leave one out")
    return Condition(**said)


def _check_inside(made: Iterable[Condition], offered: Iterable[Condition], preset: PresetInfo) -> None:
    known = [condition.label for condition in offered]
    for condition in made:
        if condition.label not in known:
            raise unknown("condition", condition.label, known, f"Preset {preset.name} does not have it.")


def made_on(conditions: Iterable[Condition], device: str) -> list[Condition]:
    """The conditions with the frames of corruptions that can be made in batches made on a torch device, which need not
    be here. Raises UsageError for a name that is none."""
    if device in ("", "cpu"):
        return list(conditions)
    parse_device(device)
    return [
        replace(c, device=device) if not c.is_clean and corruption_of(c).batch is not None else c for c in conditions
    ]


def _resolve(names: list[str], preset: str | None, every: bool) -> tuple[PresetInfo, list[PresetEntry], set[str], bool]:
    """(preset, its chosen entries, corruptions that were asked for by their own name, whether "clean" was).

    every: whether no name means all of the preset.
    """
    clean = "clean" in names
    names = [name for name in names if name != "clean"]
    if not names:
        base = load_preset(preset or DEFAULT_PRESET)
        return base, list(base.entries) if every and (preset is not None or not clean) else [], set(), clean
    if preset is None and len(names) == 1 and _is_preset_alone(names[0]):
        base = load_preset(names[0])
        return base, list(base.entries), set(), clean
    base = load_preset(preset or DEFAULT_PRESET)
    inside = {entry.corruption: entry for entry in base.entries}
    chosen: dict[str, PresetEntry] = {}
    named: set[str] = set()
    outside = False
    for name in names:
        found = _members(name, inside, base, strict=preset is not None)
        if CORRUPTIONS.knows(name):
            named.add(found[0].corruption)
        for entry in found:
            outside |= entry is not inside.get(entry.corruption)
            _check_same(chosen.setdefault(entry.corruption, entry), entry)
    if outside:
        base = _CUSTOM
    return base, list(chosen.values()), named, clean


def _is_preset_alone(name: str) -> bool:
    """Whether a word names a preset and nothing else: `video` is the family under --corruption, not the preset."""
    return PRESETS.knows(name) and not CORRUPTIONS.knows(name) and name not in families()


def _members(name: str, inside: dict[str, PresetEntry], base: PresetInfo, strict: bool) -> list[PresetEntry]:
    if CORRUPTIONS.knows(name):
        item = CORRUPTIONS.find(name)
        within = inside.get(item.value.name)
        if within is not None and _default(item).base.origin == within.base.origin:
            return [within]
        if strict:
            raise UsageError(f"preset {base.name} has no {name}; it has {', '.join(inside)}")
        return [_default(item)]
    if name == "all":
        everything = [] if strict else corruptions()
        others = [_default(CORRUPTIONS.find(other)) for other in everything if other not in inside]
        return [*inside.values(), *others]
    members = families().get(name, [])
    if members:
        found = [entry for entry in inside.values() if entry.corruption in members]
        if found:
            return found
        if strict:
            raise UsageError(f"preset {base.name} has nothing of the family {name}; it has {', '.join(inside)}")
        return [_default(CORRUPTIONS.find(member)) for member in members]
    if PRESETS.knows(name):
        return list(load_preset(name).entries)
    known = [*corruptions(), *families(), *preset_names(), "all", "clean"]
    CORRUPTIONS.refuse_misread(name)
    form = f" {FORM[0].upper()}{FORM[1:]}." if re.match(r"[A-Za-z]\w*-\d", name) else ""
    raise unknown("corruption", name, known, f"See `rvos-bench list corruptions`.{form}")


def _check_same(one: PresetEntry, two: PresetEntry) -> None:
    """Raise UsageError where two corruptions have one name: their results would have one label."""
    places = [entry.base.origin for entry in (one, two)]
    if places[0] != places[1]:
        where = " and ".join("built in" if place is None else str(place) for place in places)
        raise UsageError(f"two corruptions are named {one.corruption!r}: {where}; rename one")


def _default(item: Item[Corruption]) -> PresetEntry:
    spec, origin = item.value, item.origin if item.origin.kind != "built in" else None
    return PresetEntry(Condition(spec.name, 1, origin=origin), tuple(range(1, spec.levels + 1)))


def _with_severities(entry: PresetEntry, severities: Sequence[int], in_preset: bool) -> PresetEntry:
    if not severities:
        return entry
    spec = corruption_of(entry.base)
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
        spec = corruption_of(entry.base)
        fits = offered(spec)
        any_offered |= fits
        if not fits and entry.corruption in named:
            have = ", ".join(spec.temporal) or "none: it draws nothing" if key == "temporal" else "constant"
            raise UsageError(f"{spec.name} does not offer the {key} mode {value!r} (offered: {have})")
        changes: dict[str, Any] = {key: value} if fits else {}
        result.append(replace(entry, base=replace(entry.base, **changes)))
    if chosen and not any_offered:
        raise UsageError(f"nothing in the selection offers the {key} mode {value!r}")
    return result


def _list(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in values)
