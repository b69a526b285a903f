"""`check` passes good models and names the fault of careless ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from robust_vos_bench.cli import main
from robust_vos_bench.errors import ContractError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.check import check_adapter

FILE = Path(__file__).with_name("careless.py")

FAULTS = {
    "WrongType": ("masks keep the contract", "uint8"),
    "WrongSize": ("masks keep the contract", "(49, 70)"),
    "DenseIds": ("masks keep the contract", "no prompt introduces"),
    "Early": ("masks keep the contract", "id 200, which first appears at frame 3"),
    "OneTooFew": ("masks keep the contract", "yielded 6 masks"),
    "OneTooMany": ("masks keep the contract", "more masks"),
    "NoState": ("", "no prompt introduces"),
    "SameBuffer": ("masks keep the contract", "changed after it was yielded"),
    "WritesFrames": ("frames are not modified", "frame 0"),
    "GlobalSeed": ("global state is left alone", "numpy.random"),
    "Unseeded": ("same result twice", "pixels"),
    "ReadsAhead": ("streams", "frames ahead"),
    "NeedsTwoFrames": ("a video of one frame", "IndexError"),
    "SharedNetworkState": ("two videos in turns", "interleaves=False"),
    "Indexes": ("frames come one by one", "not subscriptable"),
    "Crashes": ("masks keep the contract", "KeyError"),
}


def test_a_good_model_passes_every_check() -> None:
    report = check_adapter(load_adapter(f"{FILE}:Good", device="cpu"))
    assert report.ok
    assert [f for f in report.findings if f.level != "ok"] == []
    assert report.frames > 30


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_named(name: str) -> None:
    check, detail = FAULTS[name]
    report = check_adapter(load_adapter(f"{FILE}:{name}", device="cpu"))
    broken = [f for f in report.findings if f.level == "broken"]
    assert not report.ok
    assert any(f.check.startswith(check) and detail in f.detail for f in broken), broken


def test_a_file_may_not_take_a_built_in_name(tmp_path: Path) -> None:
    """Its row would take the place of the built-in model's in a leaderboard."""
    file = tmp_path / "mine.py"
    file.write_text(FILE.read_text().replace('ModelCard("good")', 'ModelCard("flow")'))
    with pytest.raises(ContractError, match="name 'flow' of a built-in model"):
        load_adapter(f"{file}:Good", device="cpu")


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(list(words))
    out, err = capsys.readouterr()
    code = done.value.code
    assert isinstance(code, int)
    return code, out, err


def test_exit_codes_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("check", f"{FILE}:Good", "--device", "cpu", capsys=capsys)
    assert code == 0 and "BROKEN" not in out and err == ""
    code, out, err = run("check", f"{FILE}:WrongType", "--device", "cpu", capsys=capsys)
    assert code == 5 and "BROKEN" in out and "breaks the contract" in err
    assert "Traceback" not in err
    code, _, err = run("check", f"{FILE}:CannotBeBuilt", "--device", "cpu", capsys=capsys)
    assert code == 1 and "cannot be built: RuntimeError: no such layer" in err
    code, _, err = run("check", f"{FILE}:Absent", capsys=capsys)
    assert code == 2 and "Good" in err
    code, _, err = run("check", "flwo", capsys=capsys)
    assert code == 2 and "'flow'" in err
    code, _, err = run("check", "aot", "--checkpoint", "absent.pth", capsys=capsys)
    assert code == 4 and "absent.pth" in err
    code, _, err = run("check", "flow", "--option", "prest=fast", capsys=capsys)
    assert code == 2 and "preset=medium" in err


def test_json() -> None:
    from robust_vos_bench.cli.check import command

    result = CliRunner().invoke(command, [f"{FILE}:Good", "--json", "--device", "cpu"])
    report = json.loads(result.stdout)
    assert report["ok"] and report["model"] == "good" and report["findings"][0]["level"] == "ok"
