"""XMem (Cheng, Schwing, ECCV 2022): card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/hkchengrex/XMem"
RELEASE = f"the release v1.0 of {REPOSITORY}"

MODELS = [
    ModelEntry(
        ModelCard(
            "xmem",
            title="XMem",
            paper="Cheng, Schwing: XMem: Long-Term Video Object Segmentation with an Atkinson-Shiffrin Memory Model, "
            "ECCV 2022, arXiv:2207.07115",
            license="MIT (code)",
            url=REPOSITORY,
            weights=(
                Weights("XMem.pth", RELEASE),
                Weights("XMem-s012.pth", f"{RELEASE} (trained on BL30K too)"),
                Weights("XMem-s2.pth", f"{RELEASE} (trained on DAVIS and YouTube-VOS only)"),
                Weights("XMem-no-sensory.pth", RELEASE),
            ),
            trained_on=("static-images", "youtubevos2019-train", "davis2017-train"),
            late_objects="native",
            max_objects=254,
            input_policy="short side to 480, bilinear without antialias; zeros to multiples of 16; "
            "probabilities bilinear",
            autocast="optional",
            notes="remembers every fifth frame, top 30; the working memory is consolidated into a bounded long-term "
            "memory, a group of objects at a time (the official code shares keys between groups, which goes wrong "
            "after the first consolidation); without autocast, which the official evaluation turns on",
        ),
        "robust_vos_bench.adapters.xmem.adapter:XMemAdapter",
    )
]
