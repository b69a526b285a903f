"""A run grows: what lies there under the same key is reused, wherever that is, and keeps where it came from."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.reuse import run_folders
from robust_vos_bench.runs.store import RunStore


@pytest.fixture(autouse=True)
def _reuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVOS_BENCH_REUSE")


MODELS = Path(__file__).with_name("models.py")
Heard = list[tuple[str, str, str]]


class Ear(rvos.Listener):
    """Notes what is computed and what is said."""

    def __init__(self) -> None:
        self.units: Heard = []
        self.said: list[str] = []

    def unit(self, record: UnitRecord) -> None:
        """After each unit."""
        self.units.append((record.model, record.condition, record.video))

    def notice(self, text: str) -> None:
        """What a user is told."""
        self.said.append(text)


def grow(clips: Path, **words: object) -> tuple[rvos.Run, Ear]:
    """A run of a few units, in this process, and what was heard of it."""
    ear = Ear()
    settings = {"model": f"{MODELS}:Repeat", "corruption": "pixelate", "severity": 3, "workers": 1, "progress": ear}
    run = rvos.run(**{**settings, "dataset": "folder", "data_root": clips, **words})  # type: ignore[arg-type]
    return run, ear


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results land in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("output", ["first", "other", None])
@pytest.mark.parametrize(
    ("more", "new"),
    [
        ({"model": ["static", f"{MODELS}:Repeat"]}, 6),
        ({"severity": [1, 3]}, 3),
        ({"corruption": "pixelate,contrast"}, 3),
        ({"limit": None}, 2),
    ],
)
def test_more_of_anything_computes_only_that(
    clips: Path, output: str | None, more: dict[str, object], new: int
) -> None:
    first = {"limit": 2} if "limit" in more else {}
    before, _ = grow(clips, output="first", **first)
    after, ear = grow(clips, output=output, **more)
    assert len(ear.units) == len(set(ear.units)) == new
    fresh, heard = grow(clips, output="fresh/run", overwrite="always", **more)
    assert len(heard.units) == after.manifest.units.ok and not heard.said
    assert (after.folder / "scores.csv").read_bytes() == (fresh.folder / "scores.csv").read_bytes()
    assert after.manifest.status == "complete"
    kept = len(before.units)
    if output == "first":
        assert not ear.said and len(after.manifest.invocations) == 2
        return
    assert ear.said == [f"reused {kept} units that are there already: {kept} from first"]
    copied, own = after.manifest.invocations
    assert copied.run == before.manifest.run_id and copied.id == before.manifest.invocations[0].id
    assert own.is_own and (own.units, own.reused) == (new, kept)
    assert sorted(after.units["invocation"].value_counts()) == sorted([new, kept])
    assert sum(len(after.tracks(m, c)) for m in after.models for c in after.conditions) == len(after.scores)


def test_another_seed_is_other_frames(clips: Path) -> None:
    grow(clips, output="a", corruption="salt_and_pepper")
    run, ear = grow(clips, output="b", corruption="salt_and_pepper", seed=1)
    assert ear.said == ["reused 3 units that are there already: 3 from a"] and len(ear.units) == 3, "clean has no seed"
    assert "salt_and_pepper-3-frame-seed1" in run.conditions


def test_nothing_is_reused_under_another_key(clips: Path, here: Path) -> None:
    model = here / "mine.py"
    model.write_text(MODELS.read_text())
    grow(clips, output="a", model=f"{model}:Repeat")
    model.write_text(MODELS.read_text() + "# edited\n")
    assert grow(clips, output="b", model=f"{model}:Repeat")[1].said == [], "another version of the model"
    frame = clips / "JPEGImages" / "a" / "00001.png"
    Image.fromarray(np.zeros((40, 56, 3), np.uint8)).save(frame)
    _, ear = grow(clips, output="c", model=f"{model}:Repeat")
    assert ear.said == ["reused 4 units that are there already: 4 from b"], "other data of one video"
    assert {video for _, _, video in ear.units} == {"a"}


def test_what_failed_or_is_stale_or_damaged_is_not_reused(clips: Path) -> None:
    done, _ = grow(clips, output="a")
    record = done.records("repeat", "clean")["a"]
    store = RunStore(Path("a"))
    store.add(msgspec.structs.replace(record, status="failed", objects=()))
    with store.cell_path("pixelate-3", "repeat").open("ab") as file:
        file.write(b"{half a line")
    _, ear = grow(clips, output="b")
    assert ear.units == [("repeat", "clean", "a")] and ear.said[0].startswith("reused 5 units")
    (Path("a") / "run.json").write_text("{")
    shutil.rmtree("b")
    assert len(grow(clips, output="b")[1].units) == 6


def test_masks_come_along_or_are_computed(clips: Path) -> None:
    grow(clips, output="bare")
    masks, ear = grow(clips, output="masks", save_masks=True)
    assert len(ear.units) == 6 and not ear.said, "units without masks do not do where masks are wanted"
    again, ear = grow(clips, output="again", save_masks=True, severity=[1, 3])
    assert len(ear.units) == 3 and ear.said == ["reused 6 units that are there already: 6 from masks"]
    for path in Path("masks/masks").rglob("*.png"):
        assert (Path("again/masks") / path.relative_to("masks/masks")).read_bytes() == path.read_bytes()
    assert not list(Path("again").rglob("*.part"))
    shutil.rmtree("masks")
    assert np.isfinite(again.robustness["repeat"]["stability"]), "the copy needs nothing of the original"
    assert masks.manifest.status == "complete"


def test_always_and_never_reuse_nothing(clips: Path) -> None:
    grow(clips, output="a")
    assert len(grow(clips, output="b", overwrite="always")[1].units) == 6
    shown, ear = grow(clips, output="c", overwrite="never", allow_failures=True)
    assert not ear.units and shown.manifest.units.pending == 6 and not Path("c").exists()


def test_a_plan_counts_what_it_would_reuse(clips: Path) -> None:
    grow(clips, output="a")
    planned = rvos.plan(
        f"{MODELS}:Repeat", "pixelate", severity=[1, 3], dataset="folder", data_root=clips, output="b", probe=False
    )
    assert (planned.done, planned.reused, planned.to_do) == (6, 6, 3) and "reused             6" in str(planned)
    assert not Path("b").exists()


def test_a_part_of_a_run_is_shown_and_not_made_of_it(clips: Path) -> None:
    grow(clips, output="a", severity=[1, 3])
    before = {p: p.stat().st_mtime_ns for p in Path("a").rglob("*")}
    part, ear = grow(clips, output="a", limit=2)
    assert part.conditions == ["clean", "pixelate-3"] and len(part.scores) == 2 * 3 and not ear.units
    assert part.manifest.status == "complete" and {p: p.stat().st_mtime_ns for p in Path("a").rglob("*")} == before
    store = RunStore(Path("a"))
    store.add(msgspec.structs.replace(part.records("repeat", "clean")["a"], status="failed", objects=()))
    with pytest.raises(rvos.UsageError, match=r"larger run .* 1 of the units asked for"):
        grow(clips, output="a", limit=2)
    assert len(grow(clips, output="a", severity=[1, 3])[1].units) == 1


def test_a_run_that_is_neither_more_nor_less_is_refused_with_what_is_lacking(clips: Path) -> None:
    grow(clips, output="a")
    with pytest.raises(rvos.UsageError, match=r"another run .*left out here: model repeat"):
        grow(clips, output="a", model="static")
    with pytest.raises(rvos.UsageError, match=r"left out here: condition pixelate-3"):
        grow(clips, output="a", severity=1)


def test_a_run_taken_over_whole_computes_nothing(clips: Path) -> None:
    first, _ = grow(clips, output="a")
    run, ear = grow(clips, output="b", device="cuda")  # which this may not be: nothing is computed
    assert not ear.units and run.manifest.status == "complete" and run.scores.equals(first.scores)
    own = run.manifest.invocations[-1]
    assert own.is_own and own.workers == 0 and own.environment.device == "" and (own.units, own.reused) == (0, 6)


def test_units_of_old_runs_are_reused_with_their_command(clips: Path) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))
    try:
        from test_invocations import old_run
    finally:
        sys.path.pop(0)
    grow(clips, output="a")
    old_run(Path("a"))
    run, ear = grow(clips, output="b", severity=[1, 3])
    old, own = run.manifest.invocations
    assert len(ear.units) == 3 and old.id and old.command[2] == "--typed" and not old.is_own and own.is_own
    third, _ = grow(clips, output="c", severity=[1, 3])
    assert [i.id for i in third.manifest.invocations[:2]] == [old.id, own.id]
    assert third.units["invocation"].equals(run.units["invocation"])


def test_two_data_roots_of_the_same_names_have_two_folders(clips: Path, here: Path) -> None:
    other = here / "other"
    shutil.copytree(clips, other)
    for path in other.rglob("JPEGImages/*/*.png"):
        Image.fromarray(np.full((40, 56, 3), 90, np.uint8)).save(path)
    one, _ = grow(clips)
    two, ear = grow(other)
    assert one.folder != two.folder and len(ear.units) == 6 and not ear.said
    assert two.folder.name.startswith(one.folder.name)
    assert grow(clips)[0].folder == one.folder and grow(other)[0].folder == two.folder


def test_runs_are_looked_for_beside_and_below_the_results(here: Path) -> None:
    for name in ("beside", "rvos-results/a", "rvos-results/study/b", "rvos-results/study/deep/c", "far/away/d"):
        (here / name).mkdir(parents=True)
        (here / name / "run.json").write_text("{}")
    (here / "rvos-results/a/masks/x").mkdir(parents=True)
    (here / "x/elsewhere").mkdir(parents=True)
    (here / "x/elsewhere/run.json").write_text("{}")
    found = {p.relative_to(here).as_posix() for p in run_folders(here / "mine")}
    assert found == {p.relative_to(here).as_posix() for p in run_folders(here / "x/mine")} - {"x/elsewhere"}
    assert found == {"beside", "rvos-results/a", "rvos-results/study/b", "rvos-results/study/deep/c"}
    inside = {p.relative_to(here).as_posix() for p in run_folders(here / "rvos-results/study/b")}
    assert inside == {"beside", "rvos-results/a", "rvos-results/study/deep/c"}


def test_thousands_of_units_are_found_by_reading_every_file_once(clips: Path, here: Path) -> None:
    source, _ = grow(clips, output="rvos-results/a", severity=[1, 2, 3, 4, 5], corruption="pixelate,contrast,fog")
    big = here / "rvos-results"
    for i in range(150):  # 7,200 units, all of another model but the last ones
        shutil.copytree(source.folder, big / f"b{i:03d}")
        path = big / f"b{i:03d}" / "run.json"
        path.write_text(path.read_text().replace('"name": "repeat"', f'"name": "repeat{i}"'))
    opened: list[str] = []
    listening = [True]
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" and listening else None)
    start = time.process_time()
    run, ear = grow(clips, output="new", severity=[1, 2, 3, 4, 5], corruption="pixelate,contrast,fog")
    spent = time.process_time() - start
    listening.clear()
    assert not ear.units and run.manifest.status == "complete"
    read = [path for path in opened if "rvos-results" in path]
    cells = [path for path in read if "/cells/" in path]
    assert len(read) == len(set(read)) and len(cells) == 16 and spent < 5, spent


KILLED = """
import os, sys
import robust_vos_bench as rvos
from robust_vos_bench.runs.store import RunStore
clips, model, left = sys.argv[1], sys.argv[2], iter(range(int(sys.argv[3]), -1, -1))
whole = RunStore._append
def dying(self, path, lines):
    if next(left) == 0:
        os._exit(9)
    whole(self, path, lines)
