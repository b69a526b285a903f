"""A record never changes because somebody looked at it; what made the numbers, and how it is made again, is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import numpy as np
import pytest

import robust_vos_bench as rvos
from robust_vos_bench.api.plan import RunPlan
from robust_vos_bench.runs.records import SCHEMA, Manifest, UnitRecord
from robust_vos_bench.runs.store import RunStore


@pytest.fixture(autouse=True)
def _reuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVOS_BENCH_REUSE")


MODELS = Path(__file__).resolve().parents[1] / "runs" / "models.py"


def small(clips: Path, **words: object) -> rvos.Run:
    """Two conditions on two videos, in this process."""
    settings = {"model": "static", "corruption": "salt_and_pepper", "severity": 3, "workers": 1, "progress": False}
    return rvos.run(**{**settings, "dataset": "folder", "data_root": clips, **words})  # type: ignore[arg-type]


def state_of(folder: Path) -> dict[str, object]:
    """Bytes and times of everything in a folder, itself included."""
    found: dict[str, object] = {".": folder.stat().st_mtime_ns}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


def manifest_of(folder: Path) -> Manifest:
    """What `run.json` says."""
    found = RunStore(folder).manifest()
    assert found is not None
    return found


def command_line(words: list[str], here: Path) -> subprocess.CompletedProcess[str]:
    """A recorded command, carried out."""
    return subprocess.run(
        [sys.executable, "-m", "robust_vos_bench.cli", *words[1:]],
        capture_output=True,
        text=True,
        cwd=here,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"device": "cuda:0"},
        {"device": "mps", "overwrite": "never"},
        {"workers": 2, "fail_fast": True},
        {"engine": "ray", "ray_address": "nowhere.example:1"},
    ],
)
def test_looking_at_a_finished_run_writes_nothing(clips: Path, words: dict[str, object]) -> None:
    first = small(clips, output="out")
    before = state_of(Path("out"))
    again = small(clips, output="out", **words)
    assert state_of(Path("out")) == before
    assert again.manifest.status == "complete" and again.scores.equals(first.scores)
    assert again.manifest.invocations == first.manifest.invocations


def test_corruptions_on_a_device_that_is_not_here_are_shown(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames were made elsewhere; only what is to be computed here needs the device."""
    import torch

    from robust_vos_bench.runs import run as runs

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    words = {"corruption": "gaussian_noise", "corrupt_device": "cuda", "output": "out"}
    with pytest.raises(rvos.UsageError, match="torch sees 0 CUDA devices"):
        small(clips, **words)
    from robust_vos_bench.conditions import apply, batch

    with monkeypatch.context() as here:
        for module in (runs, batch):
            here.setattr(module, "find_device", lambda name: torch.device("cpu"))
        assert apply is not None
        small(clips, **words)
    before = state_of(Path("out"))
    assert small(clips, **words).manifest.status == "complete" and state_of(Path("out")) == before


def test_looking_at_an_unfinished_run_writes_nothing(clips: Path) -> None:
    with pytest.raises(rvos.IncompleteError):
        small(clips, model=f"{MODELS}:Raises", output="out")
    before = state_of(Path("out"))
    shown = small(clips, model=f"{MODELS}:Raises", output="out", overwrite="never", allow_failures=True)
    assert state_of(Path("out")) == before and shown.manifest.units == manifest_of(Path("out")).units
    assert isinstance(rvos.plan(f"{MODELS}:Raises", "salt_and_pepper", severity=3, dataset="folder",
                                data_root=clips, output="out", probe=False), RunPlan)  # fmt: skip
    assert state_of(Path("out")) == before


def test_nothing_is_made_by_a_look_at_nothing(clips: Path, here: Path) -> None:
    shown = small(clips, output="out", overwrite="never", allow_failures=True)
    assert shown.manifest.units.pending == 4 and not (here / "out").exists()


def test_an_invocation_is_kept_for_each_command_that_computed(clips: Path) -> None:
    with pytest.raises(rvos.IncompleteError):
        small(clips, model=f"{MODELS}:Raises", output="out")
    small(clips, model=f"{MODELS}:Raises", output="out", overwrite="never", allow_failures=True)
    with pytest.raises(rvos.IncompleteError):  # what failed is tried again
        small(clips, model=f"{MODELS}:Raises", output="out", fail_fast=True)
    one, two = manifest_of(Path("out")).invocations
    assert one.units == 4 and two.units == 1 and one.id != two.id, (one.units, two.units)
    assert one.command == two.command and "--fail-fast" not in two.command and one.ended is not msgspec.UNSET
    assert one.environment.device == "cpu" and one.workers == 1 and one.tool.version == rvos.__version__
    units = rvos.load_run("out").units
    assert set(units["invocation"]) == {one.id, two.id}
    made = units[units["status"] == "ok"]
    assert len(made) == 2 and set(made["invocation"]) == {one.id}


