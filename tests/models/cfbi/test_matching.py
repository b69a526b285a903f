"""Pixel matching against brute force, and the details that trained weights depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from robust_vos_bench.adapters.cfbi_line import nearest, windows
from robust_vos_bench.adapters.cfbi_line.labels import one_hot, sample, thin
from robust_vos_bench.adapters.cfbi_line.maps import background_maps, distance_maps, slot_biases
from robust_vos_bench.adapters.cfbi_line.means import MaskedMeans, masked_means
from robust_vos_bench.adapters.cfbi_line.pool import ReferencePool


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 3


def labels(height: int, width: int, slots: int, seed: int = 1) -> Tensor:
    return torch.randint(0, slots, (height, width), generator=torch.Generator().manual_seed(seed))


def squared(query: Tensor, reference: Tensor) -> Tensor:
    """Every pair's squared distance, N x M, in float64."""
    left, right = query.flatten(1).T.double(), reference.flatten(1).T.double()
    return (left[:, None] - right[None]).square().sum(2)


@pytest.mark.parametrize("blocks", [(512, 1024), (7, 11)])
def test_global_matching_is_the_nearest_reference_of_each_slot(
    blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "REFERENCES", blocks[0])
    monkeypatch.setattr(nearest, "QUERIES", blocks[1])
    query, first, second = draw(9, 6, 7), draw(9, 6, 7, seed=2), draw(9, 6, 7, seed=3)
    marks = labels(6, 7, 4), labels(6, 7, 4, seed=5)
    pool = ReferencePool()
    for embedding, mark in zip((first, second), marks):
        pool.add(embedding, one_hot(mark, 3))  # label 3 is in no slot
    found = nearest.nearest_distances(query, pool.groups(4))
    every = squared(query, torch.cat([first, second], 2))
    joined = torch.cat(marks, 1).flatten()
    for slot in range(3):
        expected = every[:, joined == slot].amin(1).reshape(6, 7)
        torch.testing.assert_close(found[slot].double(), expected, rtol=0, atol=1e-4)
    assert (found[3] == nearest.FAR).all()


def test_global_matching_keeps_its_memory_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    product = torch.addmm
    monkeypatch.setattr(
        torch, "addmm", lambda *given, **named: sizes.append((out := product(*given, **named)).numel()) or out
    )
    nearest.nearest_distances(draw(4, 50, 60), [draw(4000, 4), draw(10, 4)])
    assert sum(sizes) == 3000 * 4010
    assert max(sizes) <= nearest.REFERENCES * nearest.QUERIES


def test_distances_are_not_clamped_at_zero() -> None:
    query = 20 * draw(100, 8, 8)
    found = nearest.nearest_distances(query, [query.flatten(1).T.contiguous()])
    assert found.abs().max() < 1
    assert (found < 0).any()


def test_pool_gives_rows_in_the_order_frame_row_column() -> None:
    embeddings = torch.arange(12.0).reshape(2, 1, 2, 3)
    pool = ReferencePool()
    for embedding, mark in zip(
        embeddings, (torch.tensor([[0, 9, 1], [1, 0, 9]]), torch.tensor([[1, 1, 9], [0, 9, 9]]))
    ):
        pool.add(embedding, one_hot(mark, 2))
    rows, slots = pool.rows()
    assert rows.flatten().tolist() == [0, 2, 3, 4, 6, 7, 9]
    assert slots.tolist() == [0, 1, 1, 0, 1, 1, 0]
    assert pool.group(1).flatten().tolist() == [2, 3, 6, 7]
    assert pool.group(5).shape == (0, 1)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(9, 12), (3, 4)])
def test_local_matching_is_the_nearest_in_each_window(size: tuple[int, int], stride: int) -> None:
    height, width = size
    radii = (6, 2, 4)
    query, previous, mark = draw(5, *size), draw(5, *size, seed=7), labels(*size, 3, seed=8)
    found = windows.window_distances(query, previous, one_hot(mark, 4), radii, stride)
    assert found.shape == (4, 3, *size)
    every = squared(query, previous)
    for y in range(height):
        for x in range(width):
            for w, radius in enumerate(radii):
                for slot in range(4):
                    best = 5e4
                    for dy in range(-radius, radius + 1, stride):
                        for dx in range(-radius, radius + 1, stride):
                            v, u = y + dy, x + dx
                            if 0 <= v < height and 0 <= u < width and mark[v, u] == slot:
                                best = min(best, float(every[y * width + x, v * width + u]))
                    assert math.isclose(float(found[slot, w, y, x]), best, abs_tol=1e-4)


def test_local_maps_are_enlarged_after_the_transform_and_labels_sampled_twice() -> None:
    query, previous = draw(5, 11, 13), draw(5, 11, 13, seed=3)
    masks = one_hot(labels(11, 13, 2), 2)
    biases = torch.tensor([0.1, -0.2])
    found = windows.window_maps(query, previous, masks, (4, 2), biases, reduce=True)
    small = (6, 7)
    reduced = [F.interpolate(e[None], small, mode="bilinear", align_corners=True)[0] for e in (query, previous)]
    distances = windows.window_distances(*reduced, sample(masks, small), (4, 2))
    maps = distance_maps(distances, biases)
    expected = F.interpolate(maps, (11, 13), mode="bilinear", align_corners=True)
    torch.testing.assert_close(found, expected)
    enlarged = F.interpolate(distances, (11, 13), mode="bilinear", align_corners=True)
    assert (distance_maps(enlarged, biases) - found).abs().max() > 1e-2


