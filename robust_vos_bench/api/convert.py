"""`robust_vos_bench.convert_weights`: safetensors of a checkpoint that is not read as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models.checkpoint import weights_roots
from robust_vos_bench.models.convert import Converted, convert_file, is_tensorflow, warning_of
from robust_vos_bench.models.registry import MODELS
from robust_vos_bench.models.weights import check_fits
from robust_vos_bench.origin import is_file_spec
from robust_vos_bench.system.paths import user_path


def convert_weights(name: str | Path, *, output: str | Path | None = None, unconfined: bool = False) -> Converted:
    """Make safetensors of a checkpoint with objects beside its tensors, or of TensorFlow: `rvos-bench weights convert`.

    name: a model whose published file needs it (fetched before with `get_weights`), or a file of your own; of a
    checkpoint of TensorFlow its index, or the archive that it is in. output: by default the name on the model's card,
    or FILE.safetensors beside the file. unconfined: also where this system cannot cut the reading process off from the
    network. For files with objects, a warning on stderr says first what could happen.

    Raises UsageError for a model whose files need no conversion, WeightsError where there is no file, where it holds no
    tensors, or where they do not fit the network of the model; nothing is written then.

    Examples
    --------
    >>> import torch
    >>> import robust_vos_bench as rvos
    >>> torch.save({"net": {"weight": torch.zeros(2)}, "epoch": 3}, "mine.pth")
    >>> rvos.convert_weights("mine.pth").path.name  # doctest: +SKIP
    'mine.pth.safetensors'
    """
    given = user_path(name)
    if given.is_file() or not (is_file_spec(str(name)) or MODELS.knows(str(name))):
        target = user_path(output) if output else given.with_name(given.name + ".safetensors")
        return _convert(given, target, unconfined)
    entry = MODELS.find(str(name)).value
    wanted = [weights for weights in entry.card.weights if weights.original]
    if not wanted:
        raise UsageError(f"the files of model {entry.name!r} hold tensors alone; they need no conversion")
    here = [
        (source, weights)
        for weights in wanted
        for root in weights_roots()
        if (source := root / entry.card.family / weights.original).is_file()
    ]
    # Of several files the one that has not been converted yet.
    for source, weights in sorted(here, key=lambda pair: pair[0].with_name(pair[1].file).is_file()):
        target = user_path(output) if output else source.with_name(weights.file)
        return _convert(source, target, unconfined, partial(check_fits, entry, weights, say=_say))
    raise WeightsError(f"{wanted[0].original} is not here; fetch it first: rvos-bench weights get {entry.name}")


def _convert(
    source: Path, target: Path, unconfined: bool, check: Callable[[Path], None] = lambda path: None
) -> Converted:
    if source.is_file() and not is_tensorflow(source):
        _say(warning_of(source))
    made = convert_file(source, target, check, unconfined)
    _say(f"{made.tensors} tensors, read {made.how}; nothing that the file names was called")
    return made


def _say(text: str) -> None:
    print(text, file=sys.stderr)
