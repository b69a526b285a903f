"""What a person sees who mistypes something: exit code and message."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from robust_vos_bench.cli.options import condition_options, config_option
from robust_vos_bench.errors import unknown


def call(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robust_vos_bench.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, check=False)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["rum"], 2, "'run'"),
        (["run", "--model", "labelprob"], 2, "labelprop"),
        (["run", "--corruption", "fogg"], 2, "'fog'"),
        (["run", "--corruption", "fog", "--severity", "6"], 2, "6"),
        (["run", "--corruption", "fog", "--severity", "high"], 2, "high"),
        (["run", "--preset", "comon"], 2, "common"),
        (["run", "--dataset", "davis2018:val"], 2, "davis2017"),
        (["run", "--dataset", "davis2017:val", "--data-root", "/nonexistent"], 4, "/nonexistent"),
        (["run", "--device", "tpu"], 2, "tpu"),
        (["run", "--model", "static", "--option", "size=3"], 2, "size"),
        (["run", "--model", "nothing.py:Model"], 2, "nothing.py"),
        (["run", "--nonsense"], 2, "--nonsense"),
        (["run", "--model", "static,flow", "--checkpoint", "x.pth"], 2, "NAME=FILE"),
        (["run", "--model", "aot", "--checkpoint", "missing.pth"], 4, "missing.pth"),
        (["run", "--model", "static", "--checkpoint", "any.pth"], 2, "has no weights"),
        (["run", "--model", "static", "--device", ","], 2, "unknown device"),
        (["run", "--model", "static", "--device", "cuda:99"], 2, "cuda:99"),
    ],
)
def test_mistakes(words: list[str], code: int, told: str, tmp_path: Path) -> None:
    done = call(*words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_model_without_its_weights_says_what_to_do(tmp_path: Path) -> None:
    done = call("run", "--model", "rpcm", cwd=tmp_path)
    assert done.returncode == 4
    assert "--checkpoint" in done.stderr and "never" in done.stderr.lower()
    assert not (tmp_path / "rvos-results").exists()


def test_help_is_quick_and_has_examples() -> None:
    call("--help")  # bytecode and file cache
    start = time.perf_counter()
    done = call("--help")
    assert time.perf_counter() - start < 1.5
    assert done.returncode == 0 and "Exit codes" in done.stdout and "rvos-bench run" in done.stdout


def test_listing_models_does_not_import_torch() -> None:
    code = (
        "import sys; from robust_vos_bench.models import describe_models; "
        "names = {m['name'] for m in describe_models()};"
        "assert {'static', 'flow', 'labelprop'} <= names; assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lists_are_json_too() -> None:
    done = call("list", "presets", "--json")
    assert done.returncode == 0
    assert {"smoke", "common", "youtube-vos-p"} <= {row["name"] for row in json.loads(done.stdout)}


def test_settings_from_a_file_lose_against_flags(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('model = ["static"]\ncorruption = ["fog", "contrast"]\nseverity = [1, 2]\n')
    done = call("run", "--config", "run.toml", "--severity", "4", "--dry-run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["models"] == ["static"]
    assert sorted(c.split("-")[1] for c in facts["conditions"] if c != "clean") == ["4", "4"]
    (tmp_path / "bad.toml").write_text("sevrity = 3\n")
    wrong = call("run", "--config", "bad.toml", cwd=tmp_path)
    assert wrong.returncode == 2 and "sevrity" in wrong.stderr


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("clean-reference = true", True),
        ("clean-reference = false", False),
        ("corrupt-reference = true", False),
        ("corrupt_reference = false", True),
        ('corrupt-reference = "false"', True),
    ],
)
def test_the_second_name_of_a_pair_says_the_opposite(line: str, value: bool, tmp_path: Path) -> None:
    seen: list[bool | None] = []

    @click.command()
    @condition_options
    @config_option()
    def command(clean_reference: bool | None, **rest: object) -> None:
        seen.append(clean_reference)

    (tmp_path / "settings.toml").write_text(line + "\n")
    command.main(["--config", str(tmp_path / "settings.toml")], standalone_mode=False)
    assert seen == [value]


def test_settings_that_are_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes('model = ["käse"]\n'.encode("latin-1"))
    done = call("run", "--config", "run.toml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2 and "run.toml: not UTF-8 text" in done.stderr


def test_a_suggestion_is_made_once() -> None:
    assert str(unknown("data set", "demos", ["demo", "demo", "folder"])).endswith("Did you mean 'demo'?")


def test_only_run_takes_its_output_from_the_environment() -> None:
    variables = {}
    for verb in ("run", "report", "score", "corrupt"):
        command = importlib.import_module(f"robust_vos_bench.cli.{verb}").command
        variables[verb] = next(p.envvar for p in command.params if p.name == "output")
    assert variables == {"run": "RVOS_BENCH_OUTPUT", "report": None, "score": None, "corrupt": None}


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "rvos-results"
    for name in ("broken", "empty"):
        (folder / name).mkdir(parents=True)
        (folder / name / "run.json").write_text("{" * (name == "broken"))
    call("run", "-m", "static", "-c", "contrast", "-s", "1", "--limit", "1", "-o", str(folder / "whole"), cwd=tmp_path)
    done = call("list", "runs", cwd=tmp_path)
    assert done.returncode == 0 and "broken/run.json" in done.stderr and "empty/run.json" in done.stderr
    assert done.stdout.count("damaged") == 2 and "complete" in done.stdout
    rows = json.loads(call("list", "runs", "--json", cwd=tmp_path).stdout)
    assert [row["status"] for row in rows] == ["damaged", "damaged", "complete"]
