"""The words that make a run again: a command line, or, where none means the same, a Python call."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from robust_vos_bench.api.models import split_name
from robust_vos_bench.api.prepare import choose_conditions
from robust_vos_bench.api.settings import FLAGS, NEGATIVE, RunSettings
from robust_vos_bench.conditions import Condition
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.datasets.names import is_pattern
from robust_vos_bench.errors import RvosError
from robust_vos_bench.origin import is_file_spec, split_spec
from robust_vos_bench.runs.invocation import Started
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.system.paths import user_path

NO_PART = ("overwrite", "fail_fast", "profile", "offline", "conditions")
"""Settings that say how a run goes on, not what it is."""
DATA_ROOT = "data_root"


def started(settings: RunSettings, plan: Plan, devices: Sequence[str]) -> Started:
    """How a run with these settings is started again, from any working directory of this machine.

    Paths are absolute, and what came from variables and settings files is written out. A data set or conditions made in
    Python have words where a command gives equal ones; else the record has the Python call instead.
    """
    known = _with_words(settings, plan)
    local = devices if settings.engine == "local" else ()
    if known is not None:
        return Started(command_of(known, plan), devices=local)
    return Started(call=_call(settings, plan), devices=local)


def command_of(settings: RunSettings, plan: Plan) -> list[str]:
    """The command line of settings that have words for everything."""
    words = ["rvos-bench", "run"]
    for name, value in _given(settings, plan).items():
        flag = FLAGS[name]
        if isinstance(value, bool):
            words.append(flag if value else NEGATIVE.get(name, flag))
        elif name in ("models", "corruptions", "severities", "videos"):
            words += [flag, ",".join(map(str, value))]
        elif isinstance(value, tuple):
            words += [word for item in value for word in (flag, str(item))]
        else:
            words += [flag, str(value)]
    return words


def _given(settings: RunSettings, plan: Plan) -> dict[str, Any]:
    """Setting -> its value with absolute paths, in the order of the flags, of those that decide what is run."""
    default = RunSettings()
    found: dict[str, Any] = {}
    for name in FLAGS:
        value = getattr(settings, name)
        if name == "dataset" and _is_place(settings, plan):
            value = str(user_path(value).absolute())
        elif name == DATA_ROOT and _is_place(settings, plan):
            continue
        elif name == DATA_ROOT and value is None and plan.dataset.root is not None:
            value = plan.dataset.root  # it came from a variable
        if name not in NO_PART and value is not None and value != getattr(default, name):
            found[name] = _absolute(name, value)
    return found


def _is_place(settings: RunSettings, plan: Plan) -> bool:
    """Whether the data set is given as a file or folder: `--dataset clip.mp4`."""
    word = settings.dataset
    return isinstance(word, str) and not is_file_spec(word) and word != plan.dataset.name and user_path(word).exists()


def _absolute(name: str, value: Any) -> Any:
    """A setting with its paths made independent of the working directory."""
    if name == "attacked":
        return tuple(str(user_path(folder).absolute()) for folder in value)
    if name in (DATA_ROOT, "output"):
        return str(user_path(value).absolute())
    if name == "models":
        return tuple(_absolute_model(word) for word in value)
    if name == "masks":
        return tuple(_absolute_mask(word) for word in value)
    if name == "checkpoints":
        return tuple(_absolute_checkpoint(word) for word in value)
    if name == "corruptions":
        return tuple(_absolute_spec(word) for word in value)
    if name == "dataset":
        return _absolute_spec(value) if isinstance(value, str) else value.name
    if name == "preset" and user_path(value).is_file():
        return str(user_path(value).absolute())
    return value


def _absolute_model(word: str) -> str:
    label, model = split_name(word)
    return f"{label}={_absolute_spec(model)}" if label else _absolute_spec(model)


def _absolute_spec(word: str) -> str:
    if not is_file_spec(word):
        return word
    path, name = split_spec(word)
    return f"{path.absolute()}:{name}"


def _absolute_mask(word: str) -> str:
    frame, equals, file = word.partition("=")
    if equals and not user_path(word).exists():
        return f"{frame}={user_path(file).absolute()}"
    return str(user_path(word).absolute())


def _absolute_checkpoint(word: str) -> str:
    """A file becomes its whole path; "random" and official names, which are looked for, stay."""
    if user_path(word).exists():
        return str(user_path(word).absolute())
    name, equals, file = word.partition("=")
    return f"{name}={user_path(file).absolute()}" if equals and user_path(file).exists() else word


def _with_words(settings: RunSettings, plan: Plan) -> RunSettings | None:
    """The settings with words in place of objects made in Python; None where there are none that mean the same."""
    if any(c.origin is not None and c.origin.kind == "script" for c in plan.conditions):
        return None  # defined by the program that made the run
    if any("," in word for word in (*settings.models, *settings.corruptions, *settings.videos)):
        return None  # a comma in a path, which only a Python list can hold
    if isinstance(settings.dataset, Dataset):
        found = _data_words(settings.dataset, plan)
        if found is None:
            return None
        settings = replace(settings, **found)
    return _condition_words(settings) if settings.conditions else settings


def _data_words(dataset: Dataset, plan: Plan) -> dict[str, Any] | None:
    """--dataset, --data-root, --mask and --videos of an opened data set."""
    videos = list(plan.videos)
    try:
        same = open_dataset(dataset.name, dataset.root, masks=dataset.masks)
    except RvosError:
        return None
    if type(same) is not type(dataset) or not set(videos) <= set(same.videos):
        return None
    if any(same.fingerprint_or_damage(video) != plan.fingerprints[video] for video in videos):
        return None
    found = {"dataset": dataset.name, "data_root": dataset.root, "masks": dataset.masks, "limit": None, "videos": ()}
    if list(same.videos) == videos:
        return found
    if list(same.videos)[: len(videos)] == videos:
        return {**found, "limit": len(videos)}
    in_order = [video for video in same.videos if video in set(videos)] == videos
    if not in_order or any(is_pattern(video) or "," in video or video != video.strip() for video in videos):
        return None
    return {**found, "videos": tuple(videos)}


def _condition_words(settings: RunSettings) -> RunSettings | None:
    """--corruption, --severity and the rest, where they give just the conditions that were made in Python."""
    if settings.corruptions or settings.preset is not None:
        return None
    wanted = set(settings.conditions) - {Condition()}

    def common(field: str) -> list[Any]:
        values = {getattr(c, field) for c in wanted} - {""}
        return [None, *values] if len(values) == 1 else [None]

    one = next(iter(wanted), Condition())
    corruptions = tuple(dict.fromkeys(_word(c) for c in settings.conditions if not c.is_clean))
    severities = tuple(dict.fromkeys(c.severity for c in settings.conditions if not c.is_clean))
    for temporal, profile, reference in itertools.product(
        common("temporal"), common("profile"), common("clean_reference")
    ):
        words = replace(
            settings,
            conditions=(),
            corruptions=corruptions or ("clean",),
            severities=severities,
            temporal=temporal,
            severity_profile=None if profile == "constant" else profile,
            clean_reference=reference,
            seed=one.seed,
            corrupt_device=one.device or "cpu",
        )
        try:
            given = choose_conditions(words)[0]
        except RvosError:
            continue
        if set(given) - {Condition()} == wanted:
            return words
    return None


def _word(condition: Condition) -> str:
    """What `--corruption` and `Condition` take."""
    origin = condition.origin
    if origin is not None and origin.kind == "file":
        return f"{origin.place}:{condition.corruption}"
    return condition.corruption


def _call(settings: RunSettings, plan: Plan) -> str:
    """The Python call, with comments for what only the program that made it has."""
    notes, words = [], []
    names = {"models": "model", "checkpoints": "checkpoint", "options": "option", "corruptions": "corruption"}
    names |= {"severities": "severity", "masks": "mask"}
    given = _given(settings, plan)
    if settings.conditions:
        given["corruptions"] = (*settings.corruptions, *settings.conditions)
    for name, value in given.items():
        if name == "dataset" and isinstance(settings.dataset, Dataset):
            text, note = _data_call(settings.dataset, plan)
            words.append(f"dataset={text}")
            notes += [note] if note else []
        elif name in (DATA_ROOT, "masks", "videos", "limit") and isinstance(settings.dataset, Dataset):
            continue  # said where it is opened
        else:
            words.append(f"{names.get(name, name)}={_literal(value)}")
    own = sorted({c.corruption for c in plan.conditions if c.origin is not None and c.origin.kind == "script"})
    if own:
        notes.append(f"# defined by the program that made this run: corruption {', '.join(own)}")
    return "\n".join([*notes, "import robust_vos_bench as rvos", f"rvos.run({', '.join(words)})"])


def _data_call(dataset: Dataset, plan: Plan) -> tuple[str, str]:
    """How the data set is made again, and a comment where that takes more than a call."""
    try:
        same = type(open_dataset(dataset.name, dataset.root, masks=dataset.masks)) is type(dataset)
    except RvosError:
        same = False
    if not same:
        return "dataset", f"# dataset: an object of class {type(dataset).__name__}, of the program that made this run"
    root = "" if dataset.root is None else f", {str(dataset.root.absolute())!r}"
    masks = f", masks={list(dataset.masks)!r}" if dataset.masks else ""
    return f"rvos.open_dataset({dataset.name!r}{root}, videos={list(plan.videos)!r}{masks})", ""


def _literal(value: Any) -> str:
    if isinstance(value, Condition):
        default = Condition()
        fields = [f"{name}={v!r}" for name, v in _fields(value).items() if v != getattr(default, name)]
        return f"rvos.Condition({', '.join([repr(_word(value)), *fields])})"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value if isinstance(value, (str, int, float, bool)) else str(value))


def _fields(condition: Condition) -> Mapping[str, Any]:
    return {**condition.to_dict(), "device": condition.device, "corruption": ""}
