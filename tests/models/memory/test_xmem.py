"""XMem's two memories: similarity by definition, consolidation, and a bound on what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from recordings import steps
from torch import Tensor

from robust_vos_bench.adapters.memory.long_term import Limits, LongTermBank, similarity
from robust_vos_bench.datasets.video import Video
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


def held(long_term: bool, frames: int) -> tuple[int, int]:
    """Rows at work and behind after a video of small frames, each of them remembered."""
    adapter: Any = load_adapter(
        "xmem",
        "random",
        "cpu",
        size=None,
        mem_every=1,
        long_term=long_term,
        max_mid_term_frames=5,
        min_mid_term_frames=3,
        max_long_term_elements=60,
        num_prototypes=12,
    )
    noise = np.random.default_rng(0).integers(0, 256, (48, 64 + frames, 3), np.uint8)
    mask = np.zeros((48, 64), np.uint8)
    mask[8:32, 16:48] = 4
    video = Video.from_arrays([noise[:, t : t + 64] for t in range(frames)], mask)
    session = adapter.session(video)
    list(steps(session, video))
    bank = session.groups[0][1]
    return len(bank.working), len(bank.long or ())


@pytest.mark.slow
def test_a_long_video_is_remembered_in_bounded_memory() -> None:
    """Consolidation keeps the adapter's memory within T_max frames and LT_max elements; without it, it grows."""
    cells = 3 * 4
    working, long = held(True, 40)
    assert working < 5 * cells
    assert 40 < long <= 60
    assert held(False, 40) == (39 * cells, 0)
