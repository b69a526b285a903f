"""Which system a checkpoint belongs to, so that a file given to the wrong one is named."""

from __future__ import annotations

from collections.abc import Iterable

SIGNS = (
    ("joint", "JOINT", "transformer.feature_adjustor.0.weight"),
    ("frtm", "FRTM", "refiner.TSE.layer5.reduce.0.weight"),
    ("cutie", "Cutie", "pixel_fuser.sensory_compress.weight"),
    ("graphmem", "GraphMemVOS", "Memory.conv_fusion.weight"),
    ("afb_urr", "AFB-URR", "keyval_r4.Key.weight"),
    ("hmmn", "HMMN", "KV_M_r3.Key.weight"),
    ("stm", "STM", "KV_M_r4.Key.weight"),
    ("swem", "SWEM", "swem_core.fusion_layer.layer_f.weight"),
    ("xmem", "XMem", "key_proj.d_proj.weight"),
    ("rde", "RDE", "mem_compress.compress_key.weight"),
    ("gsfm", "GSFM", "lfm.conv1.weight"),
    ("stcn", "STCN", "value_encoder.fuser.block1.conv1.weight"),
    ("qdmn", "QDMN", "aspp.conv1.weight"),
    ("mivos", "MiVOS", "mask_rgb_encoder.conv1.weight"),
    ("tbd", "TBD", "vos.matcher.conv.conv.weight"),
    ("cfbi.plus", "CFBI+", "fpn.toplayer.0.weight"),
    ("aoc", "AOC-Net", "dynamic_seghead.CLB2.mlp_layer.bias"),
    ("rpcm", "RPCM", "dynamic_seghead.M1_Bottleneck_1.bn1.bias"),
    ("cfbi", "CFBI", "dynamic_seghead.IA3.IA.weight"),
    ("feelvos", "FEELVOS", "xception_65/entry_flow/conv1_1/weights"),
)
"""Model ("" where there is none here), title, and a tensor of it that no system after it in the list has."""


def system_of(names: Iterable[str]) -> tuple[str, str] | None:
    """Model and title of the system whose tensors these are; None where none is known."""
    held = set(names)
    return next(((model, title) for model, title, sign in SIGNS if sign in held), None)


def hint(names: Iterable[str], model: str) -> str:
    """What to do with a checkpoint of another system that was given to `model`; "" where it is not one."""
    found = system_of(names)
    if found is None or found[0] in (model, model.partition(".")[0]):
        return ""
    cure = f": run it with --model {found[0]} --checkpoint FILE" if found[0] else ", which does not run here"
    return f"The names are those of a checkpoint of {found[1]}{cure}."
