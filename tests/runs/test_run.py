"""Running, resuming and surviving, through the command line and in real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import robust_vos_bench as rvos_bench
from robust_vos_bench.runs.store import RunStore

MODELS = Path(__file__).with_name("models.py")
Rvos = Callable[..., subprocess.CompletedProcess[str]]
Launch = Callable[..., subprocess.Popen[str]]


def words(clips: Path, out: Path, model: str = "Repeat", *more: object) -> list[object]:
    """The command of a small grid: 3 videos x (clean + 2 corruptions x 1 severity)."""
    data = ("--dataset", "folder", "--data-root", clips)
    grid = ("--corruption", "salt_and_pepper,pixelate", "--severity", 3)  # quick to load: no compiled kernels
    return ["run", "--model", f"{MODELS}:{model}", *data, *grid, "--output", out, *more]


def test_a_run_writes_records_scores_and_a_table(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    done = rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1))
    assert done.returncode == 0, done.stderr
    assert "mPC" in done.stdout and "pixelate" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    lines = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 4  # three conditions x four objects
    manifest = RunStore(tmp_path / "out").manifest()
    assert manifest is not None and manifest.status == "complete" and manifest.units.ok == 9


def test_the_same_command_again_runs_nothing(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    command = words(clips, tmp_path / "out", "Repeat", "--workers", 1)
    assert rvos(*command).returncode == 0
    cell = tmp_path / "out" / "cells" / "clean" / "repeat.jsonl"
    before, scores = cell.read_bytes(), (tmp_path / "out" / "scores.csv").read_bytes()
    again = rvos(*command)
    assert again.returncode == 0 and "9 done, 0 to do" in again.stderr
    assert cell.read_bytes() == before and (tmp_path / "out" / "scores.csv").read_bytes() == scores


def test_any_number_of_workers_gives_the_same_bytes(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    for workers in (1, 3):
        assert rvos(*words(clips, tmp_path / f"w{workers}", "Repeat", "--workers", workers)).returncode == 0
    one, three = ((tmp_path / f"w{n}" / "scores.csv").read_bytes() for n in (1, 3))
    assert one == three


@pytest.mark.slow
def test_two_models_share_a_run_and_do_not_disturb_each_other(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    assert rvos(*words(clips, tmp_path / "alone", "Repeat", "--workers", 1)).returncode == 0
    both = rvos(*words(clips, tmp_path / "both", "Repeat", "--workers", 2, "--model", "static"))
    assert both.returncode == 0, both.stderr
    alone = (tmp_path / "alone" / "scores.csv").read_text().splitlines()[1:]
    assert set(alone) < set((tmp_path / "both" / "scores.csv").read_text().splitlines()[1:])


def test_changed_data_is_run_again(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    command = words(clips, tmp_path / "out", "Repeat", "--workers", 1)
    assert rvos(*command).returncode == 0
    frame = clips / "JPEGImages" / "a" / "00002.png"
    frame.write_bytes((clips / "JPEGImages" / "a" / "00003.png").read_bytes())
    assert json.loads(rvos(*command, "--dry-run", "--no-probe", "--json").stdout)["to_do"] == 3
    assert "3 units scored before data" in rvos(*command).stderr


def test_scores_of_changed_data_are_in_no_table(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    """Not even before their turn comes: the manifest names the new data from the start."""
    command = words(clips, tmp_path / "out", "Repeat", "--workers", 1)
    assert rvos(*command).returncode == 0
    frame, whole = clips / "JPEGImages" / "a" / "00002.png", (clips / "JPEGImages" / "a" / "00003.png").read_bytes()
    frame.write_bytes(b"damage")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    shown = rvos(*command, "--overwrite", "never", "--json")
    assert shown.returncode == 3
    assert json.loads(shown.stdout)["models"][0]["mpc"] is None, shown.stdout
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    halted = rvos(*command, "--fail-fast")
    assert halted.returncode == 3
    manifest = RunStore(tmp_path / "out").manifest()
    assert manifest is not None and (manifest.units.ok, manifest.units.failed, manifest.units.pending) == (6, 1, 2)
    packed = rvos("pack", tmp_path / "out")
    assert packed.returncode != 0 and "3 of 9 units" in packed.stderr
    frame.write_bytes(whole)
    assert rvos(*command).returncode == 0
    fresh = rvos(*words(clips, tmp_path / "fresh/run", "Repeat", "--workers", 1, "--overwrite", "always"))
    assert fresh.returncode == 0
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "fresh/run" / "scores.csv").read_bytes()


def test_an_edited_model_is_another_model(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    model = tmp_path / "mine.py"
    model.write_text(MODELS.read_text())
    command = ["run", "--model", f"{model}:Repeat", *words(clips, tmp_path / "out", "Repeat")[3:-2]]
    plans = []
    for text in (model.read_text(), model.read_text() + "# edited\n"):
        model.write_text(text)
        plans.append(json.loads(rvos(*command, "--dry-run", "--no-probe", "--json").stdout)["output"])
    assert plans[0] != plans[1]


def test_a_model_whose_helper_is_edited_is_another_model(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.py").write_text("from .deep import SHOWN\n")
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom robust_vos_bench import ModelCard, VOSAdapter\n\n"
        "class Mine(VOSAdapter):\n    card = ModelCard('mine')\n\n    def segment(self, video):\n"
        "        from parts.inner import SHOWN\n\n        for _ in video.frames:\n"
        "            yield video.prompts[0] * np.uint8(SHOWN)\n"
    )
    command = ["run", "--model", f"{tmp_path}/mine.py:Mine", "--corruption", "clean", "--dataset", "folder"]
    command += ["--data-root", str(clips), "--workers", "2"]
    tables = []
    for shown in (1, 0, 1):
        (tmp_path / "parts" / "deep.py").write_text(f"SHOWN = {shown}  # {shown}\n")
        done = rvos(*command)
        assert done.returncode == 0, done.stderr
        tables.append(done.stdout)
    assert tables[0] != tables[1] and tables[0] == tables[2]
    assert "3 done, 0 to do" in done.stderr, "that was run before"
    (tmp_path / "parts" / "deep.py").write_text("SHOWN = 2\n")
    other = rvos(*command, "--output", next((tmp_path / "rvos-results").iterdir()))
    assert other.returncode == 2 and "model mine with the code it had then" in other.stderr


def test_changed_masks_made_elsewhere_are_scored_anew(clips: Path, tmp_path: Path) -> None:
    """Each unit by its own files: those of other videos and conditions stay as they are."""
    made = tmp_path / "made"
    for condition in ("clean", "contrast-1"):
        shutil.copytree(clips / "Annotations", made / condition)

    def computed(**words: object) -> dict[tuple[str, str], float]:
        done = rvos_bench.run(
            "masks", option=f"folder={made}", dataset="folder", data_root=clips, corruption="contrast", severity=1,
            output=tmp_path / "out", workers=1, progress=False, **words,
        )  # fmt: skip
        return {
            (condition, video): record.objects[0].j_mean
            for (_, condition), cell in done.cells().items()
            for video, record in cell.items()
        }

    first = computed()
    assert set(first.values()) == {1.0} and len(first) == 6
    for mask in (made / "contrast-1" / "b").glob("*.png"):
        shutil.copy(made / "clean" / "b" / "00000.png", mask)
    before = {path: path.read_text() for path in (tmp_path / "out" / "cells").rglob("*.jsonl")}
    second = computed()
    assert second["contrast-1", "b"] < 1 and {unit for unit in first if second[unit] != 1} == {("contrast-1", "b")}
    changed = [path for path, text in before.items() if path.read_text() != text]
    assert len(changed) == 1 and changed[0].parent.name == "contrast-1", "only that unit ran"
    assert computed() == second


def test_a_model_that_raises_fails_its_video_only(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    done = rvos(*words(clips, tmp_path / "out", "Raises", "--workers", 1))
    assert done.returncode == 3
    assert "cannot see anything" in done.stderr and "'b'" in done.stderr
    assert "n/a" in done.stdout
    record = RunStore(tmp_path / "out").records("clean", "raises")
    assert record["a"].ok and not record["b"].ok and not record["b"].objects


def test_a_model_that_exits_fails_its_video_only(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    done = rvos(*words(clips, tmp_path / "out", "Exits", "--workers", 1))
    assert done.returncode == 3 and "SystemExit" in done.stderr and "'b'" in done.stderr
    file = tmp_path / "script.py"
    file.write_text("import sys\nsys.exit(0)\n")
    done = rvos("check", f"{file}:Model")
    assert done.returncode == 5 and "cannot be imported: SystemExit" in done.stderr


def test_names_that_differ_in_punctuation_only(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    out = tmp_path / "out"
    done = rvos(*words(clips, out, "Alike", "--workers", 1, "--model", f"{MODELS}:AlikeToo", "--json"))
    assert done.returncode == 0, done.stderr
    scores = {row["model"]: row["p"] for row in json.loads(done.stdout)["models"]}
    assert scores["a like"] > 40 and scores["a_like"] == 0
    assert len(list((out / "cells" / "clean").iterdir())) == 2


def test_masks_asked_for_later_are_saved(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    assert rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1)).returncode == 0
    done = rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1, "--save-masks"))
    assert done.returncode == 0 and len(list((tmp_path / "out" / "masks").rglob("*.png"))) > 9
    again = rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1, "--save-masks"))
    assert "9 done, 0 to do" in again.stderr
    folder = tmp_path / "out" / "masks" / "repeat" / "clean" / "a"
    (folder / "00002.png").unlink()  # a run that was killed has left the others
    again = rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1, "--save-masks"))
    assert "8 done, 1 to do" in again.stderr and (folder / "00002.png").is_file()
    assert rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1, "--overwrite", "always")).returncode == 0
    assert not list((tmp_path / "out" / "masks").rglob("*.png")), "they would be masks of an earlier time"


def test_other_data_of_the_same_names_is_refused(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    same, other = tmp_path / "same", tmp_path / "other"
    shutil.copytree(clips, same)
    shutil.copytree(clips, other)
    assert rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1)).returncode == 0
    scores = (tmp_path / "out" / "scores.csv").read_bytes()
    assert rvos(*words(same, tmp_path / "out", "Repeat", "--workers", 1)).returncode == 0
    frame = other / "JPEGImages" / "a" / "00002.png"
    frame.write_bytes((other / "JPEGImages" / "a" / "00003.png").read_bytes())
    done = rvos(*words(other, tmp_path / "out", "Repeat", "--workers", 1))
    assert done.returncode == 2 and "other data of the same names" in done.stderr and str(clips) in done.stderr
    assert (tmp_path / "out" / "scores.csv").read_bytes() == scores
    frame = clips / "JPEGImages" / "a" / "00002.png"
    frame.write_bytes((clips / "JPEGImages" / "a" / "00003.png").read_bytes())
    link = tmp_path / "link"
    link.symlink_to(clips)
    done = rvos(*words(link, tmp_path / "out", "Repeat", "--workers", 1))
    assert done.returncode == 0, "the same place by another name, changed there"


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_model_prints_is_not_in_the_result(clips: Path, tmp_path: Path, rvos: Rvos, workers: int) -> None:
    done = rvos(*words(clips, tmp_path / "out", "Prints", "--workers", workers, "--json"))
    assert done.returncode == 0 and json.loads(done.stdout)["models"]
    assert "now a" in done.stderr and "then" in done.stderr


def test_a_broken_contract_ends_with_its_own_code(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    done = rvos(*words(clips, tmp_path / "out", "WrongSize", "--workers", 1))
    assert done.returncode == 5 and "(3, 3)" in done.stderr


def test_a_dying_process_is_tried_three_times(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    done = rvos(*words(clips, tmp_path / "out", "Dies", "--workers", 2))
    assert done.returncode == 3, done.stderr
    records = RunStore(tmp_path / "out").records("clean", "dies")
    assert records["a"].ok and records["c"].ok
    assert not records["b"].ok and records["b"].attempts == 3 and "died" in records["b"].error


@pytest.mark.slow
def test_a_process_that_dies_once_is_replaced(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    env = {"RVOS_TEST_MARKER": str(tmp_path / "died")}
    done = rvos(*words(clips, tmp_path / "out", "DiesOnce", "--workers", 2), env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "died").exists()


def wait_for_record(out: Path, running: subprocess.Popen[str]) -> None:
    while running.poll() is None and not list(out.glob("cells/*/*.jsonl")):
        time.sleep(0.02)


def test_ctrl_c_leaves_a_directory_that_resumes(clips: Path, tmp_path: Path, rvos: Rvos, launch: Launch) -> None:
    out = tmp_path / "out"
    running = launch(*words(clips, out, "Slow", "--workers", 2))
    wait_for_record(out, running)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130, stderr
    assert "resumes" in stderr
    manifest = RunStore(out).manifest()
    assert manifest is not None and manifest.status == "interrupted" and 0 < manifest.units.ok < 9
    assert rvos(*words(clips, out, "Slow", "--workers", 2)).returncode == 0


def test_ctrl_c_when_everything_is_run_again(clips: Path, tmp_path: Path, rvos: Rvos, launch: Launch) -> None:
    """All units are on disk from the first time, and the command has still not done what it was asked."""
    out = tmp_path / "out"
    command = words(clips, out, "Slow", "--workers", 1)
    assert rvos(*command).returncode == 0
    cell = out / "cells" / "clean" / "slow.jsonl"
    before = cell.read_bytes().count(b"\n")
    running = launch(*command, "--overwrite", "always")
    while running.poll() is None and cell.read_bytes().count(b"\n") == before:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    manifest = RunStore(out).manifest()
    assert manifest is not None and manifest.status == "interrupted"


def test_kill_minus_nine_then_the_same_command(clips: Path, tmp_path: Path, rvos: Rvos, launch: Launch) -> None:
    assert rvos(*words(clips, tmp_path / "whole", "Slow", "--workers", 1)).returncode == 0
    out = tmp_path / "killed"
    running = launch(*words(clips, out, "Slow", "--workers", 1))
    wait_for_record(out, running)
    time.sleep(0.15)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert rvos(*words(clips, out, "Slow", "--workers", 1)).returncode == 0
    assert (out / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()


def test_ctrl_c_twice_stops_now(clips: Path, tmp_path: Path, launch: Launch) -> None:
    out = tmp_path / "out"
    running = launch(*words(clips, out, "Sleeps", "--option", "fps=0.5", "--workers", 2))  # a video takes over 10 s
    while running.poll() is None and not list(out.glob("run.json")):
        time.sleep(0.02)
    time.sleep(1.5)
    start = time.monotonic()
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130, stderr
    assert time.monotonic() - start < 8
    manifest = RunStore(out).manifest()
    assert manifest is not None and manifest.status == "interrupted" and manifest.units.pending == 9


@pytest.mark.slow
def test_kill_minus_nine_at_twenty_moments(clips: Path, tmp_path: Path, rvos: Rvos, launch: Launch) -> None:
    assert rvos(*words(clips, tmp_path / "whole", "Slow", "--workers", 1)).returncode == 0
    for i in range(20):
        out = tmp_path / f"killed{i}"
        running = launch(*words(clips, out, "Slow", "--workers", 1 + i % 2))
        time.sleep(0.3 + 0.17 * i)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        assert rvos(*words(clips, out, "Slow", "--workers", 1 + i % 2)).returncode == 0
        assert (out / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()


def test_a_second_run_in_the_same_folder_is_told_who_holds_it(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    out = tmp_path / "out"
    with RunStore(out).locked():
        second = rvos(*words(clips, out, "Repeat", "--workers", 1))
    assert second.returncode == 2 and f"pid {os.getpid()}" in second.stderr
    assert not (out / "scores.csv").exists()
    assert rvos(*words(clips, out, "Repeat", "--workers", 1)).returncode == 0


def test_another_plan_is_refused_in_the_same_folder(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    assert rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1)).returncode == 0
    other = rvos(*words(clips, tmp_path / "out", "Slow", "--workers", 1))
    assert other.returncode == 2 and "another run" in other.stderr
    planned = rvos(*words(clips, tmp_path / "out", "Slow", "--workers", 1), "--dry-run", "--no-probe")
    assert planned.returncode == 2 and "another run" in planned.stderr


def test_a_read_only_output_folder(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = rvos(*words(clips, blocked / "out", "Repeat", "--workers", 1))
    assert done.returncode == 4 and "is a file, not a folder" in done.stderr


def test_a_video_without_frames_fails_alone_until_it_is_mended(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    folder = clips / "JPEGImages" / "a"
    frames = {path: path.read_bytes() for path in folder.iterdir()}
    for path in frames:
        path.unlink()
    command = words(clips, tmp_path / "out", "Repeat", "--workers", 1)
    planned = rvos(*command, "--dry-run", "--no-probe", "--json")
    assert planned.returncode == 0 and json.loads(planned.stdout)["to_do"] == 9, planned.stderr
    done = rvos(*command)
    assert done.returncode == 3 and f"{folder}: no frames" in done.stderr.replace("\n", "")
    manifest = RunStore(tmp_path / "out").manifest()
    assert manifest is not None and (manifest.units.ok, manifest.units.failed) == (6, 3)
    for path, data in frames.items():
        path.write_bytes(data)
    assert rvos(*command).returncode == 0
    assert rvos(*words(clips, tmp_path / "sound", "Repeat", "--workers", 1)).returncode == 0
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "sound" / "scores.csv").read_bytes()


def test_a_damaged_frame_is_a_failed_video_with_its_file_named(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    frame = clips / "JPEGImages" / "b" / "00002.png"
    frame.write_bytes(frame.read_bytes()[:200])
    done = rvos(*words(clips, tmp_path / "out", "Repeat", "--workers", 1))
    assert done.returncode == 3 and str(frame) in done.stderr.replace("\n", "")
