"""STM: two encoders, keys and values of memory and query, dot products over all of the memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kit.tensors import IMAGENET_MEAN, IMAGENET_STD
from ..memory.bank import Bank, FrameBank
from ..memory.blocks import ResBlock, conv3, enlarge
from ..memory.network import MemoryNetwork, Query
from ..memory.trunk import Trunk, others_of

STAGES = ("res2", "res3", "res4")


class Encoder(Trunk):
    """ResNet-50 that normalises its image itself, with mean and deviation as buffers."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__(3, STAGES)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def stem(self, image: Tensor) -> Tensor:
        """1 x 3 x H x W in 0..1."""
        return super().stem((image - self.mean) / self.std)


class MaskEncoder(Encoder):
    """The memory encoder: convolutions for the object's mask and for the others' are added to the image's."""

    unfolded = ("conv1",)

    def __init__(self) -> None:
        super().__init__()
        self.conv1_m = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.conv1_o = nn.Conv2d(1, 64, 7, 2, 3, bias=False)

    def features(self, image: Tensor, masks: Tensor) -> Tensor:
        """image 1 x 3 x H x W, masks k x 1 x H x W -> k x 1024 x h x w."""
        others = others_of(masks).clamp(0, 1)
        return self.stages(self.stem(image) + self.conv1_m(masks) + self.conv1_o(others))[0]


class KeyValue(nn.Module):
    """Features -> key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.Key = conv3(1024, 128)
        self.Value = conv3(1024, 512)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """N x 1024 x h x w -> N x 128 x h x w, N x 512 x h x w."""
        return self.Key(x), self.Value(x)


class Refine(nn.Module):
    """Twice the size, with a skip feature of the image."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.convFS = conv3(inputs, width)
        self.ResFS = ResBlock(width, width)
        self.ResMM = ResBlock(width, width)

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """skip 1 x inputs x 2h x 2w, x k x width x h x w -> k x width x 2h x 2w."""
        refined: Tensor = self.ResMM(self.ResFS(self.convFS(skip)) + enlarge(x, 2))
        return refined


class StmDecoder(nn.Module):
    """Readout joined to the query's value -> two logits a pixel, background and object."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.convFM = conv3(1024, width)
        self.ResMM = ResBlock(width, width)
        self.RF3 = Refine(512, width)
        self.RF2 = Refine(256, width)
        self.pred2 = conv3(width, 2)

    def forward(self, x: Tensor, f8: Tensor, f4: Tensor) -> Tensor:
        """k x 1024 x h x w -> k x 2 x 16h x 16w."""
        x = self.RF2(f4, self.RF3(f8, self.ResMM(self.convFM(x))))
        return enlarge(self.pred2(F.relu(x)), 4)


class STM(MemoryNetwork):
    """STM (Oh et al. 2019)."""

    one_encoder = False
    normalises = True
    crops = True
    hard_prompts = True

    def __init__(self) -> None:
        super().__init__()
        self.Encoder_M = MaskEncoder()
        self.Encoder_Q = Encoder()
        self.KV_M_r4 = KeyValue()
        self.KV_Q_r4 = KeyValue()
        self.Decoder = StmDecoder()

    def encode_query(self, image: Tensor) -> Query:
        """See `MemoryNetwork`."""
        f16, f8, f4 = self.Encoder_Q(image)
        key, value = self.KV_Q_r4(f16)
        return Query(key, value, f16, f8, f4)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """See `MemoryNetwork`; keys differ by object."""
        key, value = self.KV_M_r4(self.Encoder_M.features(image, masks))
        return key, value

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """See `MemoryNetwork`."""
        joined = torch.cat([readout, query.value.expand(len(readout), -1, -1, -1)], 1)
        return torch.softmax(self.Decoder(joined, query.f8, query.f4), 1)[:, 1]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """Every frame whole, compared by dot product."""
        return FrameBank("dot", top_k, max_frames)
