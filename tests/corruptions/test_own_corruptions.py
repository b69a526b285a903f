"""Corruptions of one's own: in a file, in a script, in several processes, edited between runs, and wrong ones."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.conditions import Condition, condition_fingerprint, corrupt_video, corruption, select
from robust_vos_bench.conditions.catalogue import CORRUPTIONS
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import ContractError, RvosError, UsageError

OWN = """
import numpy as np
from robust_vos_bench.conditions import corruption

LIGHT = (0.9, 0.7, 0.5)


def scaled(frame, light):
    return np.rint(frame * light).astype(np.uint8)


@corruption("darker", "mine", levels=3, values=LIGHT, temporal=("frame",))
def darker(frame, severity, draw):
    return scaled(frame, LIGHT[round(severity) - 1] - draw.rng().uniform(0, 0.05))
"""

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from robust_vos_bench import Condition
from robust_vos_bench.conditions import corruption
from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.run import run_plan


@corruption("darker", "mine", values=(0.9, 0.8, 0.7, 0.6, 0.5))
def darker(frame, severity, draw):
    return scaled(frame, 1 - 0.1 * severity)


def scaled(frame, light):
    return np.rint(frame * light).astype(np.uint8)


data = open_dataset("demo", limit=2)
plan = build_plan([build_model("static")], data, [Condition("darker", 3)], PresetInfo("own", 1, ""))
done = run_plan(plan, Path(sys.argv[1]), ["cpu"] * int(sys.argv[2]))
print(done.status, done.units.ok, done.units.failed)
"""


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )


def rvos(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run("-m", "robust_vos_bench.cli", *words, cwd=cwd)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return file


def clip() -> Video:
    rng = np.random.default_rng(0)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:15] = 1
    return Video.from_arrays(rng.integers(0, 256, (4, 20, 30, 3), dtype=np.uint8), mask)


def frames(condition: Condition) -> np.ndarray:
    return np.stack(list(corrupt_video(clip(), condition).frames))


def test_a_file_from_python(own: Path) -> None:
    condition = Condition(f"{own}:darker", 3, "frame")
    assert condition.corruption == "darker" and condition.label == "darker-3-frame"
    assert "origin" not in condition.to_dict() and str(own) not in repr(condition.to_dict())
    made = frames(condition)
    assert 0.4 < made.mean() / np.stack(list(clip().frames)).mean() < 0.55
    sent = pickle.loads(pickle.dumps(condition))
    assert sent == condition and (frames(sent) == made).all()
    assert select(f"{own}:darker", [3])[0] == [condition]
    assert "darker" not in CORRUPTIONS.usable(), "a file is known by its path alone"


