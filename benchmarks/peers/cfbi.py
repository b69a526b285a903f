"""The authors' CFBI code (a checkout of z-x-yang/CFBI) behind our adapter contract, to time it and to compare masks.

    python benchmarks/peers/cfbi.py CHECKOUT --model cfbi --objects 1 --frames 3 --video davis/JPEGImages/480p/camel

times both in turns on the same frames, one thread, CPU seconds, with the same deterministic weights. Nothing of the
checkout is changed or copied: its networks are imported and called as its own evaluator calls them.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from robust_vos_bench.adapters.cfbi.preparation import network_size, prepare
from robust_vos_bench.adapters.cfbi.weights import canonical, recipe

from robust_vos_bench import Video, load_adapter
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.models.adapter import StreamingAdapter
from robust_vos_bench.models.card import ModelCard

CONFIGS = {
    "cfbi": "configs.resnet101_cfbi",
    "cfbi.plus": "configs.resnet101_cfbip",
    "cfbi.mobilenetv2": "configs.mobilenet_cfbi",
}
RATES = {
    # What the authors' scripts for DAVIS pass: atrous rate, minimum of matching pixels.
    "cfbi": (1, 0),
    "cfbi.plus": (2, 100),
    "cfbi.mobilenetv2": (1, 0),
}


class OfficialCFBI(StreamingAdapter):
    """The official network in the official loop (no late objects, no flip, no scales)."""

    card = ModelCard("cfbi-official", title="CFBI, authors' code")

    def __init__(self, checkout: Path, model: str = "cfbi", device: str = "cpu") -> None:
        super().__init__(None, device)
        self.network: Any = official_network(checkout, model).eval().to(device)

    def reset(self, video: Video) -> None:
        """Forget the last video."""
        self.size = video.size
        self.ids = np.array([0, *video.object_ids], np.uint8)
        self.references: list[Any] = []
        self.masks: list[torch.Tensor] = []
        self.previous: Any = None
        self.labels: torch.Tensor | None = None

    @torch.no_grad()
    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """One call of the official `forward_for_eval`."""
        image = prepare(frame, network_size(self.size, 1040.0)).to(self.device)
        count = torch.tensor([len(self.ids) - 1], device=self.device)
        probabilities, embedding = self.network.forward_for_eval(
            self.references, self.masks, self.previous, self.labels, image, gt_ids=count, pred_size=list(self.size)
        )
        if probabilities is None:
            if prompt is None:
                raise ValueError("the first frame needs a prompt")
            labels = torch.from_numpy(np.searchsorted(self.ids, prompt).astype(np.int64)).to(self.device)
            self.references.append(embedding)
            self.masks.append(labels[None, None])
        else:
            labels = probabilities[0].argmax(0)
        self.previous, self.labels = embedding, labels[None, None]
        return self.ids[labels.cpu().numpy()]


def load_peer(model: str, checkout: str | Path, device: str = "cpu") -> OfficialCFBI:
    """The official code for one of our model names, with the deterministic weights."""
    return OfficialCFBI(Path(checkout), model, device)


def official_network(checkout: Path, model: str) -> torch.nn.Module:
    """Build the official network from its configuration and fill it by name."""
    with _importing(checkout):
        config = importlib.import_module(CONFIGS[model]).cfg
        config.TEST_GLOBAL_ATROUS_RATE, config.TEST_GLOBAL_MATCHING_MIN_PIXEL = RATES[model]
        config.MODEL_FLOAT16_MATCHING = False
        if model == "cfbi.plus":
            config.TEST_GLOBAL_ATROUS_RATE = [config.TEST_GLOBAL_ATROUS_RATE, 1, 1]
        deeplab = importlib.import_module("networks.deeplab.deeplab").DeepLab
        extracter = deeplab(backbone=config.MODEL_BACKBONE, freeze_bn=config.MODEL_FREEZE_BN)
        network: torch.nn.Module = importlib.import_module(config.MODEL_MODULE).get_module()(config, extracter)
    state = {
        name: torch.from_numpy(recipe(canonical(name)[0], tuple(tensor.shape)))
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network


@contextlib.contextmanager
def _importing(checkout: Path) -> Iterator[None]:
    """The checkout on the path, in an empty folder (its configurations make folders), seeing a GPU (they ask)."""
    folder, path = Path.cwd(), list(sys.path)
    sys.path.insert(0, str(checkout.resolve()))
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        try:
            with mock.patch("torch.cuda.is_available", lambda: True), contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            os.chdir(folder)
            sys.path[:] = path


def clip(folder: Path, frames: int, objects: int) -> Video:
    """The first frames of a DAVIS folder; the object of its first mask, cut into vertical strips of equal area."""
    names = sorted(folder.glob("*.jpg"))[:frames]
    images = [np.asarray(Image.open(name)) for name in names]
    parts = list(folder.parts)
    parts[parts.index("JPEGImages")] = "Annotations"
    mask = np.asarray(Image.open(Path(*parts) / f"{names[0].stem}.png")) > 0
    columns = np.cumsum(mask.sum(0)) / mask.sum()
    strips = np.minimum((columns * objects).astype(np.uint8), objects - 1) + 1
    return Video.from_arrays(images, (mask * strips).astype(np.uint8))


def main() -> None:
    """Time both in turns, frame by frame, and count the pixels in which their masks differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--video", type=Path, required=True, help="a folder of DAVIS JPEGImages")
    parser.add_argument("--model", choices=sorted(CONFIGS), default="cfbi")
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
        models["official"] = load_peer(given.model, given.checkout)
    for model in models.values():
        model.reset(video)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for t, frame in enumerate(video.frames):
        masks = []
        for name, model in models.items():
            start = time.process_time()
            masks.append(model.step(frame, video.prompts.get(t), False))
            seconds[name].append(time.process_time() - start)
        differ = int((masks[0] != masks[-1]).sum())
        sys.stdout.write(f"frame {t}: " + ", ".join(f"{n} {s[-1]:.2f} s" for n, s in seconds.items()))
        sys.stdout.write(f", {differ} pixels differ\n" if len(masks) > 1 else "\n")
        sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    means = {name: float(np.median(values[1:])) for name, values in seconds.items()}
    line = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
    sys.stdout.write(f"{given.model}, {given.objects} object(s): median CPU s a frame: {line}; peak {peak:.2f} GiB\n")


if __name__ == "__main__":
    main()
