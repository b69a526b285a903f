"""Filter, attention, regions, weights and decoder against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from robust_vos_bench.adapters.joint import transformer
from robust_vos_bench.adapters.joint.learner import Sample, TargetModel, apply, fitted, gradient, loss
from robust_vos_bench.adapters.joint.network import Backbone
from robust_vos_bench.adapters.joint.regions import State, Window, cut, first_region, pair, pasted, window
from robust_vos_bench.adapters.joint.tracker import SampleWeights
from robust_vos_bench.adapters.joint.transformer import FrameMemory, Transformer, attended, normalised


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


def samples(count: int = 3) -> list[Sample]:
    """Small ones of eight feature channels."""
    return [
        Sample(noise(1, 8, 5, 7, seed=i), noise(16, 5, 7, seed=10 + i), noise(16, 5, 7, seed=20 + i))
        for i in range(count)
    ]


def test_a_step_goes_down_the_gradient_to_the_lowest_point() -> None:
    """The slope is that of autograd on half the squares, and no other length of the step is better."""
    found, reg = samples(), torch.tensor([0.3])
    start = noise(16, 8, 3, 3, seed=5).requires_grad_()
    halves = [(s.weight * (F.conv2d(s.features, start, padding=1)[0] - s.target)).square().sum() for s in found]
    total = (torch.stack(halves).sum() + (reg * start).square().sum()) / 2
    (slope,) = torch.autograd.grad(total, start)
    start = start.detach()
    after = fitted(start, found, reg, 1)
    step = start - after
    length = float((step * slope).sum() / slope.square().sum())
    torch.testing.assert_close(step, length * slope, atol=1e-5, rtol=1e-4)
    least = loss(after, found, reg)
    assert least < loss(start, found, reg)
    for other in (0.97, 1.03):
        assert loss(start - other * step, found, reg) > least
    assert loss(fitted(start, found, reg, 20), found, reg) < least


def test_steps_in_one_go_are_single_steps() -> None:
    """Residuals that are carried along are those that are computed anew."""
    found, reg = samples(), torch.tensor([0.01])
    alone = zeros = torch.zeros(16, 8, 3, 3)
    for _ in range(6):
        alone = fitted(alone, found, reg, 1)
    torch.testing.assert_close(fitted(zeros, found, reg, 6), alone, atol=1e-5, rtol=1e-4)


def test_a_filter_without_anything_to_fit_stays() -> None:
    """No division by zero where targets and filter are zero."""
    empty = [Sample(noise(1, 8, 5, 7), torch.zeros(16, 5, 7), noise(16, 5, 7))]
    assert not fitted(torch.zeros(16, 8, 3, 3), empty, torch.tensor([0.1]), 3).any()


def test_gradient_is_the_adjoint_of_the_filter() -> None:
    weights, x, errors = noise(16, 8, 3, 3), noise(1, 8, 5, 7, seed=1), noise(16, 5, 7, seed=2)
    torch.testing.assert_close(
        (apply(weights, x) * errors).sum(), (weights * gradient(x, errors)).sum(), rtol=1e-4, atol=1e-4
    )


def test_features_of_the_filter_have_one_length_per_image() -> None:
    network = TargetModel().requires_grad_(False)
    for scale in (1.0, 50.0):
        x = network.features(noise(1, 1024, 3, 4) * scale)
        assert abs(float(x.square().sum()) / (3 * 4 * 512 / (512 * 9)) - 1) < 1e-3


def whole_attention(network: Transformer, frames: list[Tensor]) -> Tensor:
    """Keys of the remembered frames by the definition, in float64."""
    network = network.double()
    every = torch.cat(frames).double()
    keys = F.normalize(network.encoder.self_attn.WK(every), dim=-1)
    weights = torch.softmax(30 * keys @ keys.t(), 1)
    parts = (every + weights @ every).split(len(frames[0]))
    normed = [F.instance_norm(part.t()[None])[0].t() for part in parts]
    return F.normalize(network.decoder.cross_attn.WK(torch.cat(normed)), dim=-1)


@pytest.mark.parametrize("block", [1 << 21, 50])
def test_the_memory_is_its_definition_after_many_replacements(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """What is added and taken away frame by frame is the attention among the frames that are there."""
    monkeypatch.setattr(transformer, "BLOCK", block)
    torch.manual_seed(0)
    network, plain = Transformer(), Transformer()
    plain.load_state_dict(network.state_dict())
    memory = FrameMemory(network)
    held: dict[int, Tensor] = {}
    values: dict[int, Tensor] = {}
    common = noise(20, 512, seed=999)
    with torch.no_grad():
        for number in range(60):
            slot = number if number < 4 else 1 + number % 3
            held[slot] = common + noise(20, 512, seed=number) * (0.05 if number % 5 else 1.0)
            labels = noise(16, 4, 5, seed=100 + number)
            values[slot] = labels.flatten(1).t()
            memory.write(slot, held[slot], labels)
            if number in (0, 1, 3, 4, 30, 59):
                frames = [held[i] for i in sorted(held)]
                keys = whole_attention(plain, frames).float()
                query = F.normalize(noise(20, 128, seed=7), dim=-1)
                expected = torch.softmax(30 * query @ keys.t(), 1) @ torch.cat([values[i] for i in sorted(values)])
                torch.testing.assert_close(memory.read(query), expected, atol=2e-5, rtol=1e-4)
                assert len(memory) == min(number + 1, 4)


def test_attention_of_unlike_vectors_stays_finite() -> None:
    """Opposite keys have the weights exp(-60), and still share what there is."""
    query, keys = F.normalize(noise(6, 128), dim=-1), F.normalize(noise(6, 128), dim=-1)
    found = attended(query, -keys[:1].expand(9, -1), noise(9, 16, seed=1))
    torch.testing.assert_close(found[:1], noise(9, 16, seed=1).mean(0, keepdim=True), atol=1e-5, rtol=1e-4)


def test_normalised_is_an_instance_norm() -> None:
    cells = noise(35, 512) * 3 + 1
    torch.testing.assert_close(normalised(cells), F.instance_norm(cells.t()[None])[0].t(), atol=1e-5, rtol=1e-4)


def test_the_first_convolution_of_a_stage_carries_the_stride() -> None:
    """In layer2 to layer4 it is the 1 x 1 one, as in Mask R-CNN's weights."""
    network = Backbone()
    strides = [(s[0].conv1.stride[0], s[0].conv2.stride[0]) for s in (network.layer1, network.layer2, network.layer4)]  # type: ignore[index, union-attr, operator]
    assert strides == [(1, 1), (2, 1), (2, 1)]
    with torch.no_grad():
        shapes = {name: tuple(x.shape) for name, x in network(torch.zeros(1, 3, 32, 48)).items()}
    assert shapes == {
        "layer1": (1, 256, 8, 12),
        "layer2": (1, 512, 4, 6),
        "layer3": (1, 1024, 2, 3),
        "layer4": (1, 2048, 1, 2),
    }


