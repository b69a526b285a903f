"""`python -m website.pictures`: draws docs/pictures/*.svg; all of it takes some minutes, for it runs a network."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from website.pictures import conditions, loss, scores
from website.pictures.drawing import Drawing

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
DRAWINGS: Mapping[str, Callable[[], Drawing]] = {
    "loss": loss.loss,
    "condition": conditions.condition,
    "time": conditions.time,
    "profiles": conditions.profiles,
    "strength": conditions.strength,
    "reference": conditions.reference,
    "j-and-f": scores.j_and_f,
    "cells": scores.cells,
    "paired": scores.paired,
}
"""Name of a file without its ending -> what draws it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m website.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"by default all of them: {', '.join(DRAWINGS)}")
    names = parser.parse_args().names
    if unknown := set(names) - set(DRAWINGS):
        parser.error(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(DRAWINGS)}")
    for name in names or DRAWINGS:
        path = FOLDER / f"{name}.svg"
        path.write_text(DRAWINGS[name]().svg(), encoding="utf-8")
        print(f"{path} ({path.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    main()
