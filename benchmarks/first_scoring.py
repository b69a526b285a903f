"""What the first scoring on a machine costs, and the second: whole processes of `rvos-bench score`, taking turns.

    python benchmarks/first_scoring.py --data-root DAVIS-2016 --predictions RESULTS [--write]

Each round has one process of every kind: with an empty cache (kernels are compiled and stored), with the cache that it
left, and with `--backend numpy`. CPU time of the process and all that it starts; medians over the rounds.
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
from pathlib import Path

from robust_vos_bench.datasets import open_dataset

README = Path(__file__).with_name("README-scoring.md")
BEGIN, END = "<!-- first: begin -->", "<!-- first: end -->"
KINDS = ("first scoring, kernels compiled", "second scoring, kernels loaded", "--backend numpy")


def scored(words: list[str], cache: str) -> tuple[float, float, str]:
    """(wall seconds, CPU seconds, what was printed) of one process."""
    code = "from robust_vos_bench.cli import main; main()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    environment = {**os.environ, "RVOS_BENCH_CACHE": cache}
    command = [sys.executable, "-c", code, "score", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measured(words: list[str], rounds: int) -> dict[str, tuple[float, float]]:
    """Kind -> median (wall, CPU) seconds."""
    spent: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    answers: set[str] = set()
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            for kind, more in zip(KINDS, ([], [], ["--backend", "numpy"])):
                wall, cpu, told = scored([*words, *more], cache)
                spent[kind].append((wall, cpu))
                answers.add(told)
        print(f"round {number + 1}/{rounds}", file=sys.stderr)
    if len(answers) != 1:
        raise SystemExit("the scores differ")
    return {
        kind: (statistics.median(w for w, _ in values), statistics.median(c for _, c in values))
        for kind, values in spent.items()
    }


def main() -> None:
    """Measure and print; with --write also into README-scoring.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", required=True, help="DAVIS-2016 root")
    parser.add_argument("--predictions", required=True, help="result folder for it")
    parser.add_argument("--dataset", default="davis2016:val")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the table into README-scoring.md")
    given = parser.parse_args()
    words = ["--dataset", given.dataset, "--data-root", given.data_root, "--predictions", given.predictions]
    found = measured(words, given.rounds)
    data = open_dataset(given.dataset, given.data_root)
    frames = sum(len(truth.frame_names) - 2 for name in data.videos if (truth := data.truth(name)) is not None)
    lines = ["| one process of `rvos-bench score` | wall s | CPU s |", "|---|---|---|"]
    lines += [f"| {kind} | {wall:.1f} | {cpu:.1f} |" for kind, (wall, cpu) in found.items()]
    versions = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    size = f"{len(data.videos)} videos, {frames} scored frames"
    load = f"load average {os.getloadavg()[0]:.1f} at the end"
    text = "\n".join([*lines, "", f"{size}; {given.rounds} rounds; {versions}, {load}."])
    print(text)
    if given.write:
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
