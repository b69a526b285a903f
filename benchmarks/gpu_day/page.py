"""The page of a day: one Markdown file with the card's name, and `gpu_gib.toml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpu_day import faults, on_device, parity, product, speed, suite
from gpu_day.setting import Rows, Setting, Step
from gpu_day.store import Result, Store
from robust_vos_bench.models.gpu_memory import FILE, measured_file
from robust_vos_bench.scoring import BACKENDS
from robust_vos_bench.system.atomic import make_folder, write_bytes

SECTIONS: tuple[tuple[str, str, str, Callable[[dict[str, Rows]], list[str]]], ...] = (
    (
        "parity",
        "Parity with the CPU",
        "Untrained weights, one clip of 3 objects (one appears at frame 2). Shares of labels that differ from float32 "
        "on the CPU at frame 1, the largest difference of a probability there (- where the model gives labels alone), "
        f"and the largest share of labels over all frames. *agrees*: float32 is within {parity.LABELS:g} of labels and "
        f"{parity.PROBABILITY:g} of probabilities at frame 1. *As torch starts* is what `rvos-bench run` uses.",
        parity.table,
    ),
    (
        "speed",
        "Frames per second and memory",
        f"From the uint8 frame to the uint8 mask, transfers included; medians after {speed.WARM} frames. MiB: the most "
        "that torch allocated / reserved. Published figures were made by their authors on their GPUs, with other "
        "measures of time; they are no target.",
        speed.table,
    ),
    (
        "product",
        "Where the time of real runs goes",
        "`rvos-bench run --profile` in a process of its own: shares of its trace. Beside it what the driver says.",
        product.table,
    ),
    (
        "corruptions",
        "Corruptions on the device",
        "Our code on one core / batches with both transfers and random words, milliseconds a frame.",
        on_device.table,
    ),
    ("faults", "Faults", "Done on purpose to real runs.", faults.table),
    ("sharing", "Two models on one device", "Frames per second of the models' own time.", faults.sharing_table),
    ("tests", "Tests that need a GPU", "", suite.table),
)


def write_page(setting: Setting, store: Store, steps: Sequence[Step], place: Mapping[str, Any], command: str) -> Path:
    """Write the page anew from all results; returns its path."""
    results = store.read()
    path = store.folder / f"{slug(str(place['card']))}.md"
    write_bytes(path, page(setting, results, steps, place, command).encode())
    sizes = speed.gpu_gib(of_part(results, "speed"))
    if sizes:
        lines = [f"# GiB of GPU memory at 480p on {place['card']}, torch {place['torch']}: `ModelCard.gpu_gib`."]
        lines += [f'"{name}" = {gib}' for name, gib in sorted(sizes.items())]
        text = ("\n".join(lines) + "\n").encode()
        write_bytes(store.folder / FILE, text)
        if not setting.small:  # where runs and estimates of this machine look
            make_folder(measured_file().parent)
            write_bytes(measured_file(), text)
    return path


def page(
    setting: Setting, results: Mapping[str, Result], steps: Sequence[Step], place: Mapping[str, Any], command: str
) -> str:
    """Markdown of everything that is known so far."""
    title = f"# A day on {place['card']}" + (" (dry run: no figure here means anything)" if setting.small else "")
    facts = ", ".join(f"{k} {v}" for k, v in place.items() if k not in ("card", "small") and v)
    commits = sorted({r.commit for r in results.values() if r.commit})
    done = sum(s.key in results for s in steps)
    frames = f"frames of {setting.data_root.name}" if setting.data_root else "frames that were made"
    lines = [
        title,
        "",
        f"`{command}`: {facts}; {frames}, {setting.size[1]} x {setting.size[0]}, untrained weights; commit "
        f"{', '.join(commits) or 'unknown'}. {done} of {len(steps)} steps are done.",
    ]
    for part, heading, text, table in SECTIONS:
        found = of_part(results, part)
        lines += ["", f"## {heading}", "", *([text, ""] if text else [])]
        lines += table(found) if found else ["Not measured yet."]
        lines += unfinished(part, results, steps)
    lines += ["", "## Scoring", "", scorer()]
    sizes = speed.gpu_gib(of_part(results, "speed"))
    if sizes:
        lines += [
            "",
            "## Numbers for cards and estimates",
            "",
            "`gpu_gib` of each card: the most that torch reserved at 480p with up to 10 objects, and "
            f"{speed.CONTEXT_GIB} GiB for the driver's context (an allowance, not measured). The same "
            "stands in `gpu_gib.toml`.",
            "",
            "| model | gpu_gib |",
            "|---|---|",
            *(f"| {name} | {gib} |" for name, gib in sorted(sizes.items())),
        ]
    return "\n".join(lines) + "\n"


def of_part(results: Mapping[str, Result], part: str) -> dict[str, Rows]:
    """What the finished steps of a part found, by name."""
    return {
        key.partition(":")[2]: r.found
        for key, r in results.items()
        if key.startswith(f"{part}:") and r.status == "ok" and r.found
    }


def unfinished(part: str, results: Mapping[str, Result], steps: Sequence[Step]) -> list[str]:
    """Lines on failed steps and on those that time was too short for."""
    own = [s for s in steps if s.part == part]
    failed = [results[s.key] for s in own if s.key in results and results[s.key].status != "ok"]
    left = [s.name for s in own if s.key not in results]
    lines = [f"- **failed**: {r.key.partition(':')[2]}: {r.error}" for r in failed]
    if left:
        lines.append(f"- not done yet; the same command goes on: {', '.join(left)}")
    return ["", *lines] if lines else []


def scorer() -> str:
    """What scores on a GPU: nothing."""
    return (
        f"Scores are computed on the CPU, by {' or '.join(b for b in BACKENDS if b != 'auto')}. A back end on torch "
        "existed and was removed, because nothing used it; there is nothing to measure."
    )


def slug(card: str) -> str:
    """A file name of a card's name."""
    return re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-") or "device"
