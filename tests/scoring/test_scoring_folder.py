"""Scoring folders of masks, and the command line over them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from helpers.scoring import edges
from helpers.scoring.clips import make_truth, write_clip
from robust_vos_bench.cli.score import command
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import DataError, RvosError, UsageError
from robust_vos_bench.scoring import PackedTruth, VideoScorer, backends, compiled
from robust_vos_bench.scoring.folder import FolderScorer

ANSWERS = json.loads((Path(__file__).parent / "edge_answers.json").read_text())
NAMES = ("J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A DAVIS-2017 root of two videos without frames, and good predictions in `results`."""
    cases = {"alpha": edges.cases()["01_plain"], "beta": edges.cases()["12_pred_missing_top_id"]}
    for name, case in cases.items():
        edges.write_case(case, tmp_path / "Annotations" / "480p" / name, tmp_path / "results" / name)
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2017" / "val.txt").write_text("alpha\nbeta\n")
    return tmp_path


def run(root: Path, *arguments: str) -> Result:
    words = ["--dataset", "davis2017:val", "--data-root", str(root), "--predictions", str(root / "results"), *arguments]
    return CliRunner().invoke(command, words)


def error(root: Path, *arguments: str) -> RvosError:
    result = run(root, *arguments)
    assert isinstance(result.exception, RvosError), result.output
    return result.exception


def test_json_has_the_official_numbers(root: Path) -> None:
    result = run(root, "--json", "--output", str(root / "out" / "scores.json"))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((root / "out" / "scores.json").read_text())
    assert found["protocol"] == "davis"
    assert [(o["sequence"], o["object"]) for o in found["objects"]] == [("alpha", 1), ("beta", 1), ("beta", 2)]
    expected = ANSWERS["01_plain"]["objects"] + ANSWERS["12_pred_missing_top_id"]["objects"]
    assert [[o[name] for name in NAMES] for o in found["objects"]] == expected
    assert found["global"]["J-Mean"] == np.mean([row[0] for row in expected])
    assert list(found["global"]) == ["J&F-Mean", *NAMES]


def test_text_table(root: Path) -> None:
    result = run(root)
    assert result.exit_code == 0
    assert "alpha_1" in result.stdout
    assert "mean of 3" in result.stdout
    assert "official DAVIS numbers" in result.stdout
    assert "not official" in run(root, "--protocol", "ranges").stdout


def test_official_csv(root: Path) -> None:
    assert run(root, "--official-csv", str(root / "csv")).exit_code == 0
    rows = (root / "csv" / "per-sequence_results-val.csv").read_text()
    assert rows == "Sequence,J-Mean,F-Mean\nalpha_1,0.655,0.115\nbeta_1,1.000,1.000\nbeta_2,0.000,0.000\n"
    head, values = (root / "csv" / "global_results-val.csv").read_text().splitlines()
    assert head == "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay"
    assert values == "0.462,0.552,0.667,-0.022,0.372,0.333,0.021"


def test_null_where_there_is_no_number(tmp_path: Path) -> None:
    edges.write_case(edges.cases()["25_two_frames"], tmp_path / "Annotations/480p/alpha", tmp_path / "results/alpha")
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2017" / "val.txt").write_text("alpha\n")
    found = json.loads(run(tmp_path, "--json").stdout)
    assert found["objects"][0]["J-Mean"] is None
    assert found["global"]["J&F-Mean"] is None
    assert run(tmp_path, "--official-csv", str(tmp_path)).exit_code == 0
    assert (tmp_path / "per-sequence_results-val.csv").read_text().endswith("\nalpha_1,,\n")


def test_limit_and_workers_do_not_change_numbers(root: Path) -> None:
    whole = json.loads(run(root, "--json", "--workers", "2").stdout)["objects"]
    assert json.loads(run(root, "--json", "--limit", "1").stdout)["objects"] == whole[:1]
    for backend in ("numpy", "numba"):
        assert json.loads(run(root, "--json", "--backend", backend).stdout)["objects"] == whole


def test_missing_masks(root: Path) -> None:
    for name in ("00003", "00005"):
        (root / "results" / "beta" / f"{name}.png").unlink()
    message = str(error(root, "--workers", "2"))
    assert message.startswith(f"{root}/results/beta/00003.png: no such mask and 1 more")
    assert error(root).exit_code == 4


