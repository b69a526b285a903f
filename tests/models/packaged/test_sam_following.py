"""What each way to follow an object does on made-up frames: SAM 2's, SAM 3's, SAMURAI's, DAM4SAM's, SAM2Long's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from . import INSTALL

pytest.importorskip("transformers", reason=INSTALL)

from robust_vos_bench.adapters.sam.following.dam4sam import Dam4Sam, distracted
from robust_vos_bench.adapters.sam.following.motion import BoxMotion, box_of, overlap
from robust_vos_bench.adapters.sam.following.plain import Entry, Plain
from robust_vos_bench.adapters.sam.following.sam2long import Sam2Long, branches, weights
from robust_vos_bench.adapters.sam.following.samurai import STABLE, Samurai
from robust_vos_bench.adapters.sam.following.selected import Selected
from robust_vos_bench.adapters.sam.stages import Candidates

SIDE = 64


class Network:
    """Stands for `Stages`: offers what a test puts into `offers`, and keeps what was read."""

    rows, most_pointers, side = 7, 16, SIDE

    def __init__(self) -> None:
        self.offers: dict[Any, Candidates] = {}
        self.read: list[Any] = []
        self.default: Candidates | None = None
        self.sharp: list[bool] = []

    def attend(self, features: Any, reading: Any) -> Any:
        self.read.append(reading)
        return reading

    def decode(self, features: Any, top: Any) -> Candidates:
        found = self.offers.get(features, self.default)
        assert found is not None
        return found

    def remember(self, features: Any, logits: Any, score: Any, given: bool = False) -> Any:
        self.sharp.append(given)
        return torch.tensor(float(features))


def offer(*masks: Any, quality: tuple[float, ...] = (0.9,), score: float = 5.0) -> Candidates:
    """Candidates; a mask is (left, top, right, bottom) in a square of 16."""
    logits = torch.full((len(masks), 16, 16), -5.0)
    for each, box in zip(logits, masks):
        if box is not None:
            each[box[1] : box[3], box[0] : box[2]] = 5.0
    return Candidates(logits, torch.tensor(quality), torch.zeros(len(masks), 4), torch.tensor(score))


SQUARE = (4, 4, 10, 10)


def started(kind: Any, *arguments: Any, length: int = 60) -> tuple[Any, Network]:
    """A follower whose object was given; memory of a frame is its number."""
    network = Network()
    network.default = offer(SQUARE)
    follower = kind(network, length, (SIDE, SIDE), *arguments)
    follower.given[0] = Entry(torch.tensor(0.0), torch.zeros(1, 4))
    return follower, network


def frames_read(reading: Any) -> list[tuple[int, int]]:
    """(frame, row of the temporal encoding)."""
    return [(int(memory), row) for row, memory in reading.maps]


def ago(reading: Any) -> list[int]:
    return [each for each, _ in reading.pointers]


def test_sam2_reads_the_given_frame_and_the_six_before() -> None:
    follower, network = started(Plain)
    for t in range(1, 21):
        follower.step(t)
    assert frames_read(network.read[0]) == [(0, 6)] and ago(network.read[0]) == [1]
    assert frames_read(network.read[2]) == [(0, 6), (1, 1), (2, 0)]
    assert frames_read(network.read[19]) == [(0, 6), (14, 5), (15, 4), (16, 3), (17, 2), (18, 1), (19, 0)]
    assert ago(network.read[19]) == [20, *range(1, 16)] and network.read[19].span == 16


def test_sam2_takes_the_mask_of_the_best_predicted_iou() -> None:
    follower, network = started(Plain)
    network.default = offer(SQUARE, (0, 0, 3, 3), SQUARE, quality=(0.2, 0.8, 0.7))
    assert int((follower.step(1) > 0).sum()) == 9
    assert follower.past[1].quality == pytest.approx(0.8) and follower.past[1].pixels == 9


def test_sam3_passes_over_frames_on_which_the_object_was_not_seen() -> None:
    follower, network = started(Selected)
    for t in range(1, 12):
        network.offers[t] = offer(SQUARE, score=-3.0 if 4 <= t <= 9 else 5.0)
    for t in range(1, 12):
        follower.step(t)
    # Frame 9 is read by frame 10 because it is the one before, not by frame 11.
    assert frames_read(network.read[9]) == [(0, 6), (1, 3), (2, 2), (3, 1), (9, 0)]
    assert frames_read(network.read[10]) == [(0, 6), (1, 3), (2, 2), (3, 1), (10, 0)]
    assert ago(network.read[10]) == [11, 1, 2, 3]  # by rank, without the oldest


def test_sam3_weighs_presence_with_quality() -> None:
    follower, _ = started(Selected)
    entry = Entry(torch.zeros(()), torch.zeros(()))
    for score, quality, good in ((5.0, 0.9, True), (0.01, 0.9, False), (5.0, 0.005, False), (-1.0, 1.0, False)):
        entry.score, entry.quality = score, quality
        assert follower.good(entry) == good


def test_samurai_reads_frames_that_are_good_in_all_three() -> None:
    follower, network = started(Samurai, 0.15)
    bad = {3: offer(SQUARE, quality=(0.4,)), 5: offer(SQUARE, score=-0.5)}
    network.offers.update(bad)
    for t in range(1, 9):
        follower.step(t)
    # Frame 1 is out of reach of the authors' search; 3 is unsure, on 5 the object is not there.
    assert frames_read(network.read[7]) == [(0, 6), (2, 3), (4, 2), (6, 1), (7, 0)]
    assert ago(network.read[7]) == [8, *range(1, 8)]  # pointers as in SAM 2
    still = Entry(torch.zeros(()), torch.zeros(()), motion=0.0)
    assert not follower.good(still)
    still.motion = 0.1
    assert follower.good(still)


def moving(t: int) -> tuple[int, int, int, int]:
    return (t // 3, 4, t // 3 + 5, 9)


def test_samurai_lets_motion_decide_between_nearly_equal_masks() -> None:
    """A distractor with a slightly better predicted IoU, far from where the object moves to."""
    far = (11, 11, 16, 16)

    def last_box(frames: int, kind: Any, *arguments: Any) -> Any:
        follower, network = started(kind, *arguments)
        for t in range(1, frames + 1):
            network.offers[t] = offer(moving(t), far, quality=(0.80, 0.70 if t < frames else 0.85))
            logits = follower.step(t)
        return box_of((logits[0] > 0).numpy()).tolist()

    t = STABLE + 3
    assert last_box(t, Samurai, 0.25)[:2] == [moving(t)[0], 4]
    assert last_box(t, Plain)[:2] == [11, 11]
    assert last_box(STABLE - 2, Samurai, 0.25)[:2] == [11, 11]  # too few frames for the filter to be asked


def test_samurai_asks_motion_no_more_after_an_unsure_frame() -> None:
    follower, network = started(Samurai, 0.25)
    for t in range(1, STABLE + 4):
        network.offers[t] = offer(moving(t), quality=(0.2 if t == STABLE + 2 else 0.8,))
        follower.step(t)
        assert (follower.past[t].motion is not None) == (STABLE < t < STABLE + 3)
    assert follower.stable == 1


def test_the_filter_learns_a_velocity() -> None:
    boxes = [np.array([2.0 * t, 10.0, 2.0 * t + 8, 26.0]) for t in range(40)]
    motion = BoxMotion(boxes[0])
    for box in boxes[1:-1]:
        motion.predict()
        motion.update(box)
    motion.predict()
    assert np.abs(motion.box() - boxes[-1]).max() < 0.2
    for _ in range(3):
        motion.predict()
    assert motion.box()[0] > boxes[-1][0] + 5  # goes on without being told
    assert np.all(np.linalg.eigvalsh(motion.covariance) > 0)


def test_overlap_of_boxes() -> None:
    one = np.array([0.0, 0.0, 10.0, 10.0])
    assert overlap(one, one) == 1 and overlap(one, np.zeros(4)) == 0
    assert overlap(one, np.array([5.0, 0.0, 15.0, 10.0])) == pytest.approx(1 / 3)
    assert box_of(np.zeros((4, 4), bool)).tolist() == [0, 0, 0, 0]


def test_dam4sam_keeps_every_fifth_seen_frame_and_the_one_before() -> None:
    follower, network = started(Dam4Sam)
    for t in range(1, 40):
        network.offers[t] = offer(SQUARE if t != 30 else None)
    for t in range(1, 40):
        follower.step(t)
    # 38 is the one before; of the fifths 30 showed no object.
    assert frames_read(network.read[38]) == [(0, 6), (10, 5), (15, 4), (20, 3), (25, 2), (35, 1), (38, 0)]
    assert ago(network.read[38]) == [39, *(n for n in range(1, 16) if n != 9)]


def test_dam4sam_goes_back_to_the_last_frame_that_showed_the_object() -> None:
    follower, network = started(Dam4Sam)
    for t in range(1, 60):
        network.offers[t] = offer(SQUARE if t < 13 else None)
    for t in range(1, 60):
        follower.step(t)
    assert frames_read(network.read[58]) == [(0, 6), (5, 2), (10, 1), (12, 0)]
    assert len(follower.past) <= 16 + 1 + 7


BESIDE = (0, 0, 16, 16)
"""A candidate whose part outside the mask reaches far."""


def test_dam4sam_makes_anchors_where_a_distractor_shows() -> None:
    follower, network = started(Dam4Sam)
    network.default = offer(SQUARE, BESIDE, quality=(0.9, 0.5))
    for t in range(1, 20):
        follower.step(t)
    # The first predicted frame has nothing to compare its size with; anchors are six frames apart.
    assert sorted(follower.given) == [0, 2, 8, 14]
    assert network.sharp.count(True) == 3  # remembered as given masks are
    # Frame 15 reads 14 as the one before; 14 is an anchor from 16 on.
    assert frames_read(network.read[14]) == [(0, 6), (8, 6), (2, 6), (5, 2), (10, 1), (14, 0)]
    assert frames_read(network.read[15])[:4] == [(0, 6), (14, 6), (8, 6), (2, 6)]


@pytest.mark.parametrize(
    "why, candidates",
    [
        ("unsure", lambda t: offer(SQUARE, BESIDE, quality=(0.79, 0.5))),
        ("no distractor", lambda t: offer(SQUARE, (4, 4, 10, 11), quality=(0.9, 0.5))),
        ("size changes", lambda t: offer((4, 4, 4 + t, 10), BESIDE, quality=(0.9, 0.5))),
        ("nothing there", lambda t: offer(None, BESIDE, quality=(0.9, 0.5))),
    ],
)
def test_dam4sam_makes_no_anchor_otherwise(why: str, candidates: Any) -> None:
    follower, network = started(Dam4Sam)
    for t in range(1, 12):
        network.offers[t] = candidates(t)
        follower.step(t)
    assert list(follower.given) == [0], why


def test_a_distractor_is_the_largest_part_outside() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    specks = mask.copy()
    specks[12, 21] = specks[38, 38] = True  # two single pixels; the first one found counts
    assert not distracted(mask, [specks])
    specks[30:34, 30:34] = True
    assert distracted(mask, [specks])
    assert not distracted(mask, [mask, np.zeros_like(mask)])


def test_sam2long_weighs_memory_by_presence() -> None:
    assert weights([10.0, -1.0, 3.0]) == pytest.approx([1.05, 0.95, 1.0])
    assert weights([10.0]) == pytest.approx([0.95])
    follower, network = started(Sam2Long, 3)
    for t in range(1, 5):
        network.offers[t] = offer(SQUARE, quality=(0.9,), score=t)
        follower.step(t)
    assert network.read[0].weights is None  # the given frame alone
    maps, pointers = network.read[-1].weights
    assert maps == pytest.approx([1.05, 0.95, 0.95 + 0.1 / 3, 0.95 + 0.2 / 3])  # given (10), frames 1, 2, 3
    assert len(pointers) == len(network.read[-1].pointers)


def test_sam2long_goes_on_with_the_best_sums() -> None:
    certain = offer(None, None, None, quality=(0.9, 0.5, 0.89), score=3.0)
    other = offer(None, None, None, quality=(0.7, 0.1, 0.2), score=-1.0)
    taken = branches([certain, other], [0.0, 0.0], 3)
    assert [(b.path, b.mask) for b in taken] == [(0, 0), (0, 2), (1, 0)]
    ahead = branches([certain, other], [-5.0, 0.0], 3)
    assert [b.path for b in ahead] == [1, 1, 1]  # what came before counts


def test_sam2long_keeps_different_masks_where_nothing_is_certain() -> None:
    unsure = offer(None, None, None, quality=(0.901, 0.899, 0.3), score=1.0)
    taken = branches([unsure, unsure], [0.0, 0.0], 3)
    assert [round(b.signed, 2) for b in taken] == [0.9, 0.3, 0.9]  # two kinds, then the other path's best
    assert [b.path for b in taken] == [0, 0, 1]
    absent = offer(None, None, None, quality=(0.9, 0.8, 0.3), score=-1.0)
    taken = branches([unsure, absent], [0.0, 0.0], 3)
    assert [round(b.signed, 2) for b in taken] == [0.9, -0.9, -0.8]


def test_sam2long_shows_the_path_that_is_best_now() -> None:
    """A path with the better first mask loses to one that stays good; equal paths are computed once."""
    follower, network = started(Sam2Long, 2)
    for t in range(1, 4):
        follower.step(t)
    assert len(network.read) == 3  # both paths are the same so far
    network.offers[4] = offer((0, 0, 2, 2), (0, 0, 3, 3), quality=(0.9, 0.8), score=0.5)
    follower.step(4)
    assert len(follower.paths) == 2 and follower.paths[0].past[4] is not follower.paths[1].past[4]
    follower.step(5)
    assert len(network.read) == 4 + 2


def test_sam2long_reads_its_own_good_frames() -> None:
    follower, network = started(Sam2Long, 3)
    for t in range(1, 9):
        network.offers[t] = offer(SQUARE, quality=(0.05 if t in (3, 4) else 0.9,), score=-1.0 if t == 6 else 5.0)
        follower.step(t)
    assert frames_read(network.read[-1]) == [(0, 6), (1, 3), (2, 2), (5, 1), (7, 0)]
