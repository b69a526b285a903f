"""All attacks of a command: folders, locks and manifests of their splits, around whatever carries out the jobs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from robust_vos_bench.attacks.limits import no_gradients
from robust_vos_bench.attacks.plan import AttackPlan, Made
from robust_vos_bench.attacks.store import begin, check_format, finish, locked
from robust_vos_bench.models import find_entry
from robust_vos_bench.models.options import adapter_class
from robust_vos_bench.system.atomic import WriteError

Carrier = Callable[[AttackPlan], Iterator[Made]]
"""Carries out the jobs of a plan: processes of this machine (`lanes`), or a cluster (`cluster`)."""


def run_attacks(plan: AttackPlan, carrier: Carrier) -> Iterator[Made]:
    """Make what is not there yet; one entry per video and threat, as they come.

    A video that fails does not stop the others; a full disk does (WriteError). Raises UsageError before anything is
    written where a model cannot have a threat, DataError where a folder holds something else.
    """
    check_format(plan.format, plan.preset.threats)
    check_models(plan)
    with contextlib.ExitStack() as stack:
        splits = [(facts, plan.folder(facts)) for facts in plan.splits()]
        for facts, split in splits:
            stack.enter_context(locked(split))
            begin(plan.dataset, facts, split)
        try:
            yield from carrier(plan)
        finally:
            for facts, split in splits:
                with contextlib.suppress(WriteError):  # the error that is under way says it
                    finish(plan.dataset, facts, split)


def check_models(plan: AttackPlan) -> None:
    """Raise UsageError where a model cannot have one of the threats; nothing is loaded."""
    for spec in plan.models:
        entry = find_entry(spec.name)
        if not (entry.card.differentiable and hasattr(adapter_class(entry), "roll_out")):
            for threat in plan.threats(spec):
                if threat.needs_gradients:
                    raise no_gradients(spec.record.name, threat)
