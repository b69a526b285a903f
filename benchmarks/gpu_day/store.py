"""Results of steps on disk: one JSON file each, so that the same command goes on where it stopped."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import UsageError
from robust_vos_bench.system.atomic import write_bytes


@dataclass
class Result:
    """What came of one step."""

    key: str
    status: str
    """"ok" or "failed"."""
    seconds: float = 0.0
    found: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    commit: str = ""


class Store:
    """The folder of a day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps = folder / "steps"
        self.steps.mkdir(parents=True, exist_ok=True)

    def claim(self, place: dict[str, Any]) -> None:
        """Refuse a folder that has results of another card, version of torch, or size. Raises UsageError."""
        path = self.folder / "place.json"
        if path.is_file():
            before = json.loads(path.read_text(encoding="utf-8"))
            other = [f"{k} was {before.get(k)!r}, is {v!r}" for k, v in place.items() if before.get(k) != v]
            if other:
                raise UsageError(
                    f"{self.folder} has results of another day ({'; '.join(other)}); give another --output"
                )
        else:
            write_bytes(path, json.dumps(place, indent=1).encode())

    def read(self) -> dict[str, Result]:
        """All results by key; a damaged file counts as none, and its step runs again."""
        found = {}
        for path in sorted(self.steps.glob("*.json")):
            try:
                result = Result(**json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                continue
            found[result.key] = result
        return found

    def write(self, result: Result) -> None:
        """Store one result, whole or not at all."""
        path = self.steps / (re.sub(r"[^\w.+-]", "_", result.key) + ".json")
        write_bytes(path, json.dumps(vars(result), indent=1).encode())
