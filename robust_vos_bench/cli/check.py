"""`rvos-bench check`: does a model, a corruption or a data set keep its contract?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robust_vos_bench.cli.options import device_option, json_option
from robust_vos_bench.errors import UsageError, unknown
from robust_vos_bench.origin import is_file_spec

if TYPE_CHECKING:
    from robust_vos_bench.findings import Report
    from robust_vos_bench.registry import Registry

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN ", "skipped": "skipped"}
KINDS = ("model", "corruption", "dataset")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench check labelprop\n  rvos-bench check my_model.py:MyModel --option size=480\n"
    "  rvos-bench check aot --checkpoint random\n  rvos-bench check own.py:darker\n"
    "  rvos-bench check my_data.py:MyData --data-root ~/videos",
)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), help="What NAME is, where the name alone does not say.")
@click.option("--checkpoint", envvar="RVOS_BENCH_CHECKPOINT", help="Weights file, or 'random' (untrained weights).")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Option of the model; repeat for several."
)
@click.option(
    "--data-root", type=click.Path(path_type=Path), envvar="RVOS_BENCH_DATA_ROOT", help="Folder of the data set."
)
@device_option()
@json_option()
def command(
    name: str,
    kind: str | None,
    checkpoint: str | None,
    options: tuple[str, ...],
    data_root: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Test a model, a corruption or a data set in seconds: does it keep its contract?

    NAME is a name as `rvos-bench list` prints it, or path/to/file.py:name. Models and corruptions run on made-up
    clips; of a data set the first videos are read. Exit code 5 where the contract is broken.
    """
    from robust_vos_bench.cli.stdout import prints_on_stderr
    from robust_vos_bench.findings import raise_if_broken

    with prints_on_stderr():  # files may print where they are imported
        kind = kind or find_kind(name)
        if options and kind != "model":
            raise UsageError(f"--option is for models; {name!r} is a {'data set' if kind == 'dataset' else kind}")
        if kind == "corruption":
            report = _corruption(name)
        elif kind == "dataset":
            report = _dataset(name, data_root)
        else:
            report = _model(name, checkpoint, device, options)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        for finding in report.findings:
            click.echo(f"{MARKS[finding.level]}  {finding.check}" + (f": {finding.detail}" if finding.detail else ""))
        peak = "" if report.peak_mib is None else f", process peak {report.peak_mib:.0f} MiB"
        click.echo(f"{report.name}: {report.frames} frames in {report.seconds:.1f} s{peak}")
        if report.ok:
            click.echo(report.verdict)
    raise_if_broken(report)


def find_kind(name: str) -> str:
    """What a name stands for. UsageError where it is unknown, or stands for more than one thing."""
    from robust_vos_bench.conditions import CORRUPTIONS, Corruption
    from robust_vos_bench.conditions.catalogue import made_in
    from robust_vos_bench.datasets import DATASETS, Dataset, DatasetEntry
    from robust_vos_bench.models.registry import MODELS
    from robust_vos_bench.origin import file_origin, load_module, split_spec

    if is_file_spec(name):
        path, member = split_spec(name)
        module = load_module(file_origin(path, "Python", "path/to/file.py:name"))
        member = member.partition(":")[0]
        found = getattr(module, member, None)
        made = made_in(module)
        if isinstance(found, Corruption) or any(member == c.name or found is c.function for c in made):
            return "corruption"
        if isinstance(found, DatasetEntry) or (isinstance(found, type) and issubclass(found, Dataset)):
            return "dataset"
        if isinstance(found, type) or found is None:
            return "model"
        raise UsageError(
            f"{name!r} is a {type(found).__name__}: say what it is meant to be with --kind model|corruption|dataset "
            "(a function is a corruption once it is decorated with @corruption)"
        )
    family = name.partition("@")[0].partition(":")[0]
    registries: dict[str, tuple[Registry[Any], str]] = {
        "model": (MODELS, name),
        "corruption": (CORRUPTIONS, name),
        "dataset": (DATASETS, family),
    }
    kinds = [kind for kind, (registry, word) in registries.items() if registry.knows(word)]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        meanings = " and ".join("a data set" if kind == "dataset" else f"a {kind}" for kind in kinds)
        raise UsageError(f"{name!r} is {meanings}; say which with --kind {'|'.join(kinds)}")
    broken = [problem for registry, _ in registries.values() for problem in registry.problems()]
    for kind, (registry, word) in registries.items():
        if any(word in problem.names for problem in registry.problems()):
            return kind
    known = [n for registry, _ in registries.values() for n in registry.usable()]
    known += [alias for item in MODELS.usable().values() for alias in item.value.aliases]
    see = ["See `rvos-bench list models`, `list corruptions` and `list datasets`.", *(p.message for p in broken)]
    raise unknown("model, corruption or data set", name, known, " ".join(see))


def _model(name: str, checkpoint: str | None, device: str, options: tuple[str, ...]) -> Report:
    from robust_vos_bench.models import choose, load_adapter, parse_options
    from robust_vos_bench.models.check import check_model

    choice = choose(name, checkpoint)
    if choice.instead:
        click.echo(choice.instead, err=True)
        name = choice.entry.name
    parsed = parse_options(choice.entry, options)
    return check_model(lambda: load_adapter(name, checkpoint, device, **parsed))


def _corruption(name: str) -> Report:
    from robust_vos_bench.conditions import CORRUPTIONS
    from robust_vos_bench.conditions.check import check_corruption

    return check_corruption(CORRUPTIONS.find(name))


def _dataset(name: str, data_root: Path | None) -> Report:
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.datasets.check import check_dataset
    from robust_vos_bench.scoring import make_protocol

    return check_dataset(open_dataset(name, data_root), make_protocol)
