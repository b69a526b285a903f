"""XMem: STCN with a sensory state, keys with shrinkage and selection, and fusion in place of compression."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..memory.bank import Bank
from ..memory.blocks import Fuser, UpsampleBlock, conv3, enlarge
from ..memory.network import MemoryNetwork, Query
from ..memory.trunk import MIXED, PLAIN, Trunk, masked_stem, others_of
from .bank import Limits, LongTermBank


@dataclass(frozen=True)
class Widths:
    """Channels of keys, values and the sensory state (0: none); a checkpoint tells them."""

    key: int = 64
    value: int = 512
    hidden: int = 64


def gated_update(values: Tensor, hidden: Tensor) -> Tensor:
    """XMem's recurrent update: values k x 3C x h x w (forget, update, new) over hidden k x C x h x w.

    Unlike in a GRU the new value is not computed from a reset state.
    """
    forget, update, new = values.chunk(3, 1)
    update = torch.sigmoid(update)
    return torch.sigmoid(forget) * hidden * (1 - update) + update * torch.tanh(new)


class DeepUpdate(nn.Module):
    """Sensory update from the value of a remembered frame."""

    def __init__(self, value: int, hidden: int) -> None:
        super().__init__()
        self.transform = conv3(value + hidden, 3 * hidden)

    def forward(self, value: Tensor, hidden: Tensor) -> Tensor:
        """k x value x h x w, k x hidden x h x w -> k x hidden x h x w."""
        return gated_update(self.transform(torch.cat([value, hidden], 1)), hidden)


class SensoryUpdate(nn.Module):
    """Sensory update from the decoder's features of three sizes."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.g16_conv = nn.Conv2d(512, 256, 1)
        self.g8_conv = nn.Conv2d(256, 256, 1)
        self.g4_conv = nn.Conv2d(257, 256, 1)
        self.transform = conv3(256 + hidden, 3 * hidden)

    def forward(self, g16: Tensor, g8: Tensor, g4: Tensor, hidden: Tensor) -> Tensor:
        """Features of stride 16, 8 and 4 (with the logits) -> k x hidden x h x w."""
        g = self.g16_conv(g16) + self.g8_conv(F.avg_pool2d(g8, 2)) + self.g4_conv(F.avg_pool2d(g4, 4))
        return gated_update(self.transform(torch.cat([g, hidden], 1)), hidden)


class ValueEncoder(Trunk):
    """ResNet-18 over image, mask and other masks, fused with the image's features."""

    def __init__(self, widths: Widths) -> None:
        super().__init__(5, PLAIN, deep=False)
        self.fuser = Fuser(1280, widths.value, shared_first=True)
        if widths.hidden:
            self.hidden_reinforce = DeepUpdate(widths.value, widths.hidden)

    def values(self, image: Tensor, f16: Tensor, masks: Tensor) -> Tensor:
        """image 1 x 3 x H x W, f16 1 x 1024 x h x w, masks k x 1 x H x W -> k x value x h x w."""
        x, _, _ = self.stages(masked_stem(self, image, masks, others_of(masks)))
        value: Tensor = self.fuser(x, f16)
        return value


class Projection(nn.Module):
    """Features -> keys, shrinkage (at least 1) and selection (0..1), side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key_proj = conv3(1024, width)
        self.d_proj = conv3(1024, 1)
        self.e_proj = conv3(1024, width)

    def forward(self, x: Tensor) -> Tensor:
        """1 x 1024 x h x w -> 1 x (2 key + 1) x h x w."""
        return torch.cat([self.key_proj(x), torch.sigmoid(self.e_proj(x)), self.d_proj(x).square() + 1], 1)


class Decoder(nn.Module):
    """Readout and sensory state -> logits and the next sensory state."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.fuser = Fuser(1024 + widths.value + widths.hidden, 512, shared_first=True)
        if widths.hidden:
            self.hidden_update = SensoryUpdate(widths.hidden)
        self.up_16_8 = UpsampleBlock(512, 512, 256)
        self.up_8_4 = UpsampleBlock(256, 256, 256)
        self.pred = conv3(256, 1)

    def forward(self, readout: Tensor, query: Query, hidden: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """readout k x value x h x w, hidden k x C x h x w -> logits k x 1 x 16h x 16w, next hidden."""
        x = readout if hidden is None else torch.cat([readout, hidden], 1)
        g16 = self.fuser(x, query.f16)
        g8 = self.up_16_8(query.f8, g16)
        g4 = self.up_8_4(query.f4, g8)
        logits = self.pred(F.relu(g4))
        after = None if hidden is None else self.hidden_update(g16, g8, torch.cat([g4, logits], 1), hidden)
        return enlarge(logits, 4), after


class XMem(MemoryNetwork):
    """XMem (Cheng and Schwing 2022). limits: of the memories that `bank` makes."""

    def __init__(self, widths: Widths | None = None) -> None:
        super().__init__()
        self.widths = widths = widths or Widths()
        self.limits = Limits()
        self.key_encoder = Trunk(3, MIXED)
        self.value_encoder = ValueEncoder(widths)
        self.key_proj = Projection(widths.key)
        self.decoder = Decoder(widths)

    def encode_query(self, image: Tensor) -> Query:
        """1 x 3 x H x W -> features; the key holds selection and shrinkage too, the value is unused."""
        f16, f8, f4 = self.key_encoder(image)
        return Query(self.key_proj(f16), f16, f16, f8, f4)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """See `MemoryNetwork`; the sensory state is left to the loop."""
        if query is None:
            raise ValueError("XMem remembers a frame with the features of its query")
        return query.key, self.value_encoder.values(image, query.f16, masks)

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """See `MemoryNetwork`; with an empty sensory state."""
        hidden = readout.new_zeros(len(readout), self.widths.hidden, *readout.shape[-2:])
        logits, _ = self.decoder(readout, query, hidden if self.widths.hidden else None)
        return torch.sigmoid(logits)[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """A working and a long-term memory."""
        return LongTermBank(self.limits, top_k, self.widths.key)
