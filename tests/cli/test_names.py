"""Words on the command line: families in --help, flags given twice, forms of files, narrowed lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from robust_vos_bench.cli import cli
from robust_vos_bench.cli.options import FAMILIES
from robust_vos_bench.conditions import families
from robust_vos_bench.conditions.catalogue import CORRUPTIONS


def call(*words: str) -> tuple[int, str]:
    """(exit code, everything that was printed or raised)."""
    done = CliRunner().invoke(cli, words)
    return done.exit_code, done.output + (str(done.exception) if done.exception else "")


def test_help_names_every_family() -> None:
    own = {spec.value.family for spec in CORRUPTIONS.builtin().values()}
    assert set(FAMILIES) == own <= set(families())
    shown = " ".join(call("run", "--help")[1].split())
    assert ", ".join(FAMILIES) in shown


def test_a_flag_with_one_value_is_not_given_twice() -> None:
    code, text = call("run", "--preset", "smoke", "--preset", "common", "--dry-run")
    assert code == 2 and "--preset is given 2 times, and takes one value" in text
    code, text = call("score", "-d", "demo", "--dataset", "demo:full", "--predictions", ".")
    assert code == 2 and "--dataset is given 2 times" in text
    assert call("run", "-c", "fogg", "-c", "blur")[1].count("given") == 0  # a list may be


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--model", "pkg.nets:Net"), "write the file, path/to/file.py:Class, as in pkg/nets.py:Net"),
        (("run", "--model", "net.py"), "as in net.py:Net (it has Net)"),
        (("run", "--model", "gone.py"), "as in gone.py:Class (and there is no such file here)"),
        (("run", "--corruption", "net.py"), "write path/to/file.py:name"),
        (("run", "--dataset", "net.py"), "write path/to/file.py:Class"),
        (("run", "--dataset", "my_data:Mine"), "as in my_data.py:Mine"),
        (("run", "--dataset", "davis:val"), "Did you mean 'davis2017:val'"),
        (("run", "--corruption", "fog-3-drft"), "A condition is written NAME-SEVERITY"),
    ],
)
def test_the_form_to_use_is_said(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("class Net:\n    pass\n\n\ndef _helper():\n    pass\n")
    code, text = call(*words)
    assert code != 0 and told in text


def test_two_classes_with_one_card_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "from robust_vos_bench import ModelCard, StreamingAdapter\n"
        "class Shift(StreamingAdapter):\n    card = ModelCard('shift')\n"
        "class Slow(Shift):\n    pass\n"
    )
    text = call("run", "--model", "nets.py:Shift,nets.py:Slow", "--dry-run", "--no-probe")[1]
    assert "nets.py:Shift and" in text and "nets.py:Slow both have the name 'shift' on their card" in text
    assert "given twice" in call("run", "--model", "static,static", "--dry-run", "--no-probe")[1]


def test_lists_can_be_narrowed() -> None:
    rows = json.loads(call("list", "corruptions", "blur", "fog", "--json")[1])
    assert {row["family"] for row in rows} == {"blur", "weather"} and {row["name"] for row in rows} >= {"fog"}
    contents = json.loads(call("list", "presets", "video", "--json")[1])
    assert {row["name"]: row["reference"] for row in contents}["packet_loss"] == "clean" and len(contents) == 19
    assert {row["name"].split(".")[0] for row in json.loads(call("list", "models", "aot", "--json")[1])} == {"aot"}
    code, text = call("list", "corruptions", "fogg")
    assert code == 1 and "Did you mean 'fog'" in text
    assert "preset" in call("list", "presets", "vidio")[1]
