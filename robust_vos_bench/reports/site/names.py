"""Permanent plain names for pages: given once, kept in `names.toml` beside the results, never changed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from robust_vos_bench.analysis.leaderboard import Page
from robust_vos_bench.analysis.naming import preset_words
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.atomic import write_bytes
from robust_vos_bench.system.toml import read_toml

FILE = "names.toml"
RESERVED = frozenset({"index", "published", "attacks", "submit", "all", "con", "nul", "aux", "prn"})
HEAD = """\
# Names of the pages on the site: page of this folder = file name there, without .html.
# A name is given when a page is first made, and stays: others link to it.
"""


def page_names(folder: Path, pages: Sequence[Page]) -> dict[str, str]:
    """Page -> name, as kept in the folder; new pages get one. Raises DataError for names that are no file names."""
    path = folder / FILE
    known = _read(path) if path.exists() else {}
    names = dict(known)
    for page in pages:
        if page.name not in names:
            names[page.name] = _free(plain_name(page), set(names.values()) | RESERVED)
    if names != known:
        lines = [f"{json.dumps(page)} = {json.dumps(name)}\n" for page, name in sorted(names.items())]
        write_bytes(path, (HEAD + "".join(lines)).encode())
    return names


def plain_name(page: Page) -> str:
    """Data set, preset or what was chosen, and how much of the split: "davis2016-val-common-v1-severity-3-8-videos"."""
    manifest = page.manifest
    words = preset_words(manifest)
    if manifest.preset.name == "custom":
        kinds = len({c.corruption for c in manifest.corrupted})
        levels = "-".join(str(s) for s in sorted({c.severity for c in manifest.corrupted}))
        words = f"{kinds} corruptions severity {levels}"
    words = re.sub(r"\b(part of|altered from)\b", "", words).replace("severities", "severity")
    parts = [page.dataset, words]
    if manifest.seed:
        parts.append(f"seed {manifest.seed}")
    if manifest.dataset.videos < manifest.dataset.videos_in_split:
        parts.append(f"{manifest.dataset.videos} videos")
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(parts).lower()).strip("-.")[:80].strip("-.") or "page"


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name}-{i}" for i in range(2, len(taken) + 3) if f"{name}-{i}" not in taken)


def _read(path: Path) -> dict[str, str]:
    found = read_toml(path, DataError)
    for page, name in found.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) or name in RESERVED:
            raise DataError(f"{path}: the name of {page} is {name!r}; use small letters, digits, dots and hyphens")
    if len(set(found.values())) < len(found):
        raise DataError(f"{path}: two pages have the same name")
    return found
