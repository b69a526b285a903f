"""The authors' RPCM code (a checkout of JerryX1110/RPCMVOS) behind our adapter contract, to time it and compare masks.

    python benchmarks/peers/aoc.py CHECKOUT --objects 1 --frames 3 --video davis/JPEGImages/480p/camel

times both in turns on the same frames, one thread, CPU seconds, with the same deterministic weights. Nothing of the
checkout is changed or copied: its networks are imported and called as its own evaluator calls them, with only the
moves to a GPU switched off. AOC-Net's published code cannot be imported at all, so there is no peer to run for it;
`--only ours --model aoc` times ours alone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from robust_vos_bench import Video, load_adapter
from robust_vos_bench.adapters.aoc.memory import UNCERTAIN, uncertain
from robust_vos_bench.adapters.aoc.weights import recipe
from robust_vos_bench.adapters.cfbi.preparation import network_size, prepare
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.models.adapter import StreamingAdapter
from robust_vos_bench.models.card import ModelCard

SETTINGS = {
    # what the official configuration sets; it cannot be loaded without a GPU
    "MODEL_EPSILON": 1e-5,
    "MODEL_ASPP_OUTDIM": 256,
    "MODEL_GN_GROUPS": 32,
    "MODEL_GN_EMB_GROUPS": 25,
    "MODEL_SEMANTIC_EMBEDDING_DIM": 100,
    "MODEL_PRE_HEAD_EMBEDDING_DIM": 64,
    "MODEL_HEAD_EMBEDDING_DIM": 256,
    "MODEL_REFINE_CHANNELS": 64,
    "MODEL_LOW_LEVEL_INPLANES": 256,
    "MODEL_MULTI_LOCAL_DISTANCE": [2, 4, 6, 8, 10, 12],
    "MODEL_MATCHING_BACKGROUND": True,
    "MODEL_LOCAL_DOWNSAMPLE": True,
    "MODEL_FLOAT16_MATCHING": False,
    "TRAIN_TOP_K_PERCENT_PIXELS": 0.15,
    "TRAIN_HARD_MINING_STEP": 1,
    "TEST_GLOBAL_CHUNKS": 16,
    "TEST_GLOBAL_ATROUS_RATE": 1,
    "TEST_LOCAL_ATROUS_RATE": 1,
    "TEST_LOCAL_PARALLEL": True,
}


class OfficialRPCM(StreamingAdapter):
    """The official network in the official loop with memory every 5 frames (no late objects, no scales, no flip)."""

    card = ModelCard("rpcm-official", title="RPCM, authors' code")

    def __init__(self, checkout: Path, device: str = "cpu") -> None:
        super().__init__(None, device)
        sys.path.insert(0, str(checkout.resolve()))
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                extracter = importlib.import_module("networks.deeplab.deeplab").DeepLab(backbone="resnet")
                module = importlib.import_module("networks.rpcm.rpcm").get_module()
                self.network: Any = module(SimpleNamespace(**SETTINGS), extracter)
        finally:
            sys.path.remove(str(checkout.resolve()))
        self.network.load_state_dict(
            {n: torch.from_numpy(recipe(n, tuple(t.shape))) for n, t in self.network.state_dict().items()}
        )
        self.network.eval().to(device)

    def reset(self, video: Video) -> None:
        """Forget the last video."""
        self.size = video.size
        self.ids = np.array([0, *video.object_ids], np.uint8)
        self.references: list[Any] = []
        self.masks: list[torch.Tensor] = []
        self.memory: list[list[Any]] = [[None, None]]
        self.previous: Any = None
        self.labels: torch.Tensor | None = None
        self.time = 0

    @torch.no_grad()
    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """One call of the official `forward_for_eval`."""
        image = prepare(frame, network_size(self.size, 1040)).to(self.device)
        count = torch.tensor([len(self.ids) - 1], device=self.device)
        with mock.patch.object(torch.Tensor, "cuda", lambda tensor, *_, **__: tensor):
            probabilities, embedding, memory = self.network.forward_for_eval(
                self.memory, self.references, self.masks, self.previous, self.labels, image, list(self.size), count
            )
        if probabilities is None:
            if prompt is None:
                raise ValueError("the first frame needs a prompt")
            remembered = labels = torch.from_numpy(np.searchsorted(self.ids, prompt).astype(np.int64)).to(self.device)
        else:
            self.memory = memory
            labels = probabilities[0].argmax(0)
            remembered = labels.masked_fill(uncertain(probabilities[0]), UNCERTAIN)
        if self.time % 5 == 0:
            self.references.append(embedding)
            self.masks.append(remembered[None, None])
        self.previous, self.labels = embedding, labels[None, None]
        self.time += 1
        return self.ids[labels.cpu().numpy()]


def load_peer(model: str, checkout: str | Path, device: str = "cpu") -> OfficialRPCM:
    """The official code for one of our model names ("rpcm"), with the deterministic weights."""
    if model != "rpcm":
        raise ValueError(f"the published code of {model} cannot run; only rpcm's can")
    return OfficialRPCM(Path(checkout), device)


def clip(folder: Path, frames: int, objects: int) -> Video:
    """The first frames of a DAVIS folder; the object of its first mask, cut into vertical strips of equal area."""
    names = sorted(folder.glob("*.jpg"))[:frames]
    mask_folder = Path(*("Annotations" if part == "JPEGImages" else part for part in folder.parts))
    mask = np.asarray(Image.open(mask_folder / f"{names[0].stem}.png")) > 0
    share = np.cumsum(mask.sum(0)) / mask.sum()
    strips = np.minimum((share * objects).astype(np.uint8), objects - 1) + 1
    return Video.from_arrays([np.asarray(Image.open(name)) for name in names], (mask * strips).astype(np.uint8))


def main() -> None:
    """Time both in turns, frame by frame, and count the pixels in which their masks differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, nargs="?")
    parser.add_argument("--video", type=Path, required=True, help="a folder of DAVIS JPEGImages")
    parser.add_argument("--model", choices=("rpcm", "aoc", "aoc.base"), default="rpcm")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--only", choices=("ours", "official"), help="run one of them, for its memory peak")
    given = parser.parse_args()
    torch.set_num_threads(1)
    video = clip(given.video, given.frames, given.objects)
    models: dict[str, StreamingAdapter] = {}
    if given.only != "official":
        ours = load_adapter(given.model, "random", "cpu")
        assert isinstance(ours, StreamingAdapter)
        models["ours"] = ours
    if given.only != "ours":
        if given.checkout is None:
            parser.error("name a checkout of JerryX1110/RPCMVOS, or give --only ours")
        models["official"] = load_peer("rpcm", given.checkout)
    for model in models.values():
        model.reset(video)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for t, frame in enumerate(video.frames):
        masks = []
        for name, model in models.items():
            start = time.process_time()
            masks.append(model.step(frame, video.prompts.get(t), False))
            seconds[name].append(time.process_time() - start)
        line = f"frame {t}: " + ", ".join(f"{name} {values[-1]:.2f} s" for name, values in seconds.items())
        if given.only is None:
            line += f", {int((masks[0] != masks[-1]).sum())} pixels differ"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    medians = ", ".join(f"{name} {np.median(values[1:]):.2f}" for name, values in seconds.items())
    sys.stdout.write(
        f"{given.model}, {given.objects} object(s): median CPU s a frame: {medians}; peak {peak:.2f} GiB\n"
    )


if __name__ == "__main__":
    main()
