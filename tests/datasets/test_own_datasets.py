"""Data sets of one's own: in a file, in a script, in several processes, and wrong ones."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset_files import boxes, numbers, write_video

from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import DATASETS, Dataset, open_dataset
from robust_vos_bench.datasets.check import check_dataset
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.errors import ContractError, RvosError, UsageError
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.scoring import make_protocol

EXAMPLE = Path(__file__).parents[1] / "plugin" / "rvos_example" / "data.py"
FOLDERS = """
from robust_vos_bench.datasets.layout import FolderDataset


class Mine(FolderDataset):
    protocol = "ranges"
    movable = True

    def __init__(self, root=None, split="", limit=None, videos=None):
        super().__init__(limit, videos)
        self.name = "mine"
        self.root, self.frames_root, self.masks_root = root, root / "JPEGImages", root / "Annotations"

    def _all_videos(self):
        return sorted(p.name for p in self.frames_root.iterdir())

    def at(self, root, videos):
        return Mine(root, videos=videos)


def factory(*, root, split, limit, videos):
    return Mine(root, split, limit, videos)
"""


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file with a data set of folders, and two videos for it in `videos`."""
    (tmp_path / "mine.py").write_text(FOLDERS)
    for name in ("a", "b"):
        masks = {stem: boxes([1, 2], t) for t, stem in enumerate(numbers(4))}
        write_video(tmp_path / "videos", name, masks, numbers(4))
    return tmp_path


def test_a_class_in_a_file() -> None:
    data = open_dataset(f"{EXAMPLE}:Squares:two", limit=2)
    assert data.name == "squares:two" and list(data.videos) == ["left", "right"] and data.split_size == 3
    assert open_dataset(f"{EXAMPLE}:Squares").name == "squares:one", "the first split is the default"
    assert open_dataset(f"{EXAMPLE}:Squares", videos=["slow"]).videos == ("slow",)
    with pytest.raises(UsageError, match="no split 'three'; it has one, two"):
        open_dataset(f"{EXAMPLE}:Squares:three")
    with pytest.raises(UsageError, match=r"has no data set 'Circles'; it has Squares, Clip"):
        open_dataset(f"{EXAMPLE}:Circles")


def test_another_process_needs_no_file(tmp_path: Path) -> None:
    file = tmp_path / "data.py"
    file.write_text(EXAMPLE.read_text())
    data = open_dataset(f"{file}:Squares")
    sent, told = pickle.dumps(data), data.fingerprint("left")
    file.unlink()
    code = "import pickle, sys; d = pickle.load(sys.stdin.buffer); print(d.fingerprint('left'), len(d.video('left')))"
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True)
    assert done.stdout.decode().split() == [told, "6"]


