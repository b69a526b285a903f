"""Masks carried along by dense optical flow: what motion alone can do."""

from robust_vos_bench.models.card import ModelCard, ModelEntry

CARD = ModelCard(
    "flow",
    title="Optical-flow warping (DIS)",
    paper="Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016",
    license="MIT (part of rvos-bench); OpenCV: Apache-2.0",
    url="https://arxiv.org/abs/1603.03590",
    notes="OpenCV's DISOpticalFlow at input size; no appearance model, so errors add up and nothing lost comes back.",
)

MODELS = [ModelEntry(CARD, "robust_vos_bench.adapters.flow.model:Flow")]
