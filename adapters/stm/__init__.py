"""STM (Oh, Lee, Xu, Kim, ICCV 2019): card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/seoungwugoh/STM"

MODELS = [
    ModelEntry(
        ModelCard(
            "stm",
            title="STM",
            paper="Oh, Lee, Xu, Kim: Video Object Segmentation using Space-Time Memory Networks, ICCV 2019, "
            "arXiv:1904.00607",
            license="CC BY-NC-SA 4.0 (authors' code and weights: non-commercial)",
            url=REPOSITORY,
            weights=(
                Weights("STM_weights.pth", f"the Dropbox link in the README of {REPOSITORY}; non-commercial use"),
            ),
            trained_on=("static-images", "youtubevos2018-train", "davis2017-train"),
            late_objects="grouped",
            max_objects=254,
            input_policy="short side to 480, bicubic without antialias (the official code knows DAVIS 480p only and "
            "resizes nothing); zeros to multiples of 16; probabilities bilinear",
            autocast="optional",
            notes="remembers every fifth frame and the one before, reads all of the memory; the official code holds at "
            "most 10 objects and none that comes late: both limits are lifted here",
        ),
        "robust_vos_bench.adapters.stm.adapter:STMAdapter",
    )
]
