"""XMem (Cheng and Schwing 2022): STCN with a sensory state, other keys, and a long-term memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.bounds import below
from robust_vos_bench.models.checkpoint import RANDOM, read_state

from ..common.tensors import aggregate
from .adapter import MemoryAdapter
from .bank import Bank
from .blocks import Fuser, conv3, enlarge
from .decoders import UpsampleBlock
from .encoders import MIXED, Trunk, ValueEncoder, with_other_objects
from .long_term import Limits, LongTermBank
from .network import MemoryNetwork, Query
from .session import MemorySession


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


class SensoryValueEncoder(ValueEncoder):
    """STCN's value encoder, and the sensory update from its values."""

    def __init__(self, widths: Widths) -> None:
        super().__init__(Fuser(1280, widths.value, shared_first=True), bias=False)
        if widths.hidden:
            self.hidden_reinforce = DeepUpdate(widths.value, widths.hidden)


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


class SensoryDecoder(nn.Module):
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
        self.value_encoder = SensoryValueEncoder(widths)
        self.key_proj = Projection(widths.key)
        self.decoder = SensoryDecoder(widths)

    def encode_query(self, image: Tensor) -> Query:
        """1 x 3 x H x W -> features; the key holds selection and shrinkage too, the value is unused."""
        f16, f8, f4 = self.key_encoder(image)
        return Query(self.key_proj(f16), f16, f16, f8, f4)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """The key of the same frame's query and the value of each object; the sensory state is left to the loop."""
        if query is None:
            raise ValueError("XMem remembers a frame with the features of its query")
        return query.key, self.value_encoder.values(image, query.f16, masks)

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """Probability of each object, k x H x W, with an empty sensory state."""
        hidden = readout.new_zeros(len(readout), self.widths.hidden, *readout.shape[-2:])
        logits, _ = self.decoder(readout, query, hidden if self.widths.hidden else None)
        return torch.sigmoid(logits)[:, 0]

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """A working and a long-term memory."""
        return LongTermBank(self.limits, top_k, self.widths.key)


class SensorySession(MemorySession):
    """Predicted frames update the sensory state through the decoder, remembered ones through the value encoder."""

    network: XMem
    _hidden: Tensor | None = None
    _after: Tensor | None = None

    def predict(self, query: Query) -> Tensor:
        """Aggregated probabilities; the state that follows waits until it is known whether the frame is remembered."""
        readout = torch.cat([bank.read(query.key) for _, bank in self.groups])
        logits, self._after = self.network.decoder(readout, query, self._hidden)
        return aggregate(torch.sigmoid(logits)[:, 0].float())

    def consider(self, image: Tensor, query: Query | None, masks: Tensor, given: bool) -> None:
        """Remember the frame if it is its turn; update the state one way or the other."""
        if query is None:
            raise ValueError("XMem remembers a frame with the features of its query")
        if not given and self._since < self.schedule.every:
            self._hidden = self._after
            return
        value = self.network.value_encoder.values(image, query.f16, masks[:, None])
        width = self.network.widths.hidden
        if width:
            known = 0 if self._hidden is None else len(self._hidden)
            fresh = value.new_zeros(len(value) - known, width, *value.shape[-2:])
            hidden = fresh if self._hidden is None else torch.cat([self._hidden, fresh])
            self._hidden = self.network.value_encoder.hidden_reinforce(value, hidden)
        for objects, bank in self.groups:
            bank.add(query.key, value[objects], False, given)
        self._since = 0


class XMemAdapter(MemoryAdapter):
    """XMem with the official settings, which are the same for DAVIS and YouTube-VOS.

    long_term: consolidate the working memory, so that memory does not grow with the video. max_mid_term_frames,
    min_mid_term_frames, max_long_term_elements, num_prototypes: T_max, T_min, LT_max and P of the paper.
    """

    network: XMem
    loop = SensorySession
    interpolation = "bilinear"

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        top_k: Annotated[int, Meta(ge=1)] | None = 30,
        long_term: bool = True,
        max_mid_term_frames: int = 10,
        min_mid_term_frames: Annotated[int, Meta(ge=2)] = 5,
        max_long_term_elements: int = 10000,
        num_prototypes: Annotated[int, Meta(ge=1)] = 128,
        **options: Any,
    ) -> None:
        below("min_mid_term_frames", min_mid_term_frames, "max_mid_term_frames", max_mid_term_frames)
        below("num_prototypes", num_prototypes, "max_long_term_elements", max_long_term_elements)
        if options.get("include_last") or options.get("max_memory_frames") is not None:
            raise UsageError("XMem has neither include_last nor max_memory_frames; its memory is bounded by long_term")
        self.limits = Limits(
            long_term, max_mid_term_frames, min_mid_term_frames, max_long_term_elements, num_prototypes
        )
        super().__init__(checkpoint, device, top_k=top_k, **options)
        self.network.limits = self.limits

    def build(self) -> nn.Module:
        """The bare network, as wide as the checkpoint's."""
        if self.checkpoint is None or self.checkpoint == RANDOM:
            return XMem()
        state = read_state(Path(self.checkpoint))
        key, value = (state.get(n) for n in ("key_proj.key_proj.weight", "value_encoder.fuser.block2.conv2.weight"))
        hidden = state.get("decoder.hidden_update.transform.weight")
        if key is None or value is None:
            return XMem()  # the loader names what is missing
        return XMem(Widths(len(key), len(value), 0 if hidden is None else len(hidden) // 3))

    def official(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file of the static-image stage, which knows no other objects, gets zeros for them."""
        return with_other_objects(state)
