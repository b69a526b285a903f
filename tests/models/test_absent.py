"""Published systems that cannot run: found by every name, explained with exit code 4, and free for their masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from robust_vos_bench.adapters.absent import ABSENT
from robust_vos_bench.api.check import find_kind
from robust_vos_bench.api.models import split_name
from robust_vos_bench.cli import main
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import UnavailableError, UsageError
from robust_vos_bench.models import ModelCard, ModelEntry, load_adapter
from robust_vos_bench.models.registry import MODELS, absent_systems, builtin_entries
from robust_vos_bench.origin import Origin

NAMES = [(system.name, name) for system in ABSENT for name in (system.name, *system.aliases)]


Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Exit code, stdout and stderr of a command."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, said = capsys.readouterr()
        return int(ended.value.code or 0), out, said

    return run


@pytest.mark.parametrize(("owner", "name"), NAMES)
def test_asking_for_one_explains(owner: str, name: str) -> None:
    """What was published, where, which scores, and how masks are scored."""
    system = absent_systems()[owner]
    with pytest.raises(UnavailableError) as caught:
        load_adapter(name, "random", "cpu")
    assert caught.value.exit_code == 4
    for part in (system.why, system.exists, system.paper, system.scores, f"--model {owner}=masks --option folder=DIR"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--model", "batman"),
        ("run", "--model", "static,batman", "--dry-run"),
        ("check", "batman"),
        ("check", "dmn_aoa", "--kind", "model"),
        ("reproduce", "batman"),
        ("weights", "get", "sstvos"),
        ("run", "--model", "batman", "--checkpoint", "random"),
    ],
)
def test_every_command_says_so(told: Told, words: tuple[str, ...]) -> None:
    code, out, said = told(*words)
    assert code == 4 and out == ""
    assert "cannot be run here: " in said and "What exists: " in said


def test_they_are_listed(told: Told) -> None:
    code, out, _ = told("list", "models")
    assert code == 0
    for system in ABSENT:
        line = next(line for line in out.splitlines() if line.split()[:1] == [system.name])
        assert f"cannot run: {system.why}" in line and f"{system.name}=masks" in line
    assert "batman" not in told("list", "models", "--ready")[1]
    code, out, said = told("list", "models", "dmn_aoa")
    assert code == 0 and "dmn-aoa" in out and "What exists: the repository https://github.com/liang4sx/DMN-AOA" in said
    (row,) = json.loads(told("list", "models", "batman", "--json")[1])
    assert row["available"] is False and row["ready"] is False and "86.2" in row["scores"]
    assert {"license", "weights", "why_not", "extra", "aliases", "readings"} <= row.keys()


def test_near_names_are_suggested(told: Told) -> None:
    for words in (("run", "--model", "batmn"), ("check", "batmn"), ("list", "models", "batmn")):
        code, _, said = told(*words)
        assert code == 2 and "'batman'" in said


def test_their_masks_may_have_their_name(told: Told, tmp_path: Path) -> None:
    """The name of a model that runs may not be taken; that of one that cannot is free."""
    assert split_name("batman=masks") == ("batman", "masks")
    with pytest.raises(UsageError, match="is the name of a model"):
        split_name("feelvos=masks")
    data = open_dataset("demo")
    video = data.video(next(iter(data.videos)))
    adapter = load_adapter("static")
    folder = tmp_path / "clean" / video.name
    folder.mkdir(parents=True)
    for name, mask in zip(video.frame_names, adapter.segment(video)):
        Image.fromarray(mask).save(folder / f"{name}.png")
    code, _, said = told(
        *("run", "--model", "batman=masks", "--option", f"folder={tmp_path}", "--corruption", "clean", "--limit", "1"),
        *("--output", str(tmp_path / "run"), "-q"),
    )
    assert code == 0, said
    assert '"batman"' in (tmp_path / "run" / "run.json").read_text()


def test_a_model_of_that_name_takes_its_place() -> None:
    """Somebody's own BATMAN runs, and is listed once."""
    MODELS.add(ModelEntry(ModelCard("batman"), "robust_vos_bench.adapters.static:Static"), Origin("script"))
    try:
        assert "batman" not in absent_systems() and load_adapter("batman").card.name == "batman"
        with pytest.raises(UsageError, match="is the name of a model"):
            split_name("batman=masks")
    finally:
        MODELS.remove("batman")
    assert "batman" in absent_systems() and find_kind("batman") == "model"


def test_no_name_is_there_twice() -> None:
    taken = {n for entry in builtin_entries().values() for n in (entry.name, *entry.aliases)}
    every = [name for _, name in NAMES]
    assert len(set(every)) == len(every) and not taken & set(every)
