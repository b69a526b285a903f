"""Everything that only a GPU can tell: parity, speed, memory, corruptions, real runs, faults. One command, one page.

    python benchmarks/gpu_day                          # 25 minutes on cuda, most important things first
    python benchmarks/gpu_day --minutes 60             # the same command goes on where the last one stopped
    python benchmarks/gpu_day --data-root ~/DAVIS --dataset davis2017:val
    python benchmarks/gpu_day --only parity,faults --list
    python benchmarks/gpu_day --dry-run-on-cpu         # every part with tiny sizes: no typing error waits for the GPU

Nothing is fetched and no weights are needed: networks run untrained. Each step's result is stored when it ends, in
DIR/steps; the page DIR/<card>.md is written anew after every step. A step that fails is told on the page, costs the
others nothing, and is tried again with --again. Exit codes: 0 all steps are done, 2 usage, 3 steps failed or are left.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu_day import faults, on_device, parity, product, speed, suite
from gpu_day.helper import Helper
from gpu_day.models_of_a_day import networks, one_of_each
from gpu_day.page import write_page
from gpu_day.setting import Setting, Step
from gpu_day.store import Store
from robust_vos_bench.errors import RvosError, UsageError

RESERVE = 5.0
"""Seconds of the budget that are kept for the page."""


def plan(setting: Setting) -> list[Step]:
    """All steps, the most important first."""
    every, kinds = networks(setting.small), one_of_each(setting.small)
    first = kinds[:8]
    later = [name for name in every if name not in kinds]
    fault, product_runs = faults.steps(setting), product.steps(setting)
    return [
        *parity.steps(setting, first),
        *product_runs[:3],
        *speed.steps(setting, first),
        *parity.steps(setting, [name for name in kinds if name not in first]),
        *[step for step in fault if step.part == "faults"],
        *on_device.steps(setting),
        *suite.steps(setting),
        *speed.steps(setting, [name for name in kinds if name not in first]),
        *[step for step in fault if step.part == "sharing"],
        *product_runs[3:],
        *speed.steps(setting, later),
        *parity.steps(setting, later),
    ]


def place_of(setting: Setting) -> dict[str, Any]:
    """The card and what decides its numbers. Raises UsageError where the device is not there."""
    import torch

    from robust_vos_bench.runs.local.devices import check_devices

    place: dict[str, Any] = {"card": f"CPU, {platform.machine()}", "torch": torch.__version__, "small": setting.small}
    if setting.cuda:
        check_devices([setting.device])
        card = torch.cuda.get_device_properties(setting.device)
        place |= {"card": card.name, "CUDA": torch.version.cuda, "GiB": round(card.total_memory / 2**30, 1)}
    return place


def carry_out(setting: Setting, steps: Sequence[Step], minutes: float, again: bool, command: str) -> int:
    """Do what is left within the budget; returns the exit code."""
    begun = time.monotonic()
    place, store = place_of(setting), Store(setting.folder)
    store.claim(place)
    commit = _commit()
    helper = Helper(setting)
    try:
        for number, step in enumerate(steps, 1):
            old = store.read().get(step.key)
            if old is not None and (old.status == "ok" or not again):
                continue
            left = 60 * minutes - RESERVE - (time.monotonic() - begun)
            if left < step.seconds / 2:
                print(
                    f"time is up: {len(steps) - number + 1} steps are left; the same command goes on", file=sys.stderr
                )
                break
            print(f"{number}/{len(steps)} {step.key} ({left / 60:.1f} min left)", file=sys.stderr, flush=True)
            result = helper.do(step, min(step.limit, left))
            result.commit = commit
            store.write(result)
            if result.error:
                print(f"  failed: {result.error}", file=sys.stderr, flush=True)
            write_page(setting, store, steps, place, command)
    finally:
        helper.close()
    path = write_page(setting, store, steps, place, command)
    print(path)
    results = store.read()
    whole = all(s.key in results and results[s.key].status == "ok" for s in steps)
    return 0 if whole else 3


def _commit() -> str:
    from robust_vos_bench.runs.environment import tool

    known = tool()
    return f"{known.get('commit', '')}{' (changed)' if known.get('dirty') else ''}"


def arguments_of(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="gpu_day", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1")
    parser.add_argument("--minutes", type=float, default=25.0, help="budget of this command")
    parser.add_argument("--output", type=Path, default=Path("gpu-day"), help="folder of results (default: gpu-day)")
    parser.add_argument("--data-root", type=Path, help="real frames for the real runs")
    parser.add_argument("--dataset", default="folder", help="what --data-root is, e.g. davis2017:val")
    parser.add_argument(
        "--only", default="", help="parts by comma: parity,speed,product,corruptions,faults,sharing,tests"
    )
    parser.add_argument("--list", action="store_true", help="show the steps in their order, and stop")
    parser.add_argument("--again", action="store_true", help="try steps again that failed")
    parser.add_argument("--dry-run-on-cpu", action="store_true", help="every part on the CPU with tiny sizes")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    words = arguments_of(given)
    try:
        if not words.dry_run_on_cpu and not words.device.startswith("cuda"):
            raise UsageError(f"--device {words.device}: a day is made for cuda; --dry-run-on-cpu tries it without")
        if words.data_root is not None and not words.data_root.is_dir():
            raise UsageError(f"--data-root {words.data_root}: no such folder")
        setting = Setting(
            device="cpu" if words.dry_run_on_cpu else words.device,
            folder=words.output.resolve(),
            small=words.dry_run_on_cpu,
            data_root=words.data_root and words.data_root.expanduser().resolve(),
            dataset=words.dataset,
        )
        steps = plan(setting)
        only = {part for part in words.only.split(",") if part}
        unknown = only - {step.part for step in steps}
        if unknown:
            raise UsageError(
                f"--only {','.join(sorted(unknown))}: the parts are {', '.join({s.part: 0 for s in steps})}"
            )
        steps = [step for step in steps if not only or step.part in only]
        if words.list:
            for step in steps:
                print(f"{step.key}  (about {step.seconds:.0f} s)")
            return 0
        command = shlex.join(["python", "benchmarks/gpu_day", *(sys.argv[1:] if given is None else given)])
        return carry_out(setting, steps, words.minutes, words.again, command)
    except RvosError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
