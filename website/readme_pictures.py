"""`python -m website.readme_pictures`: the pictures that are kept in the repository, in docs/pictures."""

from __future__ import annotations

from pathlib import Path

from robust_vos_bench import Condition
from robust_vos_bench.corrupted.preview import contact_sheet
from website import photograph

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SHOWN = ("motion_blur", "fog", "lens_drops", "gaussian_noise")


def main() -> None:
    conditions = [Condition(name, severity) for name in SHOWN for severity in (1, 2, 3, 4, 5)]
    sheet = contact_sheet(photograph.clip(), conditions, tile_width=210)
    FOLDER.mkdir(exist_ok=True)
    sheet.save(FOLDER / "strip.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
