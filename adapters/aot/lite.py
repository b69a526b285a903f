"""AOT at reduced width on a light encoder: ours, not the paper's network, and not loadable from its checkpoints.

Kept from the paper: an identity bank in which all objects share one map, long short-term transformer layers
(self-attention, attention to the remembered frames, attention to a 15 x 15 window of the frame before, both at stride
16), decoding of all objects in one pass. Changed: 128 channels instead of 256, two layers, one head (as DeAOT; eight
would be 16 channels wide each and match far worse), tokens from three scales of the encoder instead of the last, a
narrower pyramid, three identities instead of ten (what training clips hold, so that each is seen often), and at
inference sharper attention to larger memories (`sharpness`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..lite.cells import one_hot
from ..lite.network import DISTINCT, LiteNetwork
from ..lite.trunk import WIDTHS, Maps, Trunk, enlarged
from .attention import Grid
from .lite_layer import HEADS, STRIDE, Layer
from .memory import Bank, Current
from .transformer import sine_positions

CHANNELS, HIDDEN, LAYERS = 128, 384, 2
IDENTITIES = DISTINCT
"""Objects one memory can tell apart, background not counted."""


class Tokens(nn.Module):
    """Encoder maps -> one vector per cell at stride 16; channels are standardised over a frame before they mix."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(sum(WIDTHS), sum(WIDTHS))
        self.project = nn.Conv2d(sum(WIDTHS), channels, 1)

    def forward(self, maps: Maps) -> Tensor:
        """B x channels x h x w."""
        means = F.avg_pool2d(maps.s4.contiguous(), 5, 4, 2), F.avg_pool2d(maps.s8.contiguous(), 3, 2, 1)
        found: Tensor = self.project(self.norm(torch.cat([*means, maps.s16], 1).contiguous()))
        return found


