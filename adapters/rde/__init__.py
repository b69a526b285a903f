"""RDE (Li et al., CVPR 2022): card and entry, no torch here."""

from __future__ import annotations

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/Limingxing00/RDE-VOS-CVPR2022"
FOLDER = f"the Google Drive folder linked in the README of {REPOSITORY}"

MODELS = [
    ModelEntry(
        ModelCard(
            "rde",
            title="RDE",
            paper="Li, Hu, Xiong, Zhang, Pan, Liu: Recurrent Dynamic Embedding for Video Object Segmentation, "
            "CVPR 2022, arXiv:2205.03761",
            license="MIT (code)",
            url=REPOSITORY,
            weights=(
                Weights("model_s012_final.pth", f"{FOLDER} (DAVIS)"),
                Weights("model_s012_final_yv.pth", f"{FOLDER} (YouTube-VOS)"),
            ),
            trained_on=("static-images", "bl30k", "youtubevos2019-train", "davis2017-train"),
            late_objects="native",
            max_objects=254,
            input_policy="short side to 480, bicubic without antialias; zeros to multiples of 16; "
            "probabilities bilinear",
            autocast="optional",
            notes="memory of constant size, updated every third frame, top 40; YouTube-VOS was published with "
            "mem_every=4, top_k=20 and weights of its own",
        ),
        "robust_vos_bench.adapters.rde.adapter:RDEAdapter",
    )
]