def test_a_killed_invocation_is_not_lost_and_the_next_one_finishes(clips: Path) -> None:
    """Also its last words: `scores.csv` and the status are written by whoever comes next, and only once."""
    small(clips, output="out")
    store, manifest = RunStore(Path("out")), manifest_of(Path("out"))
    (done,) = manifest.invocations
    manifest.status = "started"
    manifest.invocations_2 = [msgspec.structs.replace(done, ended=msgspec.UNSET, units=msgspec.UNSET)]
    store.write_manifest(manifest)
    (Path("out") / "scores.csv").unlink()
    small(clips, output="out")
    mended = manifest_of(Path("out"))
    assert mended.status == "complete" and (Path("out") / "scores.csv").is_file()
    assert [i.id for i in mended.invocations] == [done.id] and mended.invocations[0].ended is msgspec.UNSET
    before = state_of(Path("out"))
    small(clips, output="out")
    assert state_of(Path("out")) == before


def test_the_command_is_the_run_whatever_gave_its_settings(
    clips: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings files, variables and relative paths are written out; `--overwrite never` is no part of a run."""
    settings = here / "run.toml"
    settings.write_text('corruption = "salt_and_pepper"\nseverity = [3]\nfail-fast = true\n')
    environment = {**os.environ, "RVOS_BENCH_DATA_ROOT": "clips", "RVOS_BENCH_MODEL": "static"}
    words = ["run", "--config", "run.toml", "--dataset", "folder", "-o", "out", "-w", "1", "-q"]
    subprocess.run([sys.executable, "-m", "robust_vos_bench.cli", *words], env=environment, cwd=here, check=True)
    command = manifest_of(here / "out").command
    assert command == [
        "rvos-bench", "run", "--model", "static", "--dataset", "folder", "--data-root", str(clips),
        "--corruption", "salt_and_pepper", "--severity", "3", "--workers", "1", "--output", str(here / "out"),
    ]  # fmt: skip
    before = state_of(here / "out")
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    done = command_line(command, elsewhere)
    assert done.returncode == 0 and "4 done, 0 to do" in done.stderr and state_of(here / "out") == before
    scores = (here / "out" / "scores.csv").read_bytes()
    done = command_line([*command[:-1], str(here / "anew"), "--overwrite", "always"], elsewhere)
    assert done.returncode == 0 and (here / "anew" / "scores.csv").read_bytes() == scores


def test_objects_made_in_python_become_a_command_where_one_means_the_same(clips: Path, here: Path) -> None:
    data = rvos.open_dataset("folder", clips)
    conditions = [rvos.Condition("salt_and_pepper", s, "frame") for s in (1, 3)]
    run = small(clips, dataset=data, data_root=None, corruption=conditions, severity=None, limit=1, output="out")
    assert "--severity" in run.manifest.command and str(clips) in run.manifest.command
    before = state_of(Path("out"))
    done = command_line(run.manifest.command, here)
    assert done.returncode == 0 and "3 done, 0 to do" in done.stderr and state_of(Path("out")) == before


def test_a_video_file_and_its_masks_are_words_of_the_command(here: Path) -> None:
    from helpers.video_files import SIZE, pictures, write_video
    from robust_vos_bench.datasets.images import write_mask

    write_video(here / "clip.mp4", pictures(4))
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:36] = 1
    write_mask(here / "first.png", mask)
    words = {"corruption": "pixelate", "severity": 3, "workers": 1, "progress": False}
    run = rvos.run("static", dataset="clip.mp4", mask="first.png", output="out", **words)  # type: ignore[arg-type]
    made = rvos.open_dataset("clip.mp4", masks=["first.png"])
    other = rvos.run("static", dataset=made, output="other", **words)  # type: ignore[arg-type]
    assert str(here / "clip.mp4") in run.manifest.command and str(here / "first.png") in run.manifest.command
    assert other.manifest.invocations[0].reused is msgspec.UNSET or other.manifest.invocations[-1].reused == 2
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    for folder in ("out", "other"):
        before = state_of(here / folder)
        done = command_line(manifest_of(here / folder).command, elsewhere)
        assert done.returncode == 0 and "2 done, 0 to do" in done.stderr, (folder, done.stderr)
        assert state_of(here / folder) == before


def test_chosen_videos_are_words_of_the_command(clips: Path, here: Path) -> None:
    data = rvos.open_dataset("folder", clips, videos=["b"])
    run = small(clips, dataset=data, data_root=None, output="out")
    assert run.manifest.command[run.manifest.command.index("--videos") + 1] == "b"
    done = command_line(run.manifest.command, here)
    assert done.returncode == 0 and "2 done, 0 to do" in done.stderr


def test_where_no_command_means_the_same_the_call_does(clips: Path) -> None:
    conditions = [rvos.Condition("salt_and_pepper", 1, "frame"), rvos.Condition("pixelate", 3, seed=2)]
    run = small(clips, corruption=conditions, severity=None, output=Path("out").absolute())
    (invocation,) = run.manifest.invocations
    assert invocation.command == [] and invocation.call.startswith("import robust_vos_bench as rvos\nrvos.run(")
    before = state_of(Path("out"))
    names: dict[str, object] = {}
    exec(invocation.call.replace("rvos.run(", "made = rvos.run(progress=False, "), names)
    assert names["made"].scores.equals(run.scores)  # type: ignore[attr-defined]
    assert state_of(Path("out")) == before


def test_what_only_a_program_has_is_said(clips: Path, here: Path) -> None:
    script = here / "study.py"
    script.write_text(
        textwrap.dedent(f"""
        import numpy as np
        import robust_vos_bench as rvos
        from robust_vos_bench.conditions import corruption
        from robust_vos_bench.datasets.folder import PlainFolder

        @corruption("darker", "mine", values=(1, 2), unit="steps")
        def darker(frame, severity, draw):
            return np.asarray(frame // (1 + severity), np.uint8)

        class Mine(PlainFolder):
            pass

        if __name__ == "__main__":
            data = Mine(rvos.open_dataset("folder", {str(clips)!r}).root)
            rvos.run("static", rvos.Condition("darker", 2), dataset=data, output="out", workers=1, progress=False)
        """)
    )
    done = subprocess.run([sys.executable, str(script)], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (invocation,) = manifest_of(here / "out").invocations
    assert invocation.command == []
    assert "# dataset: an object of class Mine, of the program that made this run" in invocation.call
    assert "# defined by the program that made this run: corruption darker" in invocation.call


def old_run(folder: Path) -> None:
    """Turn a run directory into one of the first schema, as versions before invocations wrote it."""
    store, manifest = RunStore(folder), manifest_of(folder)
    (made,) = manifest.invocations
    for model in manifest.models:
        for condition in manifest.conditions:
            path = store.cell_path(condition.label, model.name)
            lines = [msgspec.json.decode(line, type=UnitRecord) for line in path.read_bytes().splitlines()]
            path.write_bytes(
                b"".join(msgspec.json.encode(msgspec.structs.replace(r, invocation="")) + b"\n" for r in lines)
            )
    plain = msgspec.to_builtins(manifest)
    del plain["invocations"], plain["dataset"]["digests"]
    plain |= {
        "schema": "rvos-bench/run/1",
        "command": ["rvos-bench", "run", "--typed", "--overwrite", "never"],
        "settings": {"device": "cpu"},
        "tool": msgspec.to_builtins(made.tool),
        "environment": msgspec.to_builtins(made.environment),
    }
    (folder / "run.json").write_text(json.dumps(plain))


def test_a_run_of_the_first_schema_is_read_shown_and_continued(clips: Path) -> None:
    small(clips, output="out")
    old_run(Path("out"))
    before = state_of(Path("out"))
    shown = small(clips, output="out")
    assert state_of(Path("out")) == before, "nothing is to be done, so it stays of the first schema"
    assert np.isfinite(shown.robustness["static"]["mPC"]) and shown.manifest.command[2] == "--typed"
    grown = small(clips, output="out", severity=[1, 3])
    old, new = manifest_of(Path("out")).invocations
    assert manifest_of(Path("out")).schema == SCHEMA and old.id == "" and old.command[2] == "--typed"
    units = grown.units.set_index(["condition", "video"])["invocation"]
    assert units["salt_and_pepper-3-frame", "a"] == "" and units["salt_and_pepper-1-frame", "a"] == new.id
    assert grown.manifest.command[-2:] == ["--output", str(Path("out").absolute())]
