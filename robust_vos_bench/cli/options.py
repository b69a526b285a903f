"""Options that mean the same under every verb."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from robust_vos_bench.errors import UsageError, unknown
from robust_vos_bench.system.paths import user_path

F = TypeVar("F", bound=Callable[..., Any])
FAMILIES = (
    *("blur", "camera", "codec", "digital", "light", "noise", "pattern", "prompt", "smoothing", "style", "video"),
    "weather",
)
"""Families of the built-in corruptions, for `--help`, which does not load them."""


def debugging() -> bool:
    """Whether tracebacks are wanted (`--debug`)."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("debug"))


class CommaList(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.2 on
    """A list given by commas, by repeating the flag, or both (use with `multiple=True` and `flat`)."""

    name = "LIST"

    def __init__(self, item: Callable[[str], Any] = str) -> None:
        self.item = item

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """One flag's value -> a tuple."""
        if isinstance(value, (tuple, list)):
            return tuple(value)
        try:
            return tuple(self.item(part.strip()) for part in str(value).split(",") if part.strip())
        except ValueError:
            self.fail(f"{value!r} is not a list of {self.item.__name__}s", param, ctx)


class UserPath(click.Path):
    """A path as people type it: `~` is a home folder wherever the value comes from (flag, variable, settings file).

    The only type for paths on the command line; takes the arguments of `click.Path`. The value is a `pathlib.Path`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Expanded before anything is asked of the file."""
        return Path(os.fsdecode(super().convert(user_path(value), param, ctx)))


class Severities(CommaList):
    """Severities by comma and as ranges: 1,3,5 or 1-3."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """One flag's value -> a tuple of numbers."""
        if isinstance(value, (tuple, list)):
            return tuple(value)
        from robust_vos_bench.api.settings import numbers
        from robust_vos_bench.errors import RvosError

        try:
            return numbers(str(value))
        except RvosError as error:
            self.fail(str(error), param, ctx)


def flat(ctx: click.Context, param: click.Parameter, value: Any) -> tuple[Any, ...]:
    """Join the tuples of a repeated CommaList flag."""
    return tuple(item for part in value or () for item in (part if isinstance(part, tuple) else (part,)))


def read_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Make a TOML file's keys (flag names, dashes or underscores) the defaults of this command.

    The second name of a pair such as --clean-reference/--corrupt-reference says the opposite of the first.
    """
    if value is None:
        return None
    from robust_vos_bench.system.toml import read_toml

    found = read_toml(value, UsageError)
    flags = {
        name.lstrip("-").replace("-", "_"): (parameter, name in parameter.secondary_opts)
        for parameter in ctx.command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }
    defaults: dict[str, Any] = {}
    for key, setting in found.items():
        parameter, opposite = flags.get(key.replace("-", "_"), (None, False))
        if parameter is None or parameter.name is None:
            raise unknown("setting", key, flags, f"In {value}; settings are flags without dashes.")
        if getattr(parameter, "multiple", False):
            items = setting if isinstance(setting, list) else [setting]
            defaults[parameter.name] = [str(item) for item in items]
        elif opposite:
            defaults[parameter.name] = not click.BOOL.convert(setting, parameter, ctx)
        else:
            defaults[parameter.name] = setting
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return value


def _option(*names: str, **settings: Any) -> Callable[[F], F]:
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    settings.setdefault("envvar", "RVOS_BENCH_" + long.lstrip("-").replace("-", "_").upper())
    return click.option(*names, **settings)


def model_option(**settings: Any) -> Callable[[F], F]:
    """--model"""
    settings = {
        "multiple": True,
        "type": CommaList(),
        "callback": flat,
        "help": "Model name, or path/to/file.py:Class; ours=MODEL names it. Several by comma or by repeating the flag.",
        **settings,
    }
    return _option("-m", "--model", "models", **settings)


def checkpoint_option() -> Callable[[F], F]:
    """--checkpoint"""
    return _option(
        "--checkpoint",
        "checkpoints",
        multiple=True,
        help="Weights file, NAME=FILE with several models, or 'random' (deterministic untrained weights, smoke tests).",
    )


def dataset_options(function: F) -> F:
    """--dataset --data-root --mask --videos --limit"""
    function = _option("--limit", type=click.IntRange(min=1), help="Use only the first N videos.")(function)
    function = _option(
        "--videos",
        multiple=True,
        type=CommaList(),
        callback=flat,
        help="Use only these videos, e.g. dog,camel or 'car*'. Several by comma or by repeating the flag.",
    )(function)
    function = _option(
        "--mask",
        "masks",
        multiple=True,
        metavar="[FRAME=]FILE",
        help="First mask of a video file: .png, or .txt of boxes and polygons; 12=FILE for frame 12; or a folder.",
    )(function)
    function = _option(
        "--data-root",
        type=UserPath(),
        help="Folder of the data set (also RVOS_BENCH_DATA_ROOT or RVOS_BENCH_DATA).",
    )(function)
    return _option(
        "-d",
        "--dataset",
        default="demo",
        show_default=True,
        help="Data set and split, e.g. davis2017:val; clip.mp4 or a folder of such files; path/to/file.py:name.",
    )(function)


def opened_option(what: str) -> Callable[[F], F]:
    """--dataset of a verb that reads a run: what, "How the data is opened", begins its help."""
    # No variable: RVOS_BENCH_DATASET is what runs are made on, and this one was made on something already.
    return click.option("-d", "--dataset", help=f"{what}, where it is a class in a file: path/to/file.py:name.")


def condition_options(function: F) -> F:
    """--corruption --preset --severity --temporal --severity-profile --clean-reference --seed"""
    for decorate in (
        _option("--seed", type=int, default=0, show_default=True, help="Seed of every random draw."),
        _option(
            "--clean-reference/--corrupt-reference",
            "clean_reference",
            default=None,
            help="Keep frames that carry a prompt clean. [default: as the preset says]",
        ),
        _option("--severity-profile", help="Severity over time: constant, ramp, burst, intermittent, fourier."),
        _option("--temporal", help="Randomness over time: frame, video, drift. [default: as the preset says]"),
        _option(
            "-s",
            "--severity",
            "severities",
            multiple=True,
            type=Severities(),
            callback=flat,
            help="Severities, e.g. 1,3,5 or 1-3. [default: all of the preset]",
        ),
        _option("-p", "--preset", help="Preset, e.g. smoke, common, video, youtube-vos-p: `list presets`."),
        _option(
            "-c",
            "--corruption",
            "corruptions",
            multiple=True,
            type=CommaList(),
            callback=flat,
            help=f"Corruption, family ({', '.join(FAMILIES)}), condition (fog-3-frame) or path/to/file.py:name.",
        ),
    ):
        function = decorate(function)
    return function


def attacked_option() -> Callable[[F], F]:
    """--attacked"""
    return _option(
        "--attacked",
        "attacked",
        multiple=True,
        type=UserPath(file_okay=False),
        help="Folder that `rvos-bench attack` wrote: each of its splits is a condition. May be repeated.",
    )


def engine_options(command: F) -> F:
    """--engine, --ray-address, --ray-gpus, --ship-data"""
    for option in (
        click.option(
            "--ship-data",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Send videos to Ray nodes that lack them (auto), or also to those that have other data (always).",
        ),
        click.option(
            "--ray-gpus",
            type=click.FloatRange(min=0),
            help="GPUs a Ray task needs; 0.5 shares one. [default: by the models' cards where the cluster has GPUs]",
        ),
        click.option("--ray-address", help="Address of a running Ray cluster, or auto. [default: start one here]"),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="ray: a Ray cluster.",
        ),
    ):
        command = option(command)
    return command


def workers_option() -> Callable[[F], F]:
    """--workers"""
    return _option("-w", "--workers", type=click.IntRange(min=1), help="Worker processes. [default: cores]")


def device_option() -> Callable[[F], F]:
    """--device"""
    return _option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, or several: cuda:0,cuda:1."
    )


def corrupt_device_option() -> Callable[[F], F]:
    """--corrupt-device"""
    return _option(
        "--corrupt-device",
        default="cpu",
        show_default=True,
        help="cuda or cuda:1: blurs, noise and changes of colour are made there in batches, the rest on the CPU.",
    )


def output_option(help: str, envvar: str | None = "RVOS_BENCH_OUTPUT") -> Callable[[F], F]:
    """--output. envvar: None for a verb that writes anything but a run directory: the variable names that of `run`, and
    a report or a split would be written over it."""
    return _option("-o", "--output", type=UserPath(), help=help, envvar=envvar)


def json_option() -> Callable[[F], F]:
    """--json"""
    return click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON on stdout.")


def dry_run_option() -> Callable[[F], F]:
    """--dry-run"""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")


def table_option() -> Callable[[F], F]:
    """--table"""
    return click.option(
        "--table",
        "table",
        type=click.Choice(["text", "markdown", "latex", "csv"]),
        default="text",
        show_default=True,
        help="How the table is printed.",
    )


def offline_option() -> Callable[[F], F]:
    """--offline"""
    return click.option(
        "--offline",
        is_flag=True,
        help="Fetch nothing; weights that are not here end with exit code 4. Also RVOS_BENCH_OFFLINE=1.",
    )


def config_option() -> Callable[[F], F]:
    """--config"""
    return click.option(
        "--config",
        type=UserPath(dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=read_config,
        envvar="RVOS_BENCH_CONFIG",
        help="TOML file of settings; flags and RVOS_BENCH_* variables win over it.",
    )
