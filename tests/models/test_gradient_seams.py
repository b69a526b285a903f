"""Gradients where the networks' own code has none: resizes, nearest references, norms by blocks, memory in rows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from robust_vos_bench.adapters.aot.sizes import network_image
from robust_vos_bench.adapters.cfbi_line.nearest import nearest_distances
from robust_vos_bench.adapters.cfbi_line.preparation import prepare
from robust_vos_bench.adapters.cfbi_line.windows import window_distances
from robust_vos_bench.adapters.common.rows import GroupNorm
from robust_vos_bench.adapters.common.seam import opencv_transposed, pillow_transposed
from robust_vos_bench.adapters.memory.bank import Rows


@pytest.mark.parametrize("interpolation", [cv2.INTER_CUBIC, cv2.INTER_AREA])
@pytest.mark.parametrize("size", [(33, 41), (24, 61), (17, 20)])
def test_the_gradient_of_a_resize_is_its_transpose(interpolation: int, size: tuple[int, int]) -> None:
    """<resize(x), y> = <x, transpose(y)> for all x and y."""
    rng = np.random.default_rng(0)
    x, y = rng.random((49, 61, 3), np.float32), rng.random((*size, 3), np.float32)
    ahead = cv2.resize(x, size[::-1], interpolation=interpolation)
    back = opencv_transposed(torch.from_numpy(y).permute(2, 0, 1), (49, 61), interpolation).permute(1, 2, 0).numpy()
    assert back.shape == x.shape
    assert float((ahead * y).sum(dtype=np.float64)) == pytest.approx(float((x * back).sum(dtype=np.float64)), rel=1e-5)


@pytest.mark.parametrize("size", [(33, 41), (64, 64), (24, 61)])
def test_the_gradient_of_pillows_resize_is_its_transpose(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((49, 61), np.float32), rng.random(size, np.float32)
    ahead = np.asarray(Image.fromarray(x).resize(size[::-1], Image.Resampling.BICUBIC))
    back = pillow_transposed(torch.from_numpy(y), (49, 61), Image.Resampling.BICUBIC).numpy()
    assert float((ahead * y).sum(dtype=np.float64)) == pytest.approx(float((x * back).sum(dtype=np.float64)), rel=1e-5)


@pytest.mark.parametrize("flip", [False, True])
def test_a_step_along_the_gradient_of_an_image_is_what_it_says(flip: bool) -> None:
    """The official code does not round: a change of whole levels changes its image by the gradient times the change."""
    rng = np.random.default_rng(1)
    frame = torch.from_numpy(rng.integers(20, 230, (3, 49, 70)).astype(np.float32))
    step = torch.from_numpy(rng.integers(-9, 10, (3, 49, 70)).astype(np.float32))
    for make in (lambda f: network_image(f, (33, 65), "cpu", flip), lambda f: prepare(f, (33, 65))):
        moving = frame.clone().requires_grad_()
        image = make(moving)
        weight = torch.from_numpy(rng.random(image.shape).astype(np.float32))
        (gradient,) = torch.autograd.grad((image * weight).sum(), moving)
        before, after = (float((make(f) * weight).double().sum()) for f in (frame, frame + step))
        assert after - before == pytest.approx(float((gradient * step).double().sum()), rel=1e-3, abs=1e-3)
        assert torch.equal(image, make(frame.permute(1, 2, 0).numpy().astype(np.uint8)))


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_nearest_references_pass_the_gradient_of_the_minimum() -> None:
    query, groups = _random(5, 6, 7).requires_grad_(), [_random(600, 5).requires_grad_(), _random(0, 5), _random(3, 5)]
    found = nearest_distances(query, groups)
    with torch.no_grad():
        assert torch.equal(found, nearest_distances(query, groups))
    pairs = [(query.flatten(1).T[:, None] - group).square().sum(2) for group in groups]
    expected = torch.stack([pairs[0].amin(1), torch.full((42,), 5e4), pairs[2].amin(1)]).unflatten(1, (6, 7))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    weight = _random(3, 6, 7)
    ours = torch.autograd.grad((found * weight).sum(), [query, groups[0]])
    theirs = torch.autograd.grad((expected * weight).sum(), [query, groups[0]])
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("stride, windows", [(1, (4, 1, 2)), (2, (6, 2, 4))])
def test_windows_pass_the_gradient_of_the_minimum(stride: int, windows: tuple[int, ...]) -> None:
    size = (9, 11)
    query, previous = _random(4, *size).requires_grad_(), (_random(4, *size) + 1).requires_grad_()
    masks = torch.zeros(3, *size, dtype=torch.bool)
    masks[0, :5], masks[1, 5:, :6] = True, True
    found = window_distances(query, previous, masks, windows, stride)
    with torch.no_grad():
        assert torch.equal(found, window_distances(query, previous, masks, windows, stride))
    y, x = torch.arange(size[0]).repeat_interleave(size[1]), torch.arange(size[1]).repeat(size[0])
    dy, dx = (y[:, None] - y).abs(), (x[:, None] - x).abs()
    pairs = (query.flatten(1).T[:, None] - previous.flatten(1).T).square().sum(2)
    expected = []
    for mask in masks.flatten(1):
        for k in windows:
            near = (dy <= k) & (dx <= k) & (dy % stride == 0) & (dx % stride == 0) & mask
            expected.append(pairs.masked_fill(~near, 5e4).amin(1))
    whole = torch.stack(expected).view(found.shape)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)
    weight = _random(*found.shape)
    ours = torch.autograd.grad((found * weight).sum(), [query, previous])
    theirs = torch.autograd.grad((whole * weight).sum(), [query, previous])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_norms_of_rows_pass_the_gradient_of_group_norm() -> None:
    norm = GroupNorm(4, 8)
    torch.nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(0))
    x = _random(2, 8, 30, 31).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = _random(2, 8, 30, 31)
    (ours,) = torch.autograd.grad((norm(x) * weight).sum(), x)
    plain = torch.nn.functional.group_norm(x.double(), 4, norm.weight.double(), norm.bias.double())
    (theirs,) = torch.autograd.grad((plain * weight).sum(), x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_rows_are_the_same_with_gradients_and_without() -> None:
    """Writes at the end, over the last frame, into the middle; then a frame is removed."""
    tables = Rows(), Rows(), Rows()
    parts = [_random(2, 3, n + 1)[:, :, :1] for n in range(6)]
    for table, modes in zip(tables, ((True,) * 6, (False,) * 6, (False, False, True, True, False, True))):
        for part, start, gradients in zip(parts, (0, 3, 3, 6, 3, 9), modes):
            with torch.set_grad_enabled(gradients):
                table.write(part, start)
    for end in (3, 6, 9, 12):
        assert torch.equal(tables[0].upto(end), tables[1].upto(end))
        assert torch.equal(tables[0].upto(end), tables[2].upto(end))
    for table in tables:
        table.remove(3, 3, 12)
    assert torch.equal(tables[0].upto(9), tables[1].upto(9)) and torch.equal(tables[0].upto(9), tables[2].upto(9))


def test_rows_that_were_read_stay_as_they_were() -> None:
    """The next frame takes the place of a temporary one; gradients of what was read before must not notice."""
    table, first, second = Rows(), _random(1, 2, 3).requires_grad_(), _random(1, 2, 4)[:, :, :3]
    table.write(first, 0)
    read = (table.upto(2) ** 2).sum()
    table.write(second, 0)
    (gradient,) = torch.autograd.grad(read, first)
    assert torch.equal(gradient, 2 * first)
