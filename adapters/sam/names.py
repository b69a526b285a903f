"""From the names of the authors' checkpoints (SAM 2, SAM 2.1, EdgeTAM, SAM 3) to those of transformers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_THREE = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
_TWO = {"0": "proj_in", "1": "proj_out"}
_UPSCALING = {"0": "upscale_conv1", "1": "upscale_layer_norm", "3": "upscale_conv2"}
_MASK_EMBEDDING = {"0": "conv1", "1": "layer_norm1", "3": "conv2", "4": "layer_norm2", "6": "conv3"}
_FEED_FORWARD = {"0": "layer_norm", "1": "up_proj", "3": "down_proj"}

PARTS: tuple[tuple[str, str], ...] = (
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
    # the image encoders: Hiera, RepViT
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^image_encoder\.trunk\.body\.", "vision_encoder.backbone.timm_model."),
    (r"^image_encoder\.trunk\.patch_embed\.proj\.", "vision_encoder.backbone.patch_embed.projection."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    # the prompt encoder
    (r"\.pe_layer\.positional_encoding_gaussian_matrix$", ".shared_embedding.positional_embedding"),
    # the memory encoder
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"\.gamma$", ".scale"),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"\.out_proj\.", ".o_proj."),
    # EdgeTAM's resampler
    (r"^spatial_perceiver\.latents$", "spatial_perceiver.latents_1d"),
    (r"^(spatial_perceiver\.layers\.\d+)\.attn\.norm_x\.", r"\1.layer_norm_input."),
    (r"^(spatial_perceiver\.layers\.\d+)\.attn\.norm_latents\.", r"\1.layer_norm_latents."),
    (r"^(spatial_perceiver\.layers\.\d+)\.self_attn\.norm\.", r"\1.layer_norm_self."),
    (r"^(spatial_perceiver\.layers\.\d+)\.attn\.to_", r"\1.cross_attention.to_"),
    (r"^(spatial_perceiver\.layers\.\d+)\.self_attn\.to_", r"\1.self_attention.to_"),
    (r"\.to_q\.", ".q_proj."),
    (r"\.to_out\.", ".o_proj."),
    # last of all
    (r"\.norm(\d?|_final_attn)\.", r".layer_norm\1."),
)
"""Rules in order, each applied where it fits."""


def is_official(names: Iterable[str]) -> bool:
    """Whether these are the authors' names."""
    return any(name.startswith("sam_mask_decoder.") for name in names)


def translated(name: str) -> str:
    """transformers' name of an entry of the authors' state_dict (SAM 2, SAM 2.1, EdgeTAM)."""
    for pattern, replacement in PARTS:
        name = re.sub(pattern, replacement, name)
    name = re.sub(
        r"(output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head|^object_pointer_proj)\.layers\.(\d)",
        lambda m: f"{m[1]}.{_THREE[m[2]]}",
        name,
    )
    name = re.sub(r"\.mlp\.layers\.(\d)", lambda m: f".mlp.{_TWO[m[1]]}", name)
    name = re.sub(r"\.output_upscaling\.(\d)", lambda m: f".{_UPSCALING[m[1]]}", name)
    name = re.sub(r"\.mask_downscaling\.(\d)", lambda m: f".mask_embed.{_MASK_EMBEDDING[m[1]]}", name)
    name = re.sub(r"\.mask_downsampler\.encoder\.(\d+)\.", lambda m: f".mask_downsampler.{_downsampler(m[1])}.", name)
    return re.sub(r"\.(self_)?ff\.(\d)\.", lambda m: f".{m[1] or ''}mlp.{_FEED_FORWARD[m[2]]}.", name)


def _downsampler(index: str) -> str:
    """Four rounds of convolution, norm and activation, then one convolution."""
    layer, part = divmod(int(index), 3)
    return "final_conv" if layer == 4 else f"layers.{layer}.{('conv', 'layer_norm')[part]}"


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' tensors under transformers' names: point embeddings stacked, keys and values split."""
    import torch

    found: dict[str, Tensor] = {}
    points: dict[int, Tensor] = {}
    edgetam = any(name.startswith("spatial_perceiver.") for name in state)
    for name, tensor in state.items():
        if m := re.fullmatch(r"sam_prompt_encoder\.point_embeddings\.(\d)\.weight", name):
            points[int(m[1])] = tensor
            continue
        new = translated(name)
        if ".to_kv." in new:
            keys, values = tensor.chunk(2)
            found[new.replace(".to_kv.", ".k_proj.")] = keys.clone()
            found[new.replace(".to_kv.", ".v_proj.")] = values.clone()
            continue
        if edgetam and new.startswith("memory_attention."):
            new = new.replace(".linear1.", ".mlp.up_proj.").replace(".linear2.", ".mlp.down_proj.")
        found[new] = tensor
    if points:
        found["prompt_encoder.point_embed.weight"] = torch.cat([points[i] for i in sorted(points)])
    matrix = found.get("prompt_encoder.shared_embedding.positional_embedding")
    if matrix is not None:
        found["shared_image_embedding.positional_embedding"] = matrix
    return found


def tracker_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tracker of a SAM 3 file of transformers, which holds detector and tracker: the detector's ViT, and the
    neck and heads of the tracker. Other files stay as they are."""
    if not any(name.startswith("tracker_model.") for name in state):
        return dict(state)
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.startswith("tracker_model."):
            found[name.removeprefix("tracker_model.")] = tensor
        elif name.startswith("tracker_neck."):
            found["vision_encoder.neck." + name.removeprefix("tracker_neck.")] = tensor
        elif name.startswith("detector_model.vision_encoder.backbone."):
            found[name.removeprefix("detector_model.")] = tensor
    return found
