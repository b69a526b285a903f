"""k-means: the official result bit for bit, and no clustering done twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from robust_vos_bench.adapters.aoc.clustering import Clusters, initial_rows, kmeans
from robust_vos_bench.adapters.aoc.memory import Reference
from robust_vos_bench.adapters.aoc.proxies import ProxyBank
from robust_vos_bench.adapters.cfbi_line.labels import one_hot, sample
from robust_vos_bench.adapters.cfbi_line.pool import ReferencePool

from .golden import golden


def rows_of(count: int, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).standard_normal((count, width))).astype(np.float32)


@pytest.mark.parametrize("scene", ["single", "multi3"])
def test_recorded_clusterings_of_the_first_frame(shared: Path, scene: str) -> None:
    # the same pool is recorded at frames 1 to 5, until a second reference joins
    recorded = golden(shared, f"aoc_{scene}")
    embedding = torch.from_numpy(golden(shared, "camel_f0_embedding")["f0_embedding"][0])
    labels = torch.from_numpy(golden(shared, "masks")[scene].astype(np.int64))
    slots = int(labels.max()) + 1
    pool = ReferencePool()
    pool.add(embedding, one_hot(sample(labels, (61, 109)), slots))
    for slot in range(slots):
        rows = pool.group(slot).numpy()
        clusters = kmeans(rows, 16)
        np.testing.assert_array_equal(initial_rows(len(rows), 16), recorded[f"km_t1_o{slot}_initidx"])
        for t in range(1, 6):
            assert recorded[f"km_t{t}_o{slot}_n"].tolist() == [len(rows), 16]
            np.testing.assert_array_equal(clusters.centres, recorded[f"km_t{t}_o{slot}_centroid"])
            np.testing.assert_array_equal(clusters.labels, recorded[f"km_t{t}_o{slot}_label"])


@pytest.mark.parametrize(("count", "clusters"), [(400, 16), (3, 3), (40, 16), (1, 1)])
def test_equals_scipy(count: int, clusters: int) -> None:
    rows = rows_of(count)
    ours = kmeans(rows, clusters, seed=5)
    start = rows[np.random.RandomState(5).choice(count, clusters, replace=False)]
    centres, labels = kmeans2(rows, start, minit="matrix", iter=20)
    np.testing.assert_array_equal(ours.centres, centres)
    np.testing.assert_array_equal(ours.labels, labels)


def test_an_empty_cluster_keeps_its_centre() -> None:
    rows = np.array([[0.0], [0.0], [0.0], [9.0]], np.float32)
    clusters = kmeans(rows, 3, seed=0)
    assert len(np.unique(clusters.labels)) == 2
    assert set(np.unique(clusters.centres)) == {0.0, 9.0}


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(3)
    expected = np.random.RandomState(3).random(4)
    kmeans(rows_of(50), 16)
    np.testing.assert_array_equal(np.random.random(4), expected)


class Counting:
    """A clusterer that notes what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, int]] = []

    def __call__(self, rows: np.ndarray, count: int, slot: int) -> Clusters:
        self.calls.append((slot, len(rows), count))
        return kmeans(rows, count)


def frame(seed: int, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = labels.shape
    return torch.from_numpy(rows_of(height * width, seed=seed).T.reshape(8, height, width).copy()), torch.from_numpy(
        labels
    )


def layout(*ids: int) -> np.ndarray:
    labels = np.zeros((10, 12), np.int64)
    for i in ids:
        labels[2:6, 3 * i - 2 : 3 * i + 1] = i
    return labels


def test_only_slots_with_new_pixels_are_clustered_again() -> None:
    counting = Counting()
    bank, reference = ProxyBank(cluster=counting), Reference()
    reference.add(*frame(0, layout(1, 2)), 3)
    first = bank.proxies(reference.pool, 3)
    again = bank.proxies(reference.pool, 3)
    assert counting.calls == [(0, 96, 16), (1, 12, 12), (2, 12, 12)]
    assert all(a is b for a, b in zip(first.centres, again.centres))
    reference.add(*frame(1, layout(1)), 3)
    grown = bank.proxies(reference.pool, 3)
    assert counting.calls[3:] == [(0, 204, 16), (1, 24, 16)]
    fresh = ProxyBank().proxies(reference.pool, 3)
    for cached, scratch in zip([*grown.centres, *grown.averages], [*fresh.centres, *fresh.averages]):
        torch.testing.assert_close(cached, scratch, atol=0, rtol=0)


def test_cluster_count_leaks_to_later_slots_unless_corrected() -> None:
    labels = np.zeros((10, 12), np.int64)
    labels[0, :3] = 1
    labels[4:8, 3:9] = 2
    reference = Reference()
    reference.add(*frame(0, labels), 5)
    reference_late = np.where(labels == 2, 4, labels)
    official = ProxyBank().proxies(reference.pool, 3)
    assert [len(c) for c in official.centres] == [16, 3, 3]
    corrected = ProxyBank(corrected=True).proxies(reference.pool, 3)
    assert [len(c) for c in corrected.centres] == [16, 3, 16]
    gap = Reference()
    gap.add(*frame(0, reference_late), 5)
    assert [len(c) for c in ProxyBank().proxies(gap.pool, 5).centres] == [16, 3, 0, 0, 0]
    assert [len(c) for c in ProxyBank(corrected=True).proxies(gap.pool, 5).centres] == [16, 3, 0, 0, 16]


def test_averages_are_centres_only_when_corrected() -> None:
    reference = Reference()
    reference.add(*frame(0, layout(1, 2)), 3)
    corrected = ProxyBank(corrected=True).proxies(reference.pool, 3)
    official = ProxyBank().proxies(reference.pool, 3)
    for slot in range(3):
        filled = len(corrected.averages[slot])
        assert filled == len(official.averages[slot])
        torch.testing.assert_close(official.centres[slot], corrected.centres[slot], atol=0, rtol=0)
    torch.testing.assert_close(corrected.averages[1], corrected.centres[1], atol=0, rtol=0)
    # the official average of an object looks its rows up in the pool of all slots
    assert not torch.allclose(official.averages[1], corrected.averages[1], atol=1e-3)


def test_another_pool_is_clustered_afresh() -> None:
    bank, one, two = ProxyBank(), Reference(), Reference()
    one.add(*frame(0, layout(1)), 2)
    two.add(*frame(1, layout(1)), 2)
    bank.proxies(one.pool, 2)
    for cached, fresh in zip(bank.proxies(two.pool, 2).centres, ProxyBank().proxies(two.pool, 2).centres):
        torch.testing.assert_close(cached, fresh, atol=0, rtol=0)
