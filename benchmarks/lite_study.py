"""The study of the lite models, docs/lite-study.md: make its runs, put them on the leaderboards, write its tables.

    python benchmarks/lite_study.py list --davis ~/DAVIS --objects ~/DAVIS-2017     # the commands of all runs
    python benchmarks/lite_study.py run --davis ~/DAVIS --objects ~/DAVIS-2017 --output runs/lite --workers 2
    python benchmarks/lite_study.py keep --output runs/lite                         # leaderboards/ and its results
    python benchmarks/lite_study.py write                                           # tables of the pages

`run` makes a run per setting and model and goes on where it was stopped; `list` and `run` take `--settings` and
`--models`, by comma. `keep` takes what is complete. `write` needs nothing but `leaderboards/results` and the CSV files
beside this. Any other flag of `run` is one of `rvos-bench run`.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lite_runs import EVERY, SETTINGS, kept
from lite_tables import Study

from robust_vos_bench.analysis.run import load_run
from robust_vos_bench.api.share import leaderboard
from robust_vos_bench.errors import RvosError, UsageError, unknown

ROOT = Path(__file__).resolve().parents[1]
BOARDS = ROOT / "leaderboards"
PAGES = (ROOT / "docs" / "lite-study.md", ROOT / "docs" / "reference-weights.md")
BLOCK = re.compile(r"(<!-- table:([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given, more = _parser().parse_known_args(arguments)
    try:
        if more and given.verb != "run":
            raise UsageError(f"`{given.verb}` does not know {more[0]}")
        if given.verb == "list":
            for command in _commands(given):
                print(shlex.join(["rvos-bench", *command]))
        elif given.verb == "run":
            for command in _commands(given):
                if code := subprocess.call([sys.executable, "-m", "robust_vos_bench", *command, *more]):
                    return code
        elif given.verb == "keep":
            runs = [load_run(path.parent) for path in sorted(given.output.glob("*/run.json"))]
            whole = [run for run in runs if run.manifest.status == "complete"]
            if not whole:
                raise UsageError(f"{given.output}: no complete run; make some with `run --output {given.output}`")
            for page in leaderboard(*whole, output=given.boards):
                print(page.name)
        else:
            tables = Study(kept(given.boards)).tables()
            for path in PAGES:
                path.write_text(written(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def written(page: str, tables: dict[str, str]) -> str:
    """The page with every table as the results are now; KeyError for a table that is not made."""
    return BLOCK.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}", page)


def _commands(given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    settings, models = _named(given.settings, tuple(SETTINGS)), _named(given.models, EVERY)
    for name in settings:
        setting = SETTINGS[name]
        root = given.objects if setting.dataset.startswith("davis2017") else given.davis
        yield from setting.commands(root, given.output, models)


def _named(text: str | None, known: Sequence[str]) -> list[str]:
    names = list(known) if text is None else text.split(",")
    for name in names:
        if name not in known:
            raise unknown("name", name, known)
    return names


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument("verb", choices=("list", "run", "keep", "write"))
    made.add_argument("--davis", default="DAVIS", help="folder of DAVIS 2016 [default: %(default)s]")
    made.add_argument("--objects", default="DAVIS-2017", help="of DAVIS 2017 [default: %(default)s]")
    made.add_argument("--output", type=Path, default=Path("runs/lite"), help="folder of runs [default: %(default)s]")
    made.add_argument("--boards", type=Path, default=BOARDS, help="folder of leaderboards [default: the repository's]")
    made.add_argument("--settings", help="by comma: " + ", ".join(SETTINGS))
    made.add_argument("--models", help="by comma: " + ", ".join(EVERY))
    return made


if __name__ == "__main__":
    sys.exit(main())
