"""QDMN (Liu et al., ECCV 2022): card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/workforai/QDMN"

MODELS = [
    ModelEntry(
        ModelCard(
            "qdmn",
            title="QDMN",
            paper="Liu, Yu, Yin, Zhao, Zhao, Xia, Yang: Learning Quality-aware Dynamic Memory for Video Object "
            "Segmentation, ECCV 2022, arXiv:2207.07922",
            license="none given by the authors: all rights reserved (this implementation shares no code with theirs)",
            url=REPOSITORY,
            weights=(Weights("QDMN.pth", f"the Google Drive link in the README of {REPOSITORY}"),),
            trained_on=("static-images", "bl30k", "youtubevos2019-train", "davis2017-train"),
            late_objects="grouped",
            max_objects=254,
            input_policy="short side to 480, bicubic without antialias; zeros to multiples of 16; "
            "probabilities bilinear",
            autocast="optional",
            notes="remembers the frame before, and every fifth one or later whose masks score well, top 50; the rules "
            "of the official DAVIS loop for all data sets (its YouTube-VOS loop has other thresholds)",
        ),
        "robust_vos_bench.adapters.qdmn.adapter:QDMNAdapter",
    )
]
