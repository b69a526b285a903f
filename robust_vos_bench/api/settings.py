"""The words of a run: what `rvos-bench run` takes as flags and `robust_vos_bench.run` as arguments."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_vos_bench.conditions import Condition
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import VOSAdapter
from robust_vos_bench.system.paths import user_path

DEFAULT_MODEL = "labelprop"
Names = str | Sequence[str]
"""One name or several."""
Models = str | type[VOSAdapter] | Sequence[str | type[VOSAdapter]] | Mapping[str, str | type[VOSAdapter]]
"""What may be given as the models of a run; a mapping gives them names."""
MaskFiles = str | Path | Sequence[str | Path] | Mapping[int, str | Path] | None
"""What may be given as the masks of a video file; a mapping says at which frames."""
Corruptions = str | Condition | Sequence[str | Condition] | None
"""What may be given as the corruptions of a run."""


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run, as given; `None` is "not given". What repeats it: `api.repeat`."""

    models: tuple[str, ...] = (DEFAULT_MODEL,)
    checkpoints: tuple[str, ...] = ()
    """A file, "random", or "NAME=FILE" each."""
    options: tuple[str, ...] = ()
    """"NAME=VALUE", or "MODEL:NAME=VALUE" each."""
    dataset: str | Dataset = "demo"
    data_root: str | Path | None = None
    masks: tuple[str, ...] = ()
    """First masks of a video file, as --mask takes them."""
    videos: tuple[str, ...] = ()
    limit: int | None = None
    corruptions: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    """Conditions made in Python, beside those that `corruptions` and `preset` name."""
    attacked: tuple[Path, ...] = ()
    """Folders of stored splits that `attack` wrote; each split is a condition."""
    preset: str | None = None
    severities: tuple[int, ...] = ()
    temporal: str | None = None
    severity_profile: str | None = None
    clean_reference: bool | None = None
    seed: int = 0
    corrupt_device: str = "cpu"
    workers: int | None = None
    device: str = "auto"
    output: Path | None = None
    overwrite: str = "missing"
    save_masks: bool | None = None
    """None: where a video has no truth; so is `overlay`."""
    overlay: bool | None = None
    producers: int | None = None
    engine: str = "local"
    ray_address: str | None = None
    ray_gpus: float | None = None
    ray_wait: float | None = None
    ship_data: str = "auto"
    profile: bool = False
    fail_fast: bool = False
    offline: bool = False

    def __post_init__(self) -> None:
        for name, least in (("limit", 1), ("workers", 1), ("producers", 0), ("ray_gpus", 0), ("ray_wait", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} is {value}: at least {least} is needed")
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                raise UsageError(f"{name} is {getattr(self, name)!r}; it is one of {', '.join(words)}")
        if not self.models:
            raise UsageError("no model is given; `rvos-bench list models` shows what there is")


CHOICES: Mapping[str, tuple[str, ...]] = {
    "overwrite": ("missing", "always", "never"),
    "engine": ("local", "ray"),
    "ship_data": ("auto", "always", "never"),
}
"""Setting -> the words it takes."""

FLAGS: Mapping[str, str] = {
    "models": "--model",
    "checkpoints": "--checkpoint",
    "options": "--option",
    "dataset": "--dataset",
    "data_root": "--data-root",
    "masks": "--mask",
    "videos": "--videos",
    "limit": "--limit",
    "corruptions": "--corruption",
    "attacked": "--attacked",
    "preset": "--preset",
    "severities": "--severity",
    "temporal": "--temporal",
    "severity_profile": "--severity-profile",
    "clean_reference": "--clean-reference",
    "seed": "--seed",
    "corrupt_device": "--corrupt-device",
    "workers": "--workers",
    "device": "--device",
    "output": "--output",
    "overwrite": "--overwrite",
    "save_masks": "--save-masks",
    "overlay": "--overlay",
    "producers": "--producers",
    "engine": "--engine",
    "ray_address": "--ray-address",
    "ray_gpus": "--ray-gpus",
    "ray_wait": "--ray-wait",
    "ship_data": "--ship-data",
    "profile": "--profile",
    "fail_fast": "--fail-fast",
    "offline": "--offline",
}
"""Setting -> its flag."""
NEGATIVE: Mapping[str, str] = {
    "clean_reference": "--corrupt-reference",
    "save_masks": "--no-save-masks",
    "overlay": "--no-overlay",
}


def settings_of(
    model: Models = DEFAULT_MODEL,
    corruption: Corruptions = None,
    *,
    severity: int | Iterable[int] | str | None = None,
    mask: MaskFiles = None,
    videos: Names | None = None,
    checkpoint: str | Path | Mapping[str, str | Path] | Iterable[str] | None = None,
    option: Mapping[str, Any] | Iterable[str] | None = None,
    output: str | Path | None = None,
    attacked: str | Path | Sequence[str | Path] | None = None,
    **others: Any,
) -> RunSettings:
    """The settings of a call of `run`; others: the fields of `RunSettings` that are taken as they are."""
    words, conditions = split_conditions(corruption)
    return RunSettings(
        models=model_names(model),
        checkpoints=checkpoint_words(checkpoint),
        options=option_words(option),
        corruptions=words,
        conditions=conditions,
        attacked=folders(attacked),
        severities=numbers(severity),
        masks=mask_words(mask),
        videos=names(videos),
        output=None if output is None else user_path(output),
        **others,
    )


def folders(given: str | Path | Sequence[str | Path] | None) -> tuple[Path, ...]:
    """A folder or several -> a tuple."""
    if given is None:
        return ()
    return tuple(user_path(one) for one in ([given] if isinstance(given, (str, Path)) else given))


def mask_words(given: MaskFiles) -> tuple[str, ...]:
    """A file or folder, several, or {frame: file} -> the words of --mask."""
    if given is None:
        return ()
    if isinstance(given, Mapping):
        return tuple(f"{frame}={file}" for frame, file in given.items())
    return tuple(str(file) for file in ([given] if isinstance(given, (str, Path)) else given))


def names(given: Names | None) -> tuple[str, ...]:
    """One name, several by comma (as on the command line) or a sequence -> a tuple; None -> ()."""
    if given is None:
        return ()
    parts = given.split(",") if isinstance(given, str) and ".py:" not in given else given
    return tuple(part.strip() for part in ([parts] if isinstance(parts, str) else parts))


def model_names(given: Models) -> tuple[str, ...]:
    """Names of models; a VOSAdapter class stands for "its file.py:Class", {"ours": "aot.t"} for "ours=aot.t"."""
    if isinstance(given, Mapping):
        return tuple(
            f"{name}={class_name(model) if isinstance(model, type) else model}" for name, model in given.items()
        )
    items = [given] if isinstance(given, (str, type)) else list(given)
    return tuple(name for item in items for name in ([class_name(item)] if isinstance(item, type) else names(item)))


def class_name(cls: type) -> str:
    """ "path/to/file.py:Class" of a class. Raises UsageError where it was typed into a session and has no file."""
    try:
        file = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        file = None
    if file is None or not Path(file).is_file() or "." in cls.__qualname__:
        raise UsageError(
            f"{cls.__qualname__} has no file of its own that worker processes could import: write the class at the top "
            'level of a file and give "path/to/file.py:Class"'
        )
    return f"{file}:{cls.__qualname__}"


def checkpoint_words(given: str | Path | Mapping[str, str | Path] | Iterable[str] | None) -> tuple[str, ...]:
    """A file, "random", a mapping model -> file, or words as on the command line."""
    if given is None:
        return ()
    if isinstance(given, Mapping):
        return tuple(f"{name}={file}" for name, file in given.items())
    return (str(given),) if isinstance(given, (str, Path)) else tuple(given)


def option_words(given: Mapping[str, Any] | Iterable[str] | None) -> tuple[str, ...]:
    """{"size": 480}, {"aot.t": {"size": 480}} with several models, or words as on the command line."""
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        return (given,) if isinstance(given, str) else tuple(given)
    found = []
    for name, value in given.items():
        if isinstance(value, Mapping):
            found += [f"{name}:{option}={_text(v)}" for option, v in value.items()]
        else:
            found.append(f"{name}={_text(value)}")
    return tuple(found)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def split_conditions(given: Corruptions) -> tuple[tuple[str, ...], tuple[Condition, ...]]:
    """Names and ready-made conditions of what was given as `corruption`."""
    if given is None:
        return (), ()
    items = [given] if isinstance(given, (str, Condition)) else list(given)
    words = tuple(name for item in items if not isinstance(item, Condition) for name in names(item))
    return words, tuple(item for item in items if isinstance(item, Condition))


def numbers(given: int | Iterable[int] | str | None) -> tuple[int, ...]:
    """3, "1,3,5", "1-3" or a sequence -> a tuple; None -> ()."""
    if given is None:
        return ()
    if isinstance(given, int):
        return (given,)
    try:
        if isinstance(given, str):
            return tuple(n for part in given.split(",") if part.strip() for n in _range(part))
        return tuple(int(part) for part in given)
    except ValueError:
        raise UsageError(f"severity {given!r} is not a list of whole numbers: write 1,3,5 or 1-3") from None


def _range(text: str) -> range:
    """The numbers of "3" or of "1-3". ValueError for anything else, and for a range that runs backwards."""
    first, dash, last = text.strip().partition("-")
    found = range(int(first), int(last if dash else first) + 1)
    if not found:
        raise ValueError(text)
    return found
