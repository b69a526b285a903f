"""XMem's two memories: similarity by definition, consolidation, and a bound on what is kept."""

from __future__ import annotations

import pytest
import torch
from robust_vos_bench.adapters.xmem.bank import Limits, LongTermBank, similarity
from torch import Tensor

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import load_adapter


def packed(seed: int, cells: int = 6, width: int = 4) -> Tensor:
    """Key, selection in 0..1 and shrinkage of at least 1, side by side: 1 x (2 width + 1) x 1 x cells."""
    draw = torch.Generator().manual_seed(seed)
    key = torch.randn(1, width, 1, cells, generator=draw)
    selection = torch.rand(1, width, 1, cells, generator=draw)
    return torch.cat([key, selection, 1 + torch.rand(1, 1, 1, cells, generator=draw)], 1)


def test_similarity_is_a_weighted_distance() -> None:
    """Minus the squared distance, channels weighted by selection, times the memory's shrinkage."""
    rows = packed(0)[0].flatten(1).t()
    key, selection, shrinkage = rows[:, :4], rows[:, 4:8], rows[:, 8]
    found = similarity(key, selection, key, shrinkage)
    for m in range(6):
        for n in range(6):
            expected = -(selection[m] * (key[m] - key[n]).square()).sum() * shrinkage[n] / 2
            assert abs(found[m, n] - expected) < 1e-5


def test_the_memory_stays_bounded() -> None:
    """Sixty frames: at most T_max frames are at work, and at most LT_max elements behind them."""
    limits = Limits(max_frames=4, min_frames=2, max_elements=20, prototypes=3)
    bank = LongTermBank(limits, 5, 4)
    for t in range(60):
        key = packed(t)
        bank.add(key, torch.randn(2, 3, 1, 6, generator=torch.Generator().manual_seed(t)))
        assert bank.read(key).shape == (2, 3, 1, 6)
        assert bank.working is not None and len(bank.working) < 4 * 6
        assert bank.long is None or len(bank.long) <= 20
    assert bank.long is not None and len(bank.long) > 10


def test_the_first_frame_is_never_consolidated() -> None:
    """The first frame's keys stay the first rows of the working memory."""
    bank = LongTermBank(Limits(max_frames=3, min_frames=2, prototypes=2), 5, 4)
    for t in range(8):
        bank.add(packed(t), torch.ones(1, 3, 1, 6))
        bank.read(packed(t))
    assert bank.working is not None
    assert torch.equal(bank.working.key[:6], packed(0)[0, :4].flatten(1).t())


def test_limits_that_cannot_work_are_refused() -> None:
    """One frame kept would leave nothing behind the first one."""
    with pytest.raises(UsageError, match="min_mid_term_frames"):
        load_adapter("xmem", "random", "cpu", min_mid_term_frames=1)
