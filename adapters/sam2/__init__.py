"""SAM 2.1 (Ravi et al. 2024), from the package rf-sam-2: cards and entries, neither torch nor sam2 here."""

from __future__ import annotations

from robust_vos_bench.fetch import HubFile, Url
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/facebookresearch/sam2"
FILES = "https://dl.fbaipublicfiles.com/segment_anything_2/092824"
TARGET = "robust_vos_bench.adapters.sam2.adapter:SAM2Adapter"


def _weights(variant: str) -> Weights:
    file = f"sam2.1_hiera_{variant}.pt"
    return Weights(
        file,
        f"the checkpoint table of the README of {REPOSITORY}",
        links=(Url(f"{FILES}/{file}"), HubFile(f"facebook/sam2.1-hiera-{variant.replace('_', '-')}", "*.pt")),
    )


def _entry(variant: str, title: str, aliases: tuple[str, ...] = ()) -> ModelEntry:
    return ModelEntry(
        ModelCard(
            f"sam2.{variant}",
            title=title,
            paper="Ravi et al.: SAM 2: Segment Anything in Images and Videos, 2024, arXiv:2408.00714",
            license="Apache-2.0 (code and weights)",
            url=REPOSITORY,
            weights=(_weights(variant),),
            late_objects="native",
            max_objects=254,
            input_policy="squashed to 1024 x 1024 by Pillow's bicubic, whatever the aspect; logits of 256 x 256 "
            "bilinear to the frame",
            autocast="required-bf16",
            extra="sam2",
            notes="every object by itself; reads its given frames, six recent frames and pointers of fifteen; where "
            "objects overlap the largest logit wins; no filling of holes, as in the official evaluation. What the "
            "official weights were trained on is not listed here",
        ),
        TARGET,
        {"variant": variant},
        aliases,
    )


MODELS = [
    _entry("tiny", "SAM 2.1, Hiera-T"),
    _entry("small", "SAM 2.1, Hiera-S"),
    _entry("base_plus", "SAM 2.1, Hiera-B+", ("sam2",)),
    _entry("large", "SAM 2.1, Hiera-L"),
]
