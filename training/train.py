"""Train one lite model: `python training/train.py --model aoc.lite --recipe plain --out DIR`.

Goes on where the state in DIR ends, on any device and for any length of time; stop it with Ctrl-C, SIGTERM or even
kill -9 (which loses what was done since the last save).

    python training/train.py --model aoc.lite --recipe strong --out DIR --steps 20000 --until-flat 0.5
    python training/train.py --model aoc.lite --recipe video --out DIR --steps 4000 --plan
    python training/train.py --model aoc.lite --recipe video --out DIR --steps 4000
"""

from __future__ import annotations

import argparse
import csv
import math
import signal
import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))  # run as a script, not installed

from robust_vos_bench.errors import DataError, RvosError, UsageError
from training.cost import cost, cost_in_words
from training.flat import is_flat
from training.images import Stills, find_data, load_stills
from training.noisy import NOISES
from training.recipes import DAMAGED_FRAMES, DAMAGED_FROM, RECIPES, SHARING
from training.settings import APPEARANCES, CROP, LENGTH, NETWORKS, OBJECTS, VIDEO_LENGTH, VIDEO_VERSION, Settings
from training.start import find_start, read_start
from training.state import State, load, save
from training.trainer import Trainer
from training.videos import Videos, find_videos, load_videos

COLUMNS = ("step", "loss", "validation_j", "damaged_j", "static_j", "seconds")
"""Of the curve; the video stage adds `video_j`."""
CURVE_EVERY = 50
"""Steps between rows of the curve."""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = parser().parse_args(arguments)
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        train(given)
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", required=True, choices=NETWORKS)
    made.add_argument("--recipe", default="plain", choices=RECIPES)
    made.add_argument("--out", required=True, type=Path, help="folder of the training state")
    made.add_argument(
        "--branch",
        type=Path,
        metavar="STATE",
        help=f"begin where this state of the other of {' and '.join(SHARING)} ends, at most {DAMAGED_FROM} steps in: "
        "so far they are equal",
    )
    made.add_argument("--data", type=Path, help="ECSSD folder [default: $RVOS_BENCH_SHARED/data/ECSSD]")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    made.add_argument("--threads", type=int, default=1, help="CPU threads")
    made.add_argument("--minutes", type=float, help="stop cleanly after this time")
    made.add_argument("--steps", type=int, help="stop when the training has made this many steps in all")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--batch", type=int, default=4)
    made.add_argument("--crop", type=int, default=CROP, help="side of the clips, 16 n + 1")
    made.add_argument(
        "--pace",
        type=float,
        default=1.0,
        metavar="X",
        help="go through the schedule X times as fast: 2.5 has in 1,000 steps what is usual after 2,500",
    )
    made.add_argument("--length", type=int, help=f"frames of a clip [default: {LENGTH}, of `video` {VIDEO_LENGTH}]")
    made.add_argument("--stills", type=int, default=0, metavar="N", help="train on N of the pictures [default: all]")
    made.add_argument("--masks", default="sound", choices=("sound", *NOISES), help="spoil the pictures' masks")
    made.add_argument("--damaged", default="all", choices=DAMAGED_FRAMES, help="frames that `corrupted` damages")
    made.add_argument("--levelled", action="store_true", help="train with levelled features")
    made.add_argument("--objects", default="usual", choices=OBJECTS, help="`large`: up to 2.3 times the clip's side")
    made.add_argument("--appearance", default="usual", choices=APPEARANCES, help="`strong`: objects change more")
    made.add_argument("--videos", type=Path, help="training videos [default: $RVOS_BENCH_SHARED/data/davis2016-train]")
    made.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help="weights the video stage starts from: state.pt or .safetensors [default: the shipped ones, recipe plain]",
    )
    made.add_argument(
        "--begun",
        type=int,
        default=0,
        metavar="STEPS",
        help="of the video stage that the weights given as --start have made: it goes on there, with a new optimiser",
    )
    made.add_argument(
        "--settle",
        type=int,
        default=0,
        metavar="STEP",
        help="multiply the learning rate by a factor that falls from 1 at the first step to 0 at this one; end there",
    )
    made.add_argument(
        "--until-flat",
        type=float,
        metavar="POINTS",
        help="stop when held-out J of four validations is less than this above the four before",
    )
    made.add_argument("--plan", action="store_true", help="measure a few steps, say what --steps would cost, and end")
    made.add_argument("--validate-every", type=int, default=500, metavar="STEPS")
    made.add_argument("--save-every", type=float, default=45.0, metavar="SECONDS")
    return made


def train(given: argparse.Namespace) -> None:
    """Make steps until the time or the number of steps is reached, or a signal asks to stop."""
    began = time.monotonic()
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, frame: stopping.append(which))
    set_threads(given.threads)
    device = device_of(given)
    trainer, held_out, watch = prepared(given, device)
    end = given.steps if given.steps is not None else given.settle or math.inf
    if given.plan:
        if end == math.inf:
            raise UsageError("--plan needs --steps: how many are to be made")
        measured = cost(trainer, held_out, watch)
        steps = max(0, int(end) - trainer.settings.begun)
        say(f"{trainer.settings.name}: {cost_in_words(measured, steps, given.validate_every)}")
        return
    file = given.out / "state.pt"
    if file.is_file():
        trainer.restore(load(file, trainer.state().settings))
    elif given.branch is not None:
        trainer.restore(branched(given.branch, trainer.state().settings))
    say(f"{trainer.settings.name} on {device}: step {trainer.step}, {trainer.seconds / 60:.1f} min so far")
    saved = time.monotonic()
    while True:
        if trainer.made and trainer.step % CURVE_EVERY == 0 and not noted(trainer):
            due = trainer.step % given.validate_every == 0
            if due:  # validation takes a while: a kill shall cost neither the steps before it nor its own time twice
                keep(trainer, given.out)
            note(trainer, given.validate_every, held_out, watch)
            if due:
                keep(trainer, given.out)
                saved = time.monotonic()
        if stopping or trainer.step >= end:
            break
        if given.minutes is not None and time.monotonic() - began > 60 * given.minutes:
            break
        if given.until_flat is not None and is_flat(trainer.curve, given.until_flat):
            say(f"held-out J is flat: less than {given.until_flat:g} points gained by the last four validations")
            break
        trainer.advance()
        if time.monotonic() - saved > given.save_every:
            keep(trainer, given.out)
            saved = time.monotonic()
    keep(trainer, given.out)
    say(f"stopped at step {trainer.step}; the same command goes on")


