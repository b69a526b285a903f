"""Without the packages: models are listed, and say what to install. Runs whether they are installed or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.errors import MissingExtraError, WeightsError
from robust_vos_bench.models import describe_models, load_adapter

FAMILIES = {"cutie": "cutie", "cutie.small": "cutie", "sam2": "hf", "sam2.tiny": "hf", "sam3": "hf", "edgetam": "hf"}
PACKAGES = {"cutie": ("cutie", "cutie"), "hf": ("transformers", "sam")}
"""Extra -> its package, and the folder of adapters that imports it."""


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if neither package were installed."""
    for package, folder in PACKAGES.values():
        for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
            monkeypatch.delitem(sys.modules, name)
        for name in [n for n in sys.modules if n.startswith(f"robust_vos_bench.adapters.{folder}.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)


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
    assert "pip install 'rvos-bench[hf]'" in capsys.readouterr().err


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
    assert {"cutie.base", "sam2.tiny", "sam2.small", "sam2.base_plus", "sam2.large", "sam3", "edgetam"} <= names
    code = (
        "import sys; from robust_vos_bench.models import describe_models; describe_models(); "
        "heavy = {'torch', 'cutie', 'transformers', 'huggingface_hub', 'omegaconf'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
