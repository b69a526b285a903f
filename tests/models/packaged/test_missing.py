"""Without the packages: models are listed, and say what to install. Runs whether they are installed or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.errors import MissingExtraError, WeightsError
from robust_vos_bench.models import describe_models, load_adapter

FAMILIES = {"cutie": "cutie", "cutie.small": "cutie", "sam2": "sam2", "sam2.tiny": "sam2"}


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if neither package were installed."""
    for extra in set(FAMILIES.values()):
        for name in [n for n in sys.modules if n == extra or n.startswith(f"{extra}.")]:
            monkeypatch.delitem(sys.modules, name)
        for part in ("adapter", "build", "tracking"):
            monkeypatch.delitem(sys.modules, f"robust_vos_bench.adapters.{extra}.{part}", raising=False)
        monkeypatch.setitem(sys.modules, extra, None)


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize("name", FAMILIES)
def test_the_extra_is_named(name: str) -> None:
    with pytest.raises(MissingExtraError, match=rf"pip install 'rvos-bench\[{FAMILIES[name]}\]'"):
        load_adapter(name, "random", "cpu")


@pytest.mark.usefixtures("absent")
def test_the_command_line_exits_with_four(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["check", "sam2", "--checkpoint", "random"])
    assert done.value.code == 4
    assert "pip install 'rvos-bench[sam2]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, file, where",
    [
        ("cutie.small", "cutie-small-mega.pth", "https://github.com/hkchengrex/Cutie"),
        ("sam2", "sam2.1_hiera_base_plus.pt", "https://github.com/facebookresearch/sam2"),
    ],
)
def test_missing_weights_are_told_with_their_source(
    name: str, file: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as told:
        load_adapter(name)
    assert file in str(told.value) and where in str(told.value)


def test_listing_imports_neither_package() -> None:
    names = {row["name"] for row in describe_models()}
    assert {"cutie.base", "cutie.small", "sam2.tiny", "sam2.small", "sam2.base_plus", "sam2.large"} <= names
    code = (
        "import sys; from robust_vos_bench.models import describe_models; describe_models(); "
        "heavy = {'torch', 'cutie', 'sam2', 'hydra', 'omegaconf'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
