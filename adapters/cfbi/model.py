"""CFBI, CFBI+ and MobileNetV2-CFBI as adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError, unknown
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import load_strict, read_state

from ..encoders.fold import fold_frozen_norms
from ..kit.torch_adapter import TorchAdapter
from . import weights
from .network import CFBI, CFBIPlus, MatchingNetwork
from .protocol import Inputs, Session
from .references import MatchingOptions

PRESETS = {
    "default": MatchingOptions(),
    "fast": MatchingOptions(rate=2, half=True),
    "davis": MatchingOptions(rate=2, min_pixels=100),
    "youtube_vos": MatchingOptions(rate=2),
}
"""The authors' command lines: no flags; CFBI's fast one; CFBI+'s for DAVIS and for YouTube-VOS."""


class CFBIAdapter(TorchAdapter):
    """CFBI family.

    variant: "cfbi", "plus" or "mobilenetv2". preset: a name of `PRESETS` (by default "davis" for CFBI+, "default" for
    the others); rate, min_pixels and half change one of its values. max_edge: longest edge of the input before
    `scales` (default 1040, with other scales 800; never enlarged). scales: factors of the input size; flip: the
    mirrored frame as well; the probabilities of all are averaged.
    """

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        variant: str = "cfbi",
        preset: str | None = None,
        rate: int | None = None,
        min_pixels: int | None = None,
        half: bool | None = None,
        max_edge: float | None = None,
        scales: tuple[float, ...] = (1.0,),
        flip: bool = False,
        **options: Any,
    ) -> None:
        if variant not in ("cfbi", "plus", "mobilenetv2"):
            raise unknown("CFBI variant", variant, ("cfbi", "plus", "mobilenetv2"))
        self.variant = variant
        preset = preset or ("davis" if variant == "plus" else "default")
        self.inputs, self.matching = self.parse_options(preset, rate, min_pixels, half, max_edge, scales, flip)
        super().__init__(checkpoint, device, **options)
        fold_frozen_norms(self.network.feature_extracter)  # type: ignore[arg-type]
        if device == "cpu":
            # 1 x 1 convolutions run about twice as fast on rows of channels.
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._session: Session | None = None

    @staticmethod
    def parse_options(
        preset: str = "default",
        rate: int | None = None,
        min_pixels: int | None = None,
        half: bool | None = None,
        max_edge: float | None = None,
        scales: Sequence[float] | str | float = (1.0,),
        flip: bool = False,
    ) -> tuple[Inputs, MatchingOptions]:
        """The options of the class, checked and with the preset filled in. Raises UsageError."""
        if preset not in PRESETS:
            raise unknown("CFBI preset", preset, PRESETS)
        chosen = PRESETS[preset]
        matching = MatchingOptions(
            rate=chosen.rate if rate is None else int(rate),
            min_pixels=chosen.min_pixels if min_pixels is None else int(min_pixels),
            half=chosen.half if half is None else bool(half),
        )
        inputs = Inputs(_numbers(scales), bool(flip), None if max_edge is None else float(max_edge))
        if matching.rate < 1 or matching.min_pixels < 0:
            raise UsageError("CFBI: rate must be 1 or more, min_pixels 0 or more")
        if inputs.longest < 32 or min(inputs.scales) <= 0:
            raise UsageError("CFBI: max_edge must be 32 or more, scales positive")
        return inputs, matching

    def build(self) -> MatchingNetwork:
        """The network of the variant."""
        if self.variant == "plus":
            return CFBIPlus()
        return CFBI("mobilenetv2" if self.variant == "mobilenetv2" else "resnet101")

    def recipe(self, name: str, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `weights.recipe`."""
        return weights.recipe(name, shape)

    def load(self, network: nn.Module, path: Path) -> None:
        """Load an official file: aliases merged, then strict."""
        load_strict(network, weights.merge_aliases(read_state(path)), str(path))

    def session(self, video: Video) -> Session:
        """A fresh state for one video."""
        return Session(self.network, video, self.inputs, self.matching, self.device)  # type: ignore[arg-type]

    def segment(self, video: Video) -> Iterator[Mask]:
        """As the base class, with the state in the generator, so that videos may be interleaved."""
        first = video.first_prompt
        session = self.session(video)
        for t, frame in enumerate(video.frames):
            if t < first:
                yield np.zeros(video.size, np.uint8)
                continue
            with self.precision():
                mask = session.step(frame, video.prompts.get(t))
            yield mask

    def reset(self, video: Video) -> None:
        """Start a video."""
        self._session = self.session(video)

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment the next frame of the video given to `reset`."""
        if self._session is None:
            raise UsageError("CFBI: reset(video) comes before step")
        with self.precision():
            return self._session.step(frame, prompt)


def _numbers(scales: float | str | Sequence[float]) -> tuple[float, ...]:
    values: Sequence[Any] = (
        scales.split(",") if isinstance(scales, str) else scales if isinstance(scales, Sequence) else [scales]
    )
    try:
        numbers = tuple(float(value) for value in values)
    except ValueError as error:
        raise UsageError(f"CFBI: scales are numbers separated by commas, got {scales!r}") from error
    if not numbers:
        raise UsageError("CFBI: scales is empty")
    return numbers
