"""The authors' AOT and DeAOT (a checkout of yoxu515/aot-benchmark), unmodified, for timing.

AOT needs `spatial_correlation_sampler` on the path: the official fallback without it raises. DeAOT runs without.
Weights are those of `--checkpoint random`, so that masks can be compared as well.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from ours import UNTRAINED_AOT, VARIANTS, fill_untrained


class Official:
    """What the official evaluation loop does for one video, one frame at a time."""

    def __init__(self, path: Path, variant: str, device: str) -> None:
        self.device = device
        if not VARIANTS[variant].gated and importlib.util.find_spec("spatial_correlation_sampler") is None:
            sys.exit("the official AOT needs spatial_correlation_sampler: its fallback without it has never worked")
        _stand_in_for_torchvision()
        sys.path.insert(0, str(path))
        os.chdir(tempfile.mkdtemp())  # the configuration creates folders where it is made
        stage = importlib.import_module("configs.pre_ytb_dav")
        config = stage.EngineConfig("default", VARIANTS[variant].title.lower().replace("-", "_"))
        network = importlib.import_module("networks.models").build_vos_model(config.MODEL_VOS, config)
        fill_untrained(network, UNTRAINED_AOT)
        network = network.eval().to(device)
        self.engine = (
            importlib.import_module("networks.engines")
            .build_engine(
                config.MODEL_ENGINE,
                phase="eval",
                aot_model=network,
                gpu_id=0,
                long_term_mem_gap=config.TEST_LONG_TERM_MEM_GAP,
                short_term_mem_skip=config.TEST_SHORT_TERM_MEM_SKIP,
            )
            .eval()
        )
        transforms = importlib.import_module("dataloaders.video_transforms")
        resize = transforms.MultiRestrictSize(
            config.TEST_MAX_SHORT_EDGE,
            config.TEST_MAX_LONG_EDGE,
            config.TEST_FLIP,
            config.TEST_MULTISCALE,
            config.MODEL_ALIGN_CORNERS,
        )
        to_tensor = transforms.MultiToTensor()
        self._transform: Any = lambda sample: to_tensor(resize(sample))[0]

    def _image(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        sample = self._transform({"current_img": frame.astype(np.float32), "meta": {"flip": False}})
        image: torch.Tensor = sample["current_img"]
        return image[None].to(self.device)

    @torch.no_grad()
    def start(self, frame: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        """Begin a video."""
        image = self._image(frame)
        label = torch.from_numpy(mask).to(self.device)[None, None].float()
        label = F.interpolate(label, size=image.shape[2:], mode="nearest")
        self.engine.restart_engine()
        self.engine.add_reference_frame(image, label, obj_nums=[int(mask.max())], frame_step=0)

    @torch.no_grad()
    def step(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Segment the next frame."""
        self.engine.match_propogate_one_frame(self._image(frame))
        logits = self.engine.decode_current_logits(frame.shape[:2])
        label = torch.argmax(torch.softmax(logits, dim=1), dim=1, keepdim=True).float()
        self.engine.update_memory(F.interpolate(label, size=self.engine.input_size_2d, mode="nearest"))
        return label[0, 0].cpu().numpy().astype(np.uint8)


def _stand_in_for_torchvision() -> None:
    """The official transforms import torchvision at the top and use none of it for evaluation."""
    if importlib.util.find_spec("torchvision") is not None:
        return
    package, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
    functional = types.ModuleType("torchvision.transforms.functional")
    package.transforms, transforms.functional = transforms, functional  # type: ignore[attr-defined]
    sys.modules |= {
        "torchvision": package,
        "torchvision.transforms": transforms,
        "torchvision.transforms.functional": functional,
    }


def open_peer(path: Path, model: str, device: str) -> Official:
    """The driver's entry point."""
    return Official(path, model, device)
