"""The adapter of SAM 2.1, SAM 3's tracker and EdgeTAM."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import refuse_not_finite
from robust_vos_bench.models.checkpoint import load_strict, read_state
from robust_vos_bench.models.torch_adapter import Seen, TorchAdapter, TorchSession

from .configs import build_network, family_of, read_config, set_size, stride_of, trained_size, variant_config
from .following.dam4sam import Dam4Sam
from .following.plain import Plain
from .following.sam2long import Sam2Long
from .following.samurai import SEEN, Samurai
from .following.selected import Selected
from .library import library
from .names import from_official, is_official, tracker_of
from .source import CONFIG, PREFIX, settings_beside
from .stages import Stages
from .untrained import UNTRAINED

library()  # here, so that where it is missing the extra is named

SAMURAI_WEIGHTS = {"sam2.large": 0.15}
"""Of motion, by network; 0.25 in all other files of the authors."""


class SAMAdapter(TorchAdapter):
    """SAM 2.1, SAM 3's tracker or EdgeTAM in the setting of semi-supervised VOS: masks given, no clicks.

    network: "sam2.tiny" and so on; `hf:` takes shapes from the config.json beside the checkpoint. memory: how objects
    are followed. `plain` is SAM 2's rule, `selected` SAM 3's; `samurai`, `dam4sam` and `sam2long` are training-free
    methods in our reading of their papers; None is the rule of the model's authors. paths: hypotheses of `sam2long`,
    each of which costs about as much as an object. size: side of the square that frames are squashed to, None for the
    one that was trained (1024, SAM 3 1008). amp: bfloat16 autocast, as published; None: on a GPU only.
    """

    untrained = UNTRAINED
    network: Any

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        network: str,
        memory: Literal["plain", "selected", "samurai", "dam4sam", "sam2long"] | None = None,
        paths: Annotated[int, Meta(ge=1, le=16)] = 3,
        size: Annotated[int, Meta(ge=56)] | None = None,
        amp: bool | None = None,
        **options: Any,
    ) -> None:
        self.config = self._beside(checkpoint) if network == PREFIX else variant_config(network)
        self.family, self.variant, self.paths = family_of(self.config), network, paths
        self.memory = memory or ("selected" if self.family == "sam3" else "plain")
        if size is not None and size != trained_size(self.config):
            step = self.step_of_size()
            if size % step:
                raise UsageError(f"option size is {size}; of this model it must be a multiple of {step}")
            set_size(self.config, size)
        # Processors without bfloat16 instructions take ten times as long with it.
        super().__init__(checkpoint, device, amp=device.startswith("cuda") if amp is None else amp, **options)

    @staticmethod
    def _beside(checkpoint: Checkpoint) -> Any:
        if not isinstance(checkpoint, Path):
            raise UsageError(
                "a checkpoint by name (hf:...) has no untrained weights; take sam2.tiny with --checkpoint random"
            )
        return read_config(settings_beside(checkpoint), str(checkpoint.parent / CONFIG))

    def step_of_size(self) -> int:
        """What the side of the input must be a multiple of."""
        if self.family == "sam2":
            return 32
        return 256 if self.family == "edgetam" else stride_of(self.config)

    def build(self) -> nn.Module:
        """The network, without weights."""
        return build_network(self.config)

    def load(self, network: nn.Module, path: Path) -> None:
        """Load a file of transformers or of the authors; every missing or unexpected tensor is named."""
        hint = ""
        if self.family == "sam3":
            hint = "Of SAM 3 the file model.safetensors is read, not the authors' sam3.pt"
        load_strict(network, self.official(read_state(path)), str(path), hint=hint)

    def official(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors under the names of transformers."""
        if is_official(state):
            return from_official(state)
        return tracker_of(state) if self.family == "sam3" else state

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """No gradients; bfloat16 where `amp` is on, on a CPU too."""
        with torch.no_grad(), torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.amp):
            yield

    def session(self, video: Video) -> Session:
        """No object is followed yet."""
        return Session(self, video)

    def sharp(self) -> bool:
        """Whether given masks are remembered as 0 and 1, as SAM 3 and two of the trackers do."""
        return self.family == "sam3" or self.memory in ("samurai", "dam4sam")

    def follower(self, stages: Stages, length: int, frame: tuple[int, int]) -> Plain:
        """What follows one object."""
        if self.memory == "selected":
            return Selected(stages, length, frame)
        if self.memory == "samurai":
            return Samurai(stages, length, frame, SAMURAI_WEIGHTS.get(self.variant, 0.25))
        if self.memory == "dam4sam":
            return Dam4Sam(stages, length, frame)
        if self.memory == "sam2long":
            return Sam2Long(stages, length, frame, self.paths)
        return Plain(stages, length, frame)


class Session(TorchSession):
    """One video. Objects are followed each by itself, on features that they share."""

    def __init__(self, adapter: SAMAdapter, video: Video) -> None:
        super().__init__(adapter.precision)
        self.adapter, self.frame, self.length = adapter, video.size, len(video)
        self.stages = Stages(
            adapter.network, adapter.amp, adapter.sharp(), SEEN if adapter.memory == "samurai" else 0.0
        )
        self.followers: list[Plain] = []
        self.found = torch.empty(0)
        """Logits of the last frame, k x H x W at the frame's size, objects in order of arrival."""

    def image(self, frame: Frame | Tensor) -> Tensor:
        """The network's image."""
        return self.stages.image(frame)

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        """Logits of the objects on the next frame, k x H x W."""
        new = [] if prompt is None else self.ids.add(prompt)
        features = self.stages.features(image)
        found = [follower.step(features) for follower in self.followers]
        given: Tensor | None = None
        if prompt is not None and new:
            given = self.given(np.where(np.isin(prompt, new), prompt, 0), image.device)
            for i in new:
                follower = self.adapter.follower(self.stages, self.length, self.frame)
                found.append(follower.begin(features, prompt == i))
                self.followers.append(follower)
        logits = torch.stack(found).float()
        self.found = F.interpolate(logits, self.frame, mode="bilinear", align_corners=False)[:, 0]
        return Seen(self.found, given)

    def labels(self, scores: Seen) -> Mask:
        """0 where no logit is positive, else the object of the largest; what is given."""
        best, channel = scores.scores.max(0)
        refuse_not_finite(best)
        labels = torch.where(best > 0, channel + 1, 0)
        if scores.given is not None:
            labels = torch.where(scores.given > 0, scores.given.to(labels.dtype), labels)
        return super().labels(scores._replace(labels=labels))

    def logits(self, scores: Seen) -> Tensor:
        """The objects' logits under a background of 0."""
        found = scores.scores
        return super().logits(scores._replace(scores=torch.cat([torch.zeros_like(found[:1]), found])))