def test_half_precision_rounds_each_step() -> None:
    query, reference = draw(100, 4, 5), draw(100, 4, 5, seed=4)
    rows = reference.flatten(1).T
    found = nearest.nearest_distances(query, [rows], half=True).flatten()
    q, r = query.flatten(1).T.half(), rows.half()
    sums = q.pow(2).sum(1)[:, None] + r.pow(2).sum(1)
    expected = (sums - 2 * (q.float() @ r.float().T).half()).amin(1).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    exact = nearest.nearest_distances(query, [rows]).flatten()
    assert 1e-3 < (found - exact).abs().max() < 1
    everywhere = one_hot(torch.zeros(4, 5, dtype=torch.int64), 1)
    local = windows.window_distances(query, reference, everywhere, (5,), half=True).flatten()
    torch.testing.assert_close(local, expected, rtol=0, atol=0)


def test_nearest_sampling_computes_in_float32() -> None:
    columns = torch.arange(854.0)
    sampled = sample(columns[None], (1, 77))[0]
    expected = F.interpolate(columns[None, None], 77, mode="nearest")[0, 0]
    assert torch.equal(sampled, expected)
    scale = float(np.float32(854) / np.float32(77))
    product_in_float64 = torch.floor(torch.arange(77, dtype=torch.float64) * scale)
    assert not torch.equal(sampled.double(), product_in_float64)
    all_in_float64 = torch.floor(torch.arange(49, dtype=torch.float64) * (854 / 49))
    assert not torch.equal(sample(columns[None], (1, 49))[0].double(), all_in_float64)


def test_thinning_keeps_lattice_pixels_and_small_objects_whole() -> None:
    mark = torch.zeros(8, 8, dtype=torch.int64)
    mark[:2, :3] = 1
    masks = one_hot(mark, 2)
    assert torch.equal(thin(masks, 1, 5), masks)
    every = thin(masks, 2)
    assert every.sum((1, 2)).tolist() == [14, 2]
    assert not every[:, 1::2].any()
    assert not every[:, :, 1::2].any()
    # 6 pixels is not more than 2 * 2^2, 58 is; the limit itself stays whole.
    assert thin(masks, 2, 2).sum((1, 2)).tolist() == [14, 6]
    limit = one_hot((torch.arange(64).reshape(8, 8) < 8).long(), 2)
    assert thin(limit, 2, 2)[1].sum() == 8
    assert thin(limit, 2, 1)[1].sum() == 4


def test_labels_outside_the_slots_are_in_none() -> None:
    masks = one_hot(torch.tensor([[0, 2, 125]], dtype=torch.uint8), 3)
    assert masks[:, 0].tolist() == [[True, False, False], [False, False, False], [False, True, False]]


def test_background_maps_are_the_least_of_the_other_slots() -> None:
    maps = draw(4, 3, 5, 5)
    maps[1, 0] = maps[2, 0]
    found = background_maps(maps)
    for slot in range(4):
        others = torch.stack([maps[j] for j in range(4) if j != slot]).amin(0)
        assert torch.equal(found[slot], others)
    assert torch.equal(background_maps(maps[:1]), maps[:1])


def test_maps_use_one_bias_for_background_and_one_for_all_objects() -> None:
    biases = slot_biases(torch.full((1, 1, 1, 1), 0.3), torch.full((1, 1, 1, 1), -0.4), 3)
    assert biases.tolist() == pytest.approx([0.3, -0.4, -0.4])
    maps = distance_maps(torch.tensor([[0.0, 5e4], [0.0, 1.0]]), biases[:2])
    assert maps[0].tolist() == pytest.approx([math.tanh(0.15), 1.0])
    assert maps[1].tolist() == pytest.approx([math.tanh(-0.2), math.tanh(0.3)])


def test_means_add_up_over_frames_and_slots_that_join_later() -> None:
    first, second = draw(3, 4, 5), draw(3, 4, 5, seed=9)
    early, late = one_hot(labels(4, 5, 2), 2), one_hot(labels(4, 5, 3, seed=4), 3)
    sums = MaskedMeans()
    sums.add(first, early)
    sums.add(second, late)
    inside, outside = sums.means(4)
    mask = torch.cat([F.pad(early, (0, 0, 0, 0, 0, 1)), late], 2)
    both = torch.cat([first, second], 2)
    for slot in range(3):
        chosen = both[:, mask[slot]]
        torch.testing.assert_close(inside[slot], chosen.sum(1) / (chosen.shape[1] + 1e-5))
        rest = both[:, ~mask[slot]]
        torch.testing.assert_close(outside[slot], rest.sum(1) / (rest.shape[1] + 1e-5))
    assert (inside[3] == 0).all()


def test_mean_outside_is_zero_where_nothing_is_outside() -> None:
    embedding = 100 * draw(64, 60, 90)
    _, outside = masked_means(embedding, torch.ones(1, 60, 90, dtype=torch.bool))
    assert outside.abs().max() < 1e-2
