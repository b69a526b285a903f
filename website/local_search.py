"""Search in pages that are opened from a disk, without a request to another host."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ASKED = "https://unpkg.com/iframe-worker/shim"
"""What the generator's offline mode would load."""


def without_other_hosts(site: Path) -> None:
    """Put our own `worker.js` in the place of the script that pages would load from another host."""
    place = site / "assets" / "javascripts" / "worker.js"
    shutil.copyfile(Path(__file__).with_name("worker.js"), place)
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if ASKED in text:
            own = os.path.relpath(place, page.parent).replace(os.sep, "/")
            page.write_text(text.replace(ASKED, own), encoding="utf-8")
