"""MiVOS (Cheng, Tai, Tang, CVPR 2021), its propagation network: card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/hkchengrex/Mask-Propagation"

MODELS = [
    ModelEntry(
        ModelCard(
            "mivos",
            title="MiVOS (Mask-Propagation)",
            paper="Cheng, Tai, Tang: Modular Interactive Video Object Segmentation, CVPR 2021, arXiv:2103.07941",
            license="MIT (code)",
            url=REPOSITORY,
            weights=(
                Weights(
                    "propagation_model.pth", f"the Google Drive or OneDrive link (s012) in the README of {REPOSITORY}"
                ),
            ),
            trained_on=("static-images", "bl30k", "youtubevos2019-train", "davis2017-train"),
            late_objects="native",
            max_objects=254,
            input_policy="short side to 480, bicubic without antialias; zeros to multiples of 16; "
            "probabilities bilinear",
            autocast="optional",
            notes="remembers every fifth frame and the one before, top 50 (YouTube-VOS was published with top_k=20); "
            "without the optional kernelised memory",
        ),
        "robust_vos_bench.adapters.mivos.adapter:MiVOSAdapter",
    )
]
