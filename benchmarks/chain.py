"""A whole robustness study, as scripts of one's own and as `rvos-bench run`: what each costs. Prints a Markdown table.

    pip install imagecorruptions-imaug && pip install --no-deps vos-benchmark tqdm
    git clone https://github.com/davisvideochallenge/davis2017-evaluation
    python benchmarks/chain.py --data-root DAVIS-2016 --peer davis2017-evaluation [--write]

Both do the same study on the same videos: clean and N corruptions at severity 3, M models, J & F of every condition.
The scripts are `benchmarks/by_hand.py`; the networks are the same in both, and so are their masks on clean frames: that
both give the same J&F there is checked. One process works at a time, with one thread; the two take turns.

"Beside the model" is the CPU time of the whole process tree (user and system, imports and start included) without what
the models' own frames took, which both measure in the same way (`benchmarks/timed_model.py`).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cost import Cost, measured
from PIL import Image

from robust_vos_bench.datasets.palette import palette

HERE = Path(__file__).resolve().parent
SEVERITY = 3
CORRUPTIONS = (
    "motion_blur", "gaussian_noise", "fog", "contrast", "jpeg_compression", "shot_noise", "impulse_noise",
    "defocus_blur", "glass_blur", "zoom_blur", "snow", "frost", "brightness", "elastic_transform", "pixelate",
)  # fmt: skip
"""The fifteen of `common`; fewer are its beginning: one of middling cost, then one of each family."""
STEPS = ("corrupt", "segment", "davis2017", "vos-benchmark")


@dataclass(frozen=True)
class Study:
    """One row: how many corruptions, which models, how many videos of how many frames."""

    conditions: int
    models: tuple[str, ...]
    videos: int
    frames: int

    @property
    def corruptions(self) -> tuple[str, ...]:
        """Their names."""
        return CORRUPTIONS[: self.conditions]


@dataclass(frozen=True)
class Spent:
    """One way through one study."""

    cost: Cost
    model: float
    """CPU seconds of the models' own frames."""
    steps: Mapping[str, float]
    """Step -> CPU seconds, of the scripts."""

    @property
    def beside(self) -> float:
        """CPU seconds of all else."""
        return self.cost.cpu - self.model


def write_davis(data_root: Path, root: Path, videos: Sequence[str], frames: int) -> None:
    """A DAVIS-2017 root with the first frames of some videos; annotations of 0 / 255 become 0 / 1."""
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("".join(f"{video}\n" for video in videos))
    for video in videos:
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / "480p" / video).mkdir(parents=True)
        for file in sorted((data_root / "JPEGImages" / "480p" / video).glob("*.jpg"))[:frames]:
            shutil.copy(file, root / "JPEGImages" / "480p" / video)
            mask = np.array(Image.open(data_root / "Annotations" / "480p" / video / f"{file.stem}.png")) > 0
            image = Image.fromarray(mask.astype(np.uint8))
            image.putpalette(palette())
            image.save(root / "Annotations" / "480p" / video / f"{file.stem}.png")


