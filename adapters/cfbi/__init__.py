"""CFBI, CFBI+ and MobileNetV2-CFBI: matching of foreground and background, globally and in nested windows."""

from robust_vos_bench.fetch import DriveFile
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

from ..lite import lite_entries

_URL = "https://github.com/z-x-yang/CFBI"
_LICENSE = "BSD-3-Clause (code); no separate licence is given for the weights"
_POLICY = (
    "shrunk to a longest edge of 1040 (800 with test-time scales), never enlarged; "
    "each side rounded to 16 k + 1; cubic; BGR with the RGB statistics"
)


def _drive(file: str, drive_id: str, trained: str) -> Weights:
    link = DriveFile(drive_id)
    return Weights(file, f"trained on {trained}; {link.address} (linked from {_URL})", links=(link,))


_SAID = "The authors link these two files without naming them in any script; save them under the names given here."
_CFBI = "Yang, Wei, Yang: Collaborative Video Object Segmentation by Foreground-Background Integration, ECCV 2020"
_PLUS = (
    "Yang, Wei, Yang: Collaborative Video Object Segmentation by Multi-Scale Foreground-Background Integration, "
    "TPAMI 2021"
)
_TRAINED = ("davis2017-train", "youtube-vos2019-train")

MODELS = [
    ModelEntry(
        ModelCard(
            "cfbi",
            title="CFBI (ResNet-101)",
            paper=_CFBI,
            license=_LICENSE,
            url=_URL,
            weights=(
                _drive("resnet101_cfbi_davis.pth", "1G6tVaaU4RYKXKKFxqxdE_p8Fwju_0nVE", "YouTube-VOS and DAVIS 2017"),
                _drive("resnet101_cfbi.pth", "1YKQL8ruEfcDvKPO5Rs3d6HfVXAv08hX6", "YouTube-VOS"),
            ),
            trained_on=_TRAINED,
            differentiable=True,
            input_policy=_POLICY,
        ),
        "robust_vos_bench.adapters.cfbi.model:CFBIAdapter",
    ),
    ModelEntry(
        ModelCard(
            "cfbi.plus",
            title="CFBI+ (ResNet-101)",
            paper=_PLUS,
            license=_LICENSE,
            url=_URL,
            weights=(
                _drive("resnet101_cfbip_davis.pth", "1KkU-Dxew1wI1affTjN1LmTld0kgpUUQH", "YouTube-VOS and DAVIS 2017"),
                _drive("resnet101_cfbip.pth", "1tEg9sy6LYEXQP8QLsagmXpxYc9D3X5Vc", "YouTube-VOS"),
            ),
            trained_on=_TRAINED,
            differentiable=True,
            input_policy=_POLICY,
            notes="Preset `davis` unless told otherwise (the authors' DAVIS script); `youtube_vos` is their other one.",
        ),
        "robust_vos_bench.adapters.cfbi.model:CFBIAdapter",
        options={"variant": "plus"},
    ),
    ModelEntry(
        ModelCard(
            "cfbi.mobilenetv2",
            title="CFBI (MobileNetV2)",
            paper=_CFBI,
            license=_LICENSE,
            url=_URL,
            weights=(
                _drive("mobilenetv2_cfbi_davis.pth", "1CB_A-E6in27R-dVfl0hvny0MDW8WQ2Rd", "YouTube-VOS and DAVIS 2017"),
                _drive("mobilenetv2_cfbi.pth", "1h8P7LrcrOmKo2Yet_LLf6XaM97diCL42", "YouTube-VOS"),
            ),
            trained_on=_TRAINED,
            differentiable=True,
            input_policy=_POLICY,
            notes=_SAID,
        ),
        "robust_vos_bench.adapters.cfbi.model:CFBIAdapter",
        options={"variant": "mobilenetv2"},
    ),
    *lite_entries("cfbi", "CFBI", _CFBI),
]
