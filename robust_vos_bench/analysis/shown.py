"""A run as others may see it: the same numbers, without paths, hosts and people of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from robust_vos_bench.analysis.object_stats import ObjectStats
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.analysis.sharing import Private
from robust_vos_bench.analysis.source import ModelSource, Tracks
from robust_vos_bench.runs.invocation import InvocationRecord
from robust_vos_bench.runs.records import ModelRecord, UnitRecord


def shown_run(run: Run) -> tuple[Run, Private]:
    """The run to be shown, and what takes private things out of any other text about it.

    Its sources still find masks and scores by frame.
    """
    private = Private([run.manifest, *(source.manifest for source in run.sources.values())])
    manifest = private.everywhere(private.manifest(run.manifest))
    sources = {
        new.name: ShownSource(run, old.name, new.name, private)
        for old, new in zip(run.manifest.models, manifest.models)
    }
    left_out = [private.free_text(text) for text in run.left_out]
    return Run(run.folder, manifest, sources=sources, left_out=left_out), private


class ShownSource(ModelSource):
    """A model of a run under the name that is shown."""

    def __init__(self, run: Run, model: str, name: str, private: Private) -> None:
        self._run, self._own, self._private = run, model, private
        self._inner = run.sources[model]
        super().__init__(private.manifest(self._inner.manifest), name)

    @property
    def part(self) -> str:
        """See the base class."""
        return self._inner.part

    @property
    def record(self) -> ModelRecord:
        """The model as it was resolved, with its paths, so that it can be run again."""
        return self._inner.record

    def records(self, label: str) -> Mapping[str, UnitRecord]:
        """See the base class."""
        return {v: self._private.record(r, self.model) for v, r in self._run.records(self._own, label).items()}

    def tracks(self, label: str) -> Tracks:
        """See the base class."""
        return self._inner.tracks(label)

    def objects(self, labels: Sequence[str], videos: Sequence[str]) -> tuple[ObjectStats, ...]:
        """See the base class."""
        return self._inner.objects(labels, videos)

    def masks(self, label: str, video: str) -> Path | None:
        """See the base class."""
        return self._inner.masks(label, video)

    def invocations(self, made: Mapping[str, int]) -> list[tuple[InvocationRecord, int]]:
        """See the base class."""
        return [(self._private.invocation(i), n) for i, n in self._inner.invocations(made)]