RunStore._append = dying
rvos.run(model, "pixelate", severity=[1, 3], dataset="folder", data_root=clips, output="b", save_masks=True, workers=1,
         progress=False)
"""


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_death_while_units_are_taken_over(clips: Path, here: Path, moment: int) -> None:
    """Scores by frame are written before the records that count, and the invocations before both."""
    first, _ = grow(clips, output="a", save_masks=True)
    words = [sys.executable, "-c", KILLED, str(clips), f"{MODELS}:Repeat", str(moment)]
    assert subprocess.run(words, cwd=here, check=False).returncode == 9
    halted = rvos.load_run("b")
    known = {i.id for i in halted.manifest.invocations}
    there = halted.units[halted.units["status"] == "ok"]
    assert len(there) == 3 * (moment // 2) and set(there["invocation"]) <= known
    run, ear = grow(clips, output="b", severity=[1, 3], save_masks=True)
    assert len(ear.units) == 3 and run.manifest.status == "complete"
    assert set(run.units["invocation"]) <= {i.id for i in run.manifest.invocations}
    fresh, _ = grow(clips, output="fresh/run", severity=[1, 3], overwrite="always")
    assert (run.folder / "scores.csv").read_bytes() == (fresh.folder / "scores.csv").read_bytes()
    assert first.manifest == rvos.load_run("a").manifest


def test_two_at_once_are_safe(clips: Path) -> None:
    """Both compute, or one finds what the other has finished; each directory is whole."""
    ends: list[rvos.Run] = []

    def work(name: str) -> None:
        ends.append(grow(clips, output=name, model=f"{MODELS}:Slow", workers=2, severity=[1, 3])[0])

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
        time.sleep(0.4)
    for thread in threads:
        thread.join()
    assert len(ends) == 2 and all(run.manifest.status == "complete" for run in ends)
    assert ends[0].scores.equals(ends[1].scores)
    for run in ends:
        known = {i.id for i in run.manifest.invocations}
        assert set(run.units["invocation"]) <= known
