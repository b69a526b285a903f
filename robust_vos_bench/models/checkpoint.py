"""Finding, reading and strictly comparing checkpoints."""

from __future__ import annotations

import hashlib
import importlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.fetch.offline import VARIABLE, is_offline
from robust_vos_bench.models.card import ModelCard, Weights
from robust_vos_bench.models.file_kinds import kind_of, plain, why_unreadable
from robust_vos_bench.models.state_dicts import (
    WRAPPERS,
    faults_of_values,
    unwrapped,
    with_prefix_of,
    without_prefixes,
)
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    import torch

RANDOM = "random"
"""The checkpoint word for deterministic recipe weights: smoke tests only, never a leaderboard."""


def weights_roots() -> list[Path]:
    """Where weights are kept, a folder for each family in it, in the order of search."""
    given = os.environ.get("RVOS_BENCH_WEIGHTS")
    return [*([user_path(given).absolute()] if given else []), cache_folder() / "weights"]


_FORBIDDEN = f" (not done now: --offline or {VARIABLE} forbids the network)"


def search_folders(family: str) -> list[Path]:
    """Where official files are looked for, in order."""
    return [root / family for root in weights_roots()]


def packaged_folder() -> Path:
    """Where the weights lie that are part of this package: those of the lite reference models."""
    return Path(importlib.import_module("robust_vos_bench.adapters").__path__[0]) / "weights"


def find_checkpoint(card: ModelCard, given: str | Path | None) -> Path | str | None:
    """The file to load: the given one, "random", the first file of the card found, or None where none is needed.

    given: may also be the bare name of a file on the card ("XMem-s012.pth"). Files that are part of this package come
    first, then `search_folders`.

    Raises WeightsError (exit code 4) that says where the authors publish the file and where to put it.
    """
    if given is not None:
        if str(given) == RANDOM:
            return RANDOM
        path = user_path(given).absolute()
        if path.is_dir():
            kind_of(path)  # says what to give instead
        if path.is_file():
            return path
        official = on_card(card, given)
        if official is None:
            raise WeightsError(f"checkpoint {str(path)!r} does not exist")
        found = find_official(card, (official,))
        if found is None:
            raise WeightsError(_absent(card, (official,)))
        return found
    if not card.weights:
        return None
    found = find_official(card, card.weights)
    if found is None:
        raise WeightsError(_absent(card, card.weights))
    return found


def find_official(card: ModelCard, files: Sequence[Weights]) -> Path | None:
    """The first of these official files that is here."""
    for folder in (packaged_folder(), *search_folders(card.family)):
        for weights in files:
            if (folder / weights.file).is_file():
                return folder / weights.file
    return None


def find_also(card: ModelCard, file: str) -> Path:
    """A file that is needed beside the checkpoint (`ModelCard.also`). Raises WeightsError that says how to get it."""
    wanted = tuple(weights for weights in card.also if weights.file == file)
    found = find_official(card, wanted)
    if found is None:
        raise WeightsError(_absent(card, wanted))
    return found


def on_card(card: ModelCard, given: str | Path) -> Weights | None:
    """The official file that a bare name means, where there is no such file in the working directory."""
    if Path(given).name != str(given) or Path(given).exists():
        return None
    return next((weights for weights in card.weights if weights.file == str(given)), None)


def _absent(card: ModelCard, files: Sequence[Weights]) -> str:
    """That none of these files is here, and every way to get one."""
    folders = search_folders(card.family)
    lines = [f"model {card.name!r} has no weights here."]
    lines += [f"  {weights.file}: {weights.said}" for weights in files]
    for weights in files:
        found = [f / weights.original for f in folders if weights.original and (f / weights.original).is_file()]
        if found:
            lines.append(f"{found[0]} is here and has to be converted once: rvos-bench weights convert {card.name}")
    fetchable = next((weights for weights in files if weights.links), None)
    if fetchable is not None:
        name = card.name if fetchable is card.weights[0] else fetchable.file
        lines.append(f"Fetch it: rvos-bench weights get {name}{_FORBIDDEN if is_offline() else ''}")
    lines.append(f"Put the file into {' or '.join(map(str, folders))}, or give it with --checkpoint FILE.")
    lines.append("Models that run without weights: `rvos-bench list models --ready`.")
    lines.append("--checkpoint random runs deterministic untrained weights, for smoke tests only.")
    return "\n".join(lines)


def have_weights(card: ModelCard) -> bool:
    """Whether the model would load here without being given a checkpoint."""
    try:
        find_checkpoint(card, None)
    except WeightsError:
        return False
    return True


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file. Raises WeightsError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from error
    return digest.hexdigest()


def read_state(path: Path, nesting: Iterable[str] = WRAPPERS) -> dict[str, torch.Tensor]:
    """The name -> tensor mapping in a file of safetensors or of torch, told apart by content; no code of it is run.

    Wrappings (`nesting`: keys, one in another) and prefixes of wrapping modules are taken off, where that leaves no
    choice (see `state_dicts`). Raises WeightsError that says what the file is, what is in the way and what to do.
    """
    kind = kind_of(path)
    if kind == "safetensors":
        from safetensors.torch import load_file

        try:
            return without_prefixes(load_file(path), path)
        except WeightsError:
            raise
        except Exception as error:  # the library raises its own bare type
            raise WeightsError(
                f"{path}: a damaged or cut off safetensors file ({plain(error)}). Download it again"
            ) from error
    return unwrapped(_tensors_alone(path), path, nesting)


def _tensors_alone(path: Path) -> object:
    """What `torch.load` returns with `weights_only=True`; its advice for other cases is not passed on."""
    import torch

    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            # torch goes by the name where it is one of safetensors
            source = file if path.suffix == ".safetensors" else path
            return torch.load(source, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its bytes lead to
        raise WeightsError(why_unreadable(path)) from error


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
    """Load `state` into `module`, or raise a WeightsError that names every key that does not fit.

    So it does for tensors that hold NaN or Inf, and for types that do not turn into the network's without loss.
    """
    own = module.state_dict()
    state = with_prefix_of(state, own)
    expected = {n: tuple(t.shape) for n, t in own.items()}
    lines = describe_diff(expected, {n: tuple(t.shape) for n, t in state.items()}, optional)
    if lines:
        shown = "\n  ".join(lines[:40]) + (f"\n  ... and {len(lines) - 40} more" if len(lines) > 40 else "")
        raise WeightsError(f"{source} does not fit {type(module).__name__}:\n  {shown}" + (f"\n{hint}" if hint else ""))
    if faults := faults_of_values(state, own, (n for n, _ in module.named_parameters(remove_duplicate=False))):
        shown = "\n  ".join(faults[:10]) + (f"\n  ... and {len(faults) - 10} more" if len(faults) > 10 else "")
        raise WeightsError(
            f"{source} fits {type(module).__name__}, but its numbers cannot be used:\n  {shown}\n"
            "The file is damaged, or its training diverged; take another one"
        )
    module.load_state_dict({n: t for n, t in state.items() if n in expected}, strict=False)
