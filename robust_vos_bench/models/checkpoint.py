"""Finding, reading and strictly comparing checkpoints."""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.card import ModelCard
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    import torch

RANDOM = "random"
"""The checkpoint word for deterministic recipe weights: smoke tests only, never a leaderboard."""


def search_folders(family: str) -> list[Path]:
    """Where official files are looked for, in order."""
    folders = []
    if os.environ.get("RVOS_BENCH_WEIGHTS"):
        folders.append(user_path(os.environ["RVOS_BENCH_WEIGHTS"]).absolute() / family)
    folders.append(cache_folder() / "weights" / family)
    return folders


def packaged_folder() -> Path:
    """Where the weights lie that are part of this package: those of the lite reference models."""
    return Path(importlib.import_module("robust_vos_bench.adapters").__path__[0]) / "weights"


def find_checkpoint(card: ModelCard, given: str | Path | None) -> Path | str | None:
    """The file to load: the given one, "random", the first file of the card found, or None where none is needed.

    Files that are part of this package come first, then `search_folders`.

    Raises WeightsError (exit code 4) that says where the authors publish the file and where to put it.
    """
    if given is not None:
        if str(given) == RANDOM:
            return RANDOM
        path = user_path(given).absolute()
        if not path.is_file():
            raise WeightsError(f"checkpoint {str(path)!r} does not exist")
        return path
    if not card.weights:
        return None
    folders = search_folders(card.family)
    for folder in (packaged_folder(), *folders):
        for weights in card.weights:
            if (folder / weights.file).is_file():
                return folder / weights.file
    lines = [f"model {card.name!r} has no weights here."]
    lines += [f"  {weights.file}: {weights.where}" for weights in card.weights]
    lines.append(f"Put the file into {' or '.join(map(str, folders))}, or give it with --checkpoint FILE.")
    lines.append("Models that run without weights: `rvos-bench list models --ready`.")
    lines.append("--checkpoint random runs deterministic untrained weights, for smoke tests only.")
    raise WeightsError("\n".join(lines))


def have_weights(card: ModelCard) -> bool:
    """Whether the model would load here without being given a checkpoint."""
    try:
        find_checkpoint(card, None)
    except WeightsError:
        return False
    return True


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_state(
    path: Path, nesting: Iterable[str] = ("state_dict", "model", "net", "network")
) -> dict[str, torch.Tensor]:
    """The name -> tensor mapping in a checkpoint file (`.safetensors`, or torch's own with `weights_only=True`).

    Unwraps one level of `nesting` where present and strips `module.` prefixes; raises WeightsError otherwise.
    """
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except Exception as error:  # the library raises its own bare type
            raise WeightsError(f"{path}: not a readable safetensors file ({error})") from error
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        zipfile.BadZipFile,
        ValueError,
        LookupError,
    ) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"{path}: cannot be read as a torch checkpoint without running code from it ({first_line}). "
            "Is the download complete?"
        ) from error
    for key in nesting:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
            break
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(v, torch.Tensor) for v in loaded.values()):
        raise WeightsError(f"{path}: holds no state_dict (a mapping of names to tensors)")
    return {str(name).removeprefix("module."): tensor for name, tensor in loaded.items()}


def describe_diff(
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    optional: Callable[[str], bool] = lambda name: False,
) -> list[str]:
    """Every missing, unexpected and misshapen key, one line each; empty where the two fit."""
    lines = [f"missing: {n} {tuple(s)}" for n, s in expected.items() if n not in found and not optional(n)]
    lines += [f"unexpected: {n} {tuple(s)}" for n, s in found.items() if n not in expected and not optional(n)]
    lines += [
        f"shape: {n} is {tuple(found[n])}, the network has {tuple(s)}"
        for n, s in expected.items()
        if n in found and tuple(found[n]) != tuple(s)
    ]
    return lines


def load_strict(
    module: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    source: str,
    optional: Callable[[str], bool] = lambda name: name.endswith("num_batches_tracked"),
    hint: str = "",
) -> None:
    """Load `state` into `module`, or raise a WeightsError that names every key that does not fit."""
    expected = {n: tuple(t.shape) for n, t in module.state_dict().items()}
    lines = describe_diff(expected, {n: tuple(t.shape) for n, t in state.items()}, optional)
    if lines:
        shown = "\n  ".join(lines[:40]) + (f"\n  ... and {len(lines) - 40} more" if len(lines) > 40 else "")
        raise WeightsError(f"{source} does not fit {type(module).__name__}:\n  {shown}" + (f"\n{hint}" if hint else ""))
    module.load_state_dict({n: t for n, t in state.items() if n in expected}, strict=False)
