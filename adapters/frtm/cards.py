"""Cards of FRTM, importable without torch."""

from __future__ import annotations

from dataclasses import replace

from robust_vos_bench.fetch import DriveFile, Url
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

_FRTM = "https://github.com/andr345/frtm-vos"


def _drive(file: str, drive_id: str, trained: str) -> Weights:
    where = f"the Google Drive link in the README of {_FRTM} (trained on {trained})"
    return Weights(file, where, links=(DriveFile(drive_id),))


def _torchvision(file: str) -> Weights:
    return Weights(
        file,
        "torchvision's ImageNet weights of 2016 (V1)",
        links=(Url(f"https://download.pytorch.org/models/{file}"),),
        license="BSD-3-Clause (torchvision); trained on ImageNet",
    )


BACKBONES = {
    "resnet101": _torchvision("resnet101-5d3b4d8f.pth"),
    "resnet18": _torchvision("resnet18-5c106cde.pth"),
}
"""By variant. The checkpoints hold the refiner alone."""

_CARD = ModelCard(
    "frtm",
    version="2",  # the refiner's last products are taken on the small grid; rounding decides the fits after it
    title="FRTM (ResNet-101)",
    paper="Robinson, Lawin, Danelljan, Khan, Felsberg: Learning Fast and Robust Target Models for Video Object "
    "Segmentation, CVPR 2020, arXiv:2003.00908",
    license="GPL-3.0 (authors' code; this implementation shares no code with theirs)",
    url=_FRTM,
    weights=(
        _drive("rn101_all.pth", "1GqaB80sznVkonprCdYhURwGwqiPRhP-v", "YouTube-VOS and DAVIS"),
        _drive("rn101_ytvos.pth", "1KFg7ZjdJyhLE58WzEBlznOrDpKmQqviC", "YouTube-VOS"),
        _drive("rn101_dv.pth", "1gRFn2NojH47BjURSws2XIyuTjzFkmuSV", "DAVIS"),
    ),
    also=(BACKBONES["resnet101"],),
    trained_on=("imagenet-1k", "youtubevos2018-train", "davis2017-train"),
    late_objects="native",
    max_objects=254,
    input_policy="native, any size: nothing is resized or padded; YouTube-VOS was published on valid_all_frames (30 "
    "fps) at full size",
    autocast="optional",
    notes="a model of two convolutions per object is fitted on line, in float64 (the official code fits in float32, "
    "where two runs part); it remembers at most memory_slots frames per object. Where ids do not appear in ascending "
    "order, labels are mixed up as in the official code unless corrected=true",
)

MODELS = [
    ModelEntry(_CARD, "robust_vos_bench.adapters.frtm.adapter:FRTMAdapter", {"variant": "resnet101"}),
    ModelEntry(
        replace(
            _CARD,
            name="frtm.resnet18",
            title="FRTM (ResNet-18)",
            weights=(
                _drive("rn18_all.pth", "1t21DG1ts-2NQXDVvuQjW9LY9VVkYuXU5", "YouTube-VOS and DAVIS"),
                _drive("rn18_ytvos.pth", "1anOEzUMxXR4ff2qaUJNojAABWuAmaGvw", "YouTube-VOS"),
            ),
            also=(BACKBONES["resnet18"],),
        ),
        "robust_vos_bench.adapters.frtm.adapter:FRTMAdapter",
        {"variant": "resnet18"},
    ),
]