def test_windows_are_shrunk_and_moved_into_the_frame() -> None:
    """Small samples stay; one beyond a border is moved; one larger than the frame is shrunk to one of its sides."""
    frame, out = (100, 200), (48, 80)
    assert window(frame, pair((50, 60)), pair((20, 30)), out, True) == Window((41, 46), (61, 76))
    assert window(frame, pair((3, 198)), pair((20, 30)), out, True) == Window((0, 170), (20, 200))
    assert window(frame, pair((3, 198)), pair((20, 30)), out, False) == Window((-6, 184), (14, 214))
    large = window(frame, pair((50, 60)), pair((480, 800)), out, True)
    assert large == Window((-5, 0), (55, 100), step=2) and large.corners[0].tolist() == [-10, 0]
    strided = window((1000, 2000), pair((501, 601)), pair((400, 700)), out, True)
    assert strided.step == 8 and strided.offset == (5, 1)
    assert tuple(strided.corners[1] - strided.corners[0]) == (8 * 50, 8 * 88)


def test_beyond_a_frame_is_its_border_and_zeros_in_masks() -> None:
    image = torch.arange(12).reshape(1, 3, 4)
    part = Window((-1, -2), (4, 5))
    assert torch.equal(cut(image, part, (5, 7))[0, 0], F.pad(image[None].float(), (2, 1, 1, 1), "replicate")[0, 0])
    assert torch.equal(cut(image, part, (5, 7), mask=True)[0, 0], F.pad(image[0].float(), (2, 1, 1, 1)))
    assert cut(image, part, (10, 14), mask=True)[0, 0, ::2, ::2].max() == 11
    strided = Window((0, 0), (2, 2), step=2, offset=(0, 1))
    assert torch.equal(cut(image, strided, (2, 2))[0, 0], image[0, ::2, 1::2].float())


