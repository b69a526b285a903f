"""Units that lie in other run directories already, under the same key: found once, copied with where they come from."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.invocation import InvocationRecord
from robust_vos_bench.runs.manifest import RESULTS
from robust_vos_bench.runs.plan import Plan, Unit
from robust_vos_bench.runs.records import Manifest, UnitRecord, digest
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.atomic import make_folder, replacing, write_error

REUSE = "RVOS_BENCH_REUSE"
"""Environment variable; "0": units are computed even where another run has them."""
DEPTH = 3
"""Folders below the results folder in which run directories are looked for."""


@dataclass
class Source:
    """A run directory with units that another run needs."""

    store: RunStore
    manifest: Manifest
    cells: dict[tuple[str, str], list[UnitRecord]] = field(default_factory=lambda: defaultdict(list))
    """(model name, condition label) -> the records to take over."""

    @property
    def count(self) -> int:
        """Units to take over."""
        return sum(map(len, self.cells.values()))

    def invocations(self) -> list[InvocationRecord]:
        """Those that made the units to be taken over, as another run directory keeps them."""
        needed = {record.invocation for records in self.cells.values() for record in records}
        return [
            msgspec.structs.replace(i, id=self.id_of(i.id), run=i.run or self.manifest.run_id)
            for i in self.manifest.invocations
            if i.id in needed
        ]

    def id_of(self, invocation: str) -> str:
        """The id by which another run directory knows an invocation: that of an old run had none of its own."""
        return invocation or digest([self.manifest.identity, self.manifest.created])[:12]


def run_folders(folder: Path, results: Path = RESULTS) -> list[Path]:
    """Other run directories: beside `folder`, in the working directory, and up to `DEPTH` levels below the results
    folder. None where the environment says `RVOS_BENCH_REUSE=0`."""
    if os.environ.get(REUSE) == "0":
        return []
    own, found = folder.resolve(), {}
    near = dict.fromkeys((folder.parent, Path().absolute()))
    for path in [*(p for place in near for p in _children(place)), *_below(_results_of(folder, results), DEPTH)]:
        place = path.resolve()
        if place != own and (path / "run.json").is_file():
            found[place] = path
    return [found[place] for place in sorted(found)]


def _results_of(folder: Path, results: Path) -> Path:
    """The results folder that a run directory lies in, else that of the working directory."""
    return next((parent for parent in folder.parents if parent.name == results.name), results.absolute())


def _children(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """The folders below one, without those inside of run directories."""
    for path in _children(folder):
        yield path
        if depth > 1 and not (path / "run.json").is_file():
            yield from _below(path, depth - 1)


def find(plan: Plan, pending: Iterable[Unit], folder: Path) -> list[Source]:
    """Where pending units lie already; nothing is written. Every manifest and every cell file is read at most once.

    A unit counts where its record is whole and has the key that the plan gives it; where masks are to be saved, only
    with its masks.
    """
    wanted: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for unit in pending:
        key = plan.key(unit.model, unit.condition, unit.video)
        wanted[plan.models[unit.model].record.name, unit.condition.label][unit.video] = key
    sources = []
    for other in run_folders(folder) if wanted else ():
        store = RunStore(other)
        try:
            manifest = store.manifest()
        except DataError:  # damaged, or of another version
            continue
        if manifest is None or manifest.dataset.name != plan.dataset.name:
            continue
        source = Source(store, manifest)
        models, labels = {m.name for m in manifest.models}, {c.label for c in manifest.conditions}
        for (model, label), keys in wanted.items():
            if model in models and label in labels and keys:
                _take(source, model, label, keys, plan.save_masks)
        if source.count:
            sources.append(source)
    return sources


def _take(source: Source, model: str, label: str, keys: dict[str, str], masks: bool) -> None:
    """Move what a cell of the source has from `keys` (video -> key) to the source."""
    try:
        records = source.store.records(label, model)
    except OSError:  # not ours to read
        return
    for video in list(keys):
        record = records.get(video)
        if record is None or not record.ok or record.key != keys[video]:
            continue
        if masks and not source.store.has_masks(record):
            continue
        source.cells[model, label].append(record)
        del keys[video]


def copy(source: Source, store: RunStore, plan: Plan) -> Iterator[list[UnitRecord]]:
    """Copy the units of a source, cell by cell, with the masks that the plan keeps and the films that are there; each
    list of records is on disk when it is given."""
    for (model, label), records in source.cells.items():
        tracks = source.store.frame_scores(label, model)
        taken = [msgspec.structs.replace(r, invocation=source.id_of(r.invocation)) for r in records]
        for record in records:
            if plan.save_masks:
                _copy_masks(source.store, store, record)
            if record.video in plan.films:
                _copy_film(source.store, store, record)
        videos = {record.video for record in records}
        store.add_all(model, label, taken, [track for (video, _), track in tracks.items() if video in videos])
        yield taken


def _copy_masks(source: RunStore, store: RunStore, record: UnitRecord) -> None:
    """The masks of a unit, as links where the file system has them: nobody writes into a mask that is there."""
    place = (record.condition, record.model, record.video)
    folder = store.masks_path(*place)
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier attempt
    make_folder(folder)
    for mask in sorted(source.masks_path(*place).glob("*.png")):
        _copy_file(mask, folder / mask.name)


def _copy_film(source: RunStore, store: RunStore, record: UnitRecord) -> None:
    """The film of a unit, where there is one: `overlay` draws it from the masks at any time."""
    place = (record.condition, record.model, record.video)
    if source.film_path(*place).is_file():
        make_folder(store.film_path(*place).parent)
        _copy_file(source.film_path(*place), store.film_path(*place))


def _copy_file(source: Path, target: Path) -> None:
    with replacing(target) as part:
        try:
            os.link(source, part)
        except OSError:
            try:
                shutil.copyfile(source, part)
            except OSError as error:
                raise write_error(target, error) from error


def sentence(sources: Sequence[Source], say_folder: Path) -> str:
    """How many units were taken over, and from where; "" for none. say_folder: paths are told as seen from there."""
    if not sources:
        return ""
    total = sum(source.count for source in sources)
    largest = sorted(sources, key=lambda s: -s.count)
    parts = [f"{s.count} from {_short(s.store.folder, say_folder)}" for s in largest[:3]]
    if len(sources) > 3:
        parts.append(f"{sum(s.count for s in largest[3:])} from {len(sources) - 3} more")
    return f"reused {total} unit{'s' * (total != 1)} that are there already: {', '.join(parts)}"


def _short(folder: Path, here: Path) -> str:
    return str(folder.relative_to(here)) if folder.is_relative_to(here) and folder != here else str(folder)
