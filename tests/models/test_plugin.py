"""The example package under tests/plugin, installed and used as a stranger would; and the page that explains it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import robust_vos_bench.registry
from robust_vos_bench.errors import ContractError
from robust_vos_bench.models import ModelCard, StreamingAdapter, registry

HERE = Path(__file__).resolve()
PLUGIN = HERE.parents[1] / "plugin"
PAGE = HERE.parents[2] / "docs" / "adapters.md"


def cli(*words: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, "-m", "robust_vos_bench.cli", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package installed into it."""
    pytest.importorskip("setuptools")
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(PLUGIN, source)
    target = tmp_path_factory.mktemp("target")
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_package_is_listed_and_checked(installed: Path, tmp_path: Path) -> None:
    done = cli("list", "models", "--json", cwd=tmp_path, path=installed)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["example.shift"]["ready"] and rows["example.shift"]["aliases"] == ["example"]
    assert not rows["example.trained"]["ready"]

    done = cli("check", "example", "--option", "gain=0.9", "--device", "cpu", cwd=tmp_path, path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout and "example.shift" in done.stdout

    done = cli("check", "example.trained", cwd=tmp_path, path=installed)
    assert done.returncode == 4 and "https://example.org/example.pth" in done.stderr


def test_every_kind_of_thing_comes_with_a_package(installed: Path, tmp_path: Path) -> None:
    for kind, name in (("corruptions", "example_dusk"), ("datasets", "squares"), ("presets", "example-night")):
        done = cli("list", kind, "--json", cwd=tmp_path, path=installed)
        row = next(row for row in json.loads(done.stdout) if row["name"] == name)
        assert row["origin"] == "package rvos-example 0.1.0", row
    for name in ("example_dusk", "squares:two"):
        done = cli("check", name, "--json", cwd=tmp_path, path=installed)
        assert done.returncode == 0 and json.loads(done.stdout)["ok"], done.stdout + done.stderr
    words = ["--model", "example", "--preset", "example-night", "--dataset", "squares:two", "--device", "cpu"]
    scores = []
    for workers in ("1", "2"):
        done = cli("run", *words, "--workers", workers, "--output", workers, cwd=tmp_path, path=installed)
        assert done.returncode == 0 and "21/21 units done" in done.stderr, done.stderr
        scores.append((tmp_path / workers / "scores.csv").read_bytes())
    assert scores[0] == scores[1]


def test_a_broken_part_of_a_package_stops_nothing_else(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(installed, broken)
    (broken / "rvos_example" / "corruptions.py").write_text("1 / 0\n")
    (broken / "rvos_example" / "data.py").write_text("Squares = 3\n")
    done = cli("list", "corruptions", "--json", cwd=tmp_path, path=broken)
    assert done.returncode == 0 and {"fog", "shot_noise"} <= {row["name"] for row in json.loads(done.stdout)}
    assert done.stderr.count("ZeroDivisionError") == 1 and "'rvos-example'" in done.stderr
    done = cli("list", "datasets", "--json", cwd=tmp_path, path=broken)
    assert done.returncode == 0 and "'squares'" in done.stderr and "expected a Dataset class" in done.stderr
    done = cli("run", "--corruption", "example_dusk", "--dry-run", cwd=tmp_path, path=broken)
    assert done.returncode == 2 and "ZeroDivisionError" in done.stderr
    done = cli("check", "squares", cwd=tmp_path, path=broken)
    assert done.returncode == 5 and "expected a Dataset class" in done.stderr
    words = ["run", "--model", "static", "--corruption", "blur", "--severity", "1", "--limit", "1", "--dry-run"]
    done = cli(*words, "--no-probe", cwd=tmp_path, path=broken)
    assert done.returncode == 0 and done.stderr.count("ZeroDivisionError") <= 1, done.stderr


def test_two_packages_with_one_corruption_are_both_named(installed: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(installed, both)
    shutil.copytree(both / "rvos_example", both / "other_example")
    info = both / "other_example-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-example\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[robust_vos_bench.corruptions]\nother = other_example.corruptions\n")
    for words in (["list", "corruptions"], ["run", "--corruption", "example_dusk", "--dry-run"]):
        done = cli(*words, cwd=tmp_path, path=both)
        assert done.returncode == 5, done.stderr
        assert "rvos-example 0.1.0" in done.stderr and "other-example 2.0" in done.stderr
    done = cli("run", "--model", "static", "--corruption", "fog", "--dry-run", "--no-probe", cwd=tmp_path, path=both)
    assert done.returncode == 0, done.stderr


def test_a_broken_package_is_named(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(installed, broken)
    (broken / "rvos_example" / "__init__.py").write_text("import no_such_module\n")
    done = cli("list", "models", "--json", cwd=tmp_path, path=broken)
    assert done.returncode == 0 and {"static", "aot.t"} <= {row["name"] for row in json.loads(done.stdout)}
    assert "no_such_module" in done.stderr and done.stderr.count("'rvos-example'") == 1, "said once"
    assert cli("check", "static", cwd=tmp_path, path=broken).returncode == 0
    done = cli("check", "rvos-example", cwd=tmp_path, path=broken)
    assert done.returncode == 5 and "no_such_module" in done.stderr, "it is the one asked for"
    done = cli("check", "example", cwd=tmp_path, path=broken)
    assert done.returncode == 2 and "no_such_module" in done.stderr, "it may have had that name"


def test_a_package_cannot_take_a_built_in_name(installed: Path, tmp_path: Path) -> None:
    thief = tmp_path / "thief"
    shutil.copytree(installed, thief)
    init = thief / "rvos_example" / "__init__.py"
    init.write_text(init.read_text().replace('"example.shift"', '"static"'))
    done = cli("list", "models", cwd=tmp_path, path=thief)
    assert done.returncode == 5 and "'static'" in done.stderr


def offer(monkeypatch: pytest.MonkeyPatch, **models: str) -> None:
    """Entry points as installed packages would bring them: their name -> the name on the card of their class."""
    module = types.ModuleType("strangers")
    points = []
    for k, (point, name) in enumerate(models.items()):
        setattr(module, f"Model{k}", type(f"Model{k}", (StreamingAdapter,), {"card": ModelCard(name)}))
        points.append(EntryPoint(point, f"strangers:Model{k}", registry.GROUP))
    monkeypatch.setitem(sys.modules, "strangers", module)
    monkeypatch.setattr(robust_vos_bench.registry, "entry_points", lambda group: points)
    monkeypatch.setattr(registry.MODELS, "_plugins", None)
    monkeypatch.setattr(registry.MODELS, "_warned", False)


def test_a_class_goes_by_the_name_on_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, theirs="strange.model", same="same")
    entry = registry.find_entry("theirs")
    assert entry is not None and entry.name == "strange.model"
    assert registry.find_entry(entry.name).target == entry.target == "strangers:Model0", "as runs look it up"
    assert {n: e.aliases for n, e in registry.entries().items() if n in ("strange.model", "same", "theirs")} == {
        "strange.model": ("theirs",),
        "same": (),
    }


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({"theirs": "static"}, "'static'.*'static'"),
        ({"static": "theirs"}, "'theirs'.*'static'"),
        ({"theirs": "aot"}, "'aot'.*'aot.r50_l'"),
        ({"one": "same", "two": "same"}, "'one'.*'two'.*'same'"),
        ({"one": "two", "two": "other"}, "'one'.*'two'.*'two'"),
    ],
)
def test_two_models_of_one_name_are_refused(models: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, **models)
    with pytest.raises(ContractError, match=told):
        registry.entries()


