"""Train one lite model: `python training/train.py --model aoc.lite --recipe plain --out DIR`.

Goes on where the state in DIR ends, on any device and for any length of time; stop it with Ctrl-C, SIGTERM or even
kill -9 (which loses what was done since the last save).
"""

from __future__ import annotations

import argparse
import csv
import signal
import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))  # run as a script, not installed

from robust_vos_bench.errors import DataError, RvosError
from training.images import find_data, load_stills
from training.recipes import DAMAGED_FROM, RECIPES
from training.state import State, load, save
from training.trainer import NETWORKS, Settings, Trainer

COLUMNS = ("step", "loss", "validation_j", "damaged_j", "static_j", "seconds")


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = parser().parse_args(arguments)
    try:
        train(given)
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    made = argparse.ArgumentParser(description="Train one lite model; the same command again goes on.")
    made.add_argument("--model", required=True, choices=NETWORKS)
    made.add_argument("--recipe", default="plain", choices=RECIPES)
    made.add_argument("--out", required=True, type=Path, help="folder of the training state")
    made.add_argument(
        "--branch",
        type=Path,
        metavar="STATE",
        help=f"begin where this state of the other recipe ends, at most {DAMAGED_FROM} steps in: so far they are equal",
    )
    made.add_argument("--data", type=Path, help="ECSSD folder [default: $RVOS_BENCH_SHARED/data/ECSSD]")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    made.add_argument("--threads", type=int, default=1, help="CPU threads")
    made.add_argument("--minutes", type=float, help="stop cleanly after this time")
    made.add_argument("--steps", type=int, help="stop when the training has made this many steps in all")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--batch", type=int, default=4)
    made.add_argument("--crop", type=int, default=209, help="side of the clips, 16 n + 1")
    made.add_argument("--length", type=int, default=3, help="frames of a clip")
    made.add_argument("--validate-every", type=int, default=500, metavar="STEPS")
    made.add_argument("--save-every", type=float, default=90.0, metavar="SECONDS")
    return made


def train(given: argparse.Namespace) -> None:
    """Make steps until the time or the number of steps is reached, or a signal asks to stop."""
    began = time.monotonic()
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, frame: stopping.append(which))
    torch.set_num_threads(given.threads)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if given.device == "auto" else given.device
    folder = find_data(given.data)
    stills, held_out = load_stills(folder, False), load_stills(folder, True)
    settings = Settings(
        given.model, given.recipe, seed=given.seed, batch=given.batch, length=given.length, crop=given.crop
    )
    trainer = Trainer(settings, stills, device)
    file = given.out / "state.pt"
    if file.is_file():
        trainer.restore(load(file, trainer.state().settings))
    elif given.branch is not None:
        trainer.restore(branched(given.branch, trainer.state().settings))
    say(f"{given.model} {given.recipe} on {device}: step {trainer.step}, {trainer.seconds / 60:.1f} min so far")
    saved, recent = time.monotonic(), []
    while not stopping:
        if given.steps is not None and trainer.step >= given.steps:
            break
        if given.minutes is not None and time.monotonic() - began > 60 * given.minutes:
            break
        recent.append(trainer.advance())
        if trainer.step % 50 == 0:
            note(trainer, recent[-50:], given.validate_every, held_out)
        if time.monotonic() - saved > given.save_every:
            keep(trainer, given.out)
            saved = time.monotonic()
    keep(trainer, given.out)
    say(f"stopped at step {trainer.step}; the same command goes on")


def branched(file: Path, settings: dict[str, object]) -> State:
    """A state of either recipe from the steps that both share."""
    recipe = load(file).settings.get("recipe")
    state = load(file, settings | {"recipe": recipe})
    if state.step > DAMAGED_FROM:
        raise DataError(f"{file}: after {state.step} steps; the recipes differ from step {DAMAGED_FROM} on")
    return state


def note(trainer: Trainer, losses: list[float], every: int, held_out: object) -> None:
    """One line of the curve; validates where it is due."""
    row = {"step": float(trainer.step), "loss": sum(losses) / len(losses), "seconds": trainer.seconds}
    text = f"step {trainer.step}  loss {row['loss']:.4f}  {trainer.seconds / trainer.step:.2f} s per step"
    if trainer.step % every == 0:
        row |= trainer.validate(held_out)  # type: ignore[arg-type]
        text += "  held-out J {validation_j:.4f}, damaged {damaged_j:.4f}".format_map(row)
        text += " (first mask repeated: {static_j:.4f})".format_map(row)
    trainer.curve.append(row)
    say(text)


def keep(trainer: Trainer, folder: Path) -> None:
    """Save the state, and the curve as a table beside it."""
    save(trainer.state(), folder / "state.pt")
    write_curve(trainer.curve, folder / "curve.csv")


def write_curve(curve: list[dict[str, float]], file: Path) -> None:
    """The curve as CSV: step, loss (mean of 50 steps), J on held-out clips, clean and damaged, static J, time."""
    partial = file.with_name(file.name + ".partial")
    with partial.open("w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in curve:
            table.writerow(
                [
                    f"{row[c]:.5g}" if c in row and c != "step" else int(row["step"]) if c == "step" else ""
                    for c in COLUMNS
                ]
            )
    partial.replace(file)


def say(text: str) -> None:
    """A line on stdout with the time of day."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())}  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
