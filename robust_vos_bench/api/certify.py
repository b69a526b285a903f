"""`robust_vos_bench.certified`: run a model under many draws of noise and say what no change within a radius undoes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robust_vos_bench.analysis.run import Run
from robust_vos_bench.api.plan import RunPlan, estimated, workers_of
from robust_vos_bench.api.prepare import Prepared, opened_engine, prepare
from robust_vos_bench.api.progress import ProgressListener
from robust_vos_bench.api.repeat import started
from robust_vos_bench.api.run import listener_for, raise_for_status
from robust_vos_bench.api.settings import DEFAULT_MODEL, MaskFiles, Models, Names, RunSettings, settings_of
from robust_vos_bench.certified import median
from robust_vos_bench.certified.certificate import Certificate, Claims, VideoVotes, certify_median, certify_pixels
from robust_vos_bench.certified.draws import Noise, noises, noises_of_preset
from robust_vos_bench.certified.votes import VoteBox
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import DataError, RvosError, UsageError
from robust_vos_bench.fetch import offline as without_network
from robust_vos_bench.models import find_entry
from robust_vos_bench.runs.invocation import Started
from robust_vos_bench.runs.listener import Guarded
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.run import Listener, run_with_records
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.scoring import PackedTruth

DRAWS = 110
"""Draws by default: as few as leave pixels something to claim on small videos."""
BOARD_DRAWS = 1000
"""Draws of a preset."""
RATIOS = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class CertifySettings:
    """Everything that decides a certificate."""

    run: RunSettings
    """Models, data and machine; its conditions are the draws."""
    noises: tuple[Noise, ...]
    claims: Claims
    words: tuple[str, ...] = ()
    """The flags of `certify` beside those of `run`."""


@dataclass(frozen=True)
class Certified:
    """Certificates and the run that they come from.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> found = rvos.certify(model="static", limit=1, draws=12, alpha=0.05, pixels=False, progress=False)
    >>> found.claims.draws, found.to_dict()["status"]
    (12, 'complete')
    """

    rows: tuple[Certificate, ...]
    """One per model and noise."""
    claims: Claims
    run: Run

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        from robust_vos_bench.certified.table import notes, to_data

        claims = self.claims
        return {
            "output": str(self.run.folder),
            "status": self.run.manifest.status,
            "dataset": self.run.manifest.dataset.name,
            "draws": claims.draws,
            "alpha": claims.alpha,
            "tau": claims.tau,
            "rows": [to_data(row) for row in self.rows],
            "notes": notes(self.rows, claims),
        }


def certify_settings(
    run: RunSettings,
    sigma: Iterable[float] = (),
    frames: Iterable[str] = (),
    preset: str | None = None,
    draws: int | None = None,
    alpha: float = 0.001,
    radius: Iterable[float] = (),
    tau: float = 0.75,
    pixels: bool = True,
) -> CertifySettings:
    """The settings from their words. Raises UsageError for values that certify nothing."""
    sigmas, scopes, ratios = tuple(sigma), tuple(frames), tuple(radius) or RATIOS
    if preset is not None and (sigmas or scopes):
        raise UsageError("--preset says which noise; leave out --sigma and --frames")
    chosen = noises_of_preset(preset) if preset is not None else noises(sigmas or (0.25,), scopes or ("prompt",))
    count = draws if draws is not None else BOARD_DRAWS if preset is not None else DRAWS
    if count < 1:
        raise UsageError(f"{count} draws: at least 1 is needed")
    if not 0.0 < alpha < 0.5:
        raise UsageError(f"alpha {alpha:g}: the probability of a wrong claim lies between 0 and 0.5")
    if not 0.5 < tau < 1.0:
        raise UsageError(f"tau {tau:g}: a pixel's label needs a probability between 0.5 and 1")
    if any(not (0.0 < ratio <= 5.0) for ratio in ratios):
        raise UsageError("radii are multiples of sigma above 0 and up to 5, e.g. --radius 0.25,0.5,1")
    claims = Claims(count, alpha, tuple(sorted(set(ratios))), tau, pixels)
    conditions = tuple(noise.condition(draw) for noise in chosen for draw in range(count))
    noise = (
        ("--preset", preset)
        if preset is not None
        else (
            *("--sigma", ",".join(f"{s:g}" for s in dict.fromkeys(n.sigma for n in chosen))),
            *("--frames", ",".join(dict.fromkeys(n.frames for n in chosen))),
        )
    )
    words = [*noise, "--draws", str(count), "--alpha", repr(alpha), "--tau", repr(tau)]
    words += ["--radius", ",".join(map(repr, claims.ratios)), *([] if pixels else ["--no-pixels"])]
    return CertifySettings(
        replace(run, conditions=conditions, save_masks=pixels, overlay=False), chosen, claims, tuple(words)
    )


def certify(
    model: Models = DEFAULT_MODEL,
    *,
    sigma: float | Iterable[float] | None = None,
    frames: Names | None = None,
    preset: str | None = None,
    draws: int | None = None,
    alpha: float = 0.001,
    radius: float | Iterable[float] | None = None,
    tau: float = 0.75,
    pixels: bool = True,
    dataset: str | Dataset = "demo",
    data_root: str | Path | None = None,
    mask: MaskFiles = None,
    videos: Names | None = None,
    limit: int | None = None,
    checkpoint: str | Path | Mapping[str, str | Path] | Iterable[str] | None = None,
    option: Mapping[str, Any] | Iterable[str] | None = None,
    workers: int | None = None,
    device: str = "auto",
    output: str | Path | None = None,
    offline: bool = False,
    progress: bool | Listener = True,
) -> Certified:
    """Certify the model that draws noise once a track: `rvos-bench certify`, with the same words.

    The other words are those of `run`. The same call again resumes; more draws add to those that are there.

    Parameters
    ----------
    sigma, frames
        Standard deviation of the noise (of white; multiples of 0.05), and the frames it falls on: "prompt" (those with
        a given mask) or "all". Several give a row each. preset: "certified" instead.
    draws, alpha
        Independent draws of a whole track; probability that a row's number is wrong.
    radius
        L2 norms of the change, as multiples of sigma.
    tau, pixels
        Also certify single pixels: those whose label has at least probability tau.

    Returns
    -------
    Certified
        `rows`, one per model and noise; `to_dict()`.

    Raises
    ------
    UsageError
        Noise or draws that certify nothing; a model of precomputed masks.
    DataError
        A video without truth, or with a single frame.
    IncompleteError
        Draws failed or are missing: nothing is claimed of those rows.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> found = rvos.certify(model="static", limit=1, draws=12, alpha=0.05, pixels=False, progress=False)
    >>> len(found.rows)
    1
    """
    run = settings_of(
        model,
        dataset=dataset,
        data_root=data_root,
        mask=mask,
        videos=videos,
        limit=limit,
        checkpoint=checkpoint,
        option=option,
        workers=workers,
        device=device,
        output=output,
        offline=offline,
    )
    scopes = [frames] if isinstance(frames, str) else list(frames or ())
    settings = certify_settings(run, _many(sigma), scopes, preset, draws, alpha, _many(radius), tau, pixels)
    done = execute(settings, listener_for(progress))
    if done.run.manifest.status == "interrupted":
        raise KeyboardInterrupt
    raise_for_status(done.run)
    return done


def _many(given: float | Iterable[float] | None) -> tuple[float, ...]:
    if given is None:
        return ()
    return (float(given),) if isinstance(given, (int, float)) else tuple(given)


def plan_of(settings: CertifySettings, probe: bool = True, say: Callable[[str], None] | None = None) -> RunPlan:
    """What it would cost; nothing is computed."""
    tell = say or (lambda text: None)
    prepared = _prepared(settings, tell, to_plan=True)
    check(settings, prepared.plan, tell)
    return estimated(prepared, settings.run.overwrite, probe, say)


def _prepared(
    settings: CertifySettings, notice: Callable[[str], None], to_plan: bool = False, quiet: bool = False
) -> Prepared:
    for name in settings.run.models:
        word = name.partition("=")[2] or name
        if find_entry(word).card.precomputed:
            raise UsageError(
                f"model {word!r} shows masks that were made beforehand: it cannot be run on frames with noise, so that "
                "nothing can be certified of the model that made them. Certify that model itself"
            )
    prepared = prepare(settings.run, to_plan=to_plan, notice=notice, quiet=quiet)
    if settings.run.output is not None:
        return prepared
    # Without the number of draws, so that more of them go on where fewer have been.
    first = [noise.condition(0) for noise in settings.noises]
    named = replace(prepared.plan, conditions=tuple(first), preset={"name": "certify", "version": 1})
    from robust_vos_bench.runs.manifest import default_folder

    return replace(prepared, folder=default_folder(named).absolute())


def check(settings: CertifySettings, plan: Plan, notice: Callable[[str], None]) -> None:
    """Before anything is computed: truth, lengths, and whether so many draws can claim anything."""
    untold = [name for name in plan.videos if not plan.dataset.has_truth(name)]
    if untold:
        raise DataError(
            f"{plan.dataset.name} has no truth for {', '.join(untold[:5])}{' ...' if len(untold) > 5 else ''}: J&F "
            "cannot be certified without. Choose others with --videos"
        )
    objects = 0
    for name in plan.videos:
        video = plan.dataset.video(name)
        if len(video) < 2:
            raise DataError(f"video {name!r} has a single frame: nothing is predicted, so there is nothing to certify")
        if len(video) <= 3:
            truth = plan.dataset.truth(name)
            if truth is not None and not PackedTruth(truth, plan.protocol).frames:
                raise DataError(f"video {name!r}: no frame of it is scored ({len(video)} frames); leave it out")
        objects += len(video.object_ids)
    claims = settings.claims
    needed = [median.least_draws(ratio, claims.alpha / max(objects, 1)) for ratio in claims.ratios]
    if claims.draws < min(needed):
        raise UsageError(
            f"{claims.draws} draws claim nothing: with {objects} objects and alpha {claims.alpha:g}, "
            + ", ".join(f"R = {ratio:g} sigma needs {least}" for ratio, least in zip(claims.ratios, needed))
            + ". Give --draws more, or a smaller --radius"
        )
    short = [f"R = {r:g} sigma needs {n}" for r, n in zip(claims.ratios, needed) if claims.draws < n]
    if short:
        notice(f"{claims.draws} draws are too few for some radii, which will be n/a: {', '.join(short)}")


class Counting(Guarded):
    """Counts the masks of each draw as they come, and passes everything on, whatever the listener does."""

    def __init__(self, inner: Listener, boxes: Mapping[tuple[str, str, str], tuple[VoteBox, int]]) -> None:
        super().__init__(inner)
        self._boxes = boxes
        self.error: RvosError | None = None
        """The first that counting raised: votes that cannot be read or written."""

    def unit(self, record: UnitRecord) -> None:
        """Count it where it is a draw."""
        box = self._boxes.get((record.model, record.condition, record.video))
        if box is not None and record.ok:
            try:
                box[0].add(box[1])
            except RvosError as error:
                self.error = self.error or error
        super().unit(record)


def execute(settings: CertifySettings, listener: Listener) -> Certified:
    """Run what is missing and certify, however the run ended; rows with missing draws claim nothing."""
    showing = listener if isinstance(listener, ProgressListener) else None
    with contextlib.ExitStack() as stack:
        stack.enter_context(without_network(settings.run.offline))
        if showing is not None:
            stack.enter_context(showing.showing())
        prepared = _prepared(settings, listener.notice, quiet=showing is None or showing.quiet)
        check(settings, prepared.plan, listener.notice)
        if showing is not None:
            showing.workers = workers_of(prepared)
        plan, store = prepared.plan, RunStore(prepared.folder)
        boxes = _boxes(settings, plan, store)
        for box in boxes.values():
            box.settle()
        by_unit = {
            (model, noise.condition(draw).label, video): (box, draw)
            for (model, noise, video), box in boxes.items()
            for draw in range(settings.claims.draws)
        }
        engine = stack.enter_context(opened_engine(settings.run, prepared))
        counting = Counting(listener, by_unit)
        manifest, state = run_with_records(
            plan,
            prepared.folder,
            _started(settings, prepared),
            counting,
            settings.run.overwrite,
            settings.run.fail_fast,
            engine,
        )
    if counting.error is not None:
        raise counting.error
    rows = tuple(
        _row(settings, plan, store, state, model, noise, boxes)
        for model in range(len(plan.models))
        for noise in settings.noises
    )
    return Certified(rows, settings.claims, Run(prepared.folder, manifest, state.cells))


def _started(settings: CertifySettings, prepared: Prepared) -> Started:
    """The words that repeat it; none where the data set was made in Python and has no words."""
    run = replace(settings.run, conditions=(), save_masks=None, overlay=None)
    found = started(run, prepared.plan, prepared.devices)
    command = ["rvos-bench", "certify", *found.command[2:], *settings.words] if found.command else []
    return Started(command, devices=found.devices)


Boxes = dict[tuple[str, Noise, str], VoteBox]


def _boxes(settings: CertifySettings, plan: Plan, store: RunStore) -> Boxes:
    if not settings.claims.pixels:
        return {}
    found: Boxes = {}
    for index, model in enumerate(plan.models):
        for noise in settings.noises:
            for video in plan.videos:
                keys = {d: plan.key(index, noise.condition(d), video) for d in range(settings.claims.draws)}
                found[model.record.name, noise, video] = VoteBox(store, model.record.name, noise, video, keys)
    return found


def _row(
    settings: CertifySettings, plan: Plan, store: RunStore, state: RunState, model: int, noise: Noise, boxes: Boxes
) -> Certificate:
    name, claims = plan.models[model].record.name, settings.claims
    draws = [noise.condition(draw) for draw in range(claims.draws)]
    clean = [_valid(plan, state, model, plan.conditions[0], video) for video in plan.videos]
    # Cell by cell, once: a cell that is asked for again may have to be read again.
    drawn = [[_valid(plan, state, model, condition, video) for video in plan.videos] for condition in draws]
    row = certify_median(name, noise, claims, clean, [record for cell in drawn for record in cell])
    if not boxes:
        return row
    inputs = []
    tracks = store.frame_scores(plan.conditions[0].label, name)
    for place, video in enumerate(plan.videos):
        done = [d for d, cell in enumerate(drawn) if cell[place] is not None]
        votes = boxes[name, noise, video].count(done)  # also where the row is not complete: masks need not wait
        truth = plan.dataset.truth(video)
        if row.missing or votes is None or truth is None or votes.tested < 1:
            continue
        scored = {number: track.frames for (where, number), track in tracks.items() if where == video}
        inputs.append(VideoVotes(votes, truth, scored))
    if row.missing or len(inputs) < len(plan.videos):
        return row
    return replace(row, pixel=certify_pixels(noise, claims, inputs))


def _valid(plan: Plan, state: RunState, model: int, condition: Any, video: str) -> UnitRecord | None:
    record = state.cell(model, condition).get(video)
    if record is None or not record.ok or record.key != plan.key(model, condition, video):
        return None
    return record
