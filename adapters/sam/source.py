"""Checkpoints of the Hugging Face Hub and in folders of its layout: `hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION`, `hf:FOLDER`.

A folder holds `config.json` and `model.safetensors`. No transformers here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights
from robust_vos_bench.system.paths import user_path

PREFIX = "hf:"
CONFIG, FILE = "config.json", "model.safetensors"
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")


def entry_of(name: str, target: str, extra: str) -> ModelEntry:
    """The entry of a name that begins with `hf:`. Raises UsageError for one that is neither folder nor repository."""
    place = name.removeprefix(PREFIX)
    folder = user_path(place).absolute()
    match = _REPOSITORY.fullmatch(place)
    if folder.is_dir():
        shown, where = folder.name, f"the folder {folder}"
        weights = Weights(str(folder / FILE), where)
    elif match is not None and ".." not in place:
        shown, where = place, f"https://huggingface.co/{match['name']}"
        weights = Weights(f"{place}/{FILE}", f"{where}, with {CONFIG} beside it")
    else:
        raise UsageError(
            f"model {name!r}: there is no such folder, and it is no repository of the Hugging Face Hub; write "
            f"{PREFIX}OWNER/NAME or {PREFIX}FOLDER"
        )
    card = ModelCard(
        PREFIX + shown,
        title=f"{shown} (transformers)",
        license=f"see {where}",
        url=where if match is not None else "",
        weights=(weights,),
        late_objects="native",
        max_objects=254,
        input_policy="squashed to the square of its config.json by Pillow's bicubic; logits bilinear to the frame",
        autocast="required-bf16",
        extra=extra,
        notes="a checkpoint of somebody's own: shapes as its config.json says, everything else as the built-in models",
        version="2",
    )
    return ModelEntry(card, target, {"network": PREFIX}, found_by=PREFIX + str(folder) if folder.is_dir() else name)


def settings_beside(checkpoint: Path) -> dict[str, Any]:
    """What the config.json beside a checkpoint says. Raises WeightsError where there is none, or it cannot be read."""
    path = checkpoint.parent / CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{checkpoint} needs the {CONFIG} of its repository beside it; there is none") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path}: holds no settings")
    return found
