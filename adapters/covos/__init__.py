"""CoVOS (Xu and Yao, CVPR 2022), an accelerator over any other model: cards and entries, no torch here."""

from __future__ import annotations

from dataclasses import replace

from robust_vos_bench.fetch import Url
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/kai422/CoVOS"
LIGHT_ENCODER = "covos_light_encoder.pth"
BASES = (
    *("xmem", "rde", "aot.swinb_l", "qdmn", "stcn", "aot.r50_l", "hmmn", "mivos", "aoc", "cfbi.plus", "graphmem"),
    *("cfbi", "stm", "aoc.lite-video", "aot.lite-video", "cfbi.lite-video", "aoc.lite", "cfbi.lite", "aot.lite"),
    "labelprop",
)
"""Models that are taken for the base where none is named, the first one whose weights are here: by J&F on DAVIS 2017
validation as their authors publish it, then those that come with this package, or with most copies of it."""


def _raw(file: str) -> tuple[Url, ...]:
    return (Url(f"https://github.com/kai422/CoVOS/raw/main/weights/{file}"),)


CARD = ModelCard(
    "covos",
    title="CoVOS",
    paper="Xu, Yao: Accelerating Video Object Segmentation with Compressed Video, CVPR 2022, arXiv:2107.12192",
    license="GPL-3.0 (authors' code and weights, with a decoder as a binary file; this implementation shares no code "
    "with theirs)",
    url=REPOSITORY,
    weights=(
        Weights(
            "covos_propagator.pth",
            f"weights/ of {REPOSITORY}",
            sha256="5aa8c66516857a4930e933e55699f072724941fef3ee9ed3402b949b0984f39c",
            links=_raw("covos_propagator.pth"),
        ),
    ),
    also=(Weights(LIGHT_ENCODER, f"weights/ of {REPOSITORY}", links=_raw(LIGHT_ENCODER)),),
    trained_on=("davis2017-train",),
    max_objects=254,
    streaming=False,
    input_policy="frames coded and decoded once more (H.264, CRF 23); the base model sees them by its own rule; the "
    "propagator at their size, or reduced to a short side of 480, bilinear with antialias, zeros to multiples of 16",
    notes="runs another model (option base) on the key frames of the coded clip, and warps its masks to the frames "
    "between. H.264 with one reference and no pyramid, where the paper has HEVC, of which FFmpeg exports no vectors; "
    "the residual is computed anew; the propagator was trained on HEVC. Objects that appear between key frames make "
    "the rest of that stretch key frames; more than ten objects go through the propagator by tens (ours). The authors' "
    "HEVC videos, of no use here: drive.google.com/drive/folders/1xM6QZbAzcS1LpDQ1uhuJS4Dx7iivJPPK",
)
_PARTS = replace(CARD, license="MIT (part of rvos-bench)", weights=(), also=(), trained_on=())
_ADAPTER = "robust_vos_bench.adapters.covos.adapter:CoVOSAdapter"

MODELS = [
    ModelEntry(CARD, _ADAPTER),
    ModelEntry(
        replace(
            _PARTS,
            name="covos.warp",
            title="CoVOS without its networks (not the published system)",
            notes="the base model's masks on the key frames, moved along the vectors of the coded clip to the frames "
            "between, at full resolution; blocks without vectors keep what the nearest key frame has there",
        ),
        _ADAPTER,
        {"between": "warped"},
    ),
    ModelEntry(
        replace(
            _PARTS,
            name="covos.decoded",
            title="A base model on the frames that CoVOS decodes",
            notes="the control: every frame is given to the base model, after the codec that CoVOS needs",
        ),
        _ADAPTER,
        {"between": "base"},
    ),
]