def test_missing_folders(root: Path) -> None:
    (root / "results" / "beta").rename(root / "gone")
    assert str(error(root)).startswith(f"{root}/results/beta: no such folder")
    (root / "results").rename(root / "away")
    assert "does not exist" in str(error(root))
    (root / "results").write_text("a file")
    assert "is a file" in str(error(root))
    assert error(root).exit_code == 4


def test_damaged_masks_name_the_file(root: Path) -> None:
    path = root / "results" / "alpha" / "00004.png"
    data = path.read_bytes()
    for workers in ("1", "2"):
        path.write_bytes(data[:-20])
        assert f"{path}: truncated PNG" in str(error(root, "--workers", workers))
        path.write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
        assert f"{path}: damaged PNG" in str(error(root, "--workers", workers))
    path.write_bytes(data)
    truth = root / "Annotations" / "480p" / "alpha" / "00002.png"
    truth.write_bytes(truth.read_bytes()[:-20])
    assert f"{truth}: truncated PNG" in str(error(root))


def test_wrong_words(root: Path) -> None:
    assert isinstance(error(root, "--protocol", "davies"), UsageError)
    assert isinstance(error(root, "--range-end", "video"), UsageError)
    assert isinstance(error(root, "--protocol", "ranges", "--range-end", "frame"), UsageError)
    assert isinstance(error(root, "--backend", "numbat"), UsageError)
    assert run(root, "--workers", "0").exit_code == 2


def test_binary_masks_by_the_rule_of_the_data_set(root: Path) -> None:
    (root / "ImageSets" / "2016").mkdir()
    (root / "ImageSets" / "2016" / "val.txt").write_text("alpha\n")
    case = edges.cases()["10_binary255_both"]
    edges.write_case(case, root / "Annotations/480p/alpha", root / "results/alpha")
    words = ["--dataset", "davis2016:val", "--data-root", str(root), "--predictions", str(root / "results"), "--json"]
    found = json.loads(CliRunner().invoke(command, words).stdout)
    assert [found["objects"][0][name] for name in NAMES] == ANSWERS["01_plain"]["objects"][0]


def test_kept_truth_gives_the_same_numbers(root: Path) -> None:
    data = open_dataset("davis2017:val", root)
    scorer = FolderScorer(data, budget=1 << 24)
    first = scorer.score(root / "results")
    for path in (root / "Annotations").rglob("*.png"):
        path.unlink()
    assert scorer.score(root / "results") == first


def test_video_without_published_truth_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_dataset("davis2017:val", root)
    monkeypatch.setattr(data, "truth", lambda name: None)
    with pytest.raises(DataError, match="does not publish the truth of video 'alpha'"):
        FolderScorer(data).score(root / "results")


def test_memory_does_not_grow_with_the_video(tmp_path: Path, backend: str) -> None:
    """Sixteen times the frames, less than twice the memory."""
    mask = np.zeros((120, 214), np.uint8)
    mask[20:70, 30:100] = 1

    def peak(frames: int) -> int:
        paths = write_clip(tmp_path / str(frames), [mask] * 2)
        packed = PackedTruth(make_truth([mask] * frames), budget=0)
        scorer = VideoScorer(packed, backend=backend)
        tracemalloc.start()
        for t in scorer.frames:
            scorer.add_file(t, paths[0])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)
    assert peak(640) < 2 * peak(40)


