"""`robust_vos_bench.reproduce`: the authors' model, setting and data, beside the score that they published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.analysis.published import Published, PublishedScore, read_published
from robust_vos_bench.analysis.run import Run
from robust_vos_bench.api.data import fetch, find_source
from robust_vos_bench.api.progress import ProgressListener
from robust_vos_bench.api.run import execute, listener_for, plan_of, raise_for_status
from robust_vos_bench.api.settings import RunSettings
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.datasets.davis import SPLITS
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.errors import DataError, RvosError, UsageError, WeightsError, unknown
from robust_vos_bench.fetch import is_offline
from robust_vos_bench.fetch import offline as without_network
from robust_vos_bench.models import find_entry
from robust_vos_bench.models.checkpoint import find_official
from robust_vos_bench.runs.run import Listener
from robust_vos_bench.system.paths import user_path

MARGIN = 0.2
"""Points between our score and the published one that still count as the same."""
USUAL = ("davis2017:val", "davis2016:val")
"""Data sets whose truth is public, the one that is taken where none is named first."""


@dataclass(frozen=True)
class Reproduction:
    """Ours beside the published number; points."""

    model: str
    """As the source calls it."""
    run: str
    """The model here."""
    checkpoint: str
    option: tuple[str, ...]
    dataset: str
    metric: str
    published: float
    ours: float
    source: str
    folder: Path
    """The run directory, with everything that the score was made of."""
    videos: int
    complete: bool
    """Whether the data set is whole; a part of it compares with nothing."""

    @property
    def difference(self) -> float:
        """Ours minus published."""
        return self.ours - self.published

    @property
    def within(self) -> bool:
        """Whether they differ by at most `MARGIN`, on the whole data set."""
        return self.complete and abs(self.difference) <= MARGIN + 1e-9

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.complete:
            return f"not comparable: {self.videos} videos are not the whole of {self.dataset}"
        return f"{'within' if self.within else 'NOT within'} {MARGIN} points"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {
            **asdict(self),
            "option": list(self.option),
            "folder": str(self.folder),
            "difference": self.difference,
            "within": self.within,
            "margin": MARGIN,
        }


def reproduce(
    name: str,
    *,
    dataset: str | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    output: str | Path | None = None,
    offline: bool = False,
    scores: str | Path | None = None,
    progress: bool | Listener = True,
) -> Reproduction:
    """Run a model as its authors did on clean data, and compare the score with theirs: `rvos-bench reproduce`.

    Weights and data that are not here are fetched where they have a public link.

    Parameters
    ----------
    name
        A model here ("xmem") or as its source calls it ("XMem-s012"); `list_reproductions` has all.
    dataset
        Where the score was published for several; by default DAVIS 2017 val.
    data_root, device, workers, output, progress
        As in `run`.
    offline
        Fetch nothing.
    scores
        A TOML file of published scores of your own; by default those of the package.

    Returns
    -------
    Reproduction
        Both numbers, the difference and whether it is at most 0.2 points.

    Raises
    ------
    UsageError
        No such row, or one whose truth lies on an evaluation server.
    DataError, WeightsError, IncompleteError
        As `run`.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rvos.reproduce("xmem", data_root="DAVIS")  # doctest: +SKIP
    """
    published = read_published(None if scores is None else user_path(scores))
    row = find_row(published, name, dataset)
    if row.dataset not in USUAL and not _has_truth(row.dataset, data_root):
        words = " ".join(["--option " + option for option in row.option])
        raise UsageError(
            f"{row.model} on {row.dataset} was scored by an evaluation server ({row.metric} {row.value}); make the "
            f"masks with `rvos-bench run --model {row.run} --checkpoint {row.checkpoint or 'FILE'} {words}".rstrip()
            + f" --corruption clean --dataset {row.dataset} --save-masks` and pack them with `rvos-bench pack RUN "
            "--masks clean`"
        )
    listener = listener_for(progress)
    with without_network(offline):
        data = _ensure_data(row.dataset, data_root, listener)
        done = execute(_settings(row, data_root, device, workers, output), listener)
    raise_for_status(done)
    return _compared(row, published, done, data)


def find_row(published: Published, name: str, dataset: str | None = None) -> PublishedScore:
    """The row that is meant. Raises UsageError, with what there is, where none is."""
    rows = [row for row in published.score if row.run]
    fitting = [row for row in rows if name in (row.run, row.model)] or [
        row for row in rows if name.casefold() in (row.run.casefold(), row.model.casefold())
    ]
    if not fitting:
        entry_names = [alias for row in rows for alias in (row.run, row.model)]
        try:
            alias = find_entry(name).name
        except UsageError:
            alias = ""
        fitting = [row for row in rows if alias and row.run == alias]
        if not fitting and alias:
            raise UsageError(f"no published score of {name!r} is on record that could be repeated here")
        if not fitting:
            raise unknown("model", name, entry_names, "See `rvos-bench reproduce --list`.")
    if dataset is None:
        return next((row for usual in USUAL for row in fitting if row.dataset == usual), fitting[0])
    chosen = next((row for row in fitting if row.dataset == dataset), None)
    if chosen is None:
        there = ", ".join(dict.fromkeys(row.dataset for row in fitting))
        raise UsageError(f"no score of {name!r} on {dataset!r} is on record; there is {there}")
    return chosen


def list_reproductions(
    data_root: str | Path | None = None, scores: str | Path | None = None, cost: bool = True
) -> list[dict[str, Any]]:
    """Every row that can be repeated, and what it would cost: `rvos-bench reproduce --list`.

    A row has `weights` ("here", "fetchable" ...), `data` ("here", "fetchable", "by hand"), `scored` ("here", or "on a
    server" where the truth is not public), `frames` (None where not known) and `hours` (None where no run on this
    machine has measured the model). cost: False leaves hours out, which is faster.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> rows = rvos.list_reproductions(cost=False)
    >>> {"weights", "data", "scored"} <= set(rows[0])
    True
    """
    published = read_published(None if scores is None else user_path(scores))
    data = {name: _data_state(name, data_root) for name in dict.fromkeys(r.dataset for r in published.score if r.run)}
    rows = []
    for row in published.score:
        if not row.run:
            continue
        state, frames = data[row.dataset]
        weights = _weights_state(row)
        public = row.dataset in USUAL or (state == "here" and _has_truth(row.dataset, data_root))
        hours = _hours(row, data_root) if cost and public and state == weights == "here" else None
        rows.append(
            {
                "run": row.run,
                "model": row.model,
                "checkpoint": row.checkpoint,
                "option": list(row.option),
                "dataset": row.dataset,
                "metric": row.metric,
                "value": row.value,
                "source": published.sources[row.source],
                "weights": weights,
                "data": state,
                "scored": "here" if public else "on a server",
                "frames": frames,
                "hours": hours,
            }
        )
    return rows


def _settings(
    row: PublishedScore,
    data_root: str | Path | None,
    device: str,
    workers: int | None,
    output: str | Path | None,
) -> RunSettings:
    return RunSettings(
        models=(row.run,),
        checkpoints=(row.checkpoint or _usual_file(row.run),) if _usual_file(row.run) else (),
        options=row.option,
        dataset=row.dataset,
        data_root=data_root,
        corruptions=("clean",),
        device=device,
        workers=workers,
        output=None if output is None else user_path(output),
    )


def _usual_file(run: str) -> str:
    """The first official file of a model; naming it keeps a bare family name from standing for a lite model."""
    weights = find_entry(run).card.weights
    return weights[0].file if weights else ""


def _compared(row: PublishedScore, published: Published, done: Run, data: Dataset) -> Reproduction:
    official = data.official_counts.get("videos", 0) if isinstance(data, FolderDataset) else 0
    return Reproduction(
        model=row.model,
        run=row.run,
        checkpoint=done.manifest.models[0].checkpoint,
        option=row.option,
        dataset=row.dataset,
        metric=row.metric,
        published=row.value,
        ours=done.summaries[0].p,
        source=published.sources[row.source],
        folder=done.folder,
        videos=len(data.videos),
        complete=len(data.videos) >= official,
    )


def _ensure_data(dataset: str, data_root: str | Path | None, listener: Listener) -> Dataset:
    """The data set, fetched where it is not here and has a public link; otherwise DataError says what to do."""
    try:
        return open_dataset(dataset, data_root)
    except DataError as error:
        source = find_source(dataset, data_root)
        if source.archive is None or source.folder.exists():
            raise
        if is_offline():
            raise DataError(f"{error}. `rvos-bench data get {dataset}` fetches it (not done now: offline)") from error
    listener.notice(f"fetching {dataset} from {source.archive.remote.links[0].address} to {source.folder}")
    fetch(source, progress=isinstance(listener, ProgressListener) and not listener.quiet)
    return open_dataset(dataset, data_root)


def _data_state(dataset: str, data_root: str | Path | None) -> tuple[str, int | None]:
    """("here", "fetchable" or "by hand"; frames, None where not known)."""
    family, _, split = dataset.partition(":")
    counts = SPLITS.get(family, {}).get(split)
    try:
        data = open_dataset(dataset, data_root)
        return "here", sum(len(data.video(name)) for name in data.videos)
    except RvosError:
        pass
    try:
        archive = find_source(dataset, data_root).archive
    except UsageError:
        archive = None
    return "by hand" if archive is None else "fetchable", counts.frames if counts else None


def _weights_state(row: PublishedScore) -> str:
    card = find_entry(row.run).card
    wanted = [w for w in card.weights if w.file == row.checkpoint] or list(card.weights[:1])
    if not wanted or find_official(card, wanted) is not None:
        return "here"
    return "fetchable" if wanted[0].links else wanted[0].way


def _has_truth(dataset: str, data_root: str | Path | None) -> bool:
    try:
        data = open_dataset(dataset, data_root)
        return bool(data.videos) and all(data.truth(name) is not None for name in list(data.videos)[:1])
    except RvosError:
        return False


def _hours(row: PublishedScore, data_root: str | Path | None) -> float | None:
    try:
        return plan_of(_settings(row, data_root, "auto", None, None), probe=False).cost.wall_hours
    except (DataError, WeightsError):
        return None


def shown(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows of `list_reproductions` as lines of a table without lines."""
    lines = []
    for row in rows:
        hours = "time not measured here" if row["hours"] is None else f"{row['hours']:.2f} h"
        frames = "" if row["frames"] is None else f"{row['frames']} frames, "
        cost = f"{frames}{hours}" if row["scored"] == "here" else "scored on a server"
        lines.append(
            f"{row['run']:17} {row['model']:20} {row['dataset']:20} {row['metric']:4} {row['value']:5.1f}  weights "
            f"{row['weights']:15} data {row['data']:10} {cost}"
        )
    return lines
