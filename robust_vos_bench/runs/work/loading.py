"""Models in the process that works with them: loaded from their specs; what they set holds during their turns only."""

from __future__ import annotations

from typing import NamedTuple

from robust_vos_bench.models import VOSAdapter, load_adapter
from robust_vos_bench.origin import provided
from robust_vos_bench.runs.plan import ModelSpec
from robust_vos_bench.runs.work.process import limit_threads
from robust_vos_bench.system.process_settings import ProcessSettings
from robust_vos_bench.system.waits import waiting


class Loaded(NamedTuple):
    """A model, ready to work."""

    adapter: VOSAdapter
    settings: ProcessSettings
    """What the model has made of the process; to be `applied` during its turns only."""


def load(spec: ModelSpec, device: str) -> Loaded:
    """Load a model in this process, which keeps its settings, with one thread: one thread repeats the same bits.

    Its file is the one that the command read, wherever this process runs. Raises what loading the model raises.
    """
    outside = ProcessSettings.taken()
    inner = spec.inside.origin if spec.inside is not None else None
    try:
        with waiting(f"loading {spec.record.name}"), provided(spec.origin), provided(inner):
            adapter = load_adapter(spec.name, spec.checkpoint, device, **spec.options)
        limit_threads(1)  # the model may just have imported torch
        return Loaded(adapter, ProcessSettings.taken())
    finally:
        outside.restore()
        limit_threads(1)
