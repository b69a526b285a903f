"""Half precision through the CFBI line: products that work in place on float32 must not meet halves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.common.rows import scaled_product
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.synthetic import Blob, moving_blobs

CLIP = moving_blobs((Blob(1, (20, 24), (1, 1), (10, 12)), Blob(4, (34, 60), (0, 1), (9, 10), first=1)), (56, 88), 3)


@pytest.mark.parametrize("name", ["cfbi", "aoc"])
def test_half_precision_segments_nearly_the_same(name: str) -> None:
    whole, half = (list(load_adapter(name, "random", "cpu", amp=amp).segment(CLIP)) for amp in (False, True))
    assert [mask.shape for mask in half] == [CLIP.size] * 3
    assert 0 < np.mean(whole[1] != half[1]) < 0.15, "bfloat16 of untrained networks; 0: amp did nothing"


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_products_take_summands_of_another_precision(memory: torch.memory_format) -> None:
    """As under autocast on a GPU: the first product is half, weights and maps are not."""
    x = torch.randn(2, 8, 5, 7).to(memory_format=memory)
    weight, more = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    with torch.no_grad():
        wanted = scaled_product(x, more, scaled_product(x, weight))
        with torch.autocast("cpu"):
            found = scaled_product(x, more, scaled_product(x, weight))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.2, rtol=0.05)
