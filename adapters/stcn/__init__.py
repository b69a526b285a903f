"""STCN (Cheng, Tai, Tang, NeurIPS 2021): card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/hkchengrex/STCN"

MODELS = [
    ModelEntry(
        ModelCard(
            "stcn",
            title="STCN",
            paper="Cheng, Tai, Tang: Rethinking Space-Time Networks with Improved Memory Coverage for Efficient Video "
            "Object Segmentation, NeurIPS 2021, arXiv:2106.05210",
            license="MIT (code)",
            url=REPOSITORY,
            weights=(
                Weights("stcn.pth", f"the release 1.0 of {REPOSITORY} (or the Google Drive folder of its README)"),
            ),
            trained_on=("static-images", "bl30k", "youtubevos2019-train", "davis2017-train"),
            late_objects="native",
            max_objects=254,
            input_policy="short side to 480, bicubic without antialias; zeros to multiples of 16; "
            "probabilities bilinear",
            autocast="optional",
            notes="remembers every fifth frame after the last remembered one, top 20; the last frame is not "
            "remembered; the memory grows with the video unless max_memory_frames bounds it; DAVIS 2017 test-dev was "
            "published with mem_every=3",
        ),
        "robust_vos_bench.adapters.stcn.adapter:STCNAdapter",
    )
]
