"""TBD (Cho et al., ECCV 2022): card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/suhwan-cho/TBD"

MODELS = [
    ModelEntry(
        ModelCard(
            "tbd",
            title="TBD",
            paper="Cho, Lee, Lee, Park, Jang, Kim, Lee: Tackling Background Distraction in Video Object Segmentation, "
            "ECCV 2022, arXiv:2207.06953",
            license="MIT (code); the README allows code and models for non-commercial research only",
            url=REPOSITORY,
            weights=(
                Weights("TBD_davis.pth", f"the Google Drive link (davis) in the README of {REPOSITORY}"),
                Weights("TBD_ytvos.pth", f"the Google Drive link (ytvos) in the README of {REPOSITORY}"),
            ),
            trained_on=("coco", "davis2017-train"),
            late_objects="native",
            max_objects=254,
            input_policy="short side to 480, bicubic without antialias, unless a given object would have fewer than "
            "1000 pixels; reflected to multiples of 16; probabilities bilinear (ours: the official code does not "
            "enlarge)",
            notes="no memory of frames: templates of constant size; matching grows with the square of the resolution",
        ),
        "robust_vos_bench.adapters.tbd.adapter:TBDAdapter",
    )
]
