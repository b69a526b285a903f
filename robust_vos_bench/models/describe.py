"""What `rvos-bench list models` prints, without importing any network."""

from __future__ import annotations

import warnings
from typing import Any

from robust_vos_bench.models.card import ModelCard, ModelEntry
from robust_vos_bench.models.extras import extra_installed
from robust_vos_bench.models.registry import MODELS, choose
from robust_vos_bench.models.weights import state_of


def describe_models() -> list[dict[str, Any]]:
    """One row per model, by name: name, title, license, needs_weights, weights (their state), ready, why_not, ...

    `weights` is "none needed", "here", "to convert", "fetchable", "by hand" or "never published". `ready` is true where
    the model would load here and now: no weights needed or an official file found, and the extra it needs installed.
    Where a bare family name runs the lite model instead, `why_not` says so. torch is not imported. Models of a package
    that cannot be used are left out; a PluginWarning says so.
    """
    rows = []
    for name, item in sorted(MODELS.usable().items()):
        try:
            rows.append(describe(item.value))
        except Exception as error:  # of somebody else's card: the others are listed all the same
            if item.origin.kind == "built in":
                raise
            warnings.warn(f"Warning: model {name!r} ({item.origin}) has a faulty card: {error}", stacklevel=2)
    return rows


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
