"""Stored splits as conditions of a run: found in folders, checked against the data set, in order."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_vos_bench.attacks.threat import Threat, in_order, read_threat
from robust_vos_bench.conditions import Condition, PresetInfo
from robust_vos_bench.conditions.stored import split_origin
from robust_vos_bench.corrupted.split import MANIFEST, SCHEMA
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.store import safe_name
from robust_vos_bench.system.text import read_text


def read_manifest(split: Path) -> dict[str, Any]:
    """The manifest of a stored split. Raises DataError where there is none or it is damaged."""
    path = split / MANIFEST
    if not path.is_file():
        raise DataError(f"{split}: no {MANIFEST} there, so it is no stored split; `rvos-bench attack` makes them")
    try:
        found = json.loads(read_text(path))
        whole = isinstance(found["videos"], dict) and isinstance(found["attack"]["threat"], str)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged, or not of an attack ({type(error).__name__}: {error})") from error
    if not whole or found.get("schema") != SCHEMA:
        raise DataError(f"{path}: not the manifest of an attack that this version reads")
    return dict(found)


def splits_in(folder: Path) -> list[Path]:
    """The stored splits of an output folder, sorted, or the folder itself where it is one. Raises DataError where
    there is none."""
    if (folder / MANIFEST).is_file():
        return [folder]
    found = sorted(p.parent for p in folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
    kept = []
    for split in found:
        with contextlib.suppress(DataError):
            read_manifest(split)
            kept.append(split)
    if not kept:
        raise DataError(f"{folder}: holds no stored split; `rvos-bench attack --output {folder}` makes them")
    return kept


def stored_condition(split: Path, dataset: Dataset) -> Condition:
    """The condition of a stored split, for `run`. Raises DataError where it is of another data set, lacks videos that
    are open, or lies in a folder of another name."""
    manifest = read_manifest(split)
    if manifest["dataset"] != dataset.name:
        raise DataError(f"{split}: is a split of {manifest['dataset']}, and the data set is {dataset.name}")
    missing = [name for name in dataset.videos if name not in manifest["videos"]]
    if missing:
        raise DataError(
            f"{split}: has no frames of {len(missing)} of the {len(dataset.videos)} videos ({', '.join(missing[:3])}); "
            "finish it with the `rvos-bench attack` that made it, or choose --videos"
        )
    threat, source = threat_of(manifest, split), source_of(manifest)
    condition = Condition(
        threat.name, threat.budget, source=source, store=str(manifest["store"])[:32], origin=split_origin(split.parent)
    )
    if condition.label != split.absolute().name:
        raise DataError(f"{split}: its folder must be named {condition.label!r}, as its manifest says")
    return condition


def threat_of(manifest: Mapping[str, Any], split: Path) -> Threat:
    """The threat that a manifest names."""
    try:
        return read_threat(manifest["attack"]["threat"])
    except UsageError as error:
        raise DataError(f"{split / MANIFEST}: {error}") from error


def source_of(manifest: Mapping[str, Any]) -> str:
    """The model that a manifest names, as in labels; "" for none."""
    source = manifest["attack"].get("source")
    return safe_name(str(source["name"])) if isinstance(source, Mapping) else ""


def stored_conditions(
    folders: Sequence[Path], dataset: Dataset, preset: PresetInfo | None
) -> tuple[list[Condition], PresetInfo]:
    """The conditions of all stored splits in some folders, smaller threats first, and the preset they belong to.

    preset: None where other conditions are in the run as well. Raises DataError for a split that does not fit the data
    set, UsageError where two have one name.
    """
    found: list[tuple[Threat, Condition]] = []
    presets = set()
    for split in dict.fromkeys(split for folder in folders for split in splits_in(folder)):
        manifest = read_manifest(split)
        found.append((threat_of(manifest, split), stored_condition(split, dataset)))
        made_by = manifest["attack"].get("preset")
        if made_by:  # noise is of all of them
            presets.add((str(made_by.get("name", "custom")), int(made_by.get("version", 0))))
    labels = [condition.label for _, condition in found]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(
                f"two stored splits are named {label!r}, so their scores could not be told apart: score "
                "them in two runs"
            )
    order = in_order([threat for threat, _ in found])
    conditions = [c for _, c in sorted(found, key=lambda pair: (order.index(pair[0]), pair[1].source))]
    if preset is None or len(presets) != 1:
        return conditions, PresetInfo("custom", 0, "Stored splits")
    name, version = presets.pop()
    return conditions, PresetInfo(name, version, "Stored splits")
