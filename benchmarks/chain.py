"""A whole robustness study, as scripts of one's own and as `rvos-bench run`: what each costs. Prints a Markdown table.

    pip install imagecorruptions-imaug && pip install --no-deps vos-benchmark tqdm
    git clone https://github.com/davisvideochallenge/davis2017-evaluation
    python benchmarks/chain.py --data-root DAVIS-2016 --peer davis2017-evaluation [--study 5:stcn:2x8] [--write]

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
WAYS = ("scripts", "rvos-bench")
ROUNDS, PAGE = HERE / "chain.csv", HERE / "chain.md"
STUDIES = (
    "1:labelprop:2x40", "5:labelprop:2x16", "15:labelprop:2x8",
    "1:static,flow,labelprop:2x40", "5:static,flow,labelprop:2x16", "15:static,flow,labelprop:2x8",
    "1:stcn:2x20", "5:stcn:2x8",
)  # fmt: skip
"""The fewer conditions, the longer the clips: each study is a minute or some."""


@dataclass(frozen=True)
class Study:
    """One row: how many corruptions, which models, how many videos of how many frames."""

    conditions: int
    models: tuple[str, ...]
    videos: int
    frames: int

    def __str__(self) -> str:
        return f"{self.conditions}:{','.join(self.models)}:{self.videos}x{self.frames}"

    @classmethod
    def read(cls, text: str) -> Study:
        """The study of the words that `str` gives."""
        conditions, models, clips = text.split(":")
        videos, frames = clips.split("x")
        return cls(int(conditions), tuple(models.split(",")), int(videos), int(frames))

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


def compare(study: Study, data_root: Path, peer: Path, turned: bool = False) -> dict[str, Spent]:
    """Both ways through a study, one after the other; turned: rvos-bench first."""
    found: dict[str, Spent] = {}
    scores: dict[str, dict[str, float]] = {}
    names = sorted(path.name for path in (data_root / "JPEGImages" / "480p").iterdir())[: study.videos]
    with tempfile.TemporaryDirectory() as scratch:
        davis = Path(scratch) / "davis"
        write_davis(data_root, davis, names, study.frames)
        for way in reversed(WAYS) if turned else WAYS:
            folder = Path(scratch) / way
            folder.mkdir()
            if way == "scripts":
                found[way], scores[way] = by_hand(study, davis, folder, peer)
            else:
                found[way], scores[way] = by_rvos_bench(study, davis, folder)
            print(way, study, found[way], file=sys.stderr, flush=True)
            shutil.rmtree(folder)
    one, other = (scores[way] for way in WAYS)
    if any(abs(one[model] - other[model]) > 1e-9 for model in study.models):
        raise SystemExit(f"J&F on clean frames differs: {scores}")
    return found


def read_rounds() -> list[tuple[Study, str, Spent]]:
    """Every round that was measured before: (study, way, what it took)."""
    if not ROUNDS.exists():
        return []
    found = []
    with ROUNDS.open() as file:
        for line in csv.DictReader(file):
            cost = Cost(*(float(line[name]) for name in ("wall", "cpu", "peak_mib", "written_mib")))
            steps = {step: float(line[step]) for step in STEPS if line[step]}
            found.append((Study.read(line["study"]), line["way"], Spent(cost, float(line["model"]), steps)))
    return found


def write_rounds(rounds: Sequence[tuple[Study, str, Spent]]) -> None:
    """One line of CSV per round and way."""
    with ROUNDS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["study", "way", "wall", "cpu", "peak_mib", "written_mib", "model", *STEPS])
        for study, way, spent in rounds:
            cost = spent.cost
            values = (cost.wall, cost.cpu, cost.peak_mib, cost.written_mib, spent.model)
            steps = [f"{spent.steps[step]:.3f}" if step in spent.steps else "" for step in STEPS]
            writer.writerow([study, way, *(f"{value:.3f}" for value in values), *steps])


def median(spent: Sequence[Spent], what: str) -> float:
    """Median over the rounds of `beside`, `model`, a field of the cost, or a step."""
    if what in STEPS:
        return statistics.median(s.steps[what] for s in spent)
    values: list[float] = [getattr(s, what) if hasattr(s, what) else getattr(s.cost, what) for s in spent]
    return statistics.median(values)


def table(rounds: Sequence[tuple[Study, str, Spent]]) -> str:
    """Both ways of every study, and the steps of the scripts, as Markdown."""
    lines = [
        "| corruptions | models | videos x frames | way | wall s | CPU s | of it model | beside the model "
        "| all / model | beside: scripts / rvos-bench | peak MiB | MiB written |",
        "|--:|:--|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    steps = [f"| corruptions | models | rounds | {' | '.join(STEPS)} |", "|--:|:--|--:|--:|--:|--:|--:|"]
    for study in dict.fromkeys(study for study, _, _ in rounds):
        of = {way: [s for other, w, s in rounds if (other, w) == (study, way)] for way in WAYS}
        n, models = study.conditions + 1, " ".join(study.models)
        for way, spent in of.items():
            beside, model = median(spent, "beside"), median(spent, "model")
            cells = " | ".join(f"{median(spent, what) / n:.2f}" for what in ("wall", "cpu", "model", "beside"))
            ratio = "" if way == "scripts" else f"{median(of['scripts'], 'beside') / beside:.1f}"
            more = f"{(beside + model) / model:.3f} | {ratio} | {median(spent, 'peak_mib'):.0f}"
            written = f"{median(spent, 'written_mib') / n:.1f}"
            what = f"{study.conditions} | {models} | {study.videos} x {study.frames} | {way}"
            lines.append(f"| {what} | {cells} | {more} | {written} |")
        parts = " | ".join(f"{median(of['scripts'], step):.1f}" for step in STEPS)
        steps.append(f"| {study.conditions} | {models} | {len(of['scripts'])} | {parts} |")
    return "\n".join([*lines, "", "CPU seconds of the scripts by step (whole study):", "", *steps])


def main() -> None:
    """Measure and print; with --write also into chain.csv and chain.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, help="DAVIS-2016 root (annotations of 0 / 255)")
    parser.add_argument("--peer", type=Path, required=True, help="clone of davis2017-evaluation")
    parser.add_argument(
        "--study",
        action="append",
        metavar="CORRUPTIONS:MODELS:VIDEOSxFRAMES",
        help=f"as often as you like; default: {' '.join(STUDIES)}",
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="add the rounds to those of chain.csv")
    given = parser.parse_args()
    rounds: list[tuple[Study, str, Spent]] = []
    for number in range(given.rounds):
        for study in map(Study.read, given.study or STUDIES):
            found = compare(study, given.data_root.resolve(), given.peer.resolve(), turned=number % 2 == 1)
            new = [(study, way, found[way]) for way in WAYS]
            rounds = [*(read_rounds() if given.write else rounds), *new]
            if given.write:
                write_rounds(rounds)
    facts = (
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, {os.cpu_count()} cores, "
        f"load average {os.getloadavg()[0]:.1f} at the end."
    )
    text = f"{table(rounds)}\n\n{facts}"
    print(text)
    if given.write:
        begin, end = "<!-- measured: begin -->", "<!-- measured: end -->"
        before, _, rest = PAGE.read_text().partition(begin)
        PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
