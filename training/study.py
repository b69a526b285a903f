"""The data study: which trainings there are, what they cost, run them one after the other, and the table of them.

    python training/study.py list --out STUDY [--commands]
    python training/study.py plan --out STUDY            # measures a few steps of each kind, then lists core hours
    python training/study.py run --out STUDY --budget small --models cfbi.lite --seeds 0,1
    python training/study.py score --out STUDY --budget small --models cfbi.lite --seeds 0,1 --data-root ~/DAVIS
    python training/study.py table --out STUDY --budget small --models cfbi.lite --seeds 0,1

`run` does all rows that are chosen, goes on where it was stopped and exports the weights of each finished row; `score`
makes what the finished ones score on DAVIS (`list --commands` prints both). `table` takes what is finished, in the
folder of a study or in one that `keep` wrote: curves and packed scores, without weights.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # run as a script, not installed

from robust_vos_bench.errors import RvosError, UsageError
from training import train
from training.cost import Cost, core_hours, cost
from training.settings import NETWORKS
from training.study_kept import curve_of, finished, keep, state_of
from training.study_rows import BUDGETS, GROUPS, Row, rows
from training.study_run import run, score
from training.study_table import table

PLAN = "plan.json"
"""What `plan` measured, in the folder of the study."""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    made = argparse.ArgumentParser(
        description=__doc__,
        epilog="Any other flag (--data, --videos, --threads, --minutes ...) is one of train.py, for every row; "
        "with `score` one of `rvos-bench run` (--workers, --device ...).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("verb", choices=("list", "plan", "run", "score", "keep", "table"))
    made.add_argument("--out", required=True, type=Path, help="folder of the study, a folder in it per row")
    made.add_argument("--groups", default=",".join(GROUPS), help="by comma: " + ", ".join(GROUPS))
    made.add_argument("--models", default=",".join(NETWORKS), help="by comma: " + ", ".join(NETWORKS))
    made.add_argument(
        "--budget", default="full", choices=BUDGETS, help="small: a fifth of the cost, for comparisons [default: full]"
    )
    made.add_argument("--seeds", help="by comma, for all groups [default: 0,1,2 of the baseline, 0 of the others]")
    made.add_argument("--rows", help="of these, by comma: only rows of these names (`list` has them)")
    made.add_argument("--commands", action="store_true", help="list: print the command of every row, and of its scores")
    made.add_argument("--against", default="", metavar="CONFIGURATION", help="table: set all others against this one")
    made.add_argument("--short", action="store_true", help="table: the differences side by side, and no more")
    made.add_argument("--to", type=Path, default=Path("training/study"), help="keep: folder [default: %(default)s]")
    made.add_argument("--data-root", default="DAVIS", help="score, list --commands: where DAVIS lies")
    made.add_argument("--validate-every", type=int, default=500, metavar="STEPS")
    given, more = made.parse_known_args(arguments)
    try:
        named = _named(given.groups, GROUPS), _named(given.models, tuple(NETWORKS))
        chosen = rows(*named, _numbers(given.seeds), BUDGETS[given.budget])
        if given.rows is not None:
            wanted = _named(given.rows, tuple(row.name for row in chosen))
            chosen = [row for row in chosen if row.name in wanted]
        if given.verb in ("keep", "table") and more:
            raise UsageError(f"`{given.verb}` does not know {more[0]}")
        if given.verb == "score":
            return score(chosen, given.out, given.data_root, more, _say)
        more += ["--validate-every", str(given.validate_every)]
        if given.verb == "keep":
            _say("\n".join(keep(chosen, given.out, given.to)))
            return 0
        if given.verb == "table":
            _say(table(given.out, chosen, given.short, given.against))
            return 0
        if given.verb == "run":
            return run(chosen, given.out, more, _say)
        if given.verb == "plan":
            measure(chosen, given.out, more)
        _say(listed(chosen, given.out, given.validate_every))
        if given.commands:
            _say("\n".join(_commands(row, given.out, given.data_root, more) for row in chosen))
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def measure(chosen: list[Row], folder: Path, more: list[str]) -> None:
    """Measure every kind of row that is not in `plan.json` yet, and write it there at once."""
    known = planned(folder)
    for row in [*{row.kind: row for row in reversed(chosen)}.values()][::-1]:  # the first of each kind
        if row.kind in known:
            continue
        given = train.parser().parse_args(row.arguments(folder, more))
        train.set_threads(given.threads)
        trainer, held_out, watch = train.prepared(given, train.device_of(given))
        known[row.kind] = cost(trainer, held_out, watch)
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{PLAN}.partial"
        partial.write_text(json.dumps({kind: asdict(found) for kind, found in known.items()}, indent=1))
        partial.replace(folder / PLAN)
        _say(f"{row.kind}: {known[row.kind].step:.2f} CPU seconds per step")


def planned(folder: Path) -> dict[str, Cost]:
    """What has been measured. Raises UsageError where the file is damaged."""
    file = folder / PLAN
    if not file.is_file():
        return {}
    try:
        return {kind: Cost(**found) for kind, found in json.loads(file.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{file}: not readable ({error}); delete it and run `plan` again") from error


def listed(chosen: list[Row], folder: Path, every: int) -> str:
    """Markdown: every row with its steps, state and core hours, and the sum of what was measured."""
    known = planned(folder)
    lines = ["| row | group | steps | state | core hours |", "|---|---|---|---|---|"]
    total, unknown = 0.0, 0
    for row in chosen:
        hours = core_hours(known[row.kind], row.new_steps, every) if row.kind in known else None
        total += hours or 0
        unknown += hours is None
        most = "at most " * (row.until_flat is not None)
        words = "not measured: `plan`" if hours is None else f"{most}{hours:.2f}"
        lines.append(f"| {row.name} | {row.group} | {most}{row.steps} | {_progress(row, folder)} | {words} |")
    rest = f", and {unknown} rows that were not measured" if unknown else ""
    return "\n".join([*lines, "", f"{len(chosen)} rows, {total:.1f} core hours in all{rest}."])


def _progress(row: Row, folder: Path) -> str:
    state = state_of(row, folder)
    if state is None:
        kept = curve_of(row, folder)
        return f"kept, {kept[-1]['step']:.0f}" if kept else "not started"
    return f"finished, {state.step}" if finished(row, state) else f"step {state.step}"


def _commands(row: Row, folder: Path, data_root: str, more: list[str]) -> str:
    exporting = ["python", "training/export.py", str(folder / row.name), "--to"]
    found = [["python", "training/train.py", *row.arguments(folder, more)], [*exporting, str(folder / row.name)]]
    if row.shipped and row.seed == 0:
        found.append([*exporting, "adapters/weights", "--curves", "training/curves"])
    found += [["rvos-bench", *flags] for flags in row.scoring(folder, data_root)]
    return "\n".join([f"# {row.name}", *map(shlex.join, found)])


def _named(text: str, known: tuple[str, ...]) -> list[str]:
    found = [name for name in text.split(",") if name]
    for name in found:
        if name not in known:
            raise UsageError(f"{name!r} is none of {', '.join(known)}")
    return found


def _numbers(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds {text}: expected numbers by comma") from error


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
