"""Checkpoints of the Hugging Face Hub and in folders of its layout.

Their names are `hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION` and `hf:FOLDER`. A folder holds `config.json` and
`model.safetensors`. No transformers here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.fetch import HubFile
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights
from robust_vos_bench.system.paths import user_path

PREFIX = "hf:"
CONFIG, FILE = "config.json", "model.safetensors"
_REPOSITORY = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?")


def entry_of(name: str, target: str, extra: str, readings: tuple[str, ...]) -> ModelEntry:
    """The entry of a name that begins with `hf:`. Raises UsageError for one that is neither folder nor repository."""
    place = name.removeprefix(PREFIX)
    folder = user_path(place).absolute()
    match = _REPOSITORY.fullmatch(place)
    if folder.is_dir():
        shown, where = folder.name, f"the folder {folder}"
        weights, settings = (Weights(str(folder / file), where) for file in (FILE, CONFIG))
    elif match is not None and ".." not in place:
        shown, where = place, f"https://huggingface.co/{match['name']}"
        weights, settings = (_on_the_hub(match["name"], match["revision"] or "main", place, f) for f in (FILE, CONFIG))
    else:
        raise UsageError(
            f"model {name!r}: there is no such folder, and it is no repository of the Hugging Face Hub; write "
            f"{PREFIX}OWNER/NAME or {PREFIX}FOLDER"
        )
    card = ModelCard(
        PREFIX + shown,
        title=f"{shown} (transformers)",
        license="not known here: see its page" if not folder.is_dir() else "not known here",
        url=where if not folder.is_dir() else "",
        weights=(weights,),
        also=(settings,),
        late_objects="native",
        differentiable=True,
        max_objects=254,
        input_policy="squashed to the square of its config.json by Pillow's bicubic; logits bilinear to the frame",
        autocast="required-bf16",
        extra=extra,
        readings=readings,
        notes="a checkpoint of somebody's own: shapes as its config.json says, everything else as the built-in models",
        version="2",
    )
    return ModelEntry(card, target, {"network": PREFIX}, found_by=PREFIX + str(folder) if folder.is_dir() else name)


def _on_the_hub(repository: str, revision: str, place: str, file: str) -> Weights:
    return Weights(f"{place}/{file}", links=(HubFile(repository, file, revision),))


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
