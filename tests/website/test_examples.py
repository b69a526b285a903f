"""Every public name has an example in its docstring, and the examples run and print what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import robust_vos_bench
from robust_vos_bench.analysis import measures

NAMES = sorted({*robust_vos_bench.__all__} - {"__version__"})
NEED_HOSTS = {"convert_weights", "get_weights", "reproduce"}
"""Their examples ask the authors' hosts, which tests do not; tests/fetch runs them against hosts of its own."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples: what one ran, the next one resumes."""
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("name", NAMES)
def test_example(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(measures, "_registered", {})
    monkeypatch.setenv("RVOS_BENCH_REUSE", "1")
    if name == "plot":
        pytest.importorskip("matplotlib", reason="needs the extra: pip install 'rvos-bench[report]'")
    found = doctest.DocTestFinder(recurse=False).find(getattr(robust_vos_bench, name), name, globs={})
    examples = [example for test in found for example in test.examples]
    assert examples, f"{name} has no example"
    skipped = [example for example in examples if doctest.SKIP in example.options]
    assert not skipped or name in NEED_HOSTS, f"an example of {name} is skipped"
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    said: list[str] = []
    for test in found:
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
