"""Memory banks and the loop, without networks of real size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from robust_vos_bench.adapters.memory.bank import Bank, FrameBank, weighted_rows
from robust_vos_bench.adapters.memory.blocks import ResBlock
from robust_vos_bench.adapters.memory.network import MemoryNetwork, Query
from robust_vos_bench.adapters.memory.session import MemorySession, Schedule
from robust_vos_bench.adapters.memory.sizes import Sizes
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import load_adapter


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Normal values."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("similarity", ["dot", "l2"])
@pytest.mark.parametrize("per_object", [False, True])
def test_readout_is_the_definition(similarity: str, per_object: bool) -> None:
    """Softmax over the best three cells of two frames, one by one."""
    objects, cells = 2, 6
    bank = FrameBank("dot" if similarity == "dot" else "l2", 3)
    keys = [noise(objects if per_object else 1, 4, 2, 3, seed=s) for s in (1, 2)]
    values = [noise(objects, 5, 2, 3, seed=s) for s in (3, 4)]
    for key, value in zip(keys, values):
        bank.add(key, value, temporary=False)
    query = noise(1, 4, 2, 3, seed=5)
    read = bank.read(query)
    assert read.shape == (objects, 5, 2, 3)
    for k in range(objects):
        key = torch.cat([each[k if per_object else 0].flatten(1) for each in keys], 1)
        value = torch.cat([each[k].flatten(1) for each in values], 1)
        for cell in range(cells):
            at = query[0].flatten(1)[:, cell]
            scores = key.t() @ at if similarity == "dot" else -(key - at[:, None]).square().sum(0)
            best, chosen = (scores / 2).topk(3)
            expected = value[:, chosen] @ torch.softmax(best, 0)
            assert torch.allclose(read[k].flatten(1)[:, cell], expected, atol=1e-5)


def test_top_k_beyond_the_memory_reads_all_of_it() -> None:
    """A tiny image has fewer cells than top_k."""
    scores, values = noise(3, 4), noise(4, 2, seed=1)
    assert torch.equal(weighted_rows(scores.clone(), values, 20), torch.softmax(scores, 1) @ values)


def test_a_temporary_frame_is_gone_after_the_next() -> None:
    """The last frame is read once; frames kept for good stay."""
    first, last, kept = (noise(1, 4, 2, 2, seed=s) for s in (1, 2, 3))
    bank, without = FrameBank("l2", 2), FrameBank("l2", 2)
    for each in (bank, without):
        each.add(first, first, temporary=False)
    bank.add(last, last, temporary=True)
    assert bank.rows == 8
    for each in (bank, without):
        each.add(kept, kept, temporary=False)
    assert bank.rows == 8 and torch.equal(bank.read(first), without.read(first))


def test_a_bounded_memory_drops_the_oldest_but_no_reference() -> None:
    """Of a given and four predicted frames a bound of three keeps the given one and the last two."""
    frames = [noise(1, 4, 1, 1, seed=s) * 10 for s in range(5)]
    bank = FrameBank("l2", 1, max_frames=3)
    for t, frame in enumerate(frames):
        bank.add(frame, frame, temporary=False, reference=t == 0)
    assert bank.rows == 3
    for t in (0, 3, 4):
        assert torch.equal(bank.read(frames[t]), frames[t])
    assert not torch.equal(bank.read(frames[1]), frames[1])


@pytest.mark.parametrize("shared_first", [False, True])
def test_an_input_in_two_parts_is_the_joined_input(shared_first: bool) -> None:
    """The part that objects share may be computed once."""
    block = ResBlock(5, 4, shared_first)
    own, shared = noise(3, 3, 4, 4), noise(1, 2, 4, 4, seed=1)
    parts = [shared.expand(3, -1, -1, -1), own] if shared_first else [own, shared.expand(3, -1, -1, -1)]
    with torch.no_grad():
        assert torch.allclose(block(own, shared), block(torch.cat(parts, 1)), atol=1e-5)


class Recorder(MemoryNetwork):
    """A network that predicts what the last read memory holds, and notes what it is asked to remember."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: list[tuple[int, int]] = []
        self.seen = -1

    def encode_query(self, image: Tensor) -> Query:
        self.seen += 1
        cells = image[:, :1, ::16, ::16]
        return Query(cells, cells, cells, cells, cells)

    def encode_memory(self, image: Tensor, query: Query | None, masks: Tensor) -> tuple[Tensor, Tensor]:
        self.remembered.append((self.seen, len(masks)))
        return image[:, :1, ::16, ::16], masks[:, :, ::16, ::16]

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        return readout[:, 0].repeat_interleave(16, 1).repeat_interleave(16, 2)

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        return FrameBank("l2", top_k, max_frames)


def run(schedule: Schedule, prompts: dict[int, np.ndarray], count: int) -> tuple[Recorder, list[np.ndarray]]:
    """Frames of a flat colour through the loop."""
    network = Recorder()
    session = MemorySession(network, Sizes((32, 32), None), schedule)
    frames = np.full((count, 32, 32, 3), 100, np.uint8)
    return network, [session.step(f, prompts.get(t), t == count - 1) for t, f in enumerate(frames)]


def square(i: int, rows: slice, columns: slice) -> np.ndarray:
    """A mask of one object."""
    mask = np.zeros((32, 32), np.uint8)
    mask[rows, columns] = i
    return mask


def test_every_fifth_frame_is_remembered_but_not_the_last() -> None:
    """Frames 0 and 5 of eleven; frame 10 is the last."""
    network, _ = run(Schedule(5, False, None), {0: square(7, slice(0, 16), slice(0, 16))}, 11)
    assert network.remembered == [(0, 1), (5, 1)]


def test_the_schedule_starts_anew_with_a_late_object() -> None:
    """A given mask is remembered for all objects, and the next turn is counted from it."""
    prompts = {0: square(7, slice(0, 16), slice(0, 16)), 3: square(2, slice(16, 32), slice(16, 32))}
    network, labels = run(Schedule(5, False, None), prompts, 10)
    assert network.remembered == [(0, 1), (3, 2), (8, 2)]
    assert not any((mask == 2).any() for mask in labels[:3])
    assert (labels[3][16:, 16:] == 2).all()


def test_options_out_of_range_are_refused() -> None:
    """Before any network is built."""
    with pytest.raises(UsageError, match="mem_every"):
        load_adapter("stcn", "random", "cpu", mem_every=0)


def test_sizes_as_the_official_resize() -> None:
    """The short side becomes 480, the other is rounded down, and labels come back at the frame's size."""
    sizes = Sizes((720, 1283), 480)
    assert sizes.inner == (480, 855)
    image = sizes.image(torch.zeros(1, 3, 720, 1283), normalised=True)
    assert image.shape == (1, 3, 480, 864)
    masks = sizes.masks(torch.ones(720, 1283, dtype=torch.uint8), [1, 2])
    assert masks.shape == (2, 480, 864) and sizes.unpad(masks).shape == (2, 480, 855)
    assert sizes.enlarged(sizes.unpad(masks)).shape == (2, 720, 1283)
