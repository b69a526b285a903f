"""Collaborative ensemblers: from per-object inputs to logits. The batch axis is the slot (background first)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..cfbi_line.blocks import GCTASPP, GCTBottleneck, IAGate
from ..cfbi_line.joined import Joined, Own, Part, join
from ..cfbi_line.slot_head import SlotHead


class Ensembler(SlotHead):
    """CFBI: eight gated bottlenecks over strides 4, 8, 16."""

    def __init__(self, inputs: int = 364, vector: int = 400, low: int = 256) -> None:
        super().__init__()
        shapes = (
            # inputs, outputs, stride, dilation
            (inputs, 256, 1, 1),
            (256, 256, 1, 2),
            (256, 512, 2, 1),
            (512, 512, 1, 2),
            (512, 512, 1, 4),
            (512, 512, 2, 1),
            (512, 512, 1, 2),
            (512, 512, 1, 4),
        )
        for i, shape in enumerate(shapes, start=1):
            self.add_module(f"IA{i}", IAGate(vector, shape[0]))
            self.add_module(f"layer{i}", GCTBottleneck(*shape))
        self.IA9 = IAGate(vector, 512)
        self.ASPP = GCTASPP()
        self.add_head(vector, low)

    def _layer(self, i: int, x: Tensor | Joined, vector: Tensor) -> Tensor:
        gate, layer = self.get_submodule(f"IA{i}"), self.get_submodule(f"layer{i}")
        result: Tensor = layer(x, gate.factor(vector))  # type: ignore[operator]
        return result

    def forward(self, x: Tensor | Joined, vector: Tensor, low: Tensor) -> Tensor:
        """x slots x inputs x h x w, vector slots x 400, low 1 x C x h x w -> logits 1 x slots x h x w."""
        early = x = self._layer(2, self._layer(1, x, vector), vector)
        for i in range(3, 9):
            x = self._layer(i, x, vector)
        return self.decode(self.ASPP(self.IA9(x, vector)), low, early, vector)[None]


class MultiScaleEnsembler(SlotHead):
    """CFBI+: the inputs of strides 8 and 16 join in stages 2 and 3; every gate reads the 4x attention vector."""

    def __init__(self, inputs: tuple[int, int, int] = (783, 783, 781), vector: int = 1024, low: int = 256) -> None:
        super().__init__()
        shapes = {
            "S1": ((inputs[0], 256, 1, 1), (256, 256, 1, 2)),
            "S2": ((256, 512, 2, 1), (512 + inputs[1], 512, 1, 2), (512, 512, 1, 4)),
            "S3": ((512, 512, 2, 1), (512 + inputs[2], 512, 1, 2), (512, 512, 1, 4)),
        }
        for stage, layers in shapes.items():
            for i, shape in enumerate(layers, start=1):
                self.add_module(f"{stage}_IA{i}", IAGate(vector, shape[0]))
                self.add_module(f"{stage}_layer{i}", GCTBottleneck(*shape))
        self.ASPP_IA = IAGate(vector, 512)
        self.ASPP = GCTASPP()
        self.add_head(vector, low)

    def _layer(self, name: str, x: Tensor | Joined, vector: Tensor) -> Tensor:
        stage, i = name.split(".")
        gate, layer = self.get_submodule(f"{stage}_IA{i}"), self.get_submodule(f"{stage}_layer{i}")
        result: Tensor = layer(x, gate.factor(vector))  # type: ignore[operator]
        return result

    def forward(self, inputs: Sequence[Sequence[Part]], vector: Tensor, low: Tensor) -> Tensor:
        """The parts to join at strides 4, 8, 16, vector slots x 1024, low 1 x C x h x w -> logits 1 x slots x h x w."""
        slots = len(vector)
        early = x = self._layer("S1.2", self._layer("S1.1", join(inputs[0], slots, low), vector), vector)
        for stage, joined in (("S2", inputs[1]), ("S3", inputs[2])):
            x = self._layer(f"{stage}.1", x, vector)
            x = self._layer(f"{stage}.2", join([Own(x), *joined], slots, x), vector)
            x = self._layer(f"{stage}.3", x, vector)
        return self.decode(self.ASPP(self.ASPP_IA(x, vector)), low, early, vector)[None]
