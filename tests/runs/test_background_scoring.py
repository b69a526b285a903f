"""Scoring beside the model: the same numbers, bounded, errors handed on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import ContractError
from robust_vos_bench.evaluation import evaluate
from robust_vos_bench.evaluation.background_scoring import AHEAD, BackgroundScorer
from robust_vos_bench.models import load_adapter
from robust_vos_bench.scoring import PackedTruth

MODELS = Path(__file__).with_name("models.py")
MASK = np.zeros((4, 4), np.uint8)


def test_the_scores_are_the_same(clips: Path) -> None:
    data = open_dataset("folder", clips)
    model = load_adapter(f"{MODELS}:Repeat", device="cpu")
    video, truth = data.video("b"), data.truth("b")
    assert truth is not None
    seen: list[int] = []
    plain = evaluate(model, video, PackedTruth(truth, data.protocol), data.protocol)
    fed = evaluate(
        model, video, PackedTruth(truth, data.protocol), data.protocol, lambda t, mask: seen.append(t), beside=True
    )
    assert fed.objects == plain.objects and fed.frames == plain.frames == 5
    assert seen == [0, 1, 2, 3, 4]


def test_masks_arrive_in_order_as_they_were_and_few_wait() -> None:
    gate = threading.Event()
    got: list[tuple[int, int]] = []

    def receive(t: int, mask: np.ndarray) -> None:
        gate.wait(10)
        got.append((t, int(mask[0, 0])))

    mask = MASK.copy()
    given: list[int] = []

    def give() -> None:
        with BackgroundScorer(receive) as beside:
            for t in range(3 * AHEAD):
                mask[0, 0] = t  # a model that writes into the same mask again
                beside(t, mask)
                given.append(t)

    thread = threading.Thread(target=give)
    thread.start()
    for _ in range(100):
        if len(given) > AHEAD:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(given) <= AHEAD + 1  # one in hand, the queue full
    gate.set()
    thread.join(10)
    assert got == [(t, t) for t in range(3 * AHEAD)]


def test_an_error_of_the_scorer_reaches_the_model() -> None:
    def receive(t: int, mask: np.ndarray) -> None:
        if t == 1:
            raise ContractError("a stray id")

    with pytest.raises(ContractError, match="stray"), BackgroundScorer(receive) as beside:
        for t in range(100):
            beside(t, MASK)
            time.sleep(0.001)
    with pytest.raises(ContractError, match="stray"), BackgroundScorer(receive) as beside:
        beside(0, MASK)
        beside(1, MASK)  # told at the end of the block
    with pytest.raises(ValueError, match="first"), BackgroundScorer(receive) as beside:
        beside(1, MASK)
        time.sleep(0.05)
        raise ValueError("first")
    assert not [thread for thread in threading.enumerate() if thread.name == "scoring"]
