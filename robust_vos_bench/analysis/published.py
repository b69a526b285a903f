"""Scores that authors published, each with its source and, where it can be repeated here, the setting."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from robust_vos_bench.errors import DataError
from robust_vos_bench.system.text import read_text


class PublishedScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published number."""

    model: str
    """As its source calls the model."""
    dataset: str
    metric: str
    """"J&F", "G" (overall score of YouTube-VOS), ..."""
    value: float
    """In points."""
    source: str
    """Key of `Published.sources`."""
    note: str = ""
    run: str = ""
    """The model here that repeats it; "" where that is not possible."""
    checkpoint: str = ""
    """Its official file; "" for the model's first."""
    option: tuple[str, ...] = ()
    """Options that differ from the model's own, "NAME=VALUE"."""


@dataclass(frozen=True)
class Published:
    """All of them."""

    sources: dict[str, str]
    """Key -> document and place."""
    score: tuple[PublishedScore, ...]


def published_file() -> Path:
    """The file that is part of this package."""
    return Path(importlib.import_module("robust_vos_bench.adapters").__path__[0]) / "published.toml"


def read_published(path: Path | None = None) -> Published:
    """The scores in a file, by default the package's own. Raises DataError where a row is incomplete or misspelt."""
    path = published_file() if path is None else path
    text = read_text(path)
    try:
        found = msgspec.toml.decode(text, type=Published)
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: {error}") from error
    for row in found.score:
        if row.source not in found.sources:
            raise DataError(f"{path}: {row.model} on {row.dataset}: the source {row.source!r} is not listed")
    return found
