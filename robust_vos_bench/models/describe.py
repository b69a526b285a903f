"""What `rvos-bench list models` prints, without importing any network."""

from __future__ import annotations

import warnings
from typing import Any

from robust_vos_bench.models.card import AbsentSystem, ModelCard, ModelEntry
from robust_vos_bench.models.extras import extra_installed
from robust_vos_bench.models.registry import MODELS, absent_systems, choose
from robust_vos_bench.models.weights import state_of


def describe_models() -> list[dict[str, Any]]:
    """One row per model, by name: name, title, license, needs_weights, weights (their state), ready, why_not, ...

    `weights` is "none needed", "here", "to convert", "fetchable", "by hand", "never published" or, of what cannot be
    run, "none that run here". `ready` is true where
    the model would load here and now: no weights needed or an official file found, and the extra it needs installed.
    Where a bare family name runs the lite model instead, `why_not` says so. torch is not imported. Models of a package
    that cannot be used are left out; a PluginWarning says so. Published systems that cannot be run are there too:
    `available` is false, and `exists`, `scores`, `instead` and `masks` tell what there is.
    """
    rows = []
    for name, item in sorted(MODELS.usable().items()):
        try:
            rows.append(describe(item.value))
        except Exception as error:  # of somebody else's card: the others are listed all the same
            if item.origin.kind == "built in":
                raise
            warnings.warn(f"Warning: model {name!r} ({item.origin}) has a faulty card: {error}", stacklevel=2)
    rows += [_describe_absent(system) for system in absent_systems().values()]
    return sorted(rows, key=lambda row: str(row["name"]))


def _describe_absent(system: AbsentSystem) -> dict[str, Any]:
    """The row of a system that cannot be run."""
    return {
        "name": system.name,
        "title": system.title,
        "license": "",
        "needs_weights": False,
        "weights": "none that run here",
        "available": False,
        "ready": False,
        "why_not": f"cannot run: {system.why}; its masks can be scored: --model {system.name}=masks",
        "extra": "",
        "aliases": list(system.aliases),
        "readings": [],
        "paper": system.paper,
        "exists": system.exists,
        "scores": system.scores,
        "instead": system.instead,
        "masks": system.use_of_masks,
        "explanation": system.explanation,
    }


def describe(entry: ModelEntry) -> dict[str, Any]:
    """The row of one model."""
    card = entry.card
    reason = _why_not(card)
    stands_for = choose(entry.name).entry.name
    if stands_for != entry.name:
        reason += f"; --model {entry.name} runs {stands_for}"
    return {
        "name": card.name,
        "title": card.title,
        "license": card.license,
        "needs_weights": bool(card.weights),
        "weights": state_of(card),
        "available": True,
        "ready": not reason,
        "why_not": reason,
        "extra": card.extra,
        "aliases": list(entry.aliases),
        "readings": list(card.readings),
    }


def _why_not(card: ModelCard) -> str:
    if card.extra and not extra_installed(card.extra):
        return f"needs the extra: pip install 'rvos-bench[{card.extra}]'"
    state = state_of(card)
    if state in ("none needed", "here"):
        return ""
    names = " or ".join(weights.file for weights in card.weights if weights.way == card.weights[0].way)
    return {
        "fetchable": f"fetched when first used: {card.weights[0].file}",
        "to convert": f"weights to convert once: rvos-bench weights convert {card.name}",
        "by hand": f"weights by hand: {names}",
        "never published": f"weights never published: {names}",
    }[state]
