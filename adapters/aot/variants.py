"""The twelve published variants as data; importable without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """What tells one variant from another (the official `configs/models`)."""

    encoder: str
    """"mobilenetv2", "resnet50" or "swin_b"."""
    layers: int
    """Propagation layers (L)."""
    gated: bool = False
    """DeAOT's gated two-stream layers instead of AOT's."""
    long_term_gap: int = 9999
    """Frames between long-term writes; 9999 leaves only the reference frames."""
    title: str = ""
    final: str = ""
    """Google Drive id of the stage-PRE_YTB_DAV file (the published scores)."""

    @property
    def align_corners(self) -> bool:
        """Inputs of 16k + 1 pixels and corner-aligned resizing; the Swin models use 16k and half-pixel centres."""
        return self.encoder != "swin_b"

    @property
    def file(self) -> str:
        """Name of the official final checkpoint."""
        return f"{self.title.replace('-', '_')}_PRE_YTB_DAV.pth"


EVERY_FIFTH = 5
"""The official gap of every L variant."""

VARIANTS: dict[str, Variant] = {
    "aot.t": Variant(
        "mobilenetv2",
        1,
        title="AOTT",
        final="1owPmwV4owd_ll6GuilzklqTyAd0ZvbCu",
    ),
    "aot.s": Variant(
        "mobilenetv2",
        2,
        title="AOTS",
        final="1beU5E6Mdnr_pPrgjWvdWurKAIwJSz1xf",
    ),
    "aot.b": Variant(
        "mobilenetv2",
        3,
        title="AOTB",
        final="1hH-GOn4GAxHkV8ARcQzsUy8Ax6ndot-A",
    ),
    "aot.l": Variant(
        "mobilenetv2",
        3,
        long_term_gap=EVERY_FIFTH,
        title="AOTL",
        final="1L1N2hkSPqrwGgnW9GyFHuG59_EYYfTG4",
    ),
    "aot.r50_l": Variant(
        "resnet50",
        3,
        long_term_gap=EVERY_FIFTH,
        title="R50-AOTL",
        final="1qJDYn3Ibpquu4ffYoQmVjg1YCbr2JQep",
    ),
    "aot.swinb_l": Variant(
        "swin_b",
        3,
        long_term_gap=EVERY_FIFTH,
        title="SwinB-AOTL",
        final="192jCGQZdnuTsvX-CVra-KVZl2q1ZR0vW",
    ),
    "deaot.t": Variant(
        "mobilenetv2",
        1,
        gated=True,
        title="DeAOTT",
        final="1ThWIZQS03cYWx1EKNN8MIMnJS5eRowzr",
    ),
    "deaot.s": Variant(
        "mobilenetv2",
        2,
        gated=True,
        title="DeAOTS",
        final="1YwIAV5tBtn5spSFxKLBQBEQGwPHyQlHi",
    ),
    "deaot.b": Variant(
        "mobilenetv2",
        3,
        gated=True,
        title="DeAOTB",
        final="1BHxsonnvJXylqHlZ1zJHHc-ymKyq-CFf",
    ),
    "deaot.l": Variant(
        "mobilenetv2",
        3,
        gated=True,
        long_term_gap=EVERY_FIFTH,
        title="DeAOTL",
        final="18elNz_wi9JyVBcIUYKhRdL08MA-FqHD5",
    ),
    "deaot.r50_l": Variant(
        "resnet50",
        3,
        gated=True,
        long_term_gap=EVERY_FIFTH,
        title="R50-DeAOTL",
        final="1QoChMkTVxdYZ_eBlZhK2acq9KMQZccPJ",
    ),
    "deaot.swinb_l": Variant(
        "swin_b",
        3,
        gated=True,
        long_term_gap=EVERY_FIFTH,
        title="SwinB-DeAOTL",
        final="1g4E-F0RPOx9Nd6J7tU9AE1TjsouL4oZq",
    ),
}
