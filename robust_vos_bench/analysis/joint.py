"""Several runs and packed results as one: the videos and conditions that all of them have, and what that leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET

from robust_vos_bench.analysis.run import Run, load_run
from robust_vos_bench.analysis.source import ModelSource
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import SCHEMA, CellCounts, ConditionRecord, Manifest, PresetRecord, digest

SHOWN = 4
"""Names in a sentence on what is left out."""


def load_runs(*paths: str | Path | Run) -> Run:
    """Several run directories and packed results (`.json.gz`) as one run, or one of them as it is.

    Its table has every model of all of them, on the videos and under the conditions that they have in common; its
    `left_out` says what that leaves out. Models of one name get the id of their run; a model that another run has with
    the same scores is shown once. Raises UsageError where nothing is in common, or where scores may not be set side by
    side: other data, another scoring protocol, another version of a corruption.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> first = rvos.run(model="static", corruption="fog-3", limit=2, progress=False)
    >>> second = rvos.run(model="flow", corruption="fog-3", limit=2, progress=False)
    >>> rvos.load_runs(first, second).models
    ['static', 'flow']
    """
    runs = [path if isinstance(path, Run) else load_run(path) for path in paths]
    if not runs:
        raise UsageError("no run is given")
    return runs[0] if len(runs) == 1 else joint(runs)


def joint(runs: Sequence[Run]) -> Run:
    """See `load_runs`."""
    manifests = [run.manifest for run in runs]
    conditions, videos = _common_conditions(runs), _common_videos(runs)
    notes = _check_data(runs, videos)
    sources, same = _sources(runs, [c.label for c in conditions], videos)
    left_out = [
        *_left_out("condition", [[c.label for c in m.conditions] for m in manifests], [c.label for c in conditions]),
        *_left_out("video", [m.videos for m in manifests], videos),
        *same,
        *notes,
        *dict.fromkeys(text for run in runs for text in run.left_out),
    ]
    first = manifests[0]
    identity = digest([[m.identity, m.run_id] for m in manifests])
    models = [msgspec.structs.replace(source.record, name=name) for name, source in sources.items()]
    preset = first.preset if len({(m.preset.name, m.preset.version) for m in manifests}) == 1 else None
    merged = Manifest(
        run_id=identity[:8],
        identity=identity,
        status="complete",
        created=min(m.created for m in manifests),
        updated=max(m.updated for m in manifests),
        protocol=first.protocol,
        dataset=msgspec.structs.replace(
            next((m.dataset for m in manifests if m.dataset.root), first.dataset),
            index_sha256=first.dataset.index_sha256 if first.videos == videos else "",
            videos=len(videos),
        ),
        preset=preset or PresetRecord(name="custom", version=0, description="What several runs have in common"),
        models=models,
        conditions=conditions,
        videos=videos,
        units=CellCounts(),
        schema=SCHEMA,
        invocations_2=[],
        left_out=left_out or UNSET,
    )
    made = Run(runs[0].folder, merged, sources=sources, left_out=left_out)
    merged.units = CellCounts(planned=len(sources) * len(conditions) * len(videos))
    for cell in made.cells().values():
        merged.units.ok += sum(record.ok for record in cell.values())
        merged.units.failed += sum(record.failed for record in cell.values())
    merged.units.pending = merged.units.planned - merged.units.ok - merged.units.failed
    merged.status = "complete" if merged.units.ok == merged.units.planned else "partial"
    return made


def name_of(run: Run) -> str:
    """A run for a reader who knows the others: its id, which runs of one plan on other files share, and its place."""
    return f"run {run.manifest.run_id} ({run.folder.name})"


def _common_conditions(runs: Sequence[Run]) -> list[ConditionRecord]:
    first = runs[0].manifest
    shared = [c for c in first.conditions if all(c.label in run.conditions for run in runs)]
    for run in runs[1:]:
        theirs = {c.label: c for c in run.manifest.conditions}
        other = next((c.label for c in shared if theirs[c.label].fingerprint != c.fingerprint), None)
        if other is not None:
            _refuse(runs[0], run, f"the version of {other}")
    if not shared:
        raise UsageError(
            f"{name_of(runs[0])} and the others have no condition in common: there is no table of all of them"
        )
    return shared


def _common_videos(runs: Sequence[Run]) -> list[str]:
    for run in runs[1:]:
        if run.manifest.dataset.name != runs[0].manifest.dataset.name:
            _refuse(runs[0], run, "data set")
        if run.manifest.protocol != runs[0].manifest.protocol:
            _refuse(runs[0], run, "scoring protocol")
    shared = [v for v in runs[0].manifest.videos if all(v in run.manifest.videos for run in runs)]
    if not shared:
        raise UsageError(f"{name_of(runs[0])} and the others have no video in common: there is no table of all of them")
    return shared


def _check_data(runs: Sequence[Run], videos: Sequence[str]) -> list[str]:
    """Raise UsageError where a video is not the same files in all runs; sentences on what could not be checked."""
    unknown = False
    for a in runs:
        for b in runs:
            one, two = a.manifest.dataset, b.manifest.dataset
            if one.digests is not UNSET and two.digests is not UNSET:
                other = next((v for v in videos if one.digests.get(v) != two.digests.get(v)), None)
                if other is not None:
                    _refuse(a, b, f"the data of video {other!r}")
            elif sorted(a.manifest.videos) == sorted(b.manifest.videos):
                if one.index_sha256 != two.index_sha256:
                    _refuse(a, b, "data")
            else:
                unknown = True
    return ["Whether the videos are the same files in every run could not be checked."] if unknown else []


def _refuse(a: Run, b: Run, what: str) -> None:
    raise UsageError(f"{name_of(a)} and {name_of(b)} cannot share a table: they differ in {what}")


def _sources(
    runs: Sequence[Run], labels: Sequence[str], videos: Sequence[str]
) -> tuple[dict[str, ModelSource], list[str]]:
    """Name in the table -> source, and sentences on models that are there more than once."""
    count: dict[str, int] = {}
    for run in runs:
        for name in run.models:
            count[name] = count.get(name, 0) + 1
    sources: dict[str, ModelSource] = {}
    scores: dict[str, list[str]] = {}
    said = []
    for run in runs:
        for name in run.models:
            own = _scores(run, name, labels, videos)
            if own in scores.get(name, []):
                said.append(f"{name} of {name_of(run)} has the scores that another run has and is shown once.")
                continue
            scores.setdefault(name, []).append(own)
            shown = name if count[name] == 1 else f"{name} ({run.manifest.run_id})"
            while shown in sources:
                shown += "'"
            sources[shown] = run.sources[name]
    if len(sources) < sum(count.values()):  # one is left of each of these: it needs no id
        for name, kinds in scores.items():
            if count[name] > 1 and len(kinds) == 1:
                old = next(shown for shown in sources if shown.startswith(f"{name} ("))
                sources = {name if shown == old else shown: source for shown, source in sources.items()}
    return sources, said


def _scores(run: Run, model: str, labels: Sequence[str], videos: Iterable[str]) -> str:
    """A digest of what two sources of one model have in common where they are the same: keys and scores of every
    unit."""
    found = []
    for label in labels:
        cell = run.records(model, label)
        units = [(v, cell[v].key, cell[v].status, cell[v].objects) if v in cell else (v,) for v in videos]
        found.append(digest([label, units]))
    return digest(found)


def _left_out(noun: str, have: Sequence[Sequence[str]], kept: Sequence[str]) -> list[str]:
    every = list(dict.fromkeys(name for names in have for name in names))
    gone = [name for name in every if name not in set(kept)]
    if not gone:
        return []
    names = ", ".join(gone[:SHOWN]) + (f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else "")
    verb = "are" if len(gone) > 1 else "is"
    return [f"Left out: {len(gone)} of {len(every)} {noun}s, which {verb} not in every run ({names})."]
