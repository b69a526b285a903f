"""SAM 2.1 (Ravi et al. 2024), SAM 3's tracker (2025) and EdgeTAM (2025) on the layers of transformers.

Cards and entries, neither torch nor transformers here. Any other checkpoint of these classes runs as
`hf:OWNER/NAME` (the Hugging Face Hub) or `hf:FOLDER`.
"""

from __future__ import annotations

from robust_vos_bench.fetch import HubFile, Url
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

from .source import PREFIX, entry_of

SAM2 = "https://github.com/facebookresearch/sam2"
SAM3 = "https://github.com/facebookresearch/sam3"
EDGETAM = "https://github.com/facebookresearch/EdgeTAM"
SAM2_FILES = "https://dl.fbaipublicfiles.com/segment_anything_2/092824"
TARGET = "robust_vos_bench.adapters.sam.adapter:SAMAdapter"
EXTRA = "hf"
VERSION = "2"
"""1 ran SAM 2.1 on rf-sam-2; logits differ from it by float noise."""
READINGS = ("memory=samurai", "memory=dam4sam", "memory=sam2long")
FOLLOWERS = (
    "option memory: samurai, dam4sam and sam2long follow objects by training-free methods over SAM 2, in our reading "
    "of their papers: equal to their authors' code on untrained weights, not compared with masks of their authors"
)
LOOP = (
    "every object by itself; reads its given frames, six recent frames and pointers of fifteen; where objects overlap "
    "the largest logit wins; no filling of holes, as in the official evaluation"
)


def _sam2(variant: str, title: str, aliases: tuple[str, ...] = ()) -> ModelEntry:
    return ModelEntry(
        ModelCard(
            f"sam2.{variant}",
            title=title,
            paper="Ravi et al.: SAM 2: Segment Anything in Images and Videos, 2024, arXiv:2408.00714",
            license="Apache-2.0 (code and weights)",
            url=SAM2,
            weights=(
                Weights(
                    f"sam2.1_hiera_{variant}.pt",
                    f"the checkpoint table of the README of {SAM2}",
                    links=(
                        Url(f"{SAM2_FILES}/sam2.1_hiera_{variant}.pt"),
                        HubFile(f"facebook/sam2.1-hiera-{variant.replace('_', '-')}", f"sam2.1_hiera_{variant}.pt"),
                    ),
                ),
            ),
            late_objects="native",
            differentiable=True,
            max_objects=254,
            input_policy="squashed to 1024 x 1024 by Pillow's bicubic, whatever the aspect; logits of 256 x 256 "
            "bilinear to the frame",
            autocast="required-bf16",
            extra=EXTRA,
            readings=READINGS,
            notes=f"{LOOP}. {FOLLOWERS}. What the official weights were trained on is not listed here",
            version=VERSION,
        ),
        TARGET,
        {"network": f"sam2.{variant}"},
        aliases,
    )


MODELS = [
    _sam2("tiny", "SAM 2.1, Hiera-T"),
    _sam2("small", "SAM 2.1, Hiera-S"),
    _sam2("base_plus", "SAM 2.1, Hiera-B+", ("sam2",)),
    _sam2("large", "SAM 2.1, Hiera-L"),
    ModelEntry(
        ModelCard(
            "sam3",
            title="SAM 3, tracker",
            paper="Carion et al.: SAM 3: Segment Anything with Concepts, 2025, arXiv:2511.16719",
            license="SAM License (code and weights)",
            url=SAM3,
            weights=(
                Weights(
                    "model.safetensors",
                    "https://huggingface.co/facebook/sam3, after its terms are accepted there",
                    links=(HubFile("facebook/sam3", "model.safetensors"),),
                ),
            ),
            late_objects="native",
            differentiable=True,
            max_objects=254,
            input_policy="squashed to 1008 x 1008 by Pillow's bicubic, whatever the aspect; logits of 288 x 288 "
            "bilinear to the frame",
            autocast="required-bf16",
            extra=EXTRA,
            readings=READINGS,
            notes="the tracker alone, prompted with masks; no concepts, no detector. Reads its given frames and the "
            "newest frames on which the object was seen, as the authors' video model does (option memory=plain: the "
            f"six frames before). Every object by itself; where objects overlap the largest logit wins. {FOLLOWERS}",
        ),
        TARGET,
        {"network": "sam3"},
    ),
    ModelEntry(
        ModelCard(
            "edgetam",
            title="EdgeTAM, RepViT-M1",
            paper="Zhou et al.: EdgeTAM: On-Device Track Anything Model, CVPR 2025, arXiv:2501.07256",
            license="Apache-2.0 (code and weights)",
            url=EDGETAM,
            weights=(
                Weights(
                    "edgetam.pt",
                    f"{EDGETAM}, checkpoints/edgetam.pt",
                    links=(
                        Url(f"{EDGETAM}/raw/main/checkpoints/edgetam.pt"),
                        HubFile("facebook/EdgeTAM", "edgetam.pt"),
                    ),
                ),
            ),
            late_objects="native",
            differentiable=True,
            max_objects=254,
            input_policy="squashed to 1024 x 1024 by Pillow's bicubic, whatever the aspect; logits of 256 x 256 "
            "bilinear to the frame",
            autocast="required-bf16",
            extra=EXTRA,
            readings=READINGS,
            notes="the image encoder is written here, since the library's needs timm and torchvision. "
            f"{LOOP}. {FOLLOWERS}",
        ),
        TARGET,
        {"network": "edgetam"},
    ),
]


def _by_name(name: str) -> ModelEntry:
    return entry_of(name, TARGET, EXTRA, READINGS)


SCHEMES = {PREFIX: _by_name}
"""Beginnings of names that stand for more models than can be listed -> the entry of such a name."""
