"""From names to a plan: resolve models, weights, data and conditions before anything is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from robust_vos_bench.conditions import CLEAN, Condition, condition_fingerprint, corruption_of
from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import DataError, UsageError, WeightsError
from robust_vos_bench.models import find_entry
from robust_vos_bench.models.checkpoint import RANDOM, find_also, find_checkpoint, sha256_of
from robust_vos_bench.models.inside import entry_inside
from robust_vos_bench.models.options import adapter_class, parse_options
from robust_vos_bench.models.registry import model_origin, refuse_needless
from robust_vos_bench.models.weights import check_known
from robust_vos_bench.origin import Origin
from robust_vos_bench.runs.plan import ModelSpec, Plan
from robust_vos_bench.runs.records import ModelRecord
from robust_vos_bench.scoring import PROTOCOL_VERSION
from robust_vos_bench.system.paths import is_text


def build_model(
    name: str,
    checkpoint: str | None = None,
    options: Mapping[str, Any] | None = None,
    to_plan: bool = False,
    label: str = "",
) -> ModelSpec:
    """Resolve one model: its entry, its weights (found and hashed) and its options.

    label: the user's own name for it, under which it is recorded instead of its name and options.
    Raises UsageError for an unknown name and WeightsError where weights are needed and absent; to_plan: a model whose
    official weights are absent is returned all the same and says so in `absent`.
    """
    entry = find_entry(name)
    refuse_needless(entry, checkpoint)
    given = dict(options or {})
    if checkpoint == RANDOM and not entry.card.weights and getattr(adapter_class(entry), "untrained", None) is None:
        checkpoint = None  # a model without weights has none to make up
    absent = ""
    try:
        found = find_checkpoint(entry.card, checkpoint)
    except WeightsError as error:
        if not to_plan or checkpoint is not None:
            raise
        found, absent = None, str(error).splitlines()[0]
    if isinstance(found, Path):
        kept, sha = found.name, sha256_of(found)
        check_known(entry.card, found, sha)
        if entry.card.also:
            files = [find_also(entry.card, weights.file) for weights in entry.card.also]
            sha = hashlib.sha256("\n".join([sha, *map(sha256_of, files)]).encode()).hexdigest()
    else:
        kept, sha = (RANDOM, RANDOM) if found == RANDOM else ("", "")
    card = entry.card
    version = card.version
    origin = model_origin(name)
    load_name = entry.found_by or entry.name
    if origin.kind == "file":  # whoever edits a model and repeats the command wants its new scores
        cls = name.rpartition(":")[2]
        version = f"{version}+{origin.digest[:8]}:{cls}"
        load_name = f"{origin.place}:{cls}"
    made_of = adapter_class(entry)
    settled = made_of.settled({**entry.options, **given}, checkpoint)
    wanted = made_of.inside(settled, checkpoint)
    inner = None
    loaded = {k: v for k, v in settled.items() if k in given or k not in entry.options}
    shown = dict(given)
    if wanted is not None:
        within, within_name = entry_inside(entry.name, wanted)
        inner = build_model(within_name, wanted.checkpoint, parse_options(within, wanted.options), to_plan)
        settled[wanted.option] = shown[wanted.option] = inner.record.registered_name
        loaded[wanted.option] = inner.name
        weights = f"{wanted.option}_checkpoint"
        settled.pop(weights, None)  # its digest counts, not where it lies
        if shown.pop(weights, None) is not None:
            shown[weights] = inner.record.weights_sha256[:8]
        if inner.checkpoint is not None:
            loaded[weights] = Path(inner.checkpoint)
    suffix = "[" + ",".join(f"{k}={v}" for k, v in sorted(shown.items())) + "]" if shown else ""
    record = ModelRecord(
        name=label or card.name + suffix,
        adapter_version=version,
        options={k: _plain(v) for k, v in settled.items()},
        checkpoint=kept,
        weights_sha256=sha,
        trained_on=card.trained_on if kept != RANDOM else (),
        title=card.title,
        paper=card.paper,
        license=card.license,
        input_policy=card.input_policy,
        model=card.name if label else UNSET,
        paths=tuple(sorted(k for k, v in given.items() if isinstance(v, Path) and k in settled)) or UNSET,
        own_weights=kept not in {"", RANDOM, *(Path(weights.file).name for weights in card.weights)} or UNSET,
    )
    carried = None if origin.kind == "built in" else origin
    checkpoint = str(found) if found is not None else None
    if inner is None:
        return ModelSpec(load_name, checkpoint, loaded, record, carried, absent)
    both = _of_both(record, inner.record)
    if inner.record.paths is not UNSET and wanted is not None:  # they are among the words that are its options
        known = () if record.paths is UNSET else record.paths
        both = replace(both, paths=tuple(sorted({*known, f"{wanted.option}_options"})))
    return ModelSpec(load_name, checkpoint, loaded, both, carried, absent or inner.absent, inner)


def _of_both(outer: ModelRecord, inner: ModelRecord) -> ModelRecord:
    """The record of a model that runs another one: what changes with either changes with both."""
    digests = [sha for sha in (outer.weights_sha256, inner.weights_sha256) if sha]
    files = [file for file in (outer.checkpoint, inner.checkpoint) if file]
    both = RANDOM if RANDOM in files else digests[0] if len(digests) == 1 else ""
    return replace(
        outer,
        adapter_version=f"{outer.adapter_version}+{inner.registered_name}:{inner.adapter_version}",
        checkpoint=RANDOM if RANDOM in files else files[0] if files else "",
        weights_sha256=both or (hashlib.sha256("\n".join(digests).encode()).hexdigest() if digests else ""),
        trained_on=tuple(dict.fromkeys((*outer.trained_on, *inner.trained_on))),
        license=f"{outer.license}; {inner.registered_name}: {inner.license or 'none given'}",
        own_weights=True if True in (outer.own_weights, inner.own_weights) else UNSET,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value)


def _twice(models: Sequence[ModelSpec]) -> str:
    """What to do about models of one name: their results could not be told apart."""
    name, classes = models[0].record.name, list(dict.fromkeys(m.name for m in models))
    if len(classes) > 1 and all(m.record.model is UNSET for m in models):
        return (
            f"{' and '.join(classes)} both have the name {name!r} on their card; give each class a card of its own "
            f'(card = ModelCard("other")), or the models names: --model one={classes[0]},other={classes[1]}'
        )
    return (
        f"model {name!r} is given twice; give each a name of its own (--model one=MODEL,other=MODEL) or other options"
    )


def build_plan(
    models: Sequence[ModelSpec],
    dataset: Dataset,
    conditions: Iterable[Condition],
    preset: PresetInfo,
    videos: Sequence[str] | None = None,
    save_masks: bool = False,
    profile: bool = False,
    films: Sequence[str] = (),
) -> Plan:
    """The whole grid: clean first, then the conditions; every video of the data set unless `videos` narrows it.

    films: the videos whose masks are also drawn on their frames.
    """
    names = [m.record.name for m in models]
    places = [name.casefold() for name in names]  # folders of some file systems do not tell capitals apart
    for name in names:
        if places.count(name.casefold()) > 1:
            raise UsageError(_twice([m for m in models if m.record.name.casefold() == name.casefold()]))
    columns = tuple(dict.fromkeys((CLEAN, *conditions)))
    origins: dict[str, Origin | None] = {}
    for c in columns:
        if c.is_stored:  # told apart by the digests of their pixels
            continue
        if origins.setdefault(c.corruption, c.origin) != c.origin:
            raise UsageError(f"two corruptions are named {c.corruption!r}: {origins[c.corruption]} and {c.origin}")
    chosen = tuple(videos if videos is not None else dataset.videos)
    for video in chosen:
        if not is_text(video):
            raise DataError(
                f"video {video!a}: its name is not text here, so no record could hold it; rename its folder, or set "
                "PYTHONUTF8=1 where the name is UTF-8 and the locale is not"
            )
    families = {c.corruption: corruption_of(c).family for c in columns if not c.is_clean}
    return Plan(
        models=tuple(models),
        dataset=dataset,
        conditions=columns,
        condition_fingerprints={c.label: condition_fingerprint(c) for c in columns},
        families=families,
        preset={"name": preset.name, "version": preset.version, "description": preset.description},
        videos=chosen,
        protocol=dataset.protocol,
        protocol_version=PROTOCOL_VERSION,
        save_masks=save_masks,
        films=tuple(films),
        profile=profile,
        fingerprints={video: dataset.fingerprint_or_damage(video) for video in chosen},
        sources={i: found for i, spec in enumerate(models) if (found := _sources(spec, columns, chosen))},
    )


def _sources(spec: ModelSpec, conditions: Sequence[Condition], videos: Sequence[str]) -> dict[tuple[str, str], str]:
    """Digests of the files that a model, or the one that it runs, makes its masks of."""
    if spec.absent:
        return {}
    made_of = adapter_class(find_entry(spec.name))
    found = dict(made_of.sources(spec.record.options, [c.label for c in conditions], videos))
    if spec.inside is not None:
        for unit, sha in _sources(spec.inside, conditions, videos).items():
            found[unit] = found.get(unit, "") + sha
    return found
