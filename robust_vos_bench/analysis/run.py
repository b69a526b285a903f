"""Runs in Python, from run directories and packed results: scores, tables and intervals for notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from robust_vos_bench.analysis.matrix import ScoreMatrix, Scores, footage_of
from robust_vos_bench.analysis.measure import Group
from robust_vos_bench.analysis.object_stats import ObjectStats
from robust_vos_bench.analysis.result import read_result
from robust_vos_bench.analysis.source import FolderSource, ModelSource, PackedSource
from robust_vos_bench.analysis.summary import Summary
from robust_vos_bench.analysis.table import RobustnessTable
from robust_vos_bench.analysis.tally import Tally
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.cells import Cells, Place, StoredCells
from robust_vos_bench.runs.records import FrameScores, Manifest, UnitRecord
from robust_vos_bench.runs.run import score_rows
from robust_vos_bench.runs.store import SCORE_COLUMNS, RunStore
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A run, read lazily: a run directory, a packed result, or several of them as one (`load_runs`).

    Scores are in 0..1 in `scores` and `frames`, in points elsewhere.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> run.models
    ['static', 'flow']
    >>> sorted(run.scores["condition"].unique())
    ['clean', 'fog-3-drift']
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        cells: Cells | None = None,
        sources: Mapping[str, ModelSource] | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        """folder: the run directory, or the file of a packed result. cells: the records of a run directory, where they
        are known already; else each cell file is read when it is asked for. sources: model -> where its numbers
        come from, by default the run directory. left_out: sentences on what is not shown."""
        self.folder = folder
        self.manifest = manifest
        self.left_out = tuple(left_out)
        self.sources: Mapping[str, ModelSource] = sources or _of_folder(folder, manifest, cells)

    def __repr__(self) -> str:
        m = self.manifest
        return f"Run({m.run_id!r}, {m.status}, models={self.models}, dataset={m.dataset.name!r})"

    def _repr_html_(self) -> str:
        from html import escape

        from robust_vos_bench.analysis.finding import finding

        m = self.manifest
        about = f"run {m.run_id}, {m.status}: {m.dataset.name}, {len(m.videos)} videos, {len(m.conditions)} conditions"
        found = " ".join(finding(self.robustness))
        return f"<p>{escape(about)}</p><p>{escape(found)}</p>{self.robustness._repr_html_()}"

    @property
    def models(self) -> list[str]:
        """Full variant names, in the order of the run."""
        return [m.name for m in self.manifest.models]

    @property
    def conditions(self) -> list[str]:
        """Condition labels, clean first."""
        return [c.label for c in self.manifest.conditions]

    @property
    def matrix(self) -> ScoreMatrix:
        """Models x conditions x objects."""
        return self._seen[0]

    @property
    def tally(self) -> Tally:
        """What it cost, what failed and which invocations made it."""
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[ScoreMatrix, Tally]:
        """What one look at every cell tells: that of a large run takes seconds."""
        m = self.manifest
        scores, tally = Scores(self.models, m.conditions, m.videos), Tally(m.videos)
        for place, cell in self.cells().items():
            scores.take(place, cell)
            tally.take(place, cell)
        return scores.matrix(footage_of(m)), tally

    @cached_property
    def robustness(self) -> RobustnessTable:
        """Every measure of every model with its interval, in points or percent (docs/metrics.md).

        Measures of the group ROBUSTNESS read J by frame, and compare saved masks with the clean run's where there are
        any; that is slow the first time.
        """
        return RobustnessTable(self.matrix, self.object_stats)

    @property
    def summaries(self) -> list[Summary]:
        """Mean scores per model: cells, corruptions, severities, families; in points."""
        return [row.summary for row in self.robustness]

    @property
    def store(self) -> RunStore:
        """The run directory. Raises DataError for a packed result and for several runs, which have none."""
        source = next(iter(self.sources.values()))
        if not isinstance(source, FolderSource) or source.store.folder != self.folder:
            raise DataError(f"{self.folder}: there is no run directory behind this, and so no files of it")
        return source.store

    def object_stats(self, model: str) -> tuple[ObjectStats, ...]:
        """Whether each object was lost, how it recovered from a burst, how stable its mask is."""
        return self.sources[model].objects(self.conditions, self.manifest.videos)

    def cells(self) -> Cells:
        """(model, condition label) -> video -> record; each cell is read when it is asked for."""
        return _CellsOf(self)

    def records(self, model: str, condition: str) -> Mapping[str, UnitRecord]:
        """Video -> record of one cell: scores, time, memory, warnings, errors."""
        source = self.sources[model]
        found = source.records(condition)
        if not found.keys() <= self._videos:
            found = {v: r for v, r in found.items() if v in self._videos}
        if source.model != model:
            found = {v: msgspec.structs.replace(r, model=model) for v, r in found.items()}
        return found

    @cached_property
    def _videos(self) -> frozenset[str]:
        return frozenset(self.manifest.videos)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Tidy scores in 0..1, one row per object of every finished unit: the content of `scores.csv`."""
        import pandas as pd

        scored = (
            (condition, cell[video])
            for model in self.models
            for condition in self.manifest.conditions
            for cell in (self.records(model, condition.label),)
            for video in self.manifest.videos
            if video in cell and cell[video].ok
        )
        return pd.DataFrame(score_rows(self.manifest.dataset.name, scored), columns=list(SCORE_COLUMNS))

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row per unit: status, frames, seconds, fps, peak memory, warnings, error, invocation."""
        import pandas as pd

        rows = []
        for model in self.models:
            for condition in self.conditions:
                found = self.records(model, condition)
                for video in self.manifest.videos:
                    record = found.get(video)
                    rows.append(_unit_row(model, condition, video, record))
        return pd.DataFrame(rows)

    def table(self, intervals: bool = True) -> pd.DataFrame:
        """The headline measures and the families, one row per model, in points.

        Columns: `model`, `P`, `mPC`, `rPC`, `drop`, `worst`, `worst_condition`, families; `<column>_low` and
        `<column>_high` are the ends of the 95 % interval over videos.
        """
        return self.robustness.frame(intervals, Group.HEADLINE)

    def tracks(self, model: str, condition: str) -> list[FrameScores]:
        """J and F by frame of every object that is scored in one cell; none in packed results."""
        videos = set(self.manifest.videos)
        return [track for (video, _), track in self.sources[model].tracks(condition).items() if video in videos]

    def frames(self, model: str, condition: str = "clean") -> pd.DataFrame:
        """J and F of every scored frame of one cell: video, object, frame, J, F."""
        import pandas as pd

        rows = [
            {"video": s.video, "object": s.object, "frame": t, "J": j, "F": f}
            for s in self.tracks(model, condition)
            for t, j, f in zip(s.frames, s.j, s.f)
        ]
        return pd.DataFrame(rows, columns=["video", "object", "frame", "J", "F"])


def _unit_row(model: str, condition: str, video: str, record: UnitRecord | None) -> dict[str, object]:
    row: dict[str, object] = {"model": model, "condition": condition, "video": video}
    if record is None:
        return {**row, "status": "missing", "frames": 0, "fps": math.nan, "error": "", "invocation": ""}
    seconds = record.seconds_model
    jf = float(np.mean([o.jf for o in record.objects])) if record.objects else math.nan
    return {
        **row,
        "status": record.status,
        "J&F": jf,
        "frames": record.frames,
        "seconds_model": seconds,
        "seconds_frames": record.seconds_frames,
        "fps": record.frames / seconds if seconds else math.nan,
        "peak_rss_mib": record.peak_rss_mib,
        "peak_gpu_mib": record.peak_gpu_mib,
        "warnings": "; ".join(record.warnings),
        "error": record.error,
        "invocation": record.invocation,
    }


def load_run(path: str | Path) -> Run:
    """Open a run directory or a packed result (`.json.gz`). Raises DataError where there is none, or it is damaged.

    A packed result has scores and tables, but neither scores by frame nor masks.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model=["static", "flow"], corruption="fog-3", limit=2, progress=False)
    >>> rvos.load_run(run.folder).models
    ['static', 'flow']
    """
    folder = user_path(path)
    if folder.is_file():
        result = read_result(folder)
        left_out = () if result.manifest.left_out is msgspec.UNSET else result.manifest.left_out
        return Run(folder, result.manifest, sources={result.model: PackedSource(result)}, left_out=left_out)
    manifest = RunStore(folder).manifest()
    if manifest is None:
        raise DataError(f"{folder} is not a run directory: it has no run.json")
    return Run(folder, manifest)


def _of_folder(folder: Path, manifest: Manifest, cells: Cells | None) -> dict[str, ModelSource]:
    store = RunStore(folder)
    if cells is None:
        cells = StoredCells(store, ((m.name, c.label) for m in manifest.models for c in manifest.conditions))
    return {model.name: FolderSource(store, manifest, model.name, cells) for model in manifest.models}


class _CellsOf(Mapping[Place, Mapping[str, UnitRecord]]):
    """The cells of a run, read one by one."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __len__(self) -> int:
        return len(self._run.models) * len(self._run.conditions)

    def __iter__(self) -> Iterator[Place]:
        return ((model, label) for model in self._run.models for label in self._run.conditions)

    def __getitem__(self, place: Place) -> Mapping[str, UnitRecord]:
        if place[0] not in self._run.models or place[1] not in self._run.conditions:
            raise KeyError(place)
        return self._run.records(*place)
