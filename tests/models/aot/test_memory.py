"""What enters the memory, when, and what leaves it."""

from __future__ import annotations

import pytest
import torch

from robust_vos_bench.adapters.aot.memory import Bank, Fused


def frame(t: int, tokens: int = 3) -> list[Fused]:
    """Two layers whose keys and values all hold the frame's number."""
    return [Fused(torch.full((1, tokens, 2), float(t)), torch.full((1, tokens, 4), float(10 * t))) for _ in range(2)]


def held(bank: Bank) -> list[int]:
    for layer in bank.layers:
        assert torch.equal(layer.long.key[..., 0] * 10, layer.long.value[..., 0])
    return [int(t) for t in bank.layers[1].long.key[0, ::3, 0]]


def run(bank: Bank, frames: int, references: tuple[int, ...] = (0,)) -> None:
    for t in range(frames):
        if t:
            bank.tick()
        if t in references:
            bank.refer(frame(t))
        else:
            bank.update(frame(t))


def test_every_fifth_frame_is_written() -> None:
    bank = Bank(gap=5)
    run(bank, 17)
    assert held(bank) == [0, 5, 10, 15]
    assert int(bank.layers[0].short.key[0, 0, 0]) == 16


def test_a_new_reference_is_written_and_restarts_the_count() -> None:
    bank = Bank(gap=5)
    run(bank, 14, references=(0, 7))
    assert held(bank) == [0, 5, 7, 12]


def test_the_huge_gap_keeps_references_only() -> None:
    bank = Bank(gap=9999)
    run(bank, 40, references=(0, 9))
    assert held(bank) == [0, 9]


def test_the_bound_keeps_references_and_the_newest_others() -> None:
    bank = Bank(gap=2, max_frames=4)
    run(bank, 21, references=(0, 7))
    assert held(bank) == [0, 7, 17, 19]
    assert bank.references == [True, True, False, False]
    tight = Bank(gap=2, max_frames=1)
    run(tight, 9, references=(0, 5))
    assert held(tight) == [0, 5]


def test_the_bound_changes_nothing_until_it_is_reached() -> None:
    free, bound = Bank(gap=3), Bank(gap=3, max_frames=4)
    run(free, 10)
    run(bound, 10)
    assert held(free) == held(bound) == [0, 3, 6, 9]


@pytest.mark.parametrize(("skip", "expected"), [(1, 6), (2, 5), (4, 3), (9, 0)])
def test_short_term_memory_may_lag(skip: int, expected: int) -> None:
    bank = Bank(gap=9999, skip=skip)
    run(bank, 7)
    assert int(bank.layers[0].short.key[0, 0, 0]) == expected


def test_a_reference_resets_the_short_term_memory() -> None:
    bank = Bank(gap=9999, skip=3)
    run(bank, 6, references=(0, 5))
    assert int(bank.layers[0].short.key[0, 0, 0]) == 5
