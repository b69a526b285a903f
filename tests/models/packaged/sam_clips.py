"""What was recorded of the authors' loops, and on which clip: shared by the recorder and the tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from robust_vos_bench.adapters.sam.untrained import UNTRAINED, canonical
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models.synthetic import Blob, moving_blobs
from robust_vos_bench.models.torch_adapter import fill_untrained

THIN = 6
"""Of the recorded logits every sixth row and column is kept."""


@dataclass(frozen=True)
class Kind:
    """One recording."""

    network: str
    size: int
    frames: int
    memory: str | None = None
    objects: tuple[int, ...] = (3,)
    quality: float = 0.0
    """Added to the bias of the predicted IoU, so that thresholds on it are crossed."""
    presence: float = 0.0
    """The same for the logit of presence."""
    salt: str = ""
    """Put before the names that weights are drawn from: of the small SAM 2 "b" makes masks of an object's size."""


KINDS = {
    "sam2": Kind("sam2.toy", 64, 12, objects=(3, 7, 200), salt="b"),
    "samurai": Kind("sam2.toy", 64, 22, "samurai", salt="b"),
    "dam4sam": Kind("sam2.toy", 64, 22, "dam4sam", quality=2.0, presence=1.0, salt="b"),
    "sam2long": Kind("sam2.toy", 64, 10, "sam2long", quality=1.0, salt="b"),
    "edgetam": Kind("edgetam", 256, 3),
    "sam3": Kind("sam3.toy", 112, 18, objects=(3, 7)),
}


def clip(length: int) -> Video:
    """Three objects, one of which comes late."""
    blobs = (
        Blob(3, (30, 34), (1.0, 1.0), (16, 18)),
        Blob(7, (64, 100), (-1.0, -1.0), (14, 20)),
        Blob(200, (26, 104), (1.0, 0.0), (13, 13), first=2),
    )
    return moving_blobs(blobs, (97, 139), length, seed=1)


def give(network: Any, kind: Kind) -> None:
    """Untrained weights, with the scores of the decoder as the recording has them."""
    fill_untrained(network, replace(UNTRAINED, canonical=lambda name: kind.salt + canonical(name)))
    network.mask_decoder.iou_prediction_head.proj_out.bias.data += kind.quality
    network.mask_decoder.pred_obj_score_head.proj_out.bias.data += kind.presence
