"""How fast J & F is computed, against the tools people use today.

    python benchmarks/scoring.py --data-root DAVIS-2016 --predictions RESULTS [--peer davis2017-evaluation] [--write]

Everything runs in one process on one core and takes turns, round by round; CPU time (`process_time`), medians over the
rounds, milliseconds an object and frame, from PNG files to final statistics. Peers: davis2017-evaluation from a clone
(`--peer`), vos-benchmark if it can be imported (`pip install --no-deps vos-benchmark tqdm`). All of them read the same
files: annotations binarised (1 object) or cut into three vertical stripes (3 objects), the predictions likewise.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.palette import palette
from robust_vos_bench.scoring import PackedTruth, VideoScorer
from robust_vos_bench.scoring.backends import load_kernels
from robust_vos_bench.scoring.folder import FolderScorer

PEERS = {"official": "davis2017-evaluation", "vos-benchmark": "vos-benchmark"}
HERE = Path(__file__).resolve().parent
TARGETS = {
    ("official", "numba, truth cached"): {1: 250, 3: 300},
    ("vos-benchmark", "numba, truth cached"): {1: 80, 3: 110},
    ("vos-benchmark", "numba, nothing cached"): {1: 40, 3: 45},
}


def stripes(mask: np.ndarray, extent: tuple[int, int]) -> np.ndarray:
    """A binary mask cut into three objects by column, as shares of the width between two columns."""
    x0, x1 = extent
    labels = np.clip(1 + 3 * (np.arange(mask.shape[1]) - x0) // (x1 - x0 + 1), 1, 3)
    return np.where(mask, labels[None].astype(np.uint8), 0).astype(np.uint8)


def write(path: Path, mask: np.ndarray) -> None:
    """A palette PNG, as result folders hold it."""
    image = Image.new("P", (mask.shape[1], mask.shape[0]))
    image.putpalette(palette())
    image.frombytes(mask.tobytes())
    image.save(path)


def make_data(root: Path, data_root: Path, predictions: Path, videos: list[str], objects: int) -> tuple[Path, int]:
    """A DAVIS-2017 root with these annotations, and the predictions beside it; the object-frames that are scored."""
    scored = 0
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("".join(f"{v}\n" for v in videos))
    for video in videos:
        truth_folder = root / "Annotations" / "480p" / video
        result_folder = root / "results" / video
        frame_folder = root / "JPEGImages" / "480p" / video
        for folder in (truth_folder, result_folder, frame_folder):
            folder.mkdir(parents=True)
        files = sorted((data_root / "Annotations" / "480p" / video).glob("*.png"))
        extent = (0, 0)
        for file in files:
            truth = np.array(Image.open(file)) > 0
            result = np.array(Image.open(predictions / video / file.name)) > 0
            columns = np.flatnonzero(truth.any(axis=0))
            if len(columns):
                extent = (int(columns[0]), int(columns[-1]))
            if objects == 3:
                truth, result = stripes(truth, extent), stripes(result, extent)
            write(truth_folder / file.name, truth.astype(np.uint8))
            write(result_folder / file.name, result.astype(np.uint8))
            Image.new("RGB", (16, 16)).save(frame_folder / f"{file.stem}.jpg")
        scored += (len(files) - 2) * objects
    return root, scored


def contenders(root: Path, videos: list[str], peer: Path | None) -> dict[str, Callable[[], float]]:
    """Name -> a job that scores everything and returns J&F; what is cached is filled before."""
    results = root / "results"
    data = open_dataset("davis2017:val", root)
    cached = FolderScorer(data, backend="numba", budget=1 << 30)
    cached.score(results)
    cached_numpy = FolderScorer(data, backend="numpy", budget=1 << 30)
    cached_numpy.score(results)

    def mean(scores: list[Any]) -> float:
        return float(np.mean([s.j_mean for s in scores]) + np.mean([s.f_mean for s in scores])) / 2

    def fresh(backend: str) -> float:
        return mean(FolderScorer(open_dataset("davis2017:val", root), backend=backend).score(results))

    jobs: dict[str, Callable[[], float]] = {
        "numba, truth cached": lambda: mean(cached.score(results)),
        "numba, nothing cached": lambda: fresh("numba"),
        "numpy, truth cached": lambda: mean(cached_numpy.score(results)),
        "numpy, nothing cached": lambda: fresh("numpy"),
    }
    try:
        import cv2
        from vos_benchmark.benchmark import VideoEvaluator

        cv2.setNumThreads(1)

        def vos_benchmark() -> float:
            evaluate = VideoEvaluator(str(root / "Annotations" / "480p"), str(results))
            found = [evaluate(video) for video in videos]
            j = [v for _, iou, _ in found for v in iou.values()]
            f = [v for _, _, boundary in found for v in boundary.values()]
            return float(np.mean(j) + np.mean(f)) / 200

        jobs["vos-benchmark"] = vos_benchmark
    except ImportError:
        print("vos-benchmark cannot be imported: left out", file=sys.stderr)
    if peer is not None:
        sys.path.insert(0, str(peer))
        import cv2
        from davis2017 import evaluation

        cv2.setNumThreads(1)
        evaluation.tqdm = lambda items: items

        def official() -> float:
            found = evaluation.DAVISEvaluation(str(root), "semi-supervised", "val").evaluate(str(results))
            return float(np.mean(found["J"]["M"]) + np.mean(found["F"]["M"])) / 2

        jobs["official"] = official
    return jobs


def in_memory(root: Path, videos: list[str]) -> Callable[[], float]:
    """A job that scores masks that are in memory already, truth cached, as `run` does; returns its CPU seconds."""
    data = open_dataset("davis2017:val", root)
    found = {video: data.truth(video) for video in videos}
    truths = {video: PackedTruth(truth) for video, truth in found.items() if truth is not None}

    def job() -> float:
        spent = 0.0
        for video in videos:
            files = sorted((root / "results" / video).glob("*.png"))
            masks = [np.array(Image.open(file)) for file in files]
            start = time.process_time()
            scorer = VideoScorer(truths[video], backend="numba")
            for t, mask in enumerate(masks):
                scorer.add(t, mask)
            scorer.result()
            spent += time.process_time() - start
        return spent

    job()
    return job


def measure(root: Path, videos: list[str], scored: int, peer: Path | None, rounds: int) -> dict[str, float]:
    """Medians in milliseconds of CPU an object and frame, all contenders taking turns."""
    jobs = contenders(root, videos, peer)
    memory = in_memory(root, videos)
    spent: dict[str, list[float]] = {name: [] for name in [*jobs, "numba, in memory"]}
    answers: dict[str, float] = {}
    for number in range(rounds):
        for name, job in jobs.items():
            # The quick ones are repeated, so that every figure stands on a stretch of work.
            times = 5 if name.startswith("numba") else 1
            start = time.process_time()
            for _ in range(times):
                answers[name] = job()
            spent[name].append((time.process_time() - start) / times)
        spent["numba, in memory"].append(min(memory() for _ in range(3)))
        print(f"round {number + 1}/{rounds}", file=sys.stderr)
    spread = max(answers.values()) - min(answers.values())
    if spread > 1e-9:
        raise SystemExit(f"the tools disagree: {answers}")
    return {name: statistics.median(values) / scored * 1000 for name, values in spent.items()}


def cold_start(root: Path, rounds: int) -> dict[str, tuple[float, float, int]]:
    """(wall, CPU) seconds of scoring one small folder from a fresh process, without compiled kernels."""
    video = sorted(p.name for p in (root / "results").iterdir())[0]
    small = root / "small"
    frames = 0
    for kind in ("Annotations/480p", "results", "JPEGImages/480p"):
        (small / kind).mkdir(parents=True)
        (small / kind / video).symlink_to(root / kind / video)
        frames = len(list((root / kind / video).iterdir()))
    (small / "ImageSets/2017").mkdir(parents=True)
    (small / "ImageSets/2017/val.txt").write_text(video + "\n")
    ours = "from robust_vos_bench.cli import main; main()"
    arguments = [
        "score",
        "--dataset",
        "davis2017:val",
        "--data-root",
        str(small),
        "--predictions",
        str(small / "results"),
    ]
    theirs = (
        "from vos_benchmark.benchmark import benchmark; "
        f"benchmark([{str(small / 'Annotations/480p')!r}], [{str(small / 'results')!r}], num_processes=1)"
    )
    commands = {
        "rvos-bench score": [sys.executable, "-c", ours, *arguments],
        "vos-benchmark": [sys.executable, "-c", theirs],
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as empty:
        for _ in range(rounds):
            for name, command in commands.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                start = time.perf_counter()
                environment = {**os.environ, "RVOS_BENCH_CACHE": empty}
                done = subprocess.run(command, capture_output=True, env=environment, text=True)
                wall = time.perf_counter() - start
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if done.returncode:
                    print(f"{name} failed: {done.stderr[-300:]}", file=sys.stderr)
                    return {}
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                spent[name].append((wall, cpu))
    return {
        name: (statistics.median(w for w, _ in values), statistics.median(c for _, c in values), frames)
        for name, values in spent.items()
    }


def table(found: dict[int, dict[str, float]], cold: dict[str, tuple[float, float, int]], facts: str) -> str:
    """The measured numbers as markdown."""
    order = ["official", "vos-benchmark", "numpy, nothing cached", "numpy, truth cached"]
    order += ["numba, nothing cached", "numba, truth cached", "numba, in memory"]
    lines = ["| ms of CPU per object and frame | 1 object per frame | 3 objects per frame |", "|---|---|---|"]
    for name in order:
        cells = [f"{found[n][name]:.4f}" if name in found[n] else "-" for n in (1, 3)]
        label = PEERS.get(name, f"rvos-bench, {name}")
        lines.append(f"| {label} | {cells[0]} | {cells[1]} |")
    lines += ["", "| ratio | 1 object per frame | 3 objects per frame | wanted |", "|---|---|---|---|"]
    for (peer, ours), wanted in TARGETS.items():
        cells = [f"{found[n][peer] / found[n][ours]:.0f}x" if peer in found[n] else "-" for n in (1, 3)]
        lines.append(f"| {PEERS[peer]} / {ours} | {cells[0]} | {cells[1]} | {wanted[1]}x, {wanted[3]}x |")
    if cold:
        frames = next(iter(cold.values()))[2]
        lines += ["", f"| cold start: one video of {frames} frames, 3 objects | wall s | CPU s |", "|---|---|---|"]
        lines += [f"| {name} | {wall:.2f} | {cpu:.2f} |" for name, (wall, cpu, _) in cold.items()]
    return "\n".join([*lines, "", facts])


def main() -> None:
    """Measure and print; with --write also into README-scoring.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, help="DAVIS-2016 root (0/255 annotations)")
    parser.add_argument("--predictions", type=Path, required=True, help="result folder for it")
    parser.add_argument("--peer", type=Path, help="clone of davis2017-evaluation")
    parser.add_argument("--videos", default="", help="comma-separated; default: all that have predictions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-cold", action="store_true", help="leave out the cold start")
    parser.add_argument("--write", action="store_true", help="write the table into README-scoring.md")
    arguments = parser.parse_args()
    load_kernels()
    videos = (
        arguments.videos.split(",") if arguments.videos else sorted(p.name for p in arguments.predictions.iterdir())
    )
    found: dict[int, dict[str, float]] = {}
    cold: dict[str, tuple[float, float, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for objects in (1, 3):
            root, scored = make_data(
                Path(folder) / str(objects), arguments.data_root, arguments.predictions, videos, objects
            )
            found[objects] = measure(root, videos, scored, arguments.peer, arguments.rounds)
            if objects == 3 and not arguments.no_cold:
                cold = cold_start(root, arguments.rounds)
    frames = sum(len(list((arguments.data_root / "Annotations" / "480p" / v).glob("*.png"))) - 2 for v in videos)
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}"
    facts = (
        f"{len(videos)} videos, {frames} scored frames, 854 x 480; {arguments.rounds} rounds; {versions}, "
        f"load average {os.getloadavg()[0]:.1f} at the end."
    )
    text = table(found, cold, facts)
    print(text)
    if arguments.write:
        begin, end = "<!-- measured: begin -->", "<!-- measured: end -->"
        path = HERE / "README-scoring.md"
        before, _, rest = path.read_text().partition(begin)
        after = rest.partition(end)[2]
        path.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    main()
