"""The adapter of XMem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import nn

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import RANDOM, load_strict, read_state

from ..memory.adapter import MemoryAdapter
from ..memory.session import Session
from ..memory.sizes import Sizes
from .bank import Limits
from .network import Widths, XMem
from .session import SensorySession


class XMemAdapter(MemoryAdapter):
    """XMem with the official settings, which are the same for DAVIS and YouTube-VOS.

    long_term: consolidate the working memory, so that memory does not grow with the video. max_mid_term_frames,
    min_mid_term_frames, max_long_term_elements, num_prototypes: T_max, T_min, LT_max and P of the paper.
    """

    network: XMem

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        top_k: int | None = 30,
        long_term: bool = True,
        max_mid_term_frames: int = 10,
        min_mid_term_frames: int = 5,
        max_long_term_elements: int = 10000,
        num_prototypes: int = 128,
        **options: Any,
    ) -> None:
        if not 2 <= min_mid_term_frames < max_mid_term_frames:
            raise UsageError(
                f"min_mid_term_frames {min_mid_term_frames}, max_mid_term_frames {max_mid_term_frames}: "
                "the first must be at least 2 and less than the second"
            )
        if not 1 <= num_prototypes < max_long_term_elements:
            raise UsageError(f"num_prototypes {num_prototypes}: must be 1 or more and below max_long_term_elements")
        if options.get("include_last") or options.get("max_memory_frames") is not None:
            raise UsageError("XMem has neither include_last nor max_memory_frames; its memory is bounded by long_term")
        self.limits = Limits(
            long_term, max_mid_term_frames, min_mid_term_frames, max_long_term_elements, num_prototypes
        )
        super().__init__(checkpoint, device, top_k=top_k, **options)
        self.network.limits = self.limits

    def build(self) -> nn.Module:
        """The bare network, as wide as the checkpoint's."""
        if self.checkpoint is None or self.checkpoint == RANDOM:
            return XMem()
        state = read_state(Path(self.checkpoint))
        key, value = (state.get(n) for n in ("key_proj.key_proj.weight", "value_encoder.fuser.block2.conv2.weight"))
        hidden = state.get("decoder.hidden_update.transform.weight")
        if key is None or value is None:
            return XMem()  # the loader names what is missing
        return XMem(Widths(len(key), len(value), 0 if hidden is None else len(hidden) // 3))

    def load(self, network: nn.Module, path: Path) -> None:
        """Load an official file; one of the static-image stage, which knows no other objects, gets zeros for them."""
        state = read_state(path)
        name = "value_encoder.conv1.weight"
        if name in state and state[name].ndim == 4 and state[name].shape[1] == 4:
            state[name] = F.pad(state[name], (0, 0, 0, 0, 0, 1))
        load_strict(network, state, str(path))

    def new_session(self, video: Video) -> Session:
        """A loop with a sensory state; frames are resized bilinearly."""
        sizes = Sizes(video.size, self.size, "bilinear")
        return SensorySession(self.network, sizes, self.schedule, self.device, self.warn)
