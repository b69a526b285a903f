"""Streams that are closed, broken, full or ASCII, narrow terminals, listeners that raise: the work is never lost."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.runs.records import UnitRecord
from robust_vos_bench.runs.store import RunStore

posix = pytest.mark.skipif(os.name == "nt", reason="a POSIX shell is needed")
CHATTY = '''
import sys
from robust_vos_bench import ModelCard, VOSAdapter

class Chatty(VOSAdapter):
    """Prints what an ASCII stream cannot show, and fails on one video."""

    card = ModelCard("chatty-né")

    def segment(self, video):
        print("Größe → 3 × 4", flush=True)
        print("naïve", file=sys.stderr)
        for _ in video.frames:
            if video.name == "b":
                raise ValueError("schön")
            yield video.prompts[0]
'''


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two videos of three frames, one with a name that ASCII lacks."""
    for name in ("b", "ärger"):
        for kind, picture in (("JPEGImages", (24, 32, 3)), ("Annotations", (24, 32))):
            (tmp_path / "clips" / kind / name).mkdir(parents=True)
            for t in range(3):
                data = np.zeros(picture, np.uint8)
                data[4:12, 3:13] = 1
                Image.fromarray(data).save(tmp_path / "clips" / kind / name / f"{t:05d}.png")
    (tmp_path / "chatty.py").write_text(CHATTY, encoding="utf-8")
    return tmp_path / "clips"


def command(clips: Path, *more: str, model: str = "static") -> str:
    words = ["run", "-m", model, "-d", "folder", "--data-root", str(clips), "-c", "contrast", "-s", "1", *more]
    return shlex.join([sys.executable, "-m", "robust_vos_bench.cli", *words])


def shell(text: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    settings = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    return subprocess.run(["bash", "-c", text], cwd=cwd, env=settings, capture_output=True, timeout=170, check=False)


def finished(out: Path) -> bool:
    manifest = RunStore(out).manifest()
    return manifest is not None and manifest.status == "complete" and (out / "scores.csv").is_file()


@posix
@pytest.mark.parametrize(
    "ending",
    [
        " | head -1 >/dev/null; exit ${PIPESTATUS[0]}",
        " | true; exit ${PIPESTATUS[0]}",
        " 2>&1 | true; exit ${PIPESTATUS[0]}",
        " 2> >(true)",
        " >&-",
        " 2>&-",
        " <&- >&- 2>&-",
        " --json | true; exit ${PIPESTATUS[0]}",
    ],
)
def test_nobody_reads_and_the_work_is_done(clips: Path, tmp_path: Path, ending: str) -> None:
    done = shell(command(clips, "-w", "1", "-o", "out") + ending, tmp_path)
    assert done.returncode == 0, done.stderr
    assert finished(tmp_path / "out") and b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


@posix
def test_nobody_reads_and_failures_keep_their_exit_code(clips: Path, tmp_path: Path) -> None:
    words = command(clips, "-o", "out", "-w", "1", model="chatty.py:Chatty")
    for ending in (" 2>&1 | true; exit ${PIPESTATUS[0]}", " >&- 2>&-"):
        assert shell(words + ending, tmp_path).returncode == 3
    wrong = shell(command(clips, model="nothing-like-it") + " >&- 2>&-", tmp_path)
    assert wrong.returncode == 2


@posix
def test_descriptors_that_were_closed_do_not_become_files_of_the_run(clips: Path, tmp_path: Path) -> None:
    """A library that prints to descriptor 2 must not print into a cell file that got its number."""
    text = CHATTY.replace(
        'print("naïve", file=sys.stderr)', 'import os; os.write(1, b"one\\n"); os.write(2, b"two\\n")'
    )
    (tmp_path / "raw.py").write_text(text.replace('video.name == "b"', "False"), encoding="utf-8")
    for workers in ("1", "2"):
        out = tmp_path / f"out{workers}"
        done = shell(command(clips, "-w", workers, "-o", str(out), model="raw.py:Chatty") + " <&- >&- 2>&-", tmp_path)
        assert done.returncode == 0 and finished(out)
        assert not any(b"-descriptor" in path.read_bytes() for path in out.rglob("*.*") if path.is_file())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", ["list presets", "data where --json", "--help"])
def test_a_full_disk_behind_stdout_is_told(tmp_path: Path, words: str) -> None:
    done = shell(f"{sys.executable} -m robust_vos_bench.cli {words} >/dev/full", tmp_path)
    assert done.returncode == 4 and b"standard output: cannot be written: the disk is full" in done.stderr
    assert b"Unexpected" not in done.stderr and b"Traceback" not in done.stderr
    assert shell(f"{sys.executable} -m robust_vos_bench.cli {words} 2>/dev/full", tmp_path).returncode == 0


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"},
                                      {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "646"}])  # fmt: skip
@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_ascii_streams_are_readable_and_the_work_is_done(
    clips: Path, tmp_path: Path, settings: dict[str, str], workers: str
) -> None:
    words = command(clips, "-w", workers, "-o", "out", model="chatty.py:Chatty")
    done = shell(words, tmp_path, **settings)
    assert done.returncode == 3, done.stderr
    records = RunStore(tmp_path / "out").records("clean", "chatty-né")
    assert records["ärger"].ok and "ValueError: schön" in records["b"].error
    text = done.stdout.decode("latin-1")
    assert b"Traceback" not in done.stderr and "mPC" in text and "contrast" in text
    if settings.get("PYTHONIOENCODING") != "latin-1":
        assert done.stdout.isascii() and done.stderr.isascii()
        assert "J&F in %" in text and " - J&F" in text and rb"chatty-n\xe9" in done.stderr


