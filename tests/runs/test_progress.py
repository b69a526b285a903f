"""Progress: what workers note, what is left, and a line of any width; nothing of it changes a result."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from robust_vos_bench.conditions import CLEAN, Condition
from robust_vos_bench.runs.activity import Activity, MemoryPulse
from robust_vos_bench.runs.cost.pace import Pace, duration
from robust_vos_bench.runs.plan import Unit
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.work.worker import UnitNote
from robust_vos_bench.system import waits
from robust_vos_bench.system.causes import Causes
from robust_vos_bench.system.live import LiveLine, Reading, clock, drawn

FOG = Condition("fog", 3)


class PlanOf:
    """What `Pace` asks of a plan."""

    def __init__(self, *names: str) -> None:
        self.models = [SimpleNamespace(record=SimpleNamespace(name=name)) for name in names]
        self.conditions = (CLEAN, FOG)


def pace(*names: str) -> Pace:
    pending = [Unit(m, c, v) for c in (CLEAN, FOG) for v in ("a", "b") for m in range(len(names))]
    return Pace(PlanOf(*names), pending, {"a": 10, "b": 30})  # type: ignore[arg-type]


def done(model: str, condition: Condition, video: str, frames: int, model_s: float, making_s: float) -> UnitRecord:
    return UnitRecord(
        "k", model, condition.label, video, "ok", frames=frames, seconds_model=model_s, seconds_frames=making_s
    )


def test_what_is_left_is_counted_by_model_and_by_clean_and_corrupted_frames() -> None:
    left = pace("quick", "slow")
    assert left.total == 160 and left.left(0, 1, 0.0) is None
    left.add(done("quick", CLEAN, "a", 10, 1.0, 0.5))  # 0.1 s a frame and 0.05 s to make one
    assert left.settled == 10
    # Nothing is known of the other model, nor of fog: both are taken to be alike.
    assert left.left(0, 1, 1.0) == pytest.approx(150 * 0.15)
    left.add(done("slow", CLEAN, "a", 10, 10.0, 0.0))
    left.add(done("quick", FOG, "a", 10, 1.0, 2.0))
    clean, fog = 0.5 / 20, 0.2
    rest = {("quick", clean): 30, ("slow", clean): 30, ("quick", fog): 30, ("slow", fog): 40}
    expected = sum(n * ((0.1 if name == "quick" else 1.0) + making) for (name, making), n in rest.items())
    assert left.left(0, 1, 1.0) == pytest.approx(expected)
    assert left.left(0, 2, 1.0) == pytest.approx(expected / 2)
    assert left.left(65, 1, 1.0) == pytest.approx(expected / 2), "half of what is left is in flight"


def test_a_failed_unit_is_settled_and_tells_nothing_of_speed() -> None:
    left = pace("m")
    left.add(UnitRecord("k", "m", "clean", "b", "failed", error="no"))
    assert left.settled == 30 and left.segmented == 0 and left.left(0, 1, 1.0) is None
    assert left.left(10, 1, 2.0) == pytest.approx(2.0 * (50 - 10) / 10), "from the frames in flight"


def test_the_end_is_reached() -> None:
    left = pace("m")
    for condition in (CLEAN, FOG):
        for video, frames in (("a", 10), ("b", 30)):
            left.add(done("m", condition, video, frames, 1.0, 1.0))
    assert left.settled == left.total == 80 and left.left(0, 1, 1.0) == 0


def _note(pulse: MemoryPulse, forever: bool) -> None:
    pulse.says("näme · fog-3 · " + "x" * 300)
    pulse.frame(41)
    while forever:
        pulse.frame(42)


@pytest.mark.parametrize("kill", [False, True])
def test_another_process_is_read_without_waiting(kill: bool) -> None:
    pulse = MemoryPulse(shared=True)
    process = multiprocessing.get_context("spawn").Process(target=_note, args=(pulse, kill), daemon=True)
    process.start()
    if kill:
        while pulse.read()[0] != 42:
            time.sleep(0.01)
        os.kill(process.pid or 0, signal.SIGKILL)
    process.join(60)
    frames, text = pulse.read()
    assert frames == (42 if kill else 41) and text.startswith("näme · fog-3 · xxx") and len(text) < 130
    pulse.frame(0)  # nobody holds it


def test_without_shared_memory_nothing_is_heard_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr(type(context), "RawValue", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left")))
    pulse = MemoryPulse(shared=True)
    pulse.says("x")
    pulse.frame(3)
    assert pulse.read() == (0, "")


def test_noting_a_frame_costs_microseconds() -> None:
    note = UnitNote(MemoryPulse(shared=True))
    note.begin("model · clean · video")
    start = time.perf_counter()
    for t in range(10_000):
        note.waits(True)
        note.waits(False)
        note.frame(t)
    assert (time.perf_counter() - start) / 10_000 < 100e-6, "a hundredth of the quickest models' frames"


def test_what_most_workers_do_is_named() -> None:
    activity = Activity(doing="starting worker processes")
    assert activity.text() == "starting worker processes" and activity.frames() == 0
    activity.pulses += [MemoryPulse() for _ in range(4)]
    assert activity.text() == "starting worker processes"
    for pulse, text in zip(activity.pulses, ("m · clean · a", "loading m", "loading m")):
        pulse.says(text)
        pulse.frame(5)
    assert activity.text() == "loading m +1" and activity.frames() == 15


def test_a_worker_says_what_it_waits_for() -> None:
    pulse = MemoryPulse()
    note = UnitNote(pulse)
    with waits.heard_by(note.waits_for):
        with waits.waiting("loading m"):
            assert pulse.read()[1] == "loading m"
        note.begin("m · fog-3 · a")
        note.waits(True)
        assert pulse.read()[1] == "first frame of fog-3 · a"
        with waits.waiting("outer"), waits.waiting(waits.COMPILING):
            assert pulse.read()[1] == waits.COMPILING
        note.waits(False)
        assert pulse.read()[1] == "m · fog-3 · a"
        note.waits(True)  # of the second frame nothing is said
        assert pulse.read()[1] == "m · fog-3 · a"


def test_a_compilation_is_a_wait() -> None:
    import numba

    waits.tell_of_compiling()
    heard: list[str] = []
    with waits.heard_by(heard.append):
        numba.njit(lambda x: x + 1)(2)
    assert heard[0] == waits.COMPILING and heard[-1] == ""


def test_a_line_fits_any_width() -> None:
    for total in (None, 0, 13_680):
        reading = Reading("labelprop · fog-3-drift · camel", 1234, total, "frames", "", "12.3 fps", 100, 9000, 2)
        for width in range(1, 140):
            line = drawn(reading, width)
            assert line.cell_len <= width and "\n" not in line.plain
            if width >= 60 and total:
                for words in ("1,234/13,680 frames", "2:30:00 left", "1:40 elapsed", "2 failed"):
                    assert words in line.plain
            if width >= 125 and total:
                assert "labelprop · fog-3-drift · camel" in line.plain
                assert "━" in line.plain and "12.3 fps" in line.plain


def test_times_are_read_at_a_glance() -> None:
    assert [clock(s) for s in (None, 0.4, 61, 3661, 200_000)] == ["?", "0:00", "1:01", "1:01:01", "2d 07:33"]
    assert [duration(s) for s in (0.2, 89, 300, 7080, 7260, 400_000)] == [
        "1 s", "89 s", "5 min", "2 h", "2 h", "5 days",
    ]  # fmt: skip


def test_plain_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("robust_vos_bench.system.live.PLAIN_SECONDS", 0.1)
    for quiet in (False, True):
        line = LiveLine(lambda: Reading("work", 1, 4, "frames", elapsed=3, left=9), quiet)
        line.start()
        time.sleep(0.35)
        line.stop()
        said = capsys.readouterr().err.splitlines()
        assert set(said) == (set() if quiet else {"1/4 frames, 0:03 elapsed, 0:09 left, work"}) and len(said) < 5


def test_of_two_lines_the_inner_one_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A download while a run is prepared, say."""
    monkeypatch.setattr("robust_vos_bench.system.live.PLAIN_SECONDS", 0.02)
    outer = LiveLine(lambda: Reading("outer"))
    seen = []
    outer.start()
    for inner in (None, LiveLine(lambda: Reading("inner")), None):
        if inner is not None:
            inner.start()
        time.sleep(0.1)
        seen.append({line.split()[-1] for line in capsys.readouterr().err.splitlines()})
        if inner is not None:
            inner.stop()
            capsys.readouterr()
    outer.stop()
    assert seen == [{"outer"}, {"inner"}, {"outer"}]


