"""GSFM (Liu et al., ECCV 2022): card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/workforai/GSFM"

MODELS = [
    ModelEntry(
        ModelCard(
            "gsfm",
            title="GSFM",
            paper="Liu, Yu, Wang, Zhao, Wang, Tang, Yang: Global Spectral Filter Memory Network for Video Object "
            "Segmentation, ECCV 2022, arXiv:2210.05567",
            license="none given by the authors: all rights reserved (this implementation shares no code with theirs)",
            url=REPOSITORY,
            weights=(
                Weights("GSFM.pth", f"not linked in the README of {REPOSITORY}: train it there, or ask the authors"),
            ),
            trained_on=("static-images", "bl30k", "youtubevos2019-train", "davis2017-train"),
            late_objects="native",
            max_objects=254,
            input_policy="short side to 480, bicubic without antialias; zeros to multiples of 16, over which the FFT "
            "runs too; probabilities bilinear",
            autocast="optional",
            notes="remembers every third frame, top 50",
        ),
        "robust_vos_bench.adapters.gsfm.adapter:GSFMAdapter",
    )
]
