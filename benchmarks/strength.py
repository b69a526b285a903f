"""Strength of every corruption, mode in time and severity, measured on clips cut from a photograph.

    python benchmarks/strength.py [--corruption fog,snow] [--write]

`--write` replaces benchmarks/strength.csv (which the tests compare with) and benchmarks/strength.md; with
`--corruption`, only the rows of those corruptions.
"""

from __future__ import annotations

import argparse
import csv
import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robust_vos_bench.conditions import Condition, corruptions
from robust_vos_bench.conditions.strength import Strength, measure_strength, strength_clips

FOLDER = Path(__file__).resolve().parent
COLUMNS = ("corruption", "temporal", "severity", "psnr", "ssim", "change", "still", "flicker")
Key = tuple[str, str, int]


def photograph() -> np.ndarray:
    """The photograph that the clips are cut from: scikit-image's `coffee`, RGB uint8 400 x 600 x 3."""
    from skimage.data import coffee

    return np.ascontiguousarray(coffee())


def conditions(names: list[str]) -> Iterator[Condition]:
    """Every (corruption, mode, severity) that changes frames, in order of family and name."""
    for name, spec in sorted(corruptions().items(), key=lambda item: (item[1].family, item[0])):
        if spec.scope != "prompt" and (not names or name in names):
            for temporal in spec.temporal or ("",):
                for severity in range(1, spec.levels + 1):
                    yield Condition(name, severity, temporal, clean_reference=False)


def read(path: Path = FOLDER / "strength.csv") -> dict[Key, Strength]:
    """The committed table by (corruption, temporal, severity)."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            (row["corruption"], row["temporal"], int(row["severity"])): Strength(*(float(row[c]) for c in COLUMNS[3:]))
            for row in csv.DictReader(file)
        }


def write(table: dict[Key, Strength]) -> None:
    """The table as CSV and as Markdown."""
    with (FOLDER / "strength.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for key, s in table.items():
            writer.writerow([*key, *(f"{value:.4f}" for value in (s.psnr, s.ssim, s.change, s.still, s.flicker))])
    lines = [
        "# Strength of the corruptions",
        "",
        "Made by `python benchmarks/strength.py --write` on clips of 12 frames of 427 x 240 cut from one photograph: "
        "PSNR, SSIM and mean absolute change (grey levels) on a panning clip; flicker (mean difference of neighbouring "
        "frames) on a still clip, and its ratio to the change there: above 1, a corruption moves a still image from "
        "frame to frame by more than it changes it. Severity need not grow in every column: the sources' levels are "
        "kept. Corruptions of the prompt change no frame and are measured in IoU elsewhere.",
        "",
        "| corruption | mode | severity | PSNR, dB | SSIM | change | flicker | flicker / change |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, temporal, severity), s in table.items():
        psnr = "inf" if math.isinf(s.psnr) else f"{s.psnr:.1f}"
        lines.append(
            f"| {name} | {temporal or '-'} | {severity} | {psnr} | {s.ssim:.3f} | {s.change:.1f} | {s.flicker:.1f} "
            f"| {s.flicker_ratio:.2f} |"
        )
    (FOLDER / "strength.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corruption", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [name for name in arguments.corruption.split(",") if name]
    clips = strength_clips(photograph())
    old = read() if names and (FOLDER / "strength.csv").is_file() else {}
    new: dict[Key, Strength] = {}
    for condition in conditions(names):
        strength = measure_strength(condition, clips)
        new[condition.corruption, condition.temporal, condition.severity] = strength
        print(
            f"{condition.label:32} PSNR {strength.psnr:5.1f}  SSIM {strength.ssim:.3f}  change {strength.change:5.1f}  "
            f"flicker {strength.flicker:5.1f} ({strength.flicker_ratio:.2f})",
            flush=True,
        )
    if arguments.write:
        merged = old | new
        every = [(c.corruption, c.temporal, c.severity) for c in conditions([])]
        write({key: merged[key] for key in every if key in merged})


if __name__ == "__main__":
    main()
