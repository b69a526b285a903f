"""Each oddity that trained weights have seen: without it a golden is missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.cfbi import network, protocol, references
from robust_vos_bench.adapters.cfbi_line import preparation, slot_head
from robust_vos_bench.adapters.cfbi_line.labels import one_hot, sample, thin
from robust_vos_bench.adapters.cfbi_line.preparation import network_size, prepare

from . import golden as goldens

Patch = pytest.MonkeyPatch


def as_rgb(patch: Patch) -> None:
    patch.setattr(protocol, "prepare", lambda frame, size: prepare(frame[..., ::-1], size))


def with_bgr_statistics(patch: Patch) -> None:
    patch.setattr(preparation, "IMAGENET_MEAN", preparation.IMAGENET_MEAN[::-1])
    patch.setattr(preparation, "IMAGENET_STD", preparation.IMAGENET_STD[::-1])


def with_clipped_resize(patch: Patch) -> None:
    resize = cv2.resize
    patch.setattr(cv2, "resize", lambda *given, **named: np.clip(resize(*given, **named), 0, 255))


def with_linear_resize(patch: Patch) -> None:
    patch.setattr(cv2, "INTER_CUBIC", cv2.INTER_LINEAR)


def with_ascending_windows(patch: Patch) -> None:
    for net in (network.CFBI, network.CFBIPlus):
        patch.setattr(net, "scales", tuple(replace(s, windows=tuple(sorted(s.windows))) for s in net.scales))


def with_full_grid_windows(patch: Patch) -> None:
    patch.setattr(network.CFBI, "scales", (replace(network.CFBI.scales[0], reduce=False),))


def with_unit_stride(patch: Patch) -> None:
    patch.setattr(network.CFBIPlus, "scales", tuple(replace(s, stride=1) for s in network.CFBIPlus.scales))


def with_all_channels(patch: Patch) -> None:
    patch.setattr(network.CFBIPlus, "scales", tuple(replace(s, channels=None) for s in network.CFBIPlus.scales))


def with_bilinear_decoder(patch: Patch) -> None:
    conv = slot_head.enlarged_conv
    patch.setattr(slot_head, "enlarged_conv", lambda x, weight, size, _, plus: conv(x, weight, size, "bilinear", plus))


def with_whole_masks_in_attention(patch: Patch) -> None:
    def add(self: references.References, embedding: Any, labels: torch.Tensor, slots: int) -> None:
        for i, features in enumerate(embedding.scales):
            masks = one_hot(sample(labels, features.shape[-2:]), slots)
            matched = thin(masks, self.options.rate, self.options.min_pixels) if i == 0 else masks
            self.pools[i].add(features[: self.scales[i].channels], matched)
            if i == 0:
                self.means.add(features, masks)

    patch.setattr(references.References, "add", add)


def with_thinned_masks_in_attention(patch: Patch) -> None:
    patch.setattr(references, "thin", lambda masks, rate, minimum: thin(masks, 2, 100))
    options = references.MatchingOptions(min_pixels=100)
    init = references.References.__init__
    patch.setattr(references.References, "__init__", lambda self, scales, _: init(self, scales, options))


def with_padded_depthwise(patch: Patch) -> None:
    for module in goldens.adapter("mobilenetv2").network.modules():
        border = getattr(module, "border", 0)
        if border:
            depthwise = next(m for m in module.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1)
            patch.setattr(module, "border", 0)
            patch.setattr(depthwise, "padding", (border, border))


def without_background_of_objects(patch: Patch) -> None:
    classified = slot_head.classified
    calls: list[int] = []

    def first_only(x: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
        calls.append(0)
        return classified(x, filters) * (len(calls) % 2)

    patch.setattr(slot_head, "classified", first_only)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tiny_cfbi_three", as_rgb),
        ("tiny_cfbi_three", with_bgr_statistics),
        ("tiny_cfbi_three", with_clipped_resize),
        ("tiny_cfbi_three", with_linear_resize),
        ("tiny_cfbi_three", with_ascending_windows),
        ("tiny_cfbi_three", with_full_grid_windows),
        ("tiny_cfbi_three", with_bilinear_decoder),
        ("tiny_cfbi_three", with_thinned_masks_in_attention),
        ("tiny_cfbi_three", without_background_of_objects),
        ("tiny_cfbip_three", with_ascending_windows),
        ("tiny_cfbip_three", with_unit_stride),
        ("tiny_cfbip_three", with_all_channels),
        ("tiny_cfbip_three", with_whole_masks_in_attention),
        ("tiny_cfbi_mbv2_three", with_padded_depthwise),
    ],
)
def test_golden_is_missed_without(
    name: str, change: Callable[[Patch], None], shared: Path, golden_frames: Path, monkeypatch: Patch
) -> None:
    golden = goldens.load(shared, golden_frames, name)
    goldens.adapter(golden.variant)
    change(monkeypatch)
    step = next(goldens.forced(golden, 2))
    assert np.abs(step.logits[0] - golden.arrays["logits_call00"]).max() > 1e-2


def test_golden_is_missed_with_the_attention_of_another_scale(
    shared: Path, golden_frames: Path, monkeypatch: Patch
) -> None:
    golden = goldens.load(shared, golden_frames, "tiny_cfbip_three")
    with np.load(shared / "models" / "cfbi" / "golden" / "tiny_cfbip_three_inter.npz") as file:
        recorded = {scale: torch.from_numpy(file[f"attention_{scale}x"]) for scale in (4, 8)}
    missed = {}
    for scale, vector in recorded.items():
        monkeypatch.setattr(network, "object_vectors", lambda means, before, masks, vector=vector: vector)
        step = next(goldens.forced(golden, 2))
        missed[scale] = np.abs(step.logits[0] - golden.arrays["logits_call00"]).max()
    assert missed[4] < 2e-3
    assert missed[8] > 1e-1


@pytest.mark.parametrize(
    ("size", "edge", "scale", "expected"),
    [
        ((480, 854), 1040, 1, (481, 849)),
        ((720, 1280), 1040, 1, (577, 1041)),  # 584 / 16 = 36.5 goes to the even 36
        ((480, 854), 432, 1, (241, 433)),
        ((480, 854), 160, 1, (97, 161)),
        ((480, 854), 300, 1, (161, 305)),
        ((480, 854), 300, 1.15, (193, 353)),
        ((240, 320), 1040, 1, (241, 321)),  # never enlarged beyond the alignment
        ((854, 480), 432, 1, (433, 241)),
    ],
)
def test_network_size(size: tuple[int, int], edge: float, scale: float, expected: tuple[int, int]) -> None:
    assert network_size(size, edge, scale) == expected


def test_image_is_bgr_with_the_statistics_of_rgb_and_overshoots() -> None:
    colour = np.full((17, 33, 3), (255, 0, 51), np.uint8)
    prepared = prepare(colour, (17, 33))
    assert prepared.shape == (1, 3, 17, 33)
    expected = [(0.2 - 0.485) / 0.229, (0 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(prepared[0, :, 3, 4].numpy(), expected, rtol=1e-6)
    edge = np.zeros((17, 33, 3), np.uint8)
    edge[:, 16:] = 255
    resized = prepare(edge, (33, 65)) * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    resized += torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    assert resized.max() > 1.01
    assert resized.min() < -0.01
