"""AOC-Net and RPCM: the robust video object segmentation work of Xu et al. (2022) on CFBI's matching."""

from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

from ..lite import lite_entries

_AOC_PAPER = "Xu et al., Towards Robust Video Object Segmentation with Adaptive Object Calibration, ACM MM 2022"
_AOC_URL = "https://github.com/JerryX1110/Robust-Video-Object-Segmentation"
_RPCM_PAPER = "Xu et al., Reliable Propagation-Correction Modulation for Video Object Segmentation, AAAI 2022"
_RPCM_URL = "https://github.com/JerryX1110/RPCMVOS"
_SIZE = "long side <= 1040, then each side to the nearest 16 n + 1 (480 x 854 -> 481 x 849)"

_AOC_WEIGHTS = (
    Weights(
        "aoc_resnet101.pth",
        "never published: the authors say that the trained weights stayed with Microsoft (issue 4 of "
        f"{_AOC_URL}). A checkpoint of your own training with the official code loads: --checkpoint FILE",
        published=False,
    ),
)
_RPCM_WEIGHTS = (
    Weights(
        "rpcm_resnet101.pth",
        "never published: the authors no longer have access to them (issue 7 of "
        f"{_RPCM_URL}); only result masks are. A checkpoint of your own training with the official code loads: "
        "--checkpoint FILE",
        published=False,
    ),
)


def _aoc(name: str, title: str, notes: str, **options: object) -> ModelEntry:
    card = ModelCard(
        name,
        title=title,
        paper=_AOC_PAPER,
        license="MIT (stated in the README; the licence file is missing)",
        url=_AOC_URL,
        weights=_AOC_WEIGHTS,
        max_objects=124,
        differentiable=True,
        input_policy=_SIZE,
        notes=notes,
    )
    return ModelEntry(card, "robust_vos_bench.adapters.aoc.model:AOC", options)


def _rpcm(name: str, title: str, notes: str, **options: object) -> ModelEntry:
    card = ModelCard(
        name,
        title=title,
        paper=_RPCM_PAPER,
        license="MIT",
        url=_RPCM_URL,
        weights=_RPCM_WEIGHTS,
        max_objects=124,
        differentiable=True,
        input_policy=_SIZE,
        notes=notes,
    )
    return ModelEntry(card, "robust_vos_bench.adapters.aoc.model:RPCM", options)


MODELS = [
    _aoc("aoc", "AOC-Net, multi-frame memory", "Remembers every 5th frame.", mem_every=5),
    _aoc("aoc.base", "AOC-Net, base", "Remembers annotated frames only.", mem_every=-1),
    _rpcm("rpcm", "RPCM", "Remembers every 5th frame without its uncertain pixels.", rpa=True),
    _rpcm("rpcm.norpa", "RPCM without reliable proxy augmentation", "Remembers annotated frames only.", rpa=False),
    *lite_entries("aoc", "AOC-Net", _AOC_PAPER),
]
