"""A model that another one runs inside: found as `--model` would find it."""

from __future__ import annotations

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Inside, VOSAdapter
from robust_vos_bench.models.card import ModelEntry
from robust_vos_bench.models.options import adapter_class
from robust_vos_bench.models.registry import choose


def entry_inside(outer: str, inside: Inside) -> tuple[ModelEntry, str]:
    """Its entry and the name to load it by; a bare family name may stand for the family's lite model (see `choose`).

    outer: name of the model that runs it. Raises UsageError for an unknown name, with the nearest, and for a model that
    itself runs another one.
    """
    choice = choose(inside.model, inside.checkpoint)
    entry = choice.entry
    if adapter_class(entry).inside.__func__ is not VOSAdapter.inside.__func__:  # type: ignore[attr-defined]
        raise UsageError(
            f"model {outer!r}: {inside.option}={inside.model} runs another model itself; name a model that does not"
        )
    return entry, entry.name if choice.instead else inside.model