@posix
@pytest.mark.parametrize("settings", [{}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_names_that_are_not_text_are_named(clips: Path, tmp_path: Path, settings: dict[str, str]) -> None:
    """Of a disk that another system wrote, or of a locale that knows ASCII only."""
    root = tmp_path / "clips"
    if not settings:
        root = Path(os.fsdecode(bytes(tmp_path) + b"/clips-\xfc"))
        (tmp_path / "clips").rename(root)
    words = command(root, "-w", "1", "-o", "out")
    if not settings:
        assert shell(words, tmp_path).returncode == 0 and finished(tmp_path / "out")
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / "b").rename(os.fsdecode(bytes(root / kind) + b"/\xe4rger"))
    done = shell(words, tmp_path, **settings)
    assert done.returncode == 4 and b"rger': its name is not text here" in done.stderr, done.stderr


@pytest.mark.parametrize("kind", ["models", "corruptions", "presets", "datasets"])
@pytest.mark.parametrize("columns", ["1", "10", "20", "0"])
def test_lists_on_narrow_terminals(tmp_path: Path, kind: str, columns: str) -> None:
    settings = {"PYTHONIOENCODING": "ascii", "COLUMNS": columns}
    done = shell(f"{sys.executable} -m robust_vos_bench.cli list {kind}", tmp_path, **settings)
    assert done.returncode == 0 and done.stdout.isascii()
    name = {
        "models": b"labelprop",
        "corruptions": b"motion_blur",
        "presets": b"youtube-vos-p",
        "datasets": b"davis2017",
    }
    assert name[kind] in done.stdout


@posix
@pytest.mark.parametrize("columns", ["1", "10", "20"])
def test_a_run_on_a_narrow_terminal(clips: Path, tmp_path: Path, columns: str) -> None:
    """On a real (pseudo) terminal, with its bar."""
    import pty

    words = shlex.split(command(clips, "-w", "1", "-o", "out"))
    env = {**os.environ, "COLUMNS": columns, "LINES": "2", "TERM": "xterm", "OMP_NUM_THREADS": "1"}
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
    assert process.returncode == 0, seen.decode()
    assert finished(tmp_path / "out") and b"mPC" in seen and b"contrast" in seen and b"Traceback" not in seen


@posix
def test_a_terminal_that_goes_away(clips: Path, tmp_path: Path) -> None:
    import pty

    words = shlex.split(command(clips, "-w", "1", "-o", "out"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.close(ours)
    assert process.wait(120) == 0 and finished(tmp_path / "out")


@pytest.mark.parametrize("what", ["notice", "started", "unit", "finished"])
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_listener_that_raises_loses_nothing(clips: Path, tmp_path: Path, what: str, workers: int) -> None:
    told: list[str] = []

    class Fragile(rvos.Listener):
        def unit(self, record: UnitRecord) -> None:
            assert RunStore(tmp_path / "out").records(record.condition, record.model)[record.video] == record
            told.append(record.video)

    def fail(*facts: object) -> None:
        told.append("failed")
        raise ZeroDivisionError("of the listener")

    listener = Fragile()
    setattr(listener, what, fail)
    words = {"dataset": "folder", "data_root": clips, "severity": 1, "output": tmp_path / "out", "workers": workers}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if what == "notice":  # said of a damaged line
            rvos.run("static", "contrast", progress=False, **words)  # type: ignore[arg-type]
            (tmp_path / "out/cells/clean/static.jsonl").write_text("{}\n")
        done = rvos.run("static", "contrast", progress=listener, **words)  # type: ignore[arg-type]
    assert done.manifest.status == "complete" and finished(tmp_path / "out")
    assert told.count("failed") == 1
    said = [str(w.message) for w in caught if w.category is RuntimeWarning]
    assert len(said) == 1 and f"Fragile.{what} raised ZeroDivisionError: of the listener" in said[0]


def test_a_listener_stops_a_run_with_keyboard_interrupt(clips: Path, tmp_path: Path) -> None:
    class Enough(rvos.Listener):
        def unit(self, record: UnitRecord) -> None:
            raise KeyboardInterrupt

    words = {"dataset": "folder", "data_root": clips, "severity": 1, "output": tmp_path / "out", "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        rvos.run("static", "contrast", progress=Enough(), **words)  # type: ignore[arg-type]
    manifest = RunStore(tmp_path / "out").manifest()
    assert manifest is not None and manifest.status == "interrupted" and manifest.units.ok == 1
    assert rvos.run("static", "contrast", progress=False, **words).manifest.units.ok == 4  # type: ignore[arg-type]


def test_streams_of_others_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    from robust_vos_bench.system.streams import forgiving

    before: tuple[Callable[..., int], Callable[..., int]] = sys.stdout.write, sys.stderr.write
    with forgiving():
        print("as ever")
    assert (sys.stdout.write, sys.stderr.write) == before and capsys.readouterr().out == "as ever\n"
