"""Decoders of the STM line: from what was read at stride 16 up to logits at the size of the image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import ResBlock, conv3, enlarge


class UpsampleBlock(nn.Module):
    """Twice the size: a skip feature of the image is added to the upsampled map, and a residual block follows.

    refined: the skip feature goes through a convolution and a residual block (MiVOS) instead of one convolution.
    """

    def __init__(self, skip: int, inner: int, outputs: int, refined: bool = False) -> None:
        super().__init__()
        self.refined = refined
        if refined:
            self.skip_conv1 = conv3(skip, inner)
            self.skip_conv2 = ResBlock(inner, inner)
        else:
            self.skip_conv = conv3(skip, inner)
        self.out_conv = ResBlock(inner, outputs)

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """skip 1 x C x 2h x 2w, x k x inner x h x w -> k x outputs x 2h x 2w."""
        side = self.skip_conv2(self.skip_conv1(skip)) if self.refined else self.skip_conv(skip)
        out: Tensor = self.out_conv(side + enlarge(x, 2))
        return out


class Decoder(nn.Module):
    """Readout and query value of stride 16 -> one logit per pixel and object (STCN, MiVOS and descendants).

    inputs: channels of both together.
    """

    def __init__(self, refined: bool = False, inputs: int = 1024) -> None:
        super().__init__()
        self.compress = ResBlock(inputs, 512)
        self.up_16_8 = UpsampleBlock(512, 512, 256, refined)
        self.up_8_4 = UpsampleBlock(256, 256, 256, refined)
        self.pred = conv3(256, 1)

    def forward(self, readout: Tensor, value: Tensor | None, f8: Tensor, f4: Tensor) -> Tensor:
        """readout k x 512 x h x w; value, f8, f4 of the frame, batch 1 -> logits k x 1 x 16h x 16w.

        value: None where it is joined to the readout already (k x inputs x h x w).
        """
        return enlarge(self.quarter(readout, value, f8, f4), 4)

    def quarter(self, readout: Tensor, value: Tensor | None, f8: Tensor, f4: Tensor) -> Tensor:
        """As `forward`, before the logits are enlarged: k x 1 x 4h x 4w."""
        x = self.compress(readout, value)
        x = self.up_8_4(f4, self.up_16_8(f8, x))
        logits: Tensor = self.pred(F.relu(x))
        return logits


class Refine(nn.Module):
    """Twice the size, with a skip feature of the image.

    memory: channels of what was read from memory at this size, which is added to the skip feature (HMMN); 0: nothing
    is.
    """

    def __init__(self, inputs: int, width: int, memory: int = 0) -> None:
        super().__init__()
        self.convFS = conv3(inputs, width)
        if memory:
            self.convMemory = nn.Conv2d(memory, width, 3, padding=1, bias=False)
        self.ResFS = ResBlock(width, width)
        self.ResMM = ResBlock(width, width)

    def forward(self, skip: Tensor, x: Tensor, readout: Tensor | None = None) -> Tensor:
        """skip 1 x inputs x 2h x 2w, x k x width x h x w, readout k x memory x 2h x 2w -> k x width x 2h x 2w."""
        side = self.convFS(skip)
        if readout is not None:
            side = side + self.convMemory(readout)
        refined: Tensor = self.ResMM(self.ResFS(side) + enlarge(x, 2))
        return refined


class RefiningDecoder(nn.Module):
    """The part of STM's decoder above stride 16: two logits per pixel, background and object.

    memory: channels of what is read from memory at stride 8 and 4 too (HMMN); 0: nothing is.
    """

    def __init__(self, width: int = 256, memory: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.ResMM = ResBlock(width, width)
        self.RF3 = Refine(512, width, memory[0])
        self.RF2 = Refine(256, width, memory[1])
        self.pred2 = conv3(width, 2)

    def refined(
        self, x: Tensor, f8: Tensor, f4: Tensor, read8: Tensor | None = None, read4: Tensor | None = None
    ) -> Tensor:
        """k x width x h x w, with what was read at stride 8 and 4 -> k x 2 x 4h x 4w."""
        x = self.RF2(f4, self.RF3(f8, self.ResMM(x), read8), read4)
        logits: Tensor = self.pred2(F.relu(x))
        return logits


class StmDecoder(RefiningDecoder):
    """Readout joined to the query's value -> two logits per pixel."""

    def __init__(self, width: int = 256, memory: tuple[int, int] = (0, 0)) -> None:
        super().__init__(width, memory)
        self.convFM = conv3(1024, width)

    def forward(
        self, x: Tensor, f8: Tensor, f4: Tensor, read8: Tensor | None = None, read4: Tensor | None = None
    ) -> Tensor:
        """k x 1024 x h x w, with what was read at stride 8 and 4 -> k x 2 x 16h x 16w."""
        return enlarge(self.quarter(x, f8, f4, read8, read4), 4)

    def quarter(
        self, x: Tensor, f8: Tensor, f4: Tensor, read8: Tensor | None = None, read4: Tensor | None = None
    ) -> Tensor:
        """As `forward`, before the logits are enlarged: k x 2 x 4h x 4w."""
        return self.refined(self.convFM(x), f8, f4, read8, read4)
