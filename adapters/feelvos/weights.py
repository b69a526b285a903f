"""TensorFlow's names and layouts of the weights, turned into those of the network; untrained weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.models.untrained import Shape, Untrained, draw

LEAVES = {
    "conv.weight": "weights",
    "conv.bias": "biases",
    "bn.weight": "BatchNorm/gamma",
    "bn.bias": "BatchNorm/beta",
    "bn.running_mean": "BatchNorm/moving_mean",
    "bn.running_var": "BatchNorm/moving_variance",
}
"""Ends of our names and of the official ones. Depthwise layers have `depthwise_weights`."""
_OURS = {official: ours for ours, official in LEAVES.items()} | {"depthwise_weights": "conv.weight"}
_OFFICIAL = re.compile(rf"(.+)/({'|'.join(sorted(_OURS, key=len, reverse=True))})")
_TRAINING = re.compile(r"(^|/)global_step$|/(Momentum|Adam|Adam_1)$")
"""What a program that trains saves beside the weights."""


def official_name(name: str) -> str:
    """Our name -> TensorFlow's: "aspp1_depthwise.conv.weight" -> "aspp1_depthwise/depthwise_weights"."""
    leaf = next(leaf for leaf in LEAVES if name.endswith("." + leaf))
    layer = name.removesuffix("." + leaf).replace(".", "/")
    end = LEAVES[leaf]
    return f"{layer}/depthwise_weights" if end == "weights" and layer.endswith("_depthwise") else f"{layer}/{end}"


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a converted checkpoint under our names, in torch's layouts; what only training needs is left out.

    Others keep their names, so that strict loading names them. Kernels are HWIO there, depthwise ones H x W x C x 1.
    """
    found = {}
    for name, tensor in state.items():
        if _TRAINING.search(name):
            continue
        match = _OFFICIAL.fullmatch(name)
        if match is None:
            found[name] = tensor
            continue
        if tensor.ndim == 4:
            axes = (2, 3, 0, 1) if match[2] == "depthwise_weights" else (3, 2, 0, 1)
            tensor = tensor.permute(axes).contiguous()
        found[f"{match[1].replace('/', '.')}.{_OURS[match[2]]}"] = tensor
    return found


GAINS = {"embedding/split_separable_conv2d_pointwise/weights": 20, "logits/semantic/weights": 60}
"""Without which untrained embeddings are all alike, and no object wins."""
MAPS_GAIN = 16
"""Of the channels that read the maps."""


class _UntrainedByOfficialNames(Untrained):
    """Draws by TensorFlow's names and shapes."""

    def values(self, name: str, shape: Shape) -> NDArray[np.float32] | None:
        """Values of an entry of our state_dict."""
        official = official_name(name)
        leaf = official.rsplit("/", 1)[-1]
        depthwise = leaf == "depthwise_weights"
        if len(shape) < 4:
            noise = draw(official, shape)
            values = {"gamma": 1 + 0.05 * noise, "moving_variance": 1 + 0.1 * np.abs(noise)}.get(leaf, 0.05 * noise)
            return np.asarray(values, np.float32)
        outputs, inputs, height, width = shape
        noise = draw(official, (height, width, outputs, 1) if depthwise else (height, width, inputs, outputs))
        values = noise / np.sqrt(height * width * (1 if depthwise else inputs)) * GAINS.get(official, 1)
        if official == "embedding_seg/split_separable_conv2d_0_depthwise/depthwise_weights":
            values[:, :, 256:] *= MAPS_GAIN
        axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        return np.ascontiguousarray(values.transpose(axes), np.float32)


UNTRAINED = _UntrainedByOfficialNames()


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The opposite of `from_official`, for tests and for files that others should read."""
    found = {}
    for name, tensor in state.items():
        official = official_name(name)
        if tensor.ndim == 4:
            tensor = tensor.permute((2, 3, 0, 1) if official.endswith("depthwise_weights") else (2, 3, 1, 0))
        found[official] = tensor.contiguous()
    return found