def test_a_line_that_cannot_be_read_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robust_vos_bench.system.live.PLAIN_SECONDS", 0.01)
    line = LiveLine(lambda: Reading("x", 1 / 0))
    line.start()
    time.sleep(0.1)
    line.stop()


def test_causes_are_the_same_where_only_numbers_and_names_differ() -> None:
    causes = Causes()
    assert causes.is_new("model 'm' failed on video 'cat' at frame 3: bad (a.py:7)", ["cat", "m"])
    assert not causes.is_new("model 'm' failed on video 'dog' at frame 12: bad (a.py:7)", ["dog", "m"])
    assert causes.is_new("model 'm' failed on video 'dog' at frame 12: worse (a.py:7)", ["dog", "m"])
    assert causes.is_new("a/00001.jpg: truncated", exact=True) and causes.is_new("a/00002.jpg: truncated", exact=True)
    assert not causes.is_new("a/00001.jpg: truncated", exact=True)
    assert [text.split(":")[0] for text in causes.repeated()] == ["and 1 more like this"] * 2
    alone = Causes()
    for _ in range(76):
        alone.is_new("x")
    assert list(alone.repeated()) == ["and 75 more for the same reason"]


def test_a_terminal_sees_frames_from_the_first_second_on(clips: Path, tmp_path: Path) -> None:
    """A real (pseudo) terminal; one unit only, so that a bar of units would stand still."""
    pty = pytest.importorskip("pty")
    import subprocess
    import sys

    model = tmp_path / "slow.py"
    text = Path(__file__).with_name("models.py").read_text()
    model.write_text(text.replace("time.sleep(0.03)", "time.sleep(0.1)"))
    words = [sys.executable, "-m", "robust_vos_bench", "run", "-m", f"{model}:Slow", "-d", "folder"]
    words += ["--data-root", str(clips), "-c", "contrast", "-s", "1", "-w", "2", "-o", "out"]
    env = {**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm", "OMP_NUM_THREADS": "1"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while block := os.read(ours, 65536):
                seen += block
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    text = seen.decode()
    assert process.returncode == 0, text
    assert " 0/36 frames" in text and "starting worker processes" in text and "elapsed" in text
    shown = {int(n) for n in re.findall(r"(\d+)/36 frames", text)}
    whole = {0, 5, 6, 7, 11, 12, 13, 18, 23, 24, 25, 29, 30, 31, 36}  # sums of videos of 5, 6 and 7 frames
    assert shown - whole, "also within a unit"