def environment(log: Path) -> dict[str, str]:
    """One thread per library; byte code is kept, as in any installation; the models' log; no results of other runs."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **threads, "CHAIN_LOG": str(log), "RVOS_BENCH_REUSE": "0"}


def spent_on_models(log: Path) -> float:
    """CPU seconds of all videos in the log."""
    return sum(map(float, log.read_text().split()))


def by_hand(study: Study, davis: Path, folder: Path, peer: Path) -> tuple[Spent, dict[str, float]]:
    """The scripts, one after the other; also the J&F of the clean condition by model."""
    log, conditions = folder / "model.log", ",".join(("clean", *study.corruptions))
    copies, results = str(folder / "copies"), str(folder / "results")
    script = [sys.executable, str(HERE / "by_hand.py")]
    steps: dict[str, Cost] = {}
    clean: dict[str, float] = {}

    def run(step: str, words: Sequence[str]) -> None:
        cost = measured([*script, step, str(davis), *words], folder, environment(log))
        steps[step] = steps[step] + cost if step in steps else cost

    run("corrupt", [copies, ",".join(study.corruptions), str(SEVERITY)])
    for model in study.models:
        run("segment", [copies, results, model, conditions])
        for step in ("davis2017", "vos-benchmark"):
            scores = folder / f"{step}-{model}.json"
            run(step, [results, model, conditions, "--peer", str(peer), "--output", str(scores)])
            found = json.loads(scores.read_text())["clean"]
            if abs(clean.setdefault(model, found) - found) > 1e-9:
                raise SystemExit(f"the peers disagree on {model}: {clean[model]} and {found}")
    total = steps["corrupt"]
    for step in STEPS[1:]:
        total += steps[step]
    return Spent(total, spent_on_models(log), {step: cost.cpu for step, cost in steps.items()}), clean


def by_rvos_bench(study: Study, davis: Path, folder: Path) -> tuple[Spent, dict[str, float]]:
    """`rvos-bench run`; also the J&F of the clean condition by model."""
    log, out = folder / "model.log", folder / "run"
    timed = f"{HERE / 'timed_model.py'}:Timed"
    words = [word for m in study.models for word in ("--model", f"my-{m}={timed}", "--option", f"my-{m}:of={m}")]
    if len(study.models) == 1:
        words[-1] = f"of={study.models[0]}"
    command = [sys.executable, "-m", "robust_vos_bench.cli", "run", *words, "--corruption", ",".join(study.corruptions)]
    command += ["--severity", str(SEVERITY), "--dataset", "davis2017:val", "--data-root", str(davis)]
    cost = measured([*command, "--workers", "1", "--output", str(out), "--quiet"], folder, environment(log))
    clean: dict[str, list[float]] = {}
    with (out / "scores.csv").open() as file:
        for row in csv.DictReader(file):
            if row["condition"] == "clean":
                clean.setdefault(row["model"].removeprefix("my-"), []).append(float(row["J&F"]))
    return Spent(cost, spent_on_models(log), {}), {m: float(np.mean(values)) for m, values in clean.items()}


def compare(study: Study, data_root: Path, peer: Path, rounds: int) -> tuple[list[Spent], list[Spent]]:
    """Both ways through a study, in turns."""
    hand: list[Spent] = []
    ours: list[Spent] = []
    agreed: dict[str, float] = {}
    names = sorted(path.name for path in (data_root / "JPEGImages" / "480p").iterdir())[: study.videos]
    with tempfile.TemporaryDirectory() as scratch:
        davis = Path(scratch) / "davis"
        write_davis(data_root, davis, names, study.frames)
        for number in range(rounds):
            for way in ("hand", "ours") if number % 2 == 0 else ("ours", "hand"):
                folder = Path(scratch) / way
                folder.mkdir()
                if way == "hand":
                    found, clean = by_hand(study, davis, folder, peer)
                    hand.append(found)
                else:
                    found, clean = by_rvos_bench(study, davis, folder)
                    ours.append(found)
                agreed = agreed or clean
                if any(abs(clean[m] - agreed[m]) > 1e-9 for m in study.models):
                    raise SystemExit(f"J&F on clean frames differs: {clean} and {agreed}")
                print(way, study, found, file=sys.stderr, flush=True)
                shutil.rmtree(folder)
    return hand, ours


def median(spent: Sequence[Spent], what: str) -> float:
    """Median over the rounds of `beside`, `model`, or a field of the cost."""
    values: list[float] = [getattr(s, what) if hasattr(s, what) else getattr(s.cost, what) for s in spent]
    return statistics.median(values)


def row(study: Study, way: str, spent: Sequence[Spent], against: Sequence[Spent]) -> str:
    """A line of the table; figures are per condition but for the peak."""
    n = study.conditions + 1
    beside, model = median(spent, "beside"), median(spent, "model")
    cells = [f"{median(spent, what) / n:.2f}" for what in ("wall", "cpu", "model", "beside")]
    ratio = f"{median(against, 'beside') / beside:.1f}x" if against is not spent else ""
    in_all = f"{(beside + model) / model:.3f}"
    memory, written = f"{median(spent, 'peak_mib'):.0f}", f"{median(spent, 'written_mib') / n:.1f}"
    what = f"{study.conditions} | {' '.join(study.models)} | {study.videos} x {study.frames}"
    return f"| {what} | {way} | {' | '.join(cells)} | {in_all} | {ratio} | {memory} | {written} |"


def main() -> None:
    """Measure and print; with --write into chain.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, help="DAVIS-2016 root (annotations of 0 / 255)")
    parser.add_argument("--peer", type=Path, required=True, help="clone of davis2017-evaluation")
    parser.add_argument("--conditions", default="1,5,15", help="numbers of corruptions, by comma")
    parser.add_argument("--models", default="labelprop;static,flow,labelprop;stcn", help="studies by ; models by comma")
    parser.add_argument("--videos", type=int, default=2)
    parser.add_argument("--frames", type=int, default=8, help="the first so many of every video")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines, steps = [], []
    for models in given.models.split(";"):
        for number in map(int, given.conditions.split(",")):
            study = Study(number, tuple(models.split(",")), given.videos, given.frames)
            hand, ours = compare(study, given.data_root.resolve(), given.peer.resolve(), given.rounds)
            lines += [row(study, "scripts", hand, hand), row(study, "rvos-bench", ours, hand)]
            parts = [f"{statistics.median(s.steps[step] for s in hand):.1f}" for step in STEPS]
            steps.append(f"| {number} | {models.replace(',', ' ')} | {' | '.join(parts)} |")
            print("\n".join(lines), flush=True)
    text = "\n".join(
        [
            "# A whole study, against scripts of one's own",
            "",
            f"`python benchmarks/chain.py --data-root DAVIS-2016 --peer davis2017-evaluation --conditions "
            f"{given.conditions} --models '{given.models}' --videos {given.videos} --frames {given.frames} --rounds "
            f"{given.rounds}`",
            "",
            "| corruptions | models | videos x frames | way | wall s | CPU s | of it model | beside the model "
            "| CPU in all / model | beside: scripts / rvos-bench | peak MiB | MiB written |",
            "|--:|:--|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|",
            *lines,
            "",
            "CPU seconds of the scripts by step (whole study):",
            "",
            f"| corruptions | models | {' | '.join(STEPS)} |",
            "|--:|:--|--:|--:|--:|--:|",
            *steps,
            "",
            f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, {os.cpu_count()} "
            f"cores, load average {os.getloadavg()[0]:.1f} at the end.",
        ]
    )
    print(text)
    if given.write:
        path = HERE / "chain.md"
        begin, end = "<!-- measured: begin -->", "<!-- measured: end -->"
        before, _, rest = (path.read_text() if path.exists() else f"{begin}\n{end}\n").partition(begin)
        path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
