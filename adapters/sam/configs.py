"""Shapes of the networks: the variants' configurations, and the one that lies beside a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from robust_vos_bench.errors import UsageError, WeightsError

from .library import library
from .repvit import RepViT

HIERA: dict[str, dict[str, Any]] = {
    "tiny": {},
    "small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "base_plus": {
        "hidden_size": 112,
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 3, 16, 3],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "large": {
        "hidden_size": 144,
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 6, 36, 4],
        "global_attention_blocks": [23, 33, 43],
        "window_size_per_stage": [8, 4, 16, 8],
    },
    "toy": {
        "hidden_size": 16,
        "embed_dim_per_stage": [16, 32, 64, 128],
        "blocks_per_stage": [1, 1, 2, 1],
        "global_attention_blocks": [3],
    },
}
"""Hiera as in the settings files of SAM 2.1 (facebookresearch/sam2, sam2/configs/sam2.1); `tiny` is the library's
default, `toy` is for tests."""

TOY_VIT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "global_attn_indexes": [1],
    "window_size": 4,
    "pretrain_image_size": 56,
}
"""A ViT for tests of SAM 3."""

CLASSES = {
    "sam2_video": "Sam2Video",
    "sam3_tracker_video": "Sam3TrackerVideo",
    "sam3_video": "Sam3TrackerVideo",
    "edgetam_video": "EdgeTamVideo",
}
"""`model_type` of a config.json -> the class that runs it, without Config or Model."""


def variant_config(network: str) -> Any:
    """The configuration of a built-in network: "sam2.tiny" and so on, "sam3" or "edgetam"; "sam3.toy" for tests."""
    lib = library()
    family, _, variant = network.partition(".")
    if family == "sam2":
        backbone = lib.Sam2HieraDetConfig(**HIERA[variant])
        vision = lib.Sam2VisionConfig(
            backbone_config=backbone, backbone_channel_list=list(reversed(backbone.embed_dim_per_stage))
        )
        return lib.Sam2VideoConfig(vision_config=vision)
    if family == "sam3":
        backbone = lib.Sam3ViTConfig(**(TOY_VIT if variant == "toy" else {}))
        return lib.Sam3TrackerVideoConfig(vision_config=lib.Sam3VisionConfig(backbone_config=backbone))
    return lib.EdgeTamVideoConfig(
        vision_config=_repvit_vision(),
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
    )


def read_config(settings: Mapping[str, Any], source: str) -> Any:
    """The configuration in the settings of a config.json.

    Raises UsageError where they are of another class than the ones that are run here.
    """
    lib = library()
    kind = str(settings.get("model_type", ""))
    if kind not in CLASSES:
        raise UsageError(
            f"{source}: config.json says model_type {kind!r}; models that run here are {', '.join(sorted(CLASSES))}"
        )
    chosen = dict(settings["tracker_config"] if kind == "sam3_video" else settings)
    if kind == "edgetam_video":
        vision = dict(chosen.get("vision_config") or {})
        backbone = dict(vision.get("backbone_config") or {})
        architecture = str(backbone.get("architecture") or "repvit_m1").partition(".")[0]
        if architecture != "repvit_m1":
            raise UsageError(
                f"{source}: its image encoder is {architecture!r}; of EdgeTAM's only repvit_m1 is known here"
            )
        chosen["vision_config"] = _repvit_vision()
    try:
        return getattr(lib, CLASSES[kind] + "Config").from_dict(chosen)
    except (TypeError, ValueError, KeyError) as error:
        detail = " ".join(str(error).split())
        raise WeightsError(f"{source}: its config.json cannot be used ({type(error).__name__}: {detail})") from error


def _repvit_vision() -> Any:
    """EdgeTAM's neck over four maps; the one-block Hiera that the library builds is replaced by RepViT."""
    lib = library()
    stub = lib.Sam2HieraDetConfig(**{**HIERA["toy"], "embed_dim_per_stage": [48, 96, 192, 384], "hidden_size": 48})
    return lib.Sam2VisionConfig(backbone_config=stub, backbone_channel_list=[384, 192, 96, 48])


def family_of(config: Any) -> str:
    """ "sam2", "sam3" or "edgetam"."""
    kind = str(config.model_type)
    return "edgetam" if kind.startswith("edgetam") else kind[:4]


def stride_of(config: Any) -> int:
    """Pixels of the input square per cell of the coarsest map, which the memory has: 16, for SAM 3 14."""
    return 14 if family_of(config) == "sam3" else 16


def trained_size(config: Any) -> int:
    """Side of the square input that the weights were trained for."""
    size = config.image_size
    return int(size[0] if isinstance(size, (list, tuple)) else size)


def set_size(config: Any, size: int) -> None:
    """Make the configuration one for square inputs of another side."""
    if family_of(config) == "sam3":
        config.image_size = size  # the library passes it on
    else:
        config.image_size = config.prompt_encoder_config.image_size = size
        config.vision_config.backbone_config.image_size = [size, size]
        config.vision_config.backbone_feature_sizes = [[size // s, size // s] for s in (4, 8, 16)]
        config.memory_attention_rope_feat_sizes = [size // 16, size // 16]


def build_network(config: Any) -> nn.Module:
    """The network of a configuration, with no particular weights."""
    lib = library()
    name = {"sam2": "Sam2Video", "sam3": "Sam3TrackerVideo", "edgetam": "EdgeTamVideo"}[family_of(config)]
    network: Any = getattr(lib, name + "Model")(config)
    if family_of(config) == "edgetam":
        network.vision_encoder.backbone = RepViT()
    built: nn.Module = network
    return built
