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
    "WrongType": ("every frame gets a mask", "uint8"),
    "WrongSize": ("every frame gets a mask", "(49, 70)"),
    "DenseIds": ("every frame gets a mask", "no prompt introduces"),
    "Early": ("every frame gets a mask", "id 200, which first appears at frame 3"),
    "OneTooFew": ("every frame gets a mask", "yielded 6 masks"),
    "OneTooMany": ("every frame gets a mask", "more masks"),
    "NoState": ("", "no prompt introduces"),
    "SameBuffer": ("every frame gets a mask", "changed after it was yielded"),
    "WritesFrames": ("frames are left", "frame 0"),
    "GlobalSeed": ("random state", "numpy.random"),
    "Unseeded": ("both times with the same", "pixels"),
    "ReadsAhead": ("each mask is given before", "frames ahead"),
    "NeedsTwoFrames": ("a video of one frame", "IndexError"),
    "SharedNetworkState": ("two videos in turns", "interleaves=False"),
    "Indexes": ("frames are read one after", "not subscriptable"),
    "Crashes": ("every frame gets a mask", "KeyError"),
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
    assert out.splitlines()[-1] == "model 'good' passed: 19 checks"
    code, out, err = run("check", f"{FILE}:WrongType", "--device", "cpu", capsys=capsys)
    assert code == 5 and "BROKEN" in out and err == ""
    assert out.splitlines()[-1].startswith("model 'good' failed: ") and "Traceback" not in out
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
