"""The layer of `aot.lite`: how sharply it attends to memories of different size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from robust_vos_bench.adapters.aot.attention import Grid, global_attention
from robust_vos_bench.adapters.aot.lite_layer import TRAINED_CELLS, Layer, sharpness
from robust_vos_bench.adapters.aot.memory import Bank, Fused


def test_larger_memories_are_read_more_sharply_but_not_in_training() -> None:
    assert sharpness(9) == sharpness(TRAINED_CELLS) == 1 < sharpness(4 * TRAINED_CELLS) < sharpness(9 * TRAINED_CELLS)
    rng = torch.Generator().manual_seed(6)
    layer = Layer(128, 384, 1)
    grid, x = Grid(2, 2), torch.randn(1, 4, 128, generator=rng)
    asked: list[Tensor] = []

    def noted(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        asked.append(query)
        return global_attention(query, key, value)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr("robust_vos_bench.adapters.aot.lite_layer.global_attention", noted)
        for training in (True, False):
            for cells in (4, 4 * TRAINED_CELLS):
                bank = Bank(1)
                bank.refer([Fused(torch.zeros(1, cells, 128), torch.zeros(1, cells, 128))])
                bank.update([Fused(torch.zeros(1, 4, 128), torch.zeros(1, 4, 128))])
                layer.train(training).propagate(x, torch.zeros(1, 4, 128), grid, bank, 0, None)
    small, large = asked[5], asked[7]  # each pass asks for itself, then for its memory
    assert torch.equal(asked[1], asked[3]) and torch.equal(asked[1], small)
    assert torch.allclose(large, small * sharpness(4 * TRAINED_CELLS))
