"""The weights that the video stage starts from: a training state, or an exported file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from robust_vos_bench.errors import DataError
from robust_vos_bench.models.checkpoint import packaged_folder
from training.state import load


def find_start(model: str) -> Path:
    """The shipped weights of the recipe `plain`. Raises DataError where there are none."""
    file = packaged_folder() / f"{model}.plain.safetensors"
    if not file.is_file():
        raise DataError(f"{file}: no weights of {model} to start from; give a state or a .safetensors file as --start")
    return file


def read_start(file: Path) -> tuple[dict[str, Tensor], str]:
    """Averaged weights (float32) and the sha256 that stands for them. Raises DataError for what cannot be read."""
    if file.suffix == ".pt":
        weights = load(file).average
        if not weights:
            raise DataError(f"{file}: a training state without weights")
    else:
        try:
            weights = {name: tensor.float() for name, tensor in load_tensors(file.read_bytes()).items()}
        except (OSError, SafetensorError) as error:
            raise DataError(f"{file}: not a readable weights file ({error})") from error
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + b"\0" + weights[name].contiguous().numpy().tobytes())
    return weights, digest.hexdigest()