def test_another_process_needs_no_file(own: Path) -> None:
    condition = Condition(f"{own}:darker", 3, "frame")
    made, sent = frames(condition), pickle.dumps((clip(), condition))
    own.unlink()
    code = (
        "import pickle, sys, hashlib; import numpy as np; from robust_vos_bench.conditions import *\n"
        "video, condition = pickle.load(sys.stdin.buffer)\n"
        "made = np.stack(list(corrupt_video(video, condition).frames))\n"
        "print(condition_fingerprint(condition), hashlib.sha256(made.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True)
    told = [condition_fingerprint(condition), hashlib.sha256(made.tobytes()).hexdigest()]
    assert done.stdout.decode().split() == told


def test_the_digest_of_the_file_is_in_the_fingerprint(own: Path) -> None:
    before = condition_fingerprint(Condition(f"{own}:darker", 3))
    assert condition_fingerprint(Condition(f"{own}:darker", 3)) == before
    elsewhere = own.with_name("copy.py")
    elsewhere.write_text(OWN)
    assert condition_fingerprint(Condition(f"{elsewhere}:darker", 3)) == before, "the same text"
    old = Condition(f"{own}:darker", 3)
    own.write_text(OWN.replace("0.5)", "0.4)"))
    new = Condition(f"{own}:darker", 3)
    assert condition_fingerprint(new) != before == condition_fingerprint(old)
    assert frames(new).mean() < frames(old).mean(), "each with its own text, in one process"


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_script_with_its_own_corruption(workers: int, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = run("script.py", "out", workers, cwd=tmp_path)
    assert done.stdout.split() == ["complete", "4", "0"], done.stdout + done.stderr


def test_the_command_line_with_any_number_of_workers(own: Path, tmp_path: Path) -> None:
    words = ["run", "-m", "static", "--corruption", "./own.py:darker,contrast", "-s", "1,3", "--limit", 2, "--device"]
    words += ["cpu", "-o"]
    scores = []
    for workers in (1, 2, 4):
        done = rvos(*words, workers, "-w", workers, cwd=tmp_path)
        assert done.returncode == 0 and "10/10 units done" in done.stderr, done.stderr
        scores.append((tmp_path / str(workers) / "scores.csv").read_bytes())
    assert scores[0] == scores[1] == scores[2]
    labels = {c["label"] for c in json.loads((tmp_path / "1" / "run.json").read_text())["conditions"]}
    assert labels == {"clean", "darker-1-frame", "darker-3-frame", "contrast-1", "contrast-3"}
    assert "0 units" not in rvos(*words, 1, "-w", 1, "--dry-run", "--no-probe", cwd=tmp_path).stderr
    done = rvos("corrupt", "-c", "./own.py:darker", "-s", 1, "--limit", 2, "-w", 2, "-o", "split", cwd=tmp_path)
    assert done.returncode == 0 and len(list(tmp_path.glob("split/darker-1-frame/JPEGImages/*"))) == 2, done.stderr


def test_an_edited_file_runs_again(own: Path, tmp_path: Path) -> None:
    words = ["run", "-m", "static", "-c", "./own.py:darker,contrast", "-s", 1, "--limit", 1, "-w", 1, "-o", "out"]
    assert rvos(*words, cwd=tmp_path).returncode == 0
    cells = {p: p.read_text() for p in (tmp_path / "out" / "cells").glob("*/*.jsonl")}
    own.write_text(OWN.replace("0.9", "0.1"))
    done = rvos(*words, cwd=tmp_path)
    assert done.returncode == 0 and "3/3 units done" in done.stderr, done.stderr
    again = {p for p, text in cells.items() if p.read_text() != text}
    assert len(again) == 1 and "darker-1-frame" in str(again.pop())


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("own.py:absent", 2, "it has darker"),
        ("own.py:scaled", 2, "decorate it with @corruption('scaled', FAMILY)"),
        ("nothing.py:darker", 2, "nothing.py"),
        ("fog.py:fog", 5, "the name of a built-in corruption"),
        ("broken.py:darker", 5, "ZeroDivisionError"),
        ("leaves.py:darker", 5, "SystemExit"),
        ("named.py:a", 5, "letters, digits and underscores"),
        ("own.py:darker,two.py:darker", 2, "two corruptions are named 'darker'"),
        ("own.py:darkr", 2, "it has darker"),
    ],
)
def test_wrong_files_are_explained(
    name: str,
    code: int,
    told: str,
    own: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "fog.py").write_text(OWN.replace("darker", "fog"))
    (tmp_path / "two.py").write_text(OWN + "\n# another text\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "leaves.py").write_text("exit(0)\n")
    (tmp_path / "named.py").write_text(OWN.replace('"darker"', '"a/b"').replace("def darker", "def a"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        main(["run", "-m", "static", "-c", name, "--dry-run", "--no-probe"])
    out, err = capsys.readouterr()
    assert done.value.code == code and told in err, err
    assert "Traceback" not in err and out == ""


WRONG = """
import random
import numpy as np
from robust_vos_bench.conditions import corruption

@corruption("floats", "wrong")
def floats(frame, severity, draw):
    return frame / 2.0

@corruption("cropped", "wrong")
def cropped(frame, severity, draw):
    return frame[1:]

@corruption("short", "wrong", scope="clip")
def short(frames, severity, draw):
    yield from list(frames)[1:]

@corruption("drawing", "wrong")
def drawing(frame, severity, draw):
    return frame + np.random.randint(0, 2, frame.shape).astype(np.uint8)

@corruption("python_draw", "wrong", scope="clip")
def python_draw(frames, severity, draw):
    for frame in frames:
        yield (frame // 2 + random.randrange(9)).astype(np.uint8)

@corruption("in_place", "wrong")
def in_place(frame, severity, draw):
    frame //= 2
    return frame

@corruption("hidden", "wrong")
def hidden(frame, severity, draw):
    hidden.count = getattr(hidden, "count", 0) + 1
    return (frame // 2 + hidden.count % 50).astype(np.uint8)

@corruption("undeclared", "wrong")
def undeclared(frame, severity, draw):
    return (frame // 2 + draw.rng().integers(0, 50, frame.shape)).astype(np.uint8)

@corruption("brittle", "wrong")
def brittle(frame, severity, draw):
    return np.ascontiguousarray(frame[::-1]) if frame.shape[0] > 2 else frame[5]

@corruption("loses", "wrong", scope="prompt")
def loses(mask, severity, draw):
    return np.where(mask == 7, 0, mask).astype(np.uint8)

@corruption("whole", "wrong", scope="clip")
def whole(frames, severity, draw):
    yield from [255 - frame for frame in frames]

@corruption("idle", "wrong")
def idle(frame, severity, draw):
    return frame.copy()
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("floats", "broke its contract on 'clip', frame 0: expected RGB uint8 (20, 30, 3), got float64"),
        ("cropped", "got uint8 (19, 30, 3)"),
        ("short", "expected 4 frames, got 3"),
        ("drawing", "draws from the global generator (numpy.random)"),
        ("python_draw", "draws from the global generator (random)"),
        ("in_place", "read-only"),
    ],
)
def test_wrong_frames_fail_the_video(name: str, told: str, tmp_path: Path) -> None:
    import random

    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    before, python = np.random.get_state()[1].copy(), random.getstate()  # type: ignore[union-attr]
    with pytest.raises(RvosError) as error:
        frames(Condition(f"{file}:{name}", 1))
    assert f"corruption {name}-1" in str(error.value) and told in str(error.value)
    assert (np.random.get_state()[1] == before).all() and random.getstate() == python  # type: ignore[union-attr]


def test_a_wrong_corruption_fails_its_videos_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    words = ["run", "-m", "static", "-c", "wrong.py:drawing,contrast", "-s", 1, "--limit", 2, "-w", 2, "-o", "out"]
    done = rvos(*words, cwd=tmp_path)
    assert done.returncode == 3 and "4/6 units done, 2 failed" in done.stderr
    assert "drawing-1" in done.stderr and "global generator" in done.stderr


@pytest.mark.parametrize(
    ("name", "check", "told"),
    [
        ("floats", "frames keep the contract", "float64"),
        ("cropped", "frames keep the contract", "(47, 65, 3)"),
        ("short", "frames keep the contract", "expected 40 frames, got 39"),
        ("drawing", "global state is left alone", "numpy.random"),
        ("python_draw", "global state is left alone", "random"),
        ("in_place", "input is not modified", "frame 0"),
        ("hidden", "same result twice", "draw.rng()"),
        ("undeclared", "draws are declared", "temporal="),
        ("brittle", "tiny and odd sizes", "IndexError"),
        ("loses", "masks keep their ids", "gone"),
    ],
)
def test_check_names_the_fault(name: str, check: str, told: str, tmp_path: Path) -> None:
    from robust_vos_bench.conditions.check import check_corruption

    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    report = check_corruption(CORRUPTIONS.find(f"{file}:{name}"))
    broken = [f for f in report.findings if f.level == "broken"]
    assert any(f.check.startswith(check) and told in f.detail for f in broken), report.findings
    assert not report.ok and "failed: " in report.verdict


@pytest.mark.parametrize(("name", "check"), [("whole", "frames are streamed"), ("idle", "something changes")])
def test_check_warns(name: str, check: str, tmp_path: Path) -> None:
    from robust_vos_bench.conditions.check import check_corruption

    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    report = check_corruption(CORRUPTIONS.find(f"{file}:{name}"))
    assert report.ok and [f.check for f in report.findings if f.level == "warning"] == [check]


@pytest.mark.parametrize("name", ["fog", "motion_blur", "frozen_frames", "prompt_shift", "elastic_transform"])
def test_built_in_corruptions_pass_check(name: str) -> None:
    from robust_vos_bench.conditions.check import check_corruption

    report = check_corruption(CORRUPTIONS.find(name))
    assert [f for f in report.findings if f.level in ("broken", "warning")] == []


def test_check_from_the_command_line(own: Path, tmp_path: Path) -> None:
    done = rvos("check", "own.py:darker", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("corruption 'darker' passed: ")
    done = rvos("check", "own.py:scaled", cwd=tmp_path)
    assert done.returncode == 2 and "--kind model|corruption|dataset" in done.stderr
    (tmp_path / "wrong.py").write_text(WRONG)
    done = rvos("check", "wrong.py:floats", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 5 and report["corruption"] == "floats" and not report["ok"]
    assert "corruption 'floats' failed: " in done.stderr


def test_names_that_mean_two_things_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from robust_vos_bench.api.check import find_kind
    from robust_vos_bench.registry import Item

    assert (find_kind("fog"), find_kind("static"), find_kind("davis2017:val")) == ("corruption", "model", "dataset")
    monkeypatch.setitem(CORRUPTIONS.builtin(), "static", Item(CORRUPTIONS.find("fog").value))
    with pytest.raises(UsageError, match=r"'static' is a model and a corruption; say which with --kind model\|corr"):
        find_kind("static")


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    def plain(frame: np.ndarray, severity: float, draw: object) -> np.ndarray:
        return frame

    decorated = corruption("left_as_it_is", "test")(plain)
    CORRUPTIONS.remove("left_as_it_is")
    assert decorated is plain


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"scope": "video"}, "scopes are frame, clip, prompt"),
        ({"temporal": ("always",)}, "modes are frame, video, drift"),
        ({"levels": 0}, "at least 1"),
    ],
)
def test_fields_that_mean_nothing_are_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        corruption("wrong", "test", **fields)(lambda frame, severity, draw: frame)
    with pytest.raises(UsageError, match="the name of a built-in corruption"):
        corruption("fog", "test")(lambda frame, severity, draw: frame)


def test_a_preset_names_a_file_beside_it(own: Path, tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(
        '[preset]\nname = "mine"\nversion = 1\ndescription = "d"\n[[corruption]]\nname = "own.py:darker"\n'
        'severities = [2]\n[[corruption]]\nname = "fog"\nseverities = [1]\n'
    )
    conditions, info = select(preset=str(preset))
    assert [c.label for c in conditions] == ["darker-2-frame", "fog-1-drift"] and info.corruptions == ("darker", "fog")
    assert frames(conditions[0]).mean() < np.stack(list(clip().frames)).mean()


def test_what_cannot_be_sent_says_so() -> None:
    import threading

    lock = threading.Lock()

    def held(frame: np.ndarray, severity: float, draw: object) -> np.ndarray:
        with lock:
            return frame

    corruption("held", "test")(held)
    try:
        with pytest.raises(UsageError, match=r"'held' .* cannot be sent to worker processes.*file\.py:held"):
            pickle.dumps(Condition("held", 1))
    finally:
        CORRUPTIONS.remove("held")


def test_a_package_that_is_missing_elsewhere_is_named() -> None:
    from robust_vos_bench.origin import Origin

    with pytest.raises(UsageError, match=r"comes from package other-example 2\.0, which is not installed"):
        Condition("vignette", 1, origin=Origin("package", "other-example 2.0"))
    arrived = copy.copy(Condition("fog", 1))  # as from another process, where nothing is asked when it is made
    arrived.__dict__.update(corruption="vignette", origin=Origin("package", "other-example 2.0"))
    with pytest.raises(UsageError, match=r"comes from package other-example 2\.0, which is not installed"):
        condition_fingerprint(arrived)


@pytest.mark.slow
def test_ray_nodes_get_the_file_too(own: Path, tmp_path: Path) -> None:
    """The model's file as well; the tasks run in a folder from which neither path leads anywhere."""
    pytest.importorskip("ray", reason="needs the extra: pip install 'rvos-bench[ray]'")
    (tmp_path / "model.py").write_text(
        "import numpy as np\nfrom robust_vos_bench import ModelCard, StreamingAdapter\n"
        "class Still(StreamingAdapter):\n    card = ModelCard('still')\n"
        "    def reset(self, video):\n        self.mask = np.zeros(video.size, np.uint8)\n"
        "    def step(self, frame, prompt, last):\n"
        "        self.mask = self.mask if prompt is None else np.where(prompt > 0, prompt, self.mask)\n"
        "        return self.mask.copy()\n"
    )
    words = ["run", "-m", "model.py:Still", "-c", "own.py:darker", "-s", 3, "--limit", 2, "--device", "cpu", "-o"]
    assert rvos(*words, "alone", "-w", 1, cwd=tmp_path).returncode == 0
    done = rvos(*words, "ray", "--engine", "ray", cwd=tmp_path)
    assert done.returncode == 0 and "4/4 units done" in done.stderr, done.stderr
    assert (tmp_path / "ray" / "scores.csv").read_bytes() == (tmp_path / "alone" / "scores.csv").read_bytes()
    # What a task on a node without the files does, in a process of its own.
    code = (
        "import pickle, sys; from pathlib import Path; from robust_vos_bench.runs.work.worker import Worker\n"
        "plan = pickle.load(sys.stdin.buffer); worker = Worker(plan, 'cpu', Path('there'))\n"
        "groups = plan.groups(list(plan.units()))\n"
        "print([(record.status, record.error) for g in groups for record, *_ in worker.run(g)])\n"
    )
    from robust_vos_bench.conditions.presets import PresetInfo
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.runs.build import build_model, build_plan

    model = build_model(f"{tmp_path / 'model.py'}:Still")
    condition = Condition(f"{own}:darker", 3)
    plan = build_plan([model], open_dataset("demo", limit=1), [condition], PresetInfo("custom", 0, ""))
    sent = pickle.dumps(plan)
    own.unlink()
    (tmp_path / "model.py").unlink()
    ran = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stdout.decode().strip() == "[('ok', ''), ('ok', '')]"


def test_two_names_for_one_condition_are_refused_in_a_plan(own: Path) -> None:
    from robust_vos_bench.conditions.presets import PresetInfo
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.runs.build import build_model, build_plan

    other = own.with_name("other.py")
    other.write_text(OWN + "\n# other\n")
    both = [Condition(f"{own}:darker", 1), Condition(f"{other}:darker", 2)]
    with pytest.raises(UsageError, match="two corruptions are named 'darker'"):
        build_plan([build_model("static")], open_dataset("demo", limit=1), both, PresetInfo("custom", 0, ""))


def test_a_file_with_a_built_in_name_is_refused_in_python(tmp_path: Path) -> None:
    file = tmp_path / "fog.py"
    file.write_text(OWN.replace("darker", "fog"))
    with pytest.raises(ContractError, match="could not be told apart"):
        Condition(f"{file}:fog", 1)
