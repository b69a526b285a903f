"""CFBI, CFBI+ and MobileNetV2-CFBI as adapters."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta
from torch import Tensor

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import unknown
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.torch_adapter import TorchAdapter

from ..common.inference import settle
from ..common.scales import checked_scales
from ..encoders.fold import fold_frozen_norms
from .network import CFBI, CFBIPlus, MatchingNetwork
from .protocol import Inputs, Session
from .references import MatchingOptions
from .weights import UNTRAINED, merge_aliases

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

    untrained = UNTRAINED
    network: MatchingNetwork

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        variant: str = "cfbi",
        preset: str | None = None,
        rate: Annotated[int, Meta(ge=1)] | None = None,
        min_pixels: Annotated[int, Meta(ge=0)] | None = None,
        half: bool | None = None,
        max_edge: Annotated[float, Meta(ge=32)] | None = None,
        scales: tuple[float, ...] = (1.0,),
        flip: bool = False,
        **options: Any,
    ) -> None:
        if variant not in ("cfbi", "plus", "mobilenetv2"):
            raise unknown("CFBI variant", variant, ("cfbi", "plus", "mobilenetv2"))
        self.variant = variant
        self.inputs = Inputs(checked_scales(scales), flip, max_edge)
        self.matching = matching_options(
            preset or ("davis" if variant == "plus" else "default"), rate, min_pixels, half
        )
        super().__init__(checkpoint, device, **options)
        fold_frozen_norms(self.network.feature_extracter)
        settle(self.network, device)

    def build(self) -> MatchingNetwork:
        """The network of the variant."""
        if self.variant == "plus":
            return CFBIPlus()
        return CFBI("mobilenetv2" if self.variant == "mobilenetv2" else "resnet101")

    def official(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Each tensor once."""
        return merge_aliases(state)

    def session(self, video: Video) -> Session:
        """No references yet."""
        return Session(self.network, video, self.inputs, self.matching, self.device, self.precision)


def matching_options(
    preset: str = "default", rate: int | None = None, min_pixels: int | None = None, half: bool | None = None
) -> MatchingOptions:
    """A preset with some of its values changed. Raises UsageError for an unknown preset."""
    if preset not in PRESETS:
        raise unknown("CFBI preset", preset, PRESETS)
    given: dict[str, Any] = {"rate": rate, "min_pixels": min_pixels, "half": half}
    return replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
