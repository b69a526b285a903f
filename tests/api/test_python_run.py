"""`robust_vos_bench.run`: the command line's words as arguments, a Run back, exceptions instead of exit codes."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import click
import numpy as np
import pytest

import robust_vos_bench as rvos
from robust_vos_bench.api.settings import FLAGS, RunSettings, names, numbers, option_words
from robust_vos_bench.models import ModelCard, VOSAdapter
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.store import RunStore

MODELS = Path(__file__).resolve().parents[1] / "runs" / "models.py"


class OfThisFile(VOSAdapter):
    """A model that a test hands over as a class."""

    card = ModelCard("of-this-file", license="MIT")

    def segment(self, video):  # type: ignore[no-untyped-def]
        """The first prompt, again and again."""
        for _ in video.frames:
            yield video.prompts[0]


def small(clips: Path, **words: object) -> rvos.Run:
    """Two conditions on two videos, in this process."""
    settings = {"model": "static", "corruption": "salt_and_pepper", "severity": 3, "workers": 1, "progress": False}
    return rvos.run(**{**settings, "dataset": "folder", "data_root": clips, **words})  # type: ignore[arg-type]


def test_a_run_comes_back_with_its_scores(clips: Path) -> None:
    run = small(clips)
    assert run.models == ["static"] and run.conditions == ["clean", "salt_and_pepper-3-frame"]
    assert run.manifest.status == "complete" and run.manifest.units.ok == 4
    table = run.table()
    # Four scored frames of a square of 16 pixels that moves two per frame; it stays where it was in the masks.
    assert table["P"][0] == pytest.approx(100 * run.scores.query("condition == 'clean'")["J&F"].mean())
    clean = run.records("static", "clean")["a"].objects[0]
    assert clean.j_mean == pytest.approx(np.mean([14 / 18, 12 / 20, 10 / 22, 8 / 24]))


def test_the_same_call_resumes_and_reads_every_cell_once(clips: Path) -> None:
    first = small(clips)
    opened: list[str] = []
    listening = [True]  # an audit hook cannot be taken away again
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" and listening else None)
    again = small(clips)
    read = [path for path in opened if path.endswith(".jsonl") and "/cells/" in path]
    again.table()
    assert len(read) == len(set(read)) == 2
    assert [path for path in opened if path.endswith(".jsonl") and "/cells/" in path] == read, "nothing is read again"
    listening.clear()
    assert again.folder == first.folder and again.manifest.units.ok == 4


def test_the_recorded_command_is_the_same_run(clips: Path, here: Path) -> None:
    run = small(clips, model=f"{MODELS}:Repeat", limit=1, severity=[2, 3])
    command = [sys.executable, "-m", "robust_vos_bench.cli", *run.manifest.command[1:]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, timeout=120, check=True)
    assert "3 done, 0 to do" in done.stderr and str(run.folder.relative_to(here)) in done.stderr


def test_failed_units_raise_and_keep_what_is_done(clips: Path) -> None:
    with pytest.raises(rvos.IncompleteError, match=r"1 of 2 units are done, 1 failed\. First: .*· b: ") as caught:
        small(clips, model=f"{MODELS}:Raises", corruption="clean")
    run = caught.value.partial
    assert isinstance(run, rvos.Run) and run.manifest.units.ok == 1
    allowed = small(clips, model=f"{MODELS}:Raises", corruption="clean", allow_failures=True)
    assert allowed.manifest.status == "partial"


def test_a_broken_contract_is_told_apart(clips: Path) -> None:
    with pytest.raises(rvos.ContractError, match="0 of 2 units"):
        small(clips, model=f"{MODELS}:WrongSize", corruption="clean")


def test_a_class_is_a_model(clips: Path) -> None:
    assert small(clips, model=OfThisFile, corruption="clean").models == ["of-this-file"]


def test_a_class_without_a_file_is_refused(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typed_in", types.ModuleType("typed_in"))
    made = type("Typed", (OfThisFile,), {"__module__": "typed_in"})
    with pytest.raises(rvos.UsageError, match=r"Typed has no file .*path/to/file\.py:Class"):
        small(clips, model=made)


def test_conditions_and_data_sets_made_in_python(clips: Path) -> None:
    data = rvos.open_dataset("folder", clips)
    named = small(clips, output="named")
    made = small(
        clips, dataset=data, data_root=None, corruption=rvos.Condition("salt_and_pepper", 3, "frame"), output="made"
    )
    assert made.conditions == named.conditions
    assert made.scores.equals(named.scores)


def test_a_listener_hears_every_unit(clips: Path) -> None:
    class Count(rvos.Listener):
        """Notes what it is told."""

        heard: list[UnitRecord]

        def __init__(self) -> None:
            self.heard = []

        def unit(self, record: UnitRecord) -> None:
            """After each unit."""
            self.heard.append(record)

    count = Count()
    small(clips, progress=count)
    assert len(count.heard) == 4 and all(record.ok for record in count.heard)


def test_ctrl_c_raises_and_the_same_call_resumes(clips: Path) -> None:
    class Impatient(rvos.Listener):
        """Presses Ctrl-C after the first unit."""

        def unit(self, record: UnitRecord) -> None:
            """After each unit."""
            os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        small(clips, progress=Impatient())
    (folder,) = Path("rvos-results").iterdir()
    manifest = RunStore(folder).manifest()
    assert manifest is not None and manifest.status == "interrupted" and 1 <= manifest.units.ok < 4
    assert small(clips).manifest.units.ok == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"overwrite": "sometimes"}, "overwrite is 'sometimes'; it is one of missing, always, never"),
        ({"workers": 0}, "workers is 0: at least 1"),
        ({"limit": -1}, "limit is -1: at least 1"),
        ({"severity": "high"}, "severity 'high' is not a list of whole numbers"),
        ({"model": []}, "no model is given"),
        ({"engine": "slurm"}, "engine is 'slurm'; it is one of local, ray"),
        ({"option": {"size": 3}}, "has no option 'size'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"corruption": "fogg"}, "Did you mean 'fog'"),
    ],
)
def test_impossible_words(clips: Path, words: dict[str, object], message: str) -> None:
    with pytest.raises(rvos.UsageError, match=message):
        small(clips, **words)


def test_a_plan_computes_nothing(clips: Path, here: Path) -> None:
    planned = rvos.plan("static", "salt_and_pepper", severity=3, dataset="folder", data_root=clips, probe=False)
    assert planned.to_do == 4 and planned.done == 0 and planned.to_dict()["frames_to_segment"] == 20
    assert "to do              4" in str(planned) and not (here / "rvos-results").exists()


def test_arguments_are_the_flags() -> None:
    """Every flag of `rvos-bench run` is an argument of `run`, and a field of the settings, and back."""
    from robust_vos_bench.cli.run import command

    only_shown = {"json", "table", "dry_run", "probe", "quiet", "config"}
    flags = {
        next(o for o in p.opts if o.startswith("--")).lstrip("-").replace("-", "_")
        for p in command.params
        if isinstance(p, click.Option)
    }
    only_python = {"progress", "allow_failures"}
    assert flags - only_shown == set(inspect.signature(rvos.run).parameters) - only_python
    assert {flag.lstrip("-").replace("-", "_") for flag in FLAGS.values()} == flags - only_shown
    assert set(FLAGS) == set(RunSettings.__dataclass_fields__) - {"conditions"}


def test_help_is_a_page_to_work_from() -> None:
    page = inspect.getdoc(rvos.run)
    assert page is not None
    for argument in inspect.signature(rvos.run).parameters:
        assert re.search(rf"^(\w+, )*{argument}(, \w+)*$", page, re.MULTILINE), f"{argument} is not described"
    assert all(f"\n{title}\n---" in page for title in ("Parameters", "Returns", "Raises", "Examples"))


def test_words_become_tuples() -> None:
    assert names("a, b") == names(["a", "b"]) == ("a", "b") and names(None) == ()
    assert names("x,y/own.py:Model") == ("x,y/own.py:Model",), "a path may hold a comma"
    assert numbers(3) == (3,) and numbers("1,3") == (1, 3) and numbers([5]) == (5,)
    assert option_words({"size": (240, 432), "amp": True}) == ("size=240,432", "amp=True")
    assert option_words({"aot.t": {"size": 3}}) == ("aot.t:size=3",)
