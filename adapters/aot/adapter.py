"""The adapter of every AOT and DeAOT variant: options, checkpoints, and the official loop over a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import WeightsError, unknown
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.checkpoint import describe_diff, load_strict, read_state
from robust_vos_bench.models.torch_adapter import Seen, TorchAdapter, TorchSession

from ..common.inference import settle
from ..common.scales import checked_scales
from ..common.seam import frame_size
from ..common.tensors import log_mean
from ..encoders.fold import fold_frozen_norms
from .engine import Tracker
from .network import AOT
from .sizes import SizeRule, network_image
from .untrained import UNTRAINED
from .variants import VARIANTS, Variant

DERIVED = ("num_batches_tracked", "relative_position_index", "LSTT.mask_token")
"""Entries a file may lack or have on top: counters, tables that follow from the shapes, a parameter never used."""


class AOTAdapter(TorchAdapter):
    """AOT or DeAOT.

    variant: a name in `VARIANTS`. max_resolution: the official size limit; the long side is at most 800/480 of it.
    long_term_gap: frames between long-term writes (None: the variant's own). short_term_skip: the short-term memory
    is this many frames old. max_memory_frames: bound on the long-term bank (None: no bound, the published protocol);
    reference frames stay, of the others the oldest is dropped. flip, scales: test-time augmentation.
    amp: autocast to half precision. compile: run the encoder and the decoder through `torch.compile`.
    """

    untrained = UNTRAINED
    network: AOT

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        variant: str = "aot.r50_l",
        max_resolution: Annotated[float, Meta(ge=32)] = 624.0,
        long_term_gap: Annotated[int, Meta(ge=1)] | None = None,
        short_term_skip: Annotated[int, Meta(ge=1)] = 1,
        max_memory_frames: Annotated[int, Meta(ge=1)] | None = None,
        flip: bool = False,
        scales: Sequence[float] | float = (1.0,),
        compile: bool = False,
        **options: Any,
    ) -> None:
        if variant not in VARIANTS:
            raise unknown("AOT variant", variant, VARIANTS)
        self.variant: Variant = VARIANTS[variant]
        self.scales = checked_scales(scales)
        self.gap = self.variant.long_term_gap if long_term_gap is None else long_term_gap
        self.skip, self.max_frames, self.flip = short_term_skip, max_memory_frames, flip
        self.size_rule = SizeRule.of(max_resolution, self.scales)
        super().__init__(checkpoint, device, **options)
        fold_frozen_norms(self.network.encoder)
        settle(self.network)
        if compile:
            self.network.encoder.compile()
            self.network.decoder.compile()

    def build(self) -> nn.Module:
        """The network of the variant."""
        with torch.random.fork_rng(devices=[]):  # the initial values are drawn, and thrown away
            return AOT(self.variant)

    def load(self, network: nn.Module, path: Path) -> None:
        """Load an official file (raw or EMA); one of another variant is recognised by its shapes and named."""
        state = read_state(path)
        try:
            load_strict(network, state, str(path), optional=_derived)
        except WeightsError as error:
            raise WeightsError(f"{error}\n{_other_variant(state)}") from None

    def session(self, video: Video) -> Session:
        """Empty memory for every view of the frames."""
        return Session(self)


class Session(TorchSession):
    """One video: a tracker per view of a frame (scale, mirrored or not)."""

    def __init__(self, adapter: AOTAdapter) -> None:
        super().__init__(adapter.precision)
        self.adapter = adapter
        self.size = (0, 0)
        """(H, W) of the frames."""
        self.views = [
            (scale, flip) for scale in adapter.scales for flip in ([False, True] if adapter.flip else [False])
        ]
        self.trackers = [Tracker(adapter.network, adapter.gap, adapter.skip, adapter.max_frames) for _ in self.views]

    def image(self, frame: Frame | Tensor) -> list[Tensor]:
        """The network's image of every view."""
        adapter = self.adapter
        height, width = self.size = frame_size(frame)
        found = []
        for scale, flip in self.views:
            size = adapter.size_rule.size(height, width, scale, adapter.variant.align_corners)
            image = network_image(frame, size, adapter.device, flip)
            found.append(image.contiguous(memory_format=torch.channels_last))
        return found

    def observe(self, image: list[Tensor], prompt: Mask | None, last: bool) -> Seen:
        """Logits of every view of the next frame, 1 x (1 + n) x H x W, and its labels."""
        for tracker, view in zip(self.trackers, image):
            tracker.see(view)
        given = None if prompt is None else self._given(prompt)
        if given is not None and not self.trackers[0].engines:
            self._refer([given] * len(self.views))
            return Seen(None, given[0, 0], given[0, 0])
        logits = self._logits()
        fused, own = self._labels(logits)
        if given is not None:
            fused, *own = [torch.where(given == 0, label, given) for label in (fused, *own)]
            self._refer(own)
        elif not last:
            self._remember(own)
        return Seen(logits, None if given is None else given[0, 0], fused[0, 0])

    def logits(self, scores: Seen) -> Tensor:
        """Of all views together, (1 + k) x H x W."""
        views = scores.scores
        if views is not None:
            # several engines have channels without an object
            known = min(1 + len(self.ids), views[0].shape[1])
            views = (views[0] if len(views) == 1 else log_mean(views, 1))[0, :known]
        return super().logits(scores._replace(scores=views))

    def _given(self, prompt: Mask) -> Tensor:
        """The prompt as dense labels 1 x 1 x H x W uint8 on the device."""
        self.ids.add(prompt)
        return self.given(prompt, self.adapter.device)[None, None]

    def _logits(self) -> list[Tensor]:
        """Of every view, 1 x (1 + n) x H x W, unmirrored."""
        logits = []
        for tracker, (_, flip) in zip(self.trackers, self.views):
            each = tracker.logits(self.size)
            logits.append(each.flip(3) if flip else each)
        return logits

    def _labels(self, logits: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Labels of all views together, and of each alone, 1 x 1 x H x W uint8."""
        if len(logits) == 1:
            label = _label(logits[0])
            return label, [label]
        probabilities = [torch.softmax(each, dim=1) for each in logits]
        return _label(torch.stack(probabilities).mean(0)), [_label(each) for each in probabilities]

    def _refer(self, labels: list[Tensor]) -> None:
        # the number of objects known, where the official loop takes the largest id in the merged map, and so forgets
        # objects hidden on a frame on which a label file brings no new one
        for tracker, label in zip(self.trackers, self._mirrored(labels)):
            tracker.refer(label, len(self.ids))

    def _remember(self, labels: list[Tensor]) -> None:
        # each view is fed its own labels, not the fused ones
        for tracker, label in zip(self.trackers, self._mirrored(labels)):
            tracker.remember(label)

    def _mirrored(self, labels: list[Tensor]) -> list[Tensor]:
        return [label.flip(3) if flip else label for label, (_, flip) in zip(labels, self.views)]


def _label(scores: Tensor) -> Tensor:
    return strongest(scores, 1)[:, None].to(torch.uint8)


def _derived(name: str) -> bool:
    return name.endswith(DERIVED)


def _other_variant(state: dict[str, Tensor]) -> str:
    """A sentence that names the variants a file fits, for the error of one that does not fit the wanted one."""
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    fits = []
    for name, variant in VARIANTS.items():
        with torch.device("meta"):
            network = AOT(variant)
        if not describe_diff({n: tuple(t.shape) for n, t in network.state_dict().items()}, found, _derived):
            fits.append(name)
    if not fits:
        return "It fits no variant of AOT or DeAOT."
    return f"This file fits {' or '.join(fits)}: use --model {fits[0]}."
