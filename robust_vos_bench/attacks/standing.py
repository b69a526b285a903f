"""How hard a stored split was searched, in words, and whether that is the effort of a standard preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robust_vos_bench.attacks.effort import Effort
from robust_vos_bench.attacks.presets import PRESETS, QUICK, load_attack_preset
from robust_vos_bench.attacks.store import ATTACK_VERSIONS
from robust_vos_bench.attacks.threat import VERSION, Threat

STANDARD, BY_HAND, REDUCED, TRANSFER = "standard", "chosen by hand", "reduced effort", "not attacked"
"""What a row is: searched as a standard preset says; searched otherwise; searched with fewer steps, losses, starts or
queries than the standard preset; or only shown frames that were made against other models. From best to worst."""
STANDINGS = (STANDARD, BY_HAND, REDUCED, TRANSFER)


def standing(threat: Threat, made: Mapping[str, Any]) -> str:
    """`STANDARD`, `BY_HAND` or `REDUCED`. made: what decides the split's frames (`SplitFacts.describe`)."""
    preset, effort = made.get("preset") or {}, made.get("effort") or {}
    standard = [load_attack_preset(name) for name in PRESETS if name not in QUICK]
    known = [p for p in standard if any(t.name == threat.name for t in p.threats)]
    # Against the model's own masks a search is easier or harder.
    comparable = made.get("attack_version") == ATTACK_VERSIONS[threat.kind] and made.get("target", "truth") == "truth"
    if made.get("threat_version") != VERSION:
        return BY_HAND
    if (
        comparable
        and any((preset.get("name"), preset.get("version")) == (p.name, p.version) for p in known)
        and any(dict(effort) == p.facts(threat) for p in known)
    ):
        return STANDARD
    least = min((searches(p.facts(threat)) for p in known), default=0)
    return REDUCED if searches(effort) < least or preset.get("name") in QUICK else BY_HAND


def searches(effort: Mapping[str, Any]) -> int:
    """Steps of all searches of one window: losses x steps x starts; queries of Square."""
    if "queries" in effort:
        return int(effort["queries"])
    return len(effort.get("losses", ())) * int(effort.get("steps", 0)) * int(effort.get("starts", 1))


def effort_words(made: Mapping[str, Any]) -> str:
    """ "3 losses x 100 steps x 2 starts (adversarial v1)", with the horizon or window where it is not the usual one."""
    effort, preset = made.get("effort") or {}, made.get("preset") or {}
    if "queries" in effort:
        words = f"{effort['queries']} queries"
    else:
        counts = (len(effort.get("losses", ())), "loss"), (effort.get("steps", 0), "step"), (
            effort.get("starts", 1), "start",
        )  # fmt: skip
        words = " x ".join(f"{n} {what}" + ("" if n == 1 else "es" if what == "loss" else "s") for n, what in counts)
    for what, frames in (("horizon", True), ("window", False)):
        asked = effort.get(what, getattr(Effort, what))
        if ("-prompt-" in str(made.get("threat", ""))) is frames and asked != getattr(Effort, what):
            words += f", {what} {asked or 'of the whole video'}"
    kind, version = str(made.get("threat", "")).partition("-")[0], made.get("attack_version")
    if version is not None and version != ATTACK_VERSIONS.get(kind, version):
        words += f", search v{version}"
    if made.get("target", "truth") != "truth":
        words += ", against its own clean masks"
    if effort.get("eot"):
        words += f", mean of {effort['eot']} draws"
    return f"{words} ({preset.get('name', 'custom')} v{preset.get('version', 0)})"
