"""What `rvos-bench list models` prints, without importing any network."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec
from typing import Any

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.card import ModelCard, ModelEntry
from robust_vos_bench.models.checkpoint import find_checkpoint
from robust_vos_bench.models.registry import MODELS, choose

EXTRA_MODULES = {"cutie": "cutie", "sam2": "sam2", "video": "av", "ray": "ray"}
"""The module whose presence shows that an extra is installed."""


def describe_models() -> list[dict[str, Any]]:
    """One row per model, by name: name, title, license, weights (official files), ready, why_not, aliases, extra.

    `ready` is true where the model would load here and now: no weights needed or an official file found, and the
    extra it needs installed. Where a bare family name runs the lite model instead, `why_not` says so. torch is not
    imported. Models of a package that cannot be used are left out; a PluginWarning says so.
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
        "ready": not reason,
        "why_not": reason,
        "extra": card.extra,
        "aliases": list(entry.aliases),
    }


def _why_not(card: ModelCard) -> str:
    if card.extra and not extra_installed(card.extra):
        return f"needs the extra: pip install 'rvos-bench[{card.extra}]'"
    try:
        find_checkpoint(card, None)
    except WeightsError:
        return "weights not found: " + " or ".join(weights.file for weights in card.weights)
    return ""


def extra_installed(extra: str) -> bool:
    """Whether the packages of an extra are there: by their module where known, else by the extra's requirements."""
    if extra in EXTRA_MODULES:
        return find_spec(EXTRA_MODULES[extra]) is not None
    try:
        metadata(extra)
    except PackageNotFoundError:
        return find_spec(extra.replace("-", "_")) is not None
    return True
