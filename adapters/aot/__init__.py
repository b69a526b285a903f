"""AOT (Yang et al., NeurIPS 2021) and DeAOT (Yang and Yang, NeurIPS 2022): cards and entries, no torch here."""

from __future__ import annotations

from robust_vos_bench.fetch import DriveFile
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

from ..lite import lite_entries
from .variants import VARIANTS, Variant

REPOSITORY = "https://github.com/yoxu515/aot-benchmark"
PAPERS = {
    False: "Yang, Wei, Yang: Associating Objects with Transformers for Video Object Segmentation, NeurIPS 2021, "
    "arXiv:2106.02638",
    True: "Yang, Yang: Decoupling Features in Hierarchical Propagation for Video Object Segmentation, NeurIPS 2022, "
    "arXiv:2210.09782",
}
TRAINED_ON = ("static-images", "youtubevos2019-train", "davis2017-train")
DEFAULTS = ("aot.r50_l", "deaot.r50_l")


def _weights(variant: Variant) -> tuple[Weights, ...]:
    link = DriveFile(variant.final)
    where = (
        f"open {link.address} "
        f"(the row {variant.title}, stage PRE_YTB_DAV, of MODEL_ZOO.md in {REPOSITORY}); the authors publish no hash"
    )
    return (Weights(variant.file, where, links=(link,)),)


def _card(name: str, variant: Variant) -> ModelCard:
    step = "16k + 1" if variant.align_corners else "16k"
    return ModelCard(
        name,
        title=variant.title,
        paper=PAPERS[variant.gated],
        license="BSD-3-Clause (code and weights' repository)",
        url=REPOSITORY,
        weights=_weights(variant),
        trained_on=TRAINED_ON,
        late_objects="native",
        differentiable=True,
        max_objects=254,
        input_policy=(
            f"long side at most 1040, never enlarged, sides rounded to {step}, bicubic; "
            "labels by nearest neighbour, logits bilinear to the frame's size"
        ),
        autocast="optional",
        notes="ten objects a memory, more get further memories; "
        + (
            f"a long-term memory frame every {variant.long_term_gap} frames"
            if variant.long_term_gap < 9999
            else "long-term memory of the reference frames only"
        ),
    )


MODELS = [
    ModelEntry(
        _card(name, variant),
        "robust_vos_bench.adapters.aot.adapter:AOTAdapter",
        {"variant": name},
        aliases=(name.split(".")[0],) if name in DEFAULTS else (),
    )
    for name, variant in VARIANTS.items()
]
MODELS += lite_entries("aot", "AOT", PAPERS[False])
