"""What there is to choose from: `rvos-bench list`, as rows of plain data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_vos_bench.errors import DataError, RvosError, unknown
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    from robust_vos_bench.registry import Item, Problem, Registry


def problems(kind: str) -> list[Problem]:
    """Plug-ins of a kind ("models", "corruptions", "presets", "datasets") that cannot be used, with messages."""
    return [] if kind == "runs" else _registry(kind).problems()


def _registry(kind: str) -> Registry[Any]:
    if kind == "models":
        from robust_vos_bench.models.registry import MODELS

        return MODELS
    if kind == "datasets":
        from robust_vos_bench.datasets import DATASETS

        return DATASETS
    from robust_vos_bench.conditions import CORRUPTIONS, PRESETS

    return CORRUPTIONS if kind == "corruptions" else PRESETS


def list_models(ready: bool = False) -> list[dict[str, Any]]:
    """Every model: name, title, licence, weights, whether it is `ready` here, why not. ready: only those that are.

    Published systems of which nothing that runs exists are listed too, with `available` false.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> {"aoc.lite", "labelprop"} <= {row["name"] for row in rvos.list_models(ready=True)}
    True
    """
    from robust_vos_bench.models import describe_models

    return [row for row in describe_models() if row.get("ready") or not ready]


def _origin(item: Item[Any]) -> dict[str, str]:
    """Where an item comes from, said only of what is not built in."""
    return {} if item.origin.kind == "built in" else {"origin": str(item.origin)}


def list_corruptions() -> list[dict[str, Any]]:
    """Every corruption: name, family, severities, modes in time, parameters, summary.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> sorted({row["family"] for row in rvos.list_corruptions()})[:3]
    ['blur', 'camera', 'codec']
    """
    from robust_vos_bench.conditions import CORRUPTIONS

    rows = [
        {
            "name": c.name,
            "family": c.family,
            "severities": f"1-{c.levels}",
            "time": ", ".join(c.temporal) or "-",
            "values": ", ".join(map(str, c.values)) + (f" ({c.unit})" if c.unit else ""),
            "summary": c.summary,
            **_origin(item),
        }
        for item in CORRUPTIONS.usable().values()
        for c in (item.value,)
    ]
    return sorted(rows, key=lambda row: (row["family"], row["name"]))


def list_presets() -> list[dict[str, Any]]:
    """Every preset: name, version, number of conditions, corruptions, description.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> {row["name"]: row["version"] for row in rvos.list_presets()}["common"]
    1
    """
    from robust_vos_bench.conditions import PRESETS, load_preset

    rows = []
    for name, item in sorted(PRESETS.usable().items()):
        try:
            info = load_preset(name)
        except RvosError as error:  # of an installed package: the others are listed all the same
            warnings.warn(f"Warning: {error}", stacklevel=2)
            continue
        rows.append(
            {
                "name": info.name,
                "version": info.version,
                "conditions": len(info.conditions()),
                "corruptions": list(info.corruptions),
                "description": info.description,
                **_origin(item),
            }
        )
    return rows


def list_conditions(preset: str) -> list[dict[str, Any]]:
    """What a preset is made of, one row per corruption: severities, mode, profile, whether prompt frames stay clean.

    preset: a name, or `path/to/my.toml`. Raises UsageError for an unknown one.
    """
    from robust_vos_bench.conditions import corruption_of, load_preset

    return [
        {
            "name": entry.corruption,
            "family": corruption_of(entry.base).family,
            "severities": list(entry.severities),
            "time": entry.base.temporal or "-",
            "profile": entry.base.profile,
            "reference": "clean" if entry.base.clean_reference else "corrupted",
        }
        for entry in load_preset(preset).entries
    ]


def only(kind: str, rows: list[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of some names or families ("weather", "aot"), in their order. UsageError for a name that is neither."""
    known = {name for row in rows for name in _names(row)}
    families = {str(row.get("family") or str(row["name"]).partition(".")[0]) for row in rows}
    for name in names:
        if name not in known | families:
            raise unknown(kind.removesuffix("s"), name, sorted(known | families), f"See `rvos-bench list {kind}`.")
    return [
        row
        for row in rows
        if _names(row) & set(names) or (row.get("family") or str(row["name"]).partition(".")[0]) in names
    ]


def _names(row: dict[str, Any]) -> set[str]:
    return {str(row["name"]), *row.get("aliases", ())}


def list_datasets() -> list[dict[str, Any]]:
    """Every data set: name, splits, whether it needs a data root, summary.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> "davis2017" in {row["name"] for row in rvos.list_datasets()}
    True
    """
    from robust_vos_bench.datasets import DATASETS, ENTRIES

    usable = DATASETS.usable()
    order = [*(entry.family for entry in ENTRIES), *sorted(set(usable) - {entry.family for entry in ENTRIES})]
    return [
        {
            "name": name,
            "splits": [s for s in usable[name].value.splits if s],
            "needs --data-root": usable[name].value.needs_root,
            "summary": usable[name].value.summary,
            **_origin(usable[name]),
        }
        for name in order
    ]


def list_runs(folder: str | Path = "rvos-results") -> list[dict[str, Any]]:
    """Every run directory in a folder: status, models, data set, preset, units. A damaged one is listed as such.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model="static", corruption="fog-3", limit=2, progress=False)
    >>> len(rvos.list_runs()) > 0
    True
    """
    from robust_vos_bench.runs.store import RunStore

    rows: list[dict[str, Any]] = []
    for path in sorted(user_path(folder).glob("*/run.json")):
        try:
            manifest = RunStore(path.parent).manifest()
        except DataError as error:
            warnings.warn(f"Warning: {error}", stacklevel=2)
            unknown = {"models": [], "dataset": "", "preset": "", "units": "", "updated": ""}
            rows.append({"folder": str(path.parent), "status": "damaged", **unknown})
            continue
        if manifest is None:
            continue
        rows.append(
            {
                "folder": str(path.parent),
                "status": manifest.status,
                "models": [m.name for m in manifest.models],
                "dataset": manifest.dataset.name,
                "preset": manifest.preset.name,
                "units": f"{manifest.units.ok}/{manifest.units.planned}",
                "updated": manifest.updated,
            }
        )
    return rows
