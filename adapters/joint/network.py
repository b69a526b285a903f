"""The network of JOINT: backbone, encoders and decoder under the authors' parameter names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.resnet import EarlyStrideBottleneck, stage
from ..refiner.levels import Levels
from ..refiner.projection import Projection
from .labels import LabelEncoder
from .learner import MAPS, TargetModel
from .transformer import Transformer

STRIDE = 16
"""Pixels of a search region per cell."""
BGR_MEAN = (102.9801, 115.9465, 122.7717)
INPUTS = {"layer4": 2048, "layer3": 1024, "layer2": 512, "layer1": 256}
"""Channels of the backbone's maps, the deepest first."""
WIDTHS = {"layer4": 256, "layer3": 128, "layer2": 128, "layer1": 64}
"""Channels of the decoder's levels."""


class Backbone(nn.Module):
    """ResNet-50 with the strides of Mask R-CNN's weights, which take BGR in 0..255 less a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, (width, count) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3)), 1):
            self.add_module(
                f"layer{number}", stage(EarlyStrideBottleneck, inputs, width, count, stride=1 if number == 1 else 2)
            )
            inputs = 4 * width

    def forward(self, image: Tensor, layers: int = 4) -> dict[str, Tensor]:
        """RGB 1 x 3 x H x W in 0..255 -> `layer1` to `layer4` (or fewer), of the strides 4, 8, 16, 32."""
        x = image.flip(1) - image.new_tensor(BGR_MEAN)[:, None, None]
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        found = {}
        for name in ("layer1", "layer2", "layer3", "layer4")[:layers]:
            x = found[name] = self.get_submodule(name)(x)
        return found


class Decoder(Levels):
    """The refiner, with levels of different widths and 16 maps of scores."""

    def __init__(self) -> None:
        super().__init__(INPUTS, WIDTHS, MAPS, projected=True)
        self.project = Projection(WIDTHS["layer1"])

    def forward(self, encoding: Tensor, reduced: dict[str, Tensor]) -> Tensor:
        """Encoding 16 x h x w -> scores 16h x 16w; positive: object."""
        rows, columns = encoding.shape[-2:]
        refined = self.refined(encoding[None], reduced)
        scores: Tensor = self.project(refined, (STRIDE * rows, STRIDE * columns))
        return scores[0, 0].float()


@dataclass(frozen=True)
class Seen:
    """What the network makes of the pixels of one region, whatever the object."""

    learner: Tensor
    """1 x 512 x h x w for the filter."""
    cells: Tensor
    """hw x 512 for the transformer."""
    query: Tensor
    """hw x 128: by which the cells read the memory."""
    reduced: dict[str, Tensor]
    """For the decoder."""


class JOINT(nn.Module):
    """JOINT (Mao et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = Backbone()
        self.transformer = Transformer()
        self.target_model = TargetModel()
        self.decoder = Decoder()
        self.label_encoder = LabelEncoder()

    def remembered(self, layer3: Tensor) -> tuple[Tensor, Tensor]:
        """`layer3` of a region, 1 x 1024 x h x w -> what filter (1 x 512 x h x w) and transformer (hw x 512) keep."""
        learner = self.target_model.features(layer3)
        with torch.autocast(layer3.device.type, enabled=False):
            return learner, self.transformer.cells(layer3.float())

    def look(self, region: Tensor) -> Seen:
        """A region as RGB 1 x 3 x 16h x 16w in 0..255."""
        features = self.feature_extractor(region)
        learner, cells = self.remembered(features["layer3"])
        reduced = self.decoder.reduced(features)
        with torch.autocast(region.device.type, enabled=False):
            return Seen(learner, cells, self.transformer.query(cells), reduced)

    def first(self, region: Tensor) -> tuple[Tensor, Tensor]:
        """As `remembered`, of a region as RGB: all that an object's first frame needs."""
        return self.remembered(self.feature_extractor(region, 3)["layer3"])
