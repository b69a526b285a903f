"""What a model does to its process reaches neither the engine nor other models; records can always be read back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import robust_vos_bench as rvos
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.system.process_settings import ProcessSettings

MODELS = Path(__file__).with_name("unruly.py")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Results land in the test's own folder; whatever a test lets slip is put back."""
    monkeypatch.chdir(tmp_path)
    before = ProcessSettings.taken()
    yield
    before.restore()


def run(clips: Path, *models: str, **words: object) -> rvos.Run:
    """A clean run in this process, results under a relative path."""
    settings = {"corruption": "clean", "dataset": "folder", "data_root": clips, "output": "out", "workers": 1}
    names = [f"{MODELS}:{model}" for model in models]
    return rvos.run(names, **{**settings, "progress": False, "allow_failures": True, **words})  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [1, 2])
def test_settings_end_with_a_models_turn(clips: Path, workers: int) -> None:
    run(clips, "Still", output="first")  # imports what runs import: OpenCV sets environment variables of its own
    before = ProcessSettings.taken()
    done = run(clips, "Unruly", "Witness", "Double", workers=workers)
    assert [r.error for cell in done.cells().values() for r in cell.values()] == [""] * 9
    assert Path("out/run.json").is_file() and not Path("/out").exists(), "results are where they were asked for"
    assert before.changed_to(ProcessSettings.taken()) == []


def test_what_a_model_paints_over_is_its_own(clips: Path) -> None:
    """A corruption shows frames several times, a second model reads the same clip, prompts serve every condition."""
    words = {"corruption": ["repeated_frames", "clean"], "severity": [3]}
    beside, alone = run(clips, "Scribbler", "Reader", **words), run(clips, "Reader", output="alone", **words)

    def scores(done: rvos.Run) -> list[object]:
        reader = [cell for (model, _), cell in done.cells().items() if model == "reader"]
        assert len(reader) == 2
        return [[score.j_mean for score in record.objects] for cell in reader for record in cell.values()]

    assert scores(beside) == scores(alone)


def test_global_generators_begin_anew_with_every_unit(clips: Path) -> None:
    """So that scores depend on no number, order or history of workers."""
    np.random.seed(7)
    tables = [
        Path(run(clips, *models, output=str(i), workers=workers).folder, "scores.csv").read_text().splitlines()
        for i, (models, workers) in enumerate([(("Gambler",), 2), (("Reader", "Gambler"), 1)])
    ]
    gambled = [[line for line in table if "gambler" in line] for table in tables]
    assert len(gambled[0]) >= 3 and gambled[0] == gambled[1]


def test_a_relative_data_root_survives_a_change_of_folder(clips: Path, tmp_path: Path) -> None:
    done = run(clips, "Unruly", data_root=os.path.relpath(clips, tmp_path))
    assert done.manifest.units.ok == 3


def test_a_cut_frame_fails_for_every_model(clips: Path) -> None:
    """Also for one that asks Pillow to take half a picture for a whole one, and after it."""
    from PIL import Image

    frames = clips / "JPEGImages" / "a"
    picture = Image.open(frames / "00003.png").convert("RGB")
    (frames / "00003.png").unlink()
    picture.save(frames / "00003.jpg", quality=95)
    (frames / "00003.jpg").write_bytes((frames / "00003.jpg").read_bytes()[:-200])
    done = run(clips, "Unruly", "Witness")
    for model in ("unruly", "witness"):
        records = done.records(model, "clean")
        assert records["a"].failed and "00003.jpg" in records["a"].error, model
        assert records["b"].ok and records["c"].ok


def test_a_record_that_could_not_be_read_back_fails_its_unit(clips: Path) -> None:
    done = run(clips, "Chatty")
    records = RunStore(Path("out")).records("clean", "chatty")
    assert len(records) == 3 and all(r.failed for r in records.values())
    assert "could not be read back" in records["a"].error and "$.warnings" in records["a"].error
    assert done.manifest.units.failed == 3


def test_unreadable_lines_are_told_and_run_again(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(clips, "Still")
    cell = Path("out/cells/clean/still.jsonl")
    lines = cell.read_bytes().splitlines(keepends=True)
    cell.write_bytes(lines[0] + b'{"key": 17}\n' + lines[2])
    done = run(clips, "Still", progress=True)
    told = capsys.readouterr().err.replace("\n", " ")
    assert "still.jsonl" in told and "1 unreadable line(s) ignored" in told
    assert done.manifest.units.ok == 3


def test_errors_hold_no_addresses(clips: Path) -> None:
    done = run(clips, "Addresses")
    assert "<object object at 0x...>" in done.records("addresses", "clean")["a"].error


def test_weights_that_do_not_fit_end_the_run_once(clips: Path, tmp_path: Path) -> None:
    import torch

    wrong = tmp_path / "wrong.pth"
    torch.save({"conv1.weight": torch.zeros(3)}, wrong)
    for workers in (1, 2):
        with pytest.raises(rvos.WeightsError, match="does not fit") as caught:
            rvos.run(
                "stcn", "clean", dataset="folder", data_root=clips, checkpoint=wrong, workers=workers, progress=False
            )
        assert "conv1.weight" in str(caught.value)
    (folder,) = Path("rvos-results").iterdir()
    assert not list((folder / "cells").rglob("*.jsonl")), "nothing was recorded once per unit"


def test_settings_are_put_back_and_named() -> None:
    before = ProcessSettings.taken()
    folder = Path.cwd()
    os.chdir("/")
    np.seterr(divide="raise")
    os.environ["SOMETHING_NEW"] = "1"
    assert before.changed_to(ProcessSettings.taken()) == [
        "working directory",
        "environment variables",
        "numpy error handling",
    ]
    assert before.restore() == ["working directory", "environment variables", "numpy error handling"]
    assert Path.cwd() == folder and "SOMETHING_NEW" not in os.environ and np.geterr()["divide"] != "raise"
    assert before.restore() == []