def test_pasting_puts_a_region_back() -> None:
    """Where it is inside, half a pixel up and left, truncated (official); cut where it sticks out; -100 elsewhere."""
    scores = noise(16, 32)
    canvas = pasted(scores, Window((10, 20), (26, 52)), (60, 80))
    assert torch.equal(canvas[9:25, 19:51], scores)
    assert int((canvas == -100).sum()) == 60 * 80 - 16 * 32
    beyond = pasted(scores, Window((-6, 70), (10, 102)), (60, 80))
    assert torch.equal(beyond[:10, 69:], scores[6:, :11]) and bool((beyond[10:] == -100).all())
    assert bool((beyond[:, :69] == -100).all())
    assert (pasted(scores, Window((2, 2), (4, 4)), (5, 5)) > -100).any()


@pytest.mark.parametrize("place", [(0, 0), (70, 150), (40, 60)])
def test_an_object_lies_in_its_first_region(place: tuple[int, int]) -> None:
    """Also at the border, where the region is moved into the frame."""
    mask = np.zeros((80, 160), bool)
    mask[place[0] : place[0] + 10, place[1] : place[1] + 10] = True
    region, label = first_region(State.of(mask, (48, 80)), noise(3, 80, 160), torch.from_numpy(mask)[None], (48, 80))
    assert region.shape == (1, 3, 48, 80) and label.shape == (1, 1, 48, 80)
    assert label.sum() / (48 * 80) == pytest.approx(100 / (25 * 81), rel=0.15)  # a 25th, of sides one pixel less


def test_an_object_that_is_gone_keeps_its_place() -> None:
    """Less than 100 pixels of probability; else place and size follow within the limits."""
    mask = np.zeros((80, 160), bool)
    mask[20:40, 30:70] = True
    state = State.of(mask, (48, 80))
    before = (state.position.copy(), state.size.copy(), state.scale)
    state.follow(torch.full((80, 160), 99 / (80 * 160)), (0.95, 1.1))
    assert np.array_equal(state.position, before[0]) and state.scale == pytest.approx(before[2], rel=1e-6)
    there = torch.zeros(80, 160)
    there[50:60, 100:120] = 1
    state.follow(there, (0.95, 1.1))
    assert state.position == pytest.approx((54.5, 109.5)) and state.scale == pytest.approx(0.95 * before[2], rel=1e-6)
    there[:, :] = 1
    state.follow(there, (0.95, 1.1))
    assert state.scale == pytest.approx(1.1 * 0.95 * before[2], rel=1e-6)


def test_weights_of_samples_as_recorded() -> None:
    """Values of a recorded run with three slots; the given frame is never replaced and has a quarter at least."""
    weights = SampleWeights(3)
    found = [(weights.insert(), [round(float(w), 6) for w in weights.values]) for _ in range(3)]
    assert found == [
        (1, [0.917431, 0.082569, 0.0]),
        (2, [0.840336, 0.07563, 0.084034]),
        (1, [0.825688, 0.091743, 0.082569]),
    ]
    slots = [weights.insert() for _ in range(200)]
    assert set(slots) == {1, 2} and weights.values[0] >= 0.25 and np.isfinite(weights.values).all()
    alone = SampleWeights(1)
    assert alone.insert() is None and alone.values.tolist() == [1.0]
