"""Does a network compute on the GPU what it computes on the CPU? By TF32 and by AMP; labels and probabilities.

Each model segments one clip with untrained weights on both. Frame 1 is what the prompt and one step of matching give:
nothing of the model's own labels has flowed back yet, so its differences are those of arithmetic. In later frames a
label that differs is remembered, and untrained networks amplify it; these are given for information. Object 3
appears at frame 2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpu_day.clips import video
from gpu_day.setting import Rows, Setting, Step

MODES = (
    ("float32", False, False, False),
    ("as torch starts", None, None, False),
    ("TF32", True, True, False),
    ("AMP", False, False, True),
    ("AMP and TF32", True, True, True),
)
"""(name, TF32 in matrix products, TF32 in convolutions, AMP); None leaves torch's own choice, which is what
`rvos-bench run` does."""
LABELS, PROBABILITY = 1e-3, 1e-3
"""Agreement that is asked of float32 at frame 1: share of labels, largest difference of a probability."""


def steps(setting: Setting, names: list[str]) -> list[Step]:
    """One step per model."""
    return [Step("parity", name, compare, (name,), 10) for name in names]


def compare(setting: Setting, name: str) -> Rows:
    """All modes of one model against float32 on the CPU."""
    import torch

    size, frames = ((48, 80), 3) if setting.small else ((240, 432), 6)
    clip = video(size, frames, 3, late=True)
    before = torch.get_num_threads()
    if not setting.small:
        import os

        torch.set_num_threads(os.cpu_count() or 1)
    cpu_labels, cpu_scores = segmented(name, "cpu", False, clip)
    torch.set_num_threads(before)
    rows: dict[str, Any] = {}
    for mode, products, convolutions, amp in MODES:
        try:
            with tf32(products, convolutions):
                labels, scores = segmented(name, setting.device, amp, clip)
                again = segmented(name, setting.device, amp, clip)[0] if mode == "float32" else labels
        except NoAmp:
            rows[mode] = {"absent": "the model has no option amp"}
            continue
        rows[mode] = {
            "labels_frame_1": share(labels[1], cpu_labels[1]),
            "labels_all": max(share(a, b) for a, b in zip(labels, cpu_labels)),
            "probability_frame_1": None if scores is None or cpu_scores is None else farthest(scores, cpu_scores),
            "repeats": all((a == b).all() for a, b in zip(labels, again)),
        }
    return {"modes": rows, "size": list(size), "frames": frames}


class NoAmp(Exception):
    """The model cannot run in half precision."""


def segmented(name: str, device: str, amp: bool, clip: Any) -> tuple[list[Any], Any]:
    """(masks of all frames, probabilities of frame 1 or None where the model gives labels alone)."""
    import torch

    from robust_vos_bench.models import find_entry, load_adapter
    from robust_vos_bench.models.differentiable import differentiable
    from robust_vos_bench.models.options import entry_options

    has_amp = "amp" in entry_options(find_entry(name))
    if amp and not has_amp:
        raise NoAmp
    adapter = load_adapter(name, "random", device, **({"amp": amp} if has_amp else {}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if not differentiable(adapter):
            return list(adapter.segment(clip)), None
        masks, second = [], None
        frames = (torch.from_numpy(f).permute(2, 0, 1).float().to(device) for f in clip.frames)
        with torch.no_grad():
            for t, scores in enumerate(adapter.roll_out(frames, clip)):  # type: ignore[attr-defined]
                masks.append(scores.mask())
                if t == 1:
                    second = scores.values.float().softmax(0).cpu().numpy()
    return masks, second


@contextlib.contextmanager
def tf32(products: bool | None, convolutions: bool | None) -> Iterator[None]:
    """TF32 switched within the block."""
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        if products is not None:
            matmul.allow_tf32 = products
        if convolutions is not None:
            cudnn.allow_tf32 = convolutions
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def share(a: Any, b: Any) -> float:
    """Share of pixels that differ."""
    return float(np.mean(np.asarray(a) != np.asarray(b)))


def farthest(a: Any, b: Any) -> float:
    """Largest difference."""
    return float(np.abs(a - b).max())


def verdict(modes: dict[str, Any]) -> str:
    """One word on float32 at frame 1."""
    row = modes["float32"]
    probability = row["probability_frame_1"]
    good = row["labels_frame_1"] <= LABELS and (probability is None or probability <= PROBABILITY)
    return "agrees" if good else "differs"


def table(found: dict[str, Rows]) -> list[str]:
    """Markdown rows: model, verdict, and labels / probability by mode."""
    head = ["model", "float32", *(f"{mode}: labels, p, all frames" for mode, *_ in MODES), "float32 repeats itself"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, rows in found.items():
        modes = rows["modes"]
        cells = [name, verdict(modes)]
        for mode, *_ in MODES:
            row = modes[mode]
            if "absent" in row:
                cells.append("no amp")
                continue
            p = row["probability_frame_1"]
            cells.append(f"{row['labels_frame_1']:.1e}, {'-' if p is None else f'{p:.1e}'}, {row['labels_all']:.1e}")
        cells.append("yes" if modes["float32"]["repeats"] else "**no**")
        lines.append("| " + " | ".join(cells) + " |")
    return lines
