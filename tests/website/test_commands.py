"""Every command on every page is one that the program knows: verbs, flags, choices, names of models and corruptions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from robust_vos_bench.cli import cli
from robust_vos_bench.conditions import PRESETS, Condition, corruptions
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
        assert inner is not None, f"no command {flags[0]}"
        words.remove(flags[0])
        command, context = inner, click.Context(inner, parent=context)
    values, _, _ = command.make_parser(context).parse_args(words)
    for option in command.params:
        value = values.get(option.name or "")
        if isinstance(option.type, click.Choice) and isinstance(value, str) and not OWN.search(value):
            option.type.convert(value, option, context)
    return command, values


def listed(value: object) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [word for one in values if isinstance(one, str) for word in one.split(",") if word]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_are_known(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        line = shlex.join(words)
        try:
            command, values = parse(words)
        except click.UsageError as error:
            pytest.fail(f"{line}: {error.format_message()}")
        if command.name != "run":
            continue
        for name in listed(values.get("models")):
            name = name.partition("=")[2] or name
            assert OWN.search(name) or find_entry(name), line
        for name in listed(values.get("corruptions")):
            if not OWN.search(name) and name not in {spec.family for spec in corruptions().values()}:
                assert name in PRESETS.usable() or name in corruptions() or Condition.from_label(name), line
        for name in listed(values.get("preset")):
            assert OWN.search(name) or name in PRESETS.usable(), line


def test_a_wrong_flag_a_wrong_name_and_a_wrong_verb_are_found() -> None:
    good = commands("```sh\nrvos-bench run --model flow \\\n    --limit 2  # comment\n```\n")
    assert good == [["rvos-bench", "run", "--model", "flow", "--limit", "2"]]
    assert parse(good[0])[1]["models"]
    with pytest.raises(click.UsageError):
        parse(["rvos-bench", "run", "--modell", "flow"])
    with pytest.raises(AssertionError):
        parse(["rvos-bench", "rum"])
    with pytest.raises(click.UsageError):
        parse(["rvos-bench", "compare", "--table", "word", "a", "b"])