def blocks(info: str) -> list[tuple[str, str]]:
    """The fenced code blocks of the page whose info string starts with `info`: (rest of the info string, code)."""
    found = re.findall(r"^```(\S+)[ ]?(.*?)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return [(rest, code) for language, rest, code in found if language == info]


def test_the_page_runs(tmp_path: Path) -> None:
    """Every file of docs/adapters.md is written, every class passes `check`, every Python block runs."""
    files = {rest.removeprefix("file="): code for rest, code in blocks("python") if rest.startswith("file=")}
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    first = files["my_model.py"].splitlines()
    body = [line for line in first if line.strip() and not line.startswith(("import", "from"))]
    assert len(body) <= 20, "twenty lines, the page says"
    done = cli("check", "whole.py:Median", "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line for _, code in blocks("console") for line in code.splitlines()]
    checks = [line.split()[1:] for line in commands if line.startswith("rvos-bench check")]
    assert len(checks) == 2
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words in checks:
        words[1] = f"../{words[1]}"  # modules beside the file are found from any folder
        done = cli(*words, cwd=elsewhere)
        assert done.returncode == 0, done.stdout + done.stderr
    scripts = [code for rest, code in blocks("python") if rest == "run"]
    assert len(scripts) == 1
    done = subprocess.run([sys.executable, "-c", scripts[0]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "4 (48, 64)\n", done.stderr


def test_the_page_names_every_option() -> None:
    """The table of built-in models lists the options that their constructors have."""
    from robust_vos_bench.models import find_entry
    from robust_vos_bench.models.options import entry_options

    page = PAGE.read_text()
    for name in ("static", "flow", "labelprop", "masks"):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`"))
        for option in entry_options(find_entry(name)):
            assert f"`{option}`" in row, (name, option)
