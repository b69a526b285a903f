"""Every command on every page is one that the program knows: verbs, flags, choices, names of models and corruptions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from robust_vos_bench.cli import cli
from robust_vos_bench.conditions import PRESETS, Condition, corruptions
from robust_vos_bench.errors import RvosError
from robust_vos_bench.models.registry import find_entry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINE = re.compile(r"^\s*\$?\s*(?:[A-Z_]+=\S+ )*(rvos-bench(?: .*)?)$")
OWN = re.compile(r"[./\\$<>]|^[A-Z]|^my|^own|^vignette$|^stand-in$")
"""Names of files, of things that the page just made, and of what the reader puts in."""


def commands(text: str) -> list[list[str]]:
    """The words of every command line in the code of a page; continued lines are joined, comments go."""
    code = []
    fenced = False
    for line in text.splitlines():
        if re.match(r"^\s*(```|~~~)", line):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            code.append(line)
    found = []
    for line in "\n".join(code).replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;|\s\|\s|\s>", line):
            match = LINE.match(part)
            if match:
                found.append(shlex.split(re.sub(r"[\[\]]", "", match[1]), comments=True))
    return found


def parse(words: list[str]) -> tuple[click.Command, dict[str, object]]:
    """The command and the raw values of its options; raises click.UsageError for a flag it does not have."""
    words = [word for word in words[1:] if word != "..."]
    command: click.Command = cli
    context = click.Context(cli, info_name="rvos-bench")
    while isinstance(command, click.Group):
        flags = [word for word in words if not word.startswith("-")]
        if not flags:
            return command, {}
        inner = command.get_command(context, flags[0])
        if inner is None:
            raise LookupError(f"no command {flags[0]}")
        words.remove(flags[0])
        command, context = inner, click.Context(inner, parent=context)
    values: dict[str, object] = dict.fromkeys(option.name or "" for option in command.params)
    given, _, _ = command.make_parser(context).parse_args(words)
    values.update(given)
    for option in command.params:
        value = values[option.name or ""]
        if isinstance(option.type, click.Choice) and isinstance(value, str) and not OWN.search(value):
            option.type.convert(value, option, context)
    return command, values


def listed(value: object) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [word for one in values if isinstance(one, str) for word in one.split(",") if word]


def problem(words: list[str]) -> str:
    """What the program does not know of a command line, "" where it knows all."""
    try:
        _, values = parse(words)
    except (click.UsageError, LookupError) as error:
        return error.format_message() if isinstance(error, click.UsageError) else str(error)
    if words[1:2] != ["run"]:
        return ""
    families = {spec.family for spec in corruptions().values()}
    try:
        for name in listed(values["models"]):
            name = name.partition("=")[2] or name
            if not OWN.search(name):
                find_entry(name)
        for name in listed(values["corruptions"]):
            if not OWN.search(name) and name not in {*families, *PRESETS.usable(), *corruptions()}:
                Condition.from_label(name)
        for name in listed(values["preset"]):
            if not OWN.search(name) and name not in PRESETS.usable():
                return f"no preset {name}"
    except RvosError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_are_known(page: Path) -> None:
    wrong = {shlex.join(words): problem(words) for words in commands(page.read_text(encoding="utf-8"))}
    assert {line: said for line, said in wrong.items() if said} == {}


def test_the_pages_have_commands() -> None:
    """As many as there are lines that begin with one, or the reading of pages is broken."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert len(commands(text)) >= len(re.findall(r"^(?: {4})?rvos-bench ", text, re.M)) > 80


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rvos-bench run --modell flow", "--modell"),
        ("rvos-bench rum", "rum"),
        ("rvos-bench compare --table word a b", "word"),
        ("rvos-bench run --model flaw", "flaw"),
        ("rvos-bench run --model flow,flaw", "flaw"),
        ("rvos-bench run --corruption fogg", "fogg"),
        ("rvos-bench run --corruption fog-9", "fog"),
        ("rvos-bench run --preset comon", "comon"),
    ],
)
def test_what_is_wrong_is_found(line: str, said: str) -> None:
    assert said in problem(line.split())


def test_a_command_over_two_lines_is_one() -> None:
    good = commands("```sh\nrvos-bench run --model flow \\\n    --limit 2  # comment\n```\n")
    assert good == [["rvos-bench", "run", "--model", "flow", "--limit", "2"]]
    assert problem(good[0]) == ""
