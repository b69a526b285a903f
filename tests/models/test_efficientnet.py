"""EfficientNet-Lite0: the real weights give the right classes, and folding or cropping changes nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.encoders.efficientnet_lite import MEAN, STD, EfficientNetLite0, folded, pretrained
from robust_vos_bench.errors import WeightsError


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return pretrained()


def photo(name: str) -> torch.Tensor:
    import skimage.data

    image = getattr(skimage.data, name)()
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = cv2.resize(image[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    return (torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255 - MEAN) / STD


@pytest.mark.parametrize(("name", "label"), [("chelsea", 285), ("coffee", 967), ("rocket", 657)])
def test_photographs_get_their_class(network: EfficientNetLite0, name: str, label: int) -> None:
    """ImageNet classes: 285 Egyptian cat, 967 espresso, 657 missile."""
    with torch.no_grad():
        assert int(network(photo(name)).argmax()) == label


def test_folding_changes_nothing(network: EfficientNetLite0) -> None:
    merged = folded(pretrained())
    image = photo("coffee")
    with torch.no_grad():
        torch.testing.assert_close(merged(image), network(image), atol=1e-4, rtol=1e-4)


def test_cells_of_all_strides_share_their_corners(network: EfficientNetLite0) -> None:
    """Sides of the form 16 n + 1: n + 1 cells at stride 16, and a shift by 16 pixels shifts each map by whole cells."""
    image = torch.randn(1, 3, 161, 193, generator=torch.Generator().manual_seed(0))
    shifted = torch.roll(image, (16, 16), (2, 3))
    blocks = (0, 2, 4, 10)
    with torch.no_grad():
        maps, moved = network.features(image, blocks), network.features(shifted, blocks)
    for stride, channels, a, b in zip((2, 4, 8, 16), (16, 24, 40, 112), maps, moved):
        assert a.shape == (1, channels, 160 // stride + 1, 192 // stride + 1)
        if stride <= 4:  # deeper cells see the border everywhere
            edge, step = 64 // stride, 16 // stride
            torch.testing.assert_close(
                a[..., edge:-edge, edge:-edge],
                torch.roll(b, (-step, -step), (2, 3))[..., edge:-edge, edge:-edge],
                atol=1e-3,
                rtol=1e-3,
            )


def test_even_sizes_pad_as_tensorflow_does(network: EfficientNetLite0) -> None:
    """At stride 2 and even size the odd pixel of padding goes to the bottom right."""
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    stem = network._conv_stem
    want = torch.nn.functional.conv2d(torch.nn.functional.pad(image, (0, 1, 0, 1)), stem.weight, None, 2)
    with torch.no_grad():
        torch.testing.assert_close(stem(image), want)


def test_a_wrong_file_is_named(tmp_path: Path, network: EfficientNetLite0) -> None:
    state = {k: v for k, v in network.state_dict().items() if k != "_conv_stem.weight"}
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"missing: _conv_stem\.weight"):
        pretrained(path)


def test_search_finds_the_best_cell_by_brute_force() -> None:
    """Windowed, tiled matching against all pairs, for sizes that are no multiple of the tile."""
    from robust_vos_bench.adapters.labelprop.search import best_matches, with_border

    rng = np.random.default_rng(0)
    height, width, channels, radius, loss = 13, 19, 6, 30, 0.002
    query, key = (
        torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(channels, height, width))).float(), dim=0)
        for _ in range(2)
    )
    active = torch.ones(height, width, dtype=torch.bool)
    scores, places = best_matches(query, [with_border(key, radius)], active, radius, [loss])
    y, x = np.mgrid[0:height, 0:width].reshape(2, -1)
    distance = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    every = query.reshape(channels, -1).T.numpy() @ key.reshape(channels, -1).numpy() - loss * distance
    np.testing.assert_array_equal(places[0].reshape(-1).numpy(), every.argmax(1))
    np.testing.assert_allclose(scores[0].reshape(-1).numpy(), every.max(1), atol=1e-4)


def test_search_stays_within_its_radius() -> None:
    """A perfect match out of reach is not found; within reach it is."""
    from robust_vos_bench.adapters.labelprop.search import TILE, best_matches, with_border

    query, key = torch.zeros(2, 40, 40), torch.zeros(2, 40, 40)
    query[0, 20, 20] = key[0, 20, 26] = key[0, 20, 39] = 1
    active = torch.ones(40, 40, dtype=torch.bool)
    for radius, found in ((6, 20 * 40 + 26), (2, None)):
        scores, places = best_matches(query, [with_border(key, radius)], active, radius, [0.0])
        reach = radius + TILE - 1
        assert abs(int(places[0, 20, 20]) % 40 - 20) <= reach
        if found is not None:
            assert int(places[0, 20, 20]) == found and float(scores[0, 20, 20]) == 1


def test_guided_filter_follows_the_edge_of_the_frame() -> None:
    """A soft border three pixels off the colour edge moves onto it; a flat frame only smooths."""
    from robust_vos_bench.adapters.labelprop.guided import sharpen_edges

    frame = np.zeros((40, 60, 3), np.uint8)
    frame[:, 30:] = (200, 120, 40)
    soft = np.clip((np.arange(60, dtype=np.float32) - 23) / 8, 0, 1)[None, None].repeat(40, 1)
    soft = np.ascontiguousarray(soft)
    labels = sharpen_edges(frame, soft, 5)[0] > 0.5
    assert labels[:, 30:].all() and not labels[:, :29].any()
    assert int((soft[0, 0] > 0.5).argmax()) == 28
    flat = sharpen_edges(np.full_like(frame, 90), soft, 5)
    assert flat.min() >= 0 and flat.max() <= 1


def test_strays_go_and_the_largest_part_stays() -> None:
    from robust_vos_bench.adapters.labelprop.components import without_strays

    before, labels = np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)
    before[10:20, 10:20] = 1
    before[50:55, 50:55] = 2
    labels[10:20, 12:22] = labels[24:26, 10:14] = labels[50:52, 5:8] = 1
    labels[5:9, 40:44] = 2
    out = without_strays(labels, before, 6)
    assert out[15, 15] == 1 and out[25, 12] == 1 and out[51, 6] == 0
    assert (out == 2).sum() == 16, "a lone part stays wherever it is"
