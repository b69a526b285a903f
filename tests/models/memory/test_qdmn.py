"""QDMN's memory by quality: what a full one forgets, and the diagnostic of scores that are all zero."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from robust_vos_bench.adapters.memory.qdmn import CAPACITY, QualityBank, QualitySession


def frame(t: int) -> Tensor:
    """A key (and value) far from those of all other frames under the dot product."""
    return 50 * torch.nn.functional.one_hot(torch.tensor(t), 32).float().view(1, 32, 1, 1)


def held(bank: QualityBank, count: int) -> set[int]:
    """Which of the frames the bank still returns for their own key."""
    return {t for t in range(count) if torch.equal(bank.read(frame(t)), frame(t))}


def test_nothing_is_forgotten_until_the_memory_is_full() -> None:
    """The given frame and CAPACITY others."""
    bank = QualityBank(1)
    bank.refer(frame(0), frame(0))
    for t in range(1, CAPACITY + 1):
        bank.keep(frame(t), frame(t), 1.0)
    assert held(bank, CAPACITY + 1) == set(range(CAPACITY + 1))


def test_the_frame_before_the_worst_is_forgotten() -> None:
    """The official off-by-one: the list that is searched lacks the given frame."""
    bank = QualityBank(1)
    bank.refer(frame(0), frame(0))
    for t in range(1, CAPACITY + 2):
        bank.keep(frame(t), frame(t), 0.85 if t == 7 else 1.0)
    assert held(bank, CAPACITY + 2) == set(range(CAPACITY + 2)) - {6}
    assert bank.rows == CAPACITY + 1


def test_scores_of_zero_are_a_diagnostic() -> None:
    """0/0 exceeds nothing: the memory never grows, and one is told."""
    session = QualitySession(cast(Any, None), cast(Any, None), cast(Any, None))
    told = session.diagnostics
    assert math.isnan(session._reference(torch.zeros(2))) and "zero" in told[0]
    assert session._reference(torch.tensor([0.0, 2.0, 4.0])) == 3.0 and len(told) == 1