def set_threads(threads: int) -> None:
    """Threads of the CPU that steps may take; results depend on their number."""
    torch.set_num_threads(threads)


def device_of(given: argparse.Namespace) -> str:
    """The device that is meant by --device."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if given.device == "auto" else str(given.device)


def prepared(given: argparse.Namespace, device: str) -> tuple[Trainer, Stills, Videos | None]:
    """The trainer at its first step, the pictures held out, and the videos to watch (video stage only)."""
    video = given.recipe == "video"
    start, digest = read_start(given.start or find_start(given.model)) if video else (None, "")
    if given.start is not None and not video:
        raise UsageError("--start: only the recipe `video` starts from weights")
    if given.begun and given.start is None:
        raise UsageError("--begun: name the weights that have made those steps as --start")
    if given.begun and given.steps is not None and given.steps <= given.begun:
        raise UsageError(f"--steps {given.steps}: it counts the {given.begun} of --begun too; give a larger number")
    if given.settle and given.steps is not None and given.steps > given.settle:
        raise UsageError(f"--steps {given.steps}: the learning rate is zero from --settle {given.settle} on")
    settings = Settings(
        given.model,
        given.recipe,
        seed=given.seed,
        batch=given.batch,
        length=given.length or (VIDEO_LENGTH if video else LENGTH),
        crop=given.crop,
        stills=given.stills,
        masks=given.masks,
        damaged=given.damaged,
        levelled=given.levelled,
        objects=given.objects,
        appearance=given.appearance,
        pace=given.pace,
        start=digest,
        begun=given.begun,
        settled=given.settle,
        video_version=VIDEO_VERSION if video else 0,
    )
    settings.check()
    folder = find_data(given.data)
    stills = load_stills(folder, False, subset=given.stills, spoil=given.masks)
    videos = load_videos(find_videos(given.videos), False) if video else None
    watch = load_videos(find_videos(given.videos), True) if video else None
    return Trainer(settings, stills, device, videos, start), load_stills(folder, True), watch


def branched(file: Path, settings: dict[str, object]) -> State:
    """A state of one of the recipes that begin alike, from the steps that they share."""
    theirs = load(file).settings
    recipe = theirs.get("recipe")
    for name in (recipe, settings["recipe"]):
        if name not in SHARING:
            raise DataError(
                f"{file}: --branch goes between {' and '.join(SHARING)}, which begin alike; {name} does not"
            )
    alike = {name: value for name, value in settings.items() if name != "damaged"} | {"recipe": recipe}
    state = load(file, alike | {name: value for name, value in theirs.items() if name == "damaged"})
    if int(state.step * theirs.get("pace", 1)) > DAMAGED_FROM:
        raise DataError(f"{file}: after {state.step} steps; the recipes differ from step {DAMAGED_FROM} on")
    state.settings = dict(settings)
    return state


def noted(trainer: Trainer) -> bool:
    """Whether the curve has the row of this step."""
    return bool(trainer.curve) and trainer.curve[-1]["step"] >= trainer.step


def note(trainer: Trainer, every: int, held_out: Stills, watch: Videos | None = None) -> None:
    """One line of the curve, of the losses since the last; validates where it is due."""
    losses, trainer.losses = trainer.losses or [float("nan")], []
    row = {"step": float(trainer.step), "loss": sum(losses) / len(losses), "seconds": trainer.seconds}
    text = f"step {trainer.step}  loss {row['loss']:.4f}  {trainer.seconds / trainer.made:.2f} s per step"
    if trainer.step % every == 0:
        row |= trainer.validate(held_out, watch=watch)
        text += "  held-out J {validation_j:.4f}, damaged {damaged_j:.4f}".format_map(row)
        text += " (first mask repeated: {static_j:.4f})".format_map(row)
        text += ", watched videos {video_j:.4f}".format_map(row) if "video_j" in row else ""
    trainer.curve.append(row)
    say(text)


def keep(trainer: Trainer, folder: Path) -> None:
    """Save the state, and the curve as a table beside it."""
    save(trainer.state(), folder / "state.pt")
    write_curve(trainer.curve, folder / "curve.csv")


def write_curve(curve: list[dict[str, float]], file: Path) -> None:
    """The curve as CSV: step, loss (mean of 50 steps), J on held-out clips, clean and damaged, static J, time."""
    partial = file.with_name(file.name + ".partial")
    columns = COLUMNS + ("video_j",) * any("video_j" in row for row in curve)
    with partial.open("w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(columns)
        for row in curve:
            table.writerow(
                [
                    f"{row[c]:.5g}" if c in row and c != "step" else int(row["step"]) if c == "step" else ""
                    for c in columns
                ]
            )
    partial.replace(file)


def read_curve(file: Path) -> list[dict[str, float]]:
    """What `write_curve` wrote."""
    with file.open(newline="") as lines:
        return [{name: float(value) for name, value in line.items() if value} for line in csv.DictReader(lines)]


def say(text: str) -> None:
    """A line on stdout with the time of day."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())}  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
