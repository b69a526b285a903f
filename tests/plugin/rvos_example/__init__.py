"""Two variants of one model, and where the preset lies. This module is imported whenever models are listed."""

from importlib.resources import files

from robust_vos_bench.models import ModelCard, ModelEntry, Weights

SHIFT = ModelCard(
    "example.shift",
    title="Global shift by phase correlation",
    license="MIT",
    notes="Moves every object with the camera.",
)
TRAINED = ModelCard(
    "example.trained",
    title="A model whose weights are published elsewhere",
    license="MIT",
    weights=(Weights("example.pth", "https://example.org/example.pth"),),
)

MODELS = [
    ModelEntry(SHIFT, "rvos_example.model:Shift", aliases=("example",)),
    ModelEntry(TRAINED, "rvos_example.model:Shift", options={"gain": 0.5}),
]

PRESETS = files("rvos_example") / "presets"