def test_the_command_line_with_any_number_of_workers(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(EXAMPLE.read_text())
    words = ["run", "-m", "static", "-c", "contrast", "-s", 1, "--device", "cpu", "-d", "./data.py:Squares:two", "-o"]
    scores = []
    for workers in (1, 2):
        done = run("-m", "robust_vos_bench.cli", *words, workers, "-w", workers, cwd=tmp_path)
        assert done.returncode == 0 and "6/6 units done" in done.stderr, done.stderr
        scores.append((tmp_path / str(workers) / "scores.csv").read_bytes())
    assert scores[0] == scores[1]
    assert json.loads((tmp_path / "1" / "run.json").read_text())["dataset"]["name"] == "squares:two"


def test_an_edited_file_is_another_data_set(mine: Path) -> None:
    """Its fingerprints tell of its files, not of what it makes of them."""

    def keys() -> list[str]:
        data = open_dataset(f"{mine}/mine.py:factory", mine / "videos")
        plan = build_plan([build_model("static")], pickle.loads(pickle.dumps(data)), [], PresetInfo("own", 1, ""))
        return [plan.key(unit.model, unit.condition, unit.video) for unit in plan.units()]

    before = keys()
    assert keys() == before
    (mine / "mine.py").write_text(FOLDERS + "\n# edited\n")
    assert len(before) == 2 and not set(keys()) & set(before)


SCRIPT = """
import sys
from pathlib import Path
from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.run import run_plan

plan = build_plan([build_model("static")], Squares(), [], PresetInfo("own", 1, ""))
done = run_plan(plan, Path("out"), ["cpu", "cpu"])
print(done.status, done.units.ok, done.units.failed)
"""


def test_a_class_in_a_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(EXAMPLE.read_text() + SCRIPT)
    done = run("script.py", cwd=tmp_path)
    assert done.stdout.split() == ["complete", "3", "0"], done.stdout + done.stderr


def test_folders_of_a_class_in_a_file(mine: Path) -> None:
    data = open_dataset(f"{mine / 'mine.py'}:Mine", mine / "videos")
    assert isinstance(data, FolderDataset) and list(data.videos) == ["a", "b"] and data.layout.root == mine / "videos"
    made = open_dataset(f"{mine / 'mine.py'}:factory", mine / "videos", limit=1)
    assert list(made.videos) == ["a"] and made.fingerprint("a") == data.fingerprint("a")
    report = check_dataset(data, make_protocol)
    assert report.ok and [f.check for f in report.findings if f.level != "ok"] == []
    done = run("-m", "robust_vos_bench.cli", "corrupt", "-d", "mine.py:Mine", "--data-root", "videos", "-c", "contrast",
               "-s", 1, "-w", 2, "-o", "out", cwd=mine)  # fmt: skip
    assert done.returncode == 0, done.stderr
    copy = open_dataset(f"{mine / 'mine.py'}:Mine", mine / "out" / "contrast-1")
    assert list(copy.videos) == ["a", "b"] and copy.fingerprint("a") != data.fingerprint("a")


def test_built_in_and_example_data_sets_pass_check() -> None:
    for data in (open_dataset("demo", limit=1), open_dataset(f"{EXAMPLE}:Squares:two")):
        report = check_dataset(data, make_protocol)
        assert [f for f in report.findings if f.level in ("broken", "warning")] == []


FAULTS = {
    'self._videos = select_videos(self.name, ("left", "right", "slow"), limit, videos)': (
        'self._videos = ("left", "left")',
        "names are unique",
        "'left' is there twice",
    ),
    'protocol = "ranges"': ('protocol = "mine"', "the protocol is known", "mine"),
    "dataset=self.name)": ('dataset="other")', "left: opens", "Video.dataset is 'other'"),
    "frame[mask == 1] = (220, 60, 40)": ("frame = frame[1:]; mask = mask[1:]", "left: frames", "(47, 64, 3)"),
    "default_rng(seed)": ("default_rng()", "left: frames", "differs when it is read again"),
    "{0: clip.mask(0)}": ("{0: clip.mask(0), 2: clip.mask(2)}", "left: prompts", "which was prompted before"),
    "[clip.mask(t) for t in range(FRAMES)]": ("[clip.mask(0)]", "left: truth", "1 masks, but 6 frame names"),
    "repr((VERSION, self._clip(name))).encode()": ("b'same'", "fingerprints", "two videos have the same one"),
    'self.name = f"squares:{split}"': (
        'self.name = f"squares:{split}"; self.lookup = lambda: 1',
        "works in another process",
        "lambda",
    ),
}


@pytest.mark.parametrize("line", FAULTS)
def test_check_names_the_fault(line: str, tmp_path: Path) -> None:
    put, check, told = FAULTS[line]
    text = EXAMPLE.read_text()
    assert text.count(line) >= 1
    (tmp_path / "data.py").write_text(text.replace(line, put))
    report = check_dataset(open_dataset(f"{tmp_path / 'data.py'}:Squares"), make_protocol)
    broken = [f for f in report.findings if f.level == "broken"]
    assert any(f.check.startswith(check) and told in f.detail for f in broken), report.findings


def test_a_fingerprint_that_overlooks_bytes_is_named(mine: Path) -> None:
    careless = FOLDERS.replace(
        "    def at(",
        "    def fingerprint(self, name):\n        return '0' * 63 + str('ab'.index(name))\n\n    def at(",
    )
    (mine / "mine.py").write_text(careless)
    report = check_dataset(open_dataset(f"{mine / 'mine.py'}:Mine", mine / "videos"), make_protocol)
    broken = {f.check: f.detail for f in report.findings if f.level == "broken"}
    assert list(broken) == ["the fingerprint changes with the bytes"] and "00000" in next(iter(broken.values()))


def test_a_data_set_that_decodes_ahead_is_named(mine: Path) -> None:
    lines = ["    def video(self, name):", "video = super().video(name)", "list(video.frames)", "return video"]
    eager = "\n        ".join(lines) + "\n\n"
    (mine / "mine.py").write_text(FOLDERS.replace("    def at(", eager + "    def at("))
    report = check_dataset(open_dataset(f"{mine / 'mine.py'}:Mine", mine / "videos"), make_protocol)
    broken = {f.check: f.detail for f in report.findings if f.level == "broken"}
    assert list(broken) == ["a: opens, names, sizes", "b: opens, names, sizes"]
    assert all("decodes 4 frames" in detail for detail in broken.values())


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("def Mine(**given): return 3", ContractError, "expected a Dataset, got int"),
        ("def Mine(**given): raise KeyError('x')", RvosError, "cannot be opened: KeyError"),
        ("def Mine(root): return root", RvosError, "unexpected keyword argument"),
        ("Mine = 3", UsageError, "has no data set 'Mine'"),
        ("1 / 0", ContractError, "ZeroDivisionError"),
        (
            EXAMPLE.read_text().replace("squares:", "davis2017:") + "\nMine = Squares",
            ContractError,
            "built-in data set",
        ),
        (
            EXAMPLE.read_text().replace('    protocol = "ranges"\n', "") + "\nMine = Squares",
            ContractError,
            "'protocol'",
        ),
    ],
)
def test_what_is_no_data_set_is_explained(text: str, kind: type[RvosError], told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(kind, match=told):
        open_dataset(f"{tmp_path / 'mine.py'}:Mine")


def test_built_in_data_sets_pickle_as_before() -> None:
    data = open_dataset("demo")
    assert isinstance(pickle.loads(pickle.dumps(data)), Dataset) and b"load_module" not in pickle.dumps(data)
    assert set(DATASETS.builtin()) >= {"demo", "davis2016", "davis2017", "folder"}
    assert np.array_equal(next(iter(data.video("cat").frames)), next(iter(data.video("cat").frames)))
