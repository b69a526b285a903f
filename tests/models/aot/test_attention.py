"""Attention by blocks against the plain formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from robust_vos_bench.adapters.aot import attention
from robust_vos_bench.adapters.aot.attention import RADIUS, WINDOW, Grid, global_attention, window_attention


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, size: tuple[int, int], extra: Tensor) -> Tensor:
    """One location, one offset at a time."""
    height, width = size
    out = torch.zeros(query.shape[0], height * width, value.shape[-1])
    for g in range(query.shape[0]):
        for p in range(height * width):
            y, x = divmod(p, width)
            scores, values = [], []
            for o in range(WINDOW):
                dy, dx = divmod(o, 2 * RADIUS + 1)
                row, column = y + dy - RADIUS, x + dx - RADIUS
                if 0 <= row < height and 0 <= column < width:
                    n = row * width + column
                    scores.append(query[g, p] @ key[g, n] / math.sqrt(query.shape[-1]) + bias[g, p, o])
                    values.append(value[g, n] + extra[g, o])
            out[g, p] = torch.softmax(torch.stack(scores), 0) @ torch.stack(values)
    return out


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (9, 10), (8, 8)])
@pytest.mark.parametrize("tile", [4, 8])
def test_window_attention(size: tuple[int, int], tile: int) -> None:
    n = size[0] * size[1]
    query, key, value = random(2, n, 4), random(2, n, 4, seed=1), random(2, n, 6, seed=2)
    bias, extra = random(2, n, WINDOW, seed=3), random(2, WINDOW, 6, seed=4)
    ours = window_attention(query, key, value, bias, Grid(*size, tile), extra)
    torch.testing.assert_close(ours, plain(query, key, value, bias, size, extra), atol=1e-5, rtol=1e-5)


def test_blocks_are_put_together_again() -> None:
    x = random(3, 7 * 19, 5)
    grid = Grid(7, 19)
    assert torch.equal(grid.whole(grid.blocks(x)), x)


def test_queries_in_turns_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = random(1, 50, 8), random(1, 90, 8, seed=1), random(1, 90, 24, seed=2)
    whole = global_attention(query, key, value)
    monkeypatch.setattr(attention, "MAX_SCORES", 7 * 90)
    torch.testing.assert_close(global_attention(query, key, value), whole)
    fused = global_attention(query, key, value[..., :8])
    torch.testing.assert_close(fused, whole[..., :8], atol=1e-5, rtol=1e-5)