class Pyramid(nn.Module):
    """From stride 16 to stride 4 over the encoder's maps."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_in = _step(inputs, 96, 1)
        self.conv_16x = _step(96, 96, 3)
        self.conv_8x = _step(96, 64, 3)
        self.conv_4x = _step(64, 48, 3)
        self.conv_last = _step(48, 48, 3)
        self.adapter_16x = nn.Conv2d(WIDTHS[2], 96, 1)
        self.adapter_8x = nn.Conv2d(WIDTHS[1], 96, 1)
        self.adapter_4x = nn.Conv2d(WIDTHS[0], 64, 1)
        self.conv_out = nn.Conv2d(48, outputs, 1)

    def forward(self, x: Tensor, maps: Maps) -> Tensor:
        """B x C at stride 16 -> logits of all identities at stride 4."""
        x = F.relu(self.conv_in(x))
        x = F.relu(self.conv_16x(self.adapter_16x(maps.s16) + x))
        x = F.relu(self.conv_8x(self.adapter_8x(maps.s8) + enlarged(x, maps.s8)))
        x = F.relu(self.conv_4x(self.adapter_4x(maps.s4) + enlarged(x, maps.s4)))
        return self.conv_out(F.relu(self.conv_last(x) + x))  # type: ignore[no-any-return]


def _step(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(8, outputs))


class Encoded(NamedTuple):
    """What the network keeps of frames alone."""

    maps: Maps
    tokens: Tensor
    """B x N x 128, raster order at stride 16."""
    grid: Grid


@dataclass
class Remembered:
    """Memory of one group of at most `IDENTITIES` objects."""

    bank: Bank
    currents: list[Current] = field(default_factory=list)
    """Of the frame matched last, until its labels are known."""


@dataclass
class Groups:
    """Memory of a video (or of a batch of clips); group g holds slots n g + 1 .. n (g + 1), n identities."""

    limit: int | None
    identities: Tensor | None = None
    """For training: the identity of each slot of the only group, so that all of them are learnt."""
    groups: list[Remembered] = field(default_factory=list)


class AOTLite(LiteNetwork):
    """The network of `aot.lite`."""

    keeps_predictions = True

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.encoder_projector = Tokens(CHANNELS)
        self.layers = nn.ModuleList(Layer(CHANNELS, HIDDEN, HEADS) for _ in range(LAYERS))
        self.decoder_norms = nn.ModuleList(nn.LayerNorm(CHANNELS) for _ in range(LAYERS))
        self.decoder = Pyramid(CHANNELS * (LAYERS + 1), IDENTITIES + 1)
        self.patch_wise_id_bank = nn.Conv2d(IDENTITIES + 1, CHANNELS, STRIDE + 1, STRIDE, STRIDE // 2)
        self._initialise()

    def _initialise(self) -> None:
        """Start with attention that matches and with identities that change the tokens.

        With the usual start attention is nearly uniform (perplexity 107 of 196 cells) and an identity is a thousandth
        of the token that it is added to; a training of some thousand steps hardly gets past that. A query gain of 4/3
        makes scores of 20 times the cosine of two tokens, which is where untrained tokens match best.
        """
        nn.init.orthogonal_(self.encoder_projector.project.weight.view(CHANNELS, -1))
        nn.init.orthogonal_(self.patch_wise_id_bank.weight.view(CHANNELS, -1), gain=2.5)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            nn.init.orthogonal_(layer.linear_Q.weight, gain=4 / 3)
            attentions = layer.long_term_attn.projection, layer.short_term_attn.projection
            for passed, share in ((layer.linear_V, 1.0), (attentions[0], 0.5), (attentions[1], 0.5)):
                nn.init.eye_(passed.weight)
                passed.weight.data *= share
                nn.init.zeros_(passed.bias)
            for small in (layer.self_attn.projection, layer.linear2):
                small.weight.data *= 0.2

    def describe(self, maps: Maps) -> Encoded:
        """Tokens at stride 16, beside the encoder's maps."""
        projected = self.encoder_projector(maps)
        tokens = projected.flatten(2).transpose(1, 2).contiguous()
        return Encoded(Maps(*(m.contiguous() for m in maps)), tokens, Grid(*projected.shape[-2:]))

    def part(self, features: Encoded, chosen: slice) -> Encoded:
        """Some samples of a batch."""
        return Encoded(Maps(*(m[chosen] for m in features.maps)), features.tokens[chosen], features.grid)

    def memory(self, limit: int | None = None) -> Groups:
        """No group of objects yet."""
        return Groups(limit)

    def disguise(self, memory: Groups, identities: Tensor) -> None:
        """Training only: the identity of each slot, B x slots."""
        memory.identities = identities

    def segment(self, features: Encoded, memory: Groups, slots: int) -> Tensor:
        """Logits B x slots x h x w at stride 4, of all groups together."""
        found = []
        for group in memory.groups:
            outputs, group.currents = self._through(features, group.bank, None)
            height, width = features.grid.height, features.grid.width
            x = torch.cat(outputs, 2).transpose(1, 2).unflatten(2, (height, width))
            found.append(self.decoder(x.contiguous(), features.maps))
        if len(found) == 1:
            logits: Tensor = found[0]
            if memory.identities is None:
                return logits[:, :slots]
            return logits.gather(1, memory.identities[:, :, None, None].expand(-1, -1, *logits.shape[-2:]))
        return merged(found, slots)

    def remember(
        self,
        features: Encoded,
        memory: Groups,
        labels: Tensor,
        slots: int,
        reference: bool,
        given: bool,
        uncertain: Tensor | None = None,
    ) -> None:
        """Store the frame in every group's memory, and make groups for new objects."""
        needed = max(1, -(-(slots - 1) // IDENTITIES))
        while len(memory.groups) < needed:
            memory.groups.append(Remembered(Bank(1, 1, memory.limit)))
        for g, group in enumerate(memory.groups):
            identity = self._identify(labels, memory, slots, g)
            if given or not group.currents:
                # a frame whose masks were given is its own memory, whatever it was matched with before
                _, group.currents = self._through(features, None, identity)
            fused = [layer.fuse(current, identity) for layer, current in zip(self.layers, group.currents)]  # type: ignore[operator]
            if given:
                group.bank.refer(fused)
            else:
                group.bank.gap = 0 if reference else 1 << 30
                group.bank.update(fused)

    def _identify(self, labels: Tensor, memory: Groups, slots: int, number: int) -> Tensor:
        """Labels B x H x W -> identity embedding B x N x C of one group; other groups' objects are background."""
        if memory.identities is not None:
            hot = one_hot(labels, slots)
            shaped = hot.new_zeros(len(hot), IDENTITIES + 1, *hot.shape[2:])
            index = memory.identities[:, :, None, None].expand(-1, -1, *hot.shape[2:])
            hot = shaped.scatter(1, index, hot)
        else:
            first = number * IDENTITIES
            inside = (labels > first) & (labels <= first + IDENTITIES)
            known = torch.where(inside | (labels > slots), labels - first, 0)
            hot = one_hot(known, IDENTITIES + 1)
        return self.patch_wise_id_bank(hot).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]

    def _through(
        self, features: Encoded, bank: Bank | None, identity: Tensor | None
    ) -> tuple[list[Tensor], list[Current]]:
        grid = features.grid
        positions = sine_positions(grid.height, grid.width, features.tokens.device, CHANNELS)
        x = features.tokens
        outputs, currents = [x], []
        for number, (layer, norm) in enumerate(zip(self.layers, self.decoder_norms)):
            x, current = layer.propagate(x, positions, grid, bank, number, identity)  # type: ignore[operator]
            outputs.append(norm(x))
            currents.append(current)
        return outputs, currents


def merged(logits: list[Tensor], slots: int) -> Tensor:
    """Logits of several groups -> logits of all their objects: backgrounds multiplied, foregrounds in a row.

    Identities without an object are left out: they would take a share of the last group's objects.
    """
    held = [min(IDENTITIES, slots - 1 - IDENTITIES * g) for g in range(len(logits))]
    chances = [torch.softmax(each[:, : 1 + count].float(), 1) for each, count in zip(logits, held)]
    background = torch.stack([each[:, 0] for each in chances]).prod(0)[:, None]
    every = torch.cat([background, *[each[:, 1:] for each in chances]], 1)
    return torch.logit(every.clamp(1e-5, 1 - 1e-5))
