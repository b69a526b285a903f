"""The network of GraphMemVOS (Lu et al. 2020): STM, a gated update of the query's value, a wider head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import conv3, enlarge, shared_conv
from .decoders import RefiningDecoder
from .encoders import others_of
from .network import TOGETHER, Query
from .stm import STM

STEPS = 5
DILATIONS = (1, 2, 4, 8)


class GatedUnit(nn.Module):
    """A gated recurrent unit of 1 x 1 convolutions over (input, hidden)."""

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        self.reset_gate = nn.Conv2d(2 * width, width, 1)
        self.update_gate = nn.Conv2d(2 * width, width, 1)
        self.out_gate = nn.Conv2d(2 * width, width, 1)

    def states(self, value: Tensor, readout: Tensor) -> list[Tensor]:
        """State after each step. value: hw x C, the first input. readout: k x hw x C, the hidden state of all steps.

        What a step makes is the input of the next one; the hidden state stays (as published). Its part in the two
        gates is therefore computed once.
        """
        width = readout.shape[-1]
        gates = (self.update_gate, self.reset_gate, self.out_gate)
        of_input = torch.cat([gate.weight.flatten(1)[:, :width] for gate in gates])
        of_hidden = [gate.weight.flatten(1)[:, width:] for gate in gates]
        fixed = [F.linear(readout, weight, gate.bias) for weight, gate in zip(of_hidden[:2], gates)]
        found: list[Tensor] = []
        for step in range(STEPS):
            parts = F.linear(found[-1] if step else value, of_input).split(width, -1)
            update = torch.sigmoid(parts[0] + fixed[0])
            reset = torch.sigmoid(parts[1] + fixed[1])
            candidate = torch.tanh(parts[2] + F.linear(readout * reset, of_hidden[2], self.out_gate.bias))
            found.append(torch.lerp(readout, candidate, update))
        return found


class GraphMemory(nn.Module):
    """The query's node of the memory graph.

    The memory's own nodes pass messages in the official code, which are never read: its parameters for that are held
    so that checkpoints load, and are not used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_fusion = nn.Conv2d(512, 512, 1)
        self.ConvGRU_h = GatedUnit()
        self.ConvGRU_m = GatedUnit()
        self.linear_e = nn.Linear(128, 128, bias=False)

    def forward(self, readout: Tensor, value: Tensor) -> Tensor:
        """readout k x 512 x h x w, value 1 x 512 x h x w -> the query's state k x 512 x h x w."""
        found = []
        rows = value.flatten(2)[0].t()
        for part in readout.split(TOGETHER):
            state = self.ConvGRU_h.states(rows, part.flatten(2).transpose(1, 2))[-1]
            found.append(state.transpose(1, 2).unflatten(2, readout.shape[-2:]))
        return torch.cat(found)


class Context(nn.Module):
    """Atrous spatial pyramid: the mean of all cells, 1 x 1, and dilations 2, 4, 8, joined by one convolution."""

    def __init__(self, inputs: int = 1024, width: int = 256) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 1)
        self.bn_x = nn.BatchNorm2d(width)
        for i, dilation in enumerate(DILATIONS):
            kernel, padding = (1, 0) if dilation == 1 else (3, dilation)
            self.add_module(f"conv2d_{i}", nn.Conv2d(inputs, width, kernel, 1, padding, dilation))
            self.add_module(f"bn_{i}", nn.BatchNorm2d(width))
        self.bottleneck = conv3((1 + len(DILATIONS)) * width, width)

    def forward(self, state: Tensor, value: Tensor) -> Tensor:
        """state k x 512 x h x w, value 1 x 512 x h x w of the frame -> k x 256 x h x w."""
        means = [x.mean((2, 3), keepdim=True) for x in (state, value)]
        whole = F.relu(self.bn_x(self.conv(torch.cat([means[0], means[1].expand(len(state), -1, -1, -1)], 1))))
        found = [whole.expand(-1, -1, *state.shape[-2:])]
        for i in range(len(DILATIONS)):
            conv, norm = self._modules[f"conv2d_{i}"], self._modules[f"bn_{i}"]
            assert isinstance(conv, nn.Conv2d) and norm is not None
            found.append(F.relu(norm(shared_conv(conv, state, value))))
        joined: Tensor = self.bottleneck(torch.cat(found, 1))
        return joined


class GraphDecoder(RefiningDecoder):
    """The query's state and value -> two logits per pixel, as STM behind another head."""

    def __init__(self) -> None:
        super().__init__()
        self.layer5 = Context()

    def forward(self, state: Tensor, value: Tensor, f8: Tensor, f4: Tensor) -> Tensor:
        """state k x 512 x h x w; value, f8, f4 of the frame, batch 1 -> k x 2 x 16h x 16w."""
        return enlarge(self.quarter(state, value, f8, f4), 4)

    def quarter(self, state: Tensor, value: Tensor, f8: Tensor, f4: Tensor) -> Tensor:
        """As `forward`, before the logits are enlarged: k x 2 x 4h x 4w."""
        return self.refined(self.layer5(state, value), f8, f4)


class GraphMemVOS(STM):
    """GraphMemVOS (Lu et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.Memory = GraphMemory()
        self.Decoder = GraphDecoder()  # type: ignore[assignment]

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Key k x C x h x w and value of a frame under its masks; keys differ by object."""
        parts = zip(masks.split(TOGETHER), others_of(masks).clamp(0, 1).split(TOGETHER))
        found = [self.KV_M_r4(self.Encoder_M.pyramid(image, *part)[0]) for part in parts]
        return torch.cat([key for key, _ in found]), torch.cat([value for _, value in found])

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """The query's states k x 512 x h x w -> probability of each object, k x H x W."""
        found = []
        for part in readout.split(TOGETHER):
            logits = self.Decoder(part, query.value, query.f8, query.f4)
            found.append(torch.softmax(logits, 1)[:, 1])
        return torch.cat(found)
