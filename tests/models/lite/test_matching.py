"""The trainable matching of the lite models: equal to the library's, with the gradient of the minimum."""

from __future__ import annotations

import torch
from torch import Tensor

from robust_vos_bench.adapters.lite.cells import owned, shares
from robust_vos_bench.adapters.lite.distances import global_distances, local_distances, near


def _case(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings of two frames, 2 x 12 x 9 x 11, and masks of three slots, the last of which is empty in sample 0."""
    rng = torch.Generator().manual_seed(seed)
    now, before = torch.rand(2, 2, 12, 9, 11, generator=rng)
    labels = torch.randint(0, 3, (2, 9, 11), generator=rng)
    labels[0][labels[0] == 2] = 0
    return now, before, torch.stack([labels == slot for slot in range(3)], 1)


def test_global_distances_agree_with_the_library() -> None:
    now, before, masks = _case()
    trained = global_distances(now.requires_grad_(), before.flatten(2), masks.flatten(2))
    with torch.no_grad():
        fast = global_distances(now, before.flatten(2), masks.flatten(2))
    assert torch.allclose(trained, fast, rtol=1e-5, atol=1e-5)
    assert (fast[0, 2] == 5e4).all() and (fast[1, 2] < 100).all()


def test_local_distances_agree_with_the_library() -> None:
    now, before, masks = _case(1)
    trained = local_distances(now.requires_grad_(), before, masks, (1, 2, 4))
    with torch.no_grad():
        fast = local_distances(now, before, masks, (1, 2, 4))
    assert trained.shape == (2, 3, 3, 9, 11)
    assert torch.allclose(trained, fast, rtol=1e-5, atol=1e-5)
    assert (trained[:, :, 1:] <= trained[:, :, :-1]).all(), "a wider window finds no farther cell"


def test_the_gradient_is_that_of_the_minimum() -> None:
    now, before, masks = _case(2)
    now, before = now.double().requires_grad_(), before.double().requires_grad_()
    found = global_distances(now, before.flatten(2), masks.flatten(2))
    pairs = (now.flatten(2)[:, :, :, None] - before.flatten(2)[:, :, None]).square().sum(1)
    plain = torch.stack([pairs.masked_fill(~m.flatten(1)[:, None], 5e4).amin(2) for m in masks.transpose(0, 1)], 1)
    weight = torch.rand(found.shape, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    mine = torch.autograd.grad((found * weight).sum(), (now, before))
    theirs = torch.autograd.grad((plain.view_as(found) * weight).sum(), (now, before))
    for got, wanted in zip(mine, theirs):
        assert torch.allclose(got, wanted, atol=1e-9)


def test_near_reaches_as_far_as_its_radius() -> None:
    mask = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    mask[0, 0, 4, 4] = True
    found = near(mask, 2)[0, 0]
    assert found[2:7, 2:7].all() and found.sum() == 25


def test_cells_have_one_owner_and_small_objects_are_not_lost() -> None:
    labels = torch.zeros(1, 33, 33, dtype=torch.long)
    labels[0, :, 20:] = 1
    labels[0, 5:7, 5:7] = 2  # four pixels: a minority in every cell
    share = shares(labels, 4, 8)
    assert share.shape == (1, 4, 5, 5) and torch.allclose(share.sum(1), torch.ones(1, 5, 5))
    mine = owned(share)
    assert mine[0, 2].any(), "the speck has a cell"
    assert not mine[0, 3].any(), "a slot without pixels has none"
    rest = mine[:, [0, 1]].sum(1)
    assert (rest == 1).all()