def test_importing_stays_cheap() -> None:
    code = (
        "import sys; import robust_vos_bench.scoring, robust_vos_bench.cli.score; "
        "print([m for m in ('numba', 'cv2', 'torch', 'pandas', 'skimage', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_small_jobs_need_no_compiler(root: Path) -> None:
    code = (
        "import sys; from robust_vos_bench.cli.score import command\n"
        "try: command(sys.argv[1:], standalone_mode=False)\n"
        "finally: print('numba' in sys.modules, file=sys.stderr)"
    )
    words = ["--dataset", "davis2017:val", "--data-root", str(root), "--predictions", str(root / "results")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stderr.split()[-1] == "False"


def test_choice_of_back_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, backends._MODULE, raising=False)
    for ready, expected in ((False, ["numpy", "numpy", "numba"]), (True, ["numpy", "numba", "numba"])):
        monkeypatch.setattr(compiled, "ready", lambda ready=ready: ready)
        found = [backends.choose_backend("auto", frames, (480, 854)) for frames in (70, 1400, 60_000)]
        assert found == expected
    for storable, expected in ((True, ["numpy", "numba"]), (False, ["numpy", "numpy"])):
        monkeypatch.setattr(compiled, "ready", lambda: False)
        monkeypatch.setattr(compiled, "storable", lambda storable=storable: storable)
        found = [backends.choose_backend("auto", frames, (480, 854), again=True) for frames in (70, 877)]
        assert found == expected  # who scores DAVIS val compiles once, where the kernels can be kept
    monkeypatch.setitem(sys.modules, backends._MODULE, sys)
    assert backends.choose_backend("auto", 1, (480, 854)) == "numba"
    assert backends.choose_backend("numpy", 10**6, (480, 854)) == "numpy"


def test_kernels_work_where_nothing_can_be_stored(tmp_path: Path) -> None:
    """The cache folder is a file: compiled for this process alone, without an error."""
    (tmp_path / "file").write_text("")
    code = (
        "from robust_vos_bench.scoring import compiled\n"
        "import numba\n"
        "f = compiled.kernel(numba.int64(numba.int64))(lambda x: x + 1)\n"
        "compiled.mark_ready()\n"
        "print(f(1), compiled.ready())"
    )
    environment = {**os.environ, "RVOS_BENCH_CACHE": str(tmp_path / "file")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["2", "False"]


SMALL = (
    "import numba, sys, time\n"
    "from robust_vos_bench.scoring import compiled\n"
    "with compiled.alone():\n"
    "    f = compiled.kernel(numba.int64(numba.int64))(lambda x: x + 1)\n"
    "    time.sleep(float(sys.argv[1]))\n"
    "print(f(1), sum(f.stats.cache_hits.values()))"
)


def small(cache: Path, seconds: float = 0.0) -> subprocess.Popen[str]:
    """A process that compiles a kernel or loads it, and holds the lock for so long."""
    environment = {**os.environ, "RVOS_BENCH_CACHE": str(cache)}
    command = [sys.executable, "-c", SMALL, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_of_several_processes_one_compiles(tmp_path: Path) -> None:
    told = sorted(process.communicate()[0].strip() for process in [small(tmp_path, 0.2) for _ in range(3)])
    assert told == ["2 0", "2 1", "2 1"]


def test_damaged_kernels_are_compiled_again(tmp_path: Path) -> None:
    assert small(tmp_path).communicate()[0].split() == ["2", "0"]
    stored = list(tmp_path.rglob("*.nb*"))
    assert stored
    for path in stored:
        path.write_bytes(path.read_bytes()[:40])
    assert small(tmp_path).communicate()[0].split() == ["2", "0"]


@pytest.mark.slow
def test_the_second_scoring_is_fast(tmp_path: Path) -> None:
    """The first compiles and says so; the second loads the kernels; the bits are those of numpy."""
    rng = np.random.default_rng(0)
    truth = np.zeros((backends.LOADING + 5, 480, 854), np.uint8)
    truth[:, 100:300, 200:500] = 1
    result = truth * (rng.random((len(truth), 1, 854)) < 0.9)
    write_clip(tmp_path / "Annotations" / "480p" / "clip", truth)
    write_clip(tmp_path / "results" / "clip", result)
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2017" / "val.txt").write_text("clip\n")
    words = ["score", "--dataset", "davis2017:val", "--data-root", str(tmp_path), "--json"]
    words += ["--predictions", str(tmp_path / "results")]
    told, seconds = [], []
    for more in ([], [], ["--backend", "numpy"]):
        start = time.perf_counter()
        code = "from robust_vos_bench.cli import main; main()"
        environment = {**os.environ, "RVOS_BENCH_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(
            [sys.executable, "-c", code, *words, *more], capture_output=True, text=True, env=environment, check=True
        )
        seconds.append(time.perf_counter() - start)
        told.append((done.stdout, "Compiling" in done.stderr))
    assert [said for _, said in told] == [True, False, False]
    assert told[0][0] == told[1][0] == told[2][0]
    assert seconds[1] < seconds[0] / 2


@pytest.mark.slow
def test_kernels_are_stored_once_and_loaded_after(tmp_path: Path) -> None:
    code = (
        "from robust_vos_bench.scoring import backends, compiled\n"
        "before = compiled.ready()\n"
        "k = backends.load_kernels()\n"
        "hits = [sum(f.stats.cache_hits.values()) for f in (k.read_png, k.paint_dense, k.crop_truth, k.count)]\n"
        "print(before, compiled.ready(), hits)"
    )
    environment = {**os.environ, "RVOS_BENCH_CACHE": str(tmp_path)}
    for expected in ("False True [0, 0, 0, 0]", "True True [1, 1, 1, 1]"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.strip() == expected
