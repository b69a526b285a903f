"""SWEM: the fit and the read against their definitions, sizes, draws, and recorded runs of the official code."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recordings import Recording, steps
from torch import Tensor

from robust_vos_bench.adapters.common.tensors import image_tensor
from robust_vos_bench.adapters.memory import em
from robust_vos_bench.adapters.memory.swem import SWEMAdapter, SWEMSession, drawn_keys
from robust_vos_bench.adapters.memory.swem_network import SWEM, Fusion
from robust_vos_bench.adapters.memory.swem_sizes import network_size
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import load_adapter

from .golden import Differences, cut, differences, recorded_alone
from .test_hmmn import close, noise

TAU = 0.05


def bases(objects: int, count: int, seed: int) -> em.Bases:
    """Some that have seen something."""
    empty = em.Bases.empty(em.unit(noise(objects, 2, 4, count, seed=seed), 2), 3)
    values, weights = noise(objects, 2, 3, count, seed=seed + 1), noise(objects, 2, 1, count, seed=seed + 2).abs()
    return em.Bases(empty.keys, values, weights)


def fitted(old: em.Bases, key: Tensor, value: Tensor, masks: Tensor, iterations: int) -> list[Tensor]:
    """One object's fit as it is written down, in float64: keys, values and weights of 2 sides."""

    def unit(x: Tensor) -> Tensor:
        return x / (x.norm() + 1e-6)

    before, seen, zeta = (x[0].double() for x in (old.keys, old.values, old.weights))
    count, cells = before.shape[2], key.shape[1]
    kappa, weight = before.clone(), masks.clone()
    for round_ in range(iterations):
        z = torch.zeros(2, cells, count, dtype=torch.float64)
        for side in range(2):
            for p in range(cells):
                alike = torch.stack([key[:, p] @ unit(kappa[side, :, b]) for b in range(count)])
                z[side, p] = torch.softmax(alike / TAU, 0) * weight[side, p]
        gathered = zeta[:, 0] + z.sum(1)
        kappa = torch.stack([(zeta[s] * before[s] + key @ z[s]) / gathered[s] for s in range(2)])
        if round_ < iterations - 1:
            for p in range(cells):
                strength = torch.zeros(2, dtype=torch.float64)
                for side in range(2):
                    for b in range(count):
                        strength[side] += torch.exp(unit(key[:, p]) @ unit(kappa[side, :, b]) / TAU)
                weight[:, p] = masks[:, p] * (1 - strength / strength.sum())
    nu = torch.stack([(zeta[s] * seen[s] + value @ z[s]) / gathered[s] for s in range(2)])
    return [kappa, nu, gathered[:, None]]


def test_a_fit_is_the_definition() -> None:
    """Two objects; four rounds."""
    old, key = bases(2, 5, 0), noise(4, 6, seed=7)
    value, masks = noise(2, 3, 6, seed=8), noise(2, 2, 6, seed=9).abs().clamp(max=1)
    ours = em.update(old, key, value, masks, 4, TAU)
    for i in range(2):
        expected = fitted(old.objects(slice(i, i + 1)), key.double(), value[i].double(), masks[i].double(), 4)
        for found, each in zip((ours.keys, ours.values, ours.weights), expected, strict=True):
            torch.testing.assert_close(found[i].double(), each, atol=1e-4, rtol=1e-4)


def test_a_read_is_the_definition() -> None:
    """Two banks side by side; shares of the one, two and three best of each side."""
    banks, key = [bases(2, 4, 0), bases(2, 5, 10)], noise(4, 6, seed=7)
    found, shares = em.read(banks, key, 3, TAU)
    for i in range(2):
        kappa = torch.cat([bank.keys[i] for bank in banks], 2).double()
        nu = torch.cat([bank.values[i] for bank in banks], 2).double()
        for p in range(6):
            x = key[:, p].double()
            strength = torch.exp(
                torch.einsum("c,scb->sb", x / (x.norm() + 1e-6), kappa / (kappa.norm(dim=1, keepdim=True) + 1e-6)) / TAU
            )
            expected = (nu * strength[:, None]).sum((0, 2)) / strength.sum()
            torch.testing.assert_close(found[i, :, p].double(), expected, atol=1e-4, rtol=1e-4)
            best = strength.sort(1, descending=True).values[:, :3].cumsum(1)
            share = best[0] / best.sum(0)
            torch.testing.assert_close(shares[i, :, p].double(), torch.cat([share, 1 - share]), atol=1e-5, rtol=1e-4)


def test_a_side_without_a_cell_keeps_its_bases() -> None:
    """An object of a few pixels may lie between the cells."""
    old = em.Bases.empty(em.unit(noise(1, 2, 4, 5, seed=0), 2), 3)
    masks = torch.ones(1, 2, 6)
    masks[:, 1] = 0
    after = em.update(old, noise(4, 6, seed=1), noise(1, 3, 6, seed=2), masks, 4, TAU)
    torch.testing.assert_close(after.keys[:, 1], old.keys[:, 1])
    assert torch.equal(after.weights[:, 1], old.weights[:, 1])
    assert all(torch.isfinite(x).all() for x in (after.keys, after.values, after.weights))


def test_what_objects_share_is_fused_once() -> None:
    """The query's value lies between the readout and the shares of the bases."""
    fusion = Fusion(4)
    readout, value, shares = noise(2, 512, 3, 3, seed=0), noise(1, 512, 3, 3, seed=1), noise(2, 8, 3, 3, seed=2)
    with torch.no_grad():
        joined = torch.cat([readout, value.expand(2, -1, -1, -1), shares], 1)
        expected = fusion.layer_f(joined) * torch.sigmoid(fusion.layer_a(joined))
        torch.testing.assert_close(fusion(readout, value, shares), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("frame", "davis", "youtube"),
    [
        ((480, 854), (480, 864), (480, 848)),
        ((720, 1280), (480, 864), (480, 848)),
        ((1280, 720), (480, 864), (848, 480)),
        ((360, 640), (480, 864), (368, 640)),
        ((500, 500), (480, 864), (480, 480)),
        ((9, 23), (480, 864), (16, 16)),
        ((40, 24), (480, 864), (48, 32)),
    ],
)
def test_sizes(frame: tuple[int, int], davis: tuple[int, int], youtube: tuple[int, int]) -> None:
    """The authors' rules; neither side becomes less than one cell."""
    assert network_size(frame, "davis", 480) == davis
    assert network_size(frame, "youtube-vos", 480) == youtube


def test_frames_may_keep_their_size() -> None:
    assert network_size((238, 427), "davis", None) == (240, 432)
    assert network_size((185, 330), "youtube-vos", None) == (192, 336)
    assert network_size((480, 854), "davis", 240) == (240, 432)


def test_first_bases_depend_on_seed_video_and_object_alone() -> None:
    keys = drawn_keys(0, "camel", 128, 7)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert torch.equal(keys, drawn_keys(0, "camel", 128, 7)) and torch.equal(state, torch.get_rng_state())
    assert keys.shape == (2, 128, 128) and keys.dtype == torch.float32
    torch.testing.assert_close(keys.norm(dim=1), torch.ones(2, 128), atol=1e-5, rtol=0)
    assert abs(float(keys.mean())) < 2e-3
    for other in (drawn_keys(1, "camel", 128, 7), drawn_keys(0, "goat", 128, 7), drawn_keys(0, "camel", 128, 8)):
        assert not torch.equal(keys, other)


@pytest.fixture(scope="module")
def adapter() -> SWEMAdapter:
    """Untrained, at the frames' own size."""
    found: Any = load_adapter("swem", "random", "cpu", size=None)
    assert isinstance(found, SWEMAdapter)
    return found


def small(prompts: dict[int, np.ndarray], frames: int = 4) -> Video:
    """Noise that moves."""
    wide = np.random.default_rng(0).integers(0, 256, (48, 80 + frames, 3), np.uint8)
    return Video.from_arrays([wide[:, t : t + 80] for t in range(frames)], prompts, name="small")


def square(i: int, rows: slice, columns: slice) -> np.ndarray:
    """A mask of one object."""
    mask = np.zeros((48, 80), np.uint8)
    mask[rows, columns] = i
    return mask


def test_other_objects_change_no_first_bases(adapter: SWEMAdapter) -> None:
    """Of an object alone and beside others, early or late, in any order of ids."""
    drawn: list[dict[int, Tensor]] = []
    cases = ({9: 0}, {9: 0, 200: 0}, {3: 0, 9: 2})
    places = {9: (slice(0, 20), slice(0, 30)), 200: (slice(24, 48), slice(0, 30)), 3: (slice(0, 48), slice(40, 80))}
    for case in cases:
        prompts: dict[int, np.ndarray] = {}
        for i, t in case.items():
            prompts[t] = np.maximum(prompts.get(t, 0), square(i, *places[i]))
        seen: dict[int, Tensor] = {}
        session = adapter.session(small(prompts))
        plain: Callable[[int], Tensor] = session.first_keys
        session.first_keys = lambda i, seen=seen, plain=plain: seen.setdefault(i, plain(i))  # type: ignore[misc]
        list(steps(session, small(prompts)))
        drawn.append(seen)
    assert [sorted(seen) for seen in drawn] == [sorted(case) for case in cases]
    assert all(torch.equal(seen[9], drawn[0][9]) for seen in drawn)


def test_memory_is_of_constant_size_and_late_objects_join_both_banks(adapter: SWEMAdapter) -> None:
    """First bases of each object stay as they are; the latest ones are those of all objects."""
    late = square(5, slice(20, 40), slice(50, 70))
    video = small({0: square(9, slice(0, 20), slice(0, 30)), 2: late}, 6)
    session = adapter.session(video)
    found = []
    for _ in steps(session, video):
        found.append((session.first, session.latest))
    counts = [(len(first), 0 if latest is None else len(latest)) for first, latest in found if first is not None]
    assert counts == [(1, 0), (1, 1), (2, 2), (2, 2), (2, 2), (2, 2)]
    first, latest = found[2]
    assert first is not None and latest is not None
    assert torch.equal(first.keys[1], latest.keys[1]) and torch.equal(first.keys[:1], found[0][0].keys)  # type: ignore
    assert found[4][0] is first and found[4][1] is not latest
    assert found[5][1] is found[4][1]  # the last frame is not remembered
    assert first.keys.shape == (2, 2, 128, 128) and latest.values.shape == (2, 2, 512, 128)
    under = session.joined(torch.full((2, 2, 2), 0.5), torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]))
    assert under[:, 0, 0].tolist() == [0, 0, 1] and under[:, 1, 1].tolist() == [0.5, 0.5, 0]


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(UsageError, match="protocol is 'youtube'; it can be davis, youtube-vos"):
        load_adapter("swem", "random", "cpu", protocol="youtube")


def handed_in(golden: Recording) -> Callable[[int], Tensor]:
    """The first bases of a recorded run: stored, or drawn from the object's number as its settings say."""
    if "kappa_init_0" in golden:
        stored = golden["kappa_init_0"][0]
        return lambda i: torch.from_numpy(stored[i - 1])

    def keyed(i: int) -> Tensor:
        generator = np.random.default_rng(zlib.crc32(b"SWEM.kappa.%d" % i))
        normal = generator.standard_normal((2, 128, 128)) * np.sqrt(2 / 128)
        return em.unit(torch.from_numpy(normal.astype(np.float32)), 1)

    assert np.array_equal(keyed(3)[:, :4, :4], golden["kappa_init_1_corner"][0])
    return keyed


def test_two_frames_step_by_step(shared: Path, adapter: SWEMAdapter) -> None:
    """Keys, values, masks, bases, readout, shares, context, logits and probabilities of two objects."""
    golden = recorded_alone(shared, "swem", "multi2rev_B")
    inner = recorded_alone(shared, "swem", "multi2rev_B_inter")
    video = cut(shared, golden, 2)
    session = adapter.session(video, handed_in(golden))
    network: SWEM = session.network
    assert session.inner == tuple(int(n) for n in golden.meta["size"].split()[0].split("x"))
    fits: list[tuple[Tensor, ...]] = []
    plain = em.update

    def noted(old: em.Bases, key: Tensor, value: Tensor, masks: Tensor, *settings: Any) -> em.Bases:
        found = plain(old, key, value, masks, *settings)
        fits.append((key, value, masks, found.keys, found.values, found.weights))
        return found

    logits: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(em, "update", noted)
        patch.setattr(network.decoder, "quarter", lambda *a: logits.append(type(network.decoder).quarter(network.decoder, *a)) or logits[-1])  # fmt: skip  # noqa: E501
        frames = list(video.frames)
        session.step(frames[0], video.prompts[0], False)
        assert session.first is not None
        mask = session.step(frames[1], None, False)
    grid = (12, 21)
    for t, (key, value, masks, keys, values, weights) in enumerate(fits):
        close(key.unflatten(1, grid)[None, ::4], inner[f"f{t}_key_c4"])
        close(value.unflatten(2, grid)[None, :, ::16], inner[f"f{t}_value_c16"])
        assert np.abs(masks.unflatten(2, grid)[None].numpy() - inner[f"f{t}_em_masks"]).max() < 1e-4
        close(keys[None, ..., ::8], inner[f"f{t}_kappa"])
        close(values[None, :, :, ::32], inner[f"f{t}_nu_c32"])
        close(weights[None], inner[f"f{t}_zita"], 1e-4)
    with torch.no_grad():
        image = torch.nn.functional.interpolate(image_tensor(frames[1], "cpu"), session.inner, mode="bicubic")
        query = network.encode_query(image)
        readout, shares = em.read([session.first], query.key[0].flatten(1), network.top_l, TAU)
        readout, shares = readout.unflatten(2, grid), shares.unflatten(2, grid)
        context = network.fuse(readout, shares, query)
        f16 = network.encode_query(torch.nn.functional.interpolate(image_tensor(frames[0], "cpu"), session.inner, mode="bicubic")).f16  # fmt: skip  # noqa: E501
    close(f16[:, ::64], inner["f0_s16_c64"])
    close(query.value[:, ::32], inner["f1_qv_c32"])
    close(query.f8[:, ::32, ::4, ::4], inner["f1_s8_c32_s4"])
    close(query.f4[:, ::32, ::8, ::8], inner["f1_s4_c32_s8"])
    close(readout[None, :, ::16], inner["f1_readout_c16"])
    close(shares[:, ::8], inner["f1_S_c8"])
    close(context[:, ::16], inner["f1_context_c16"])
    close(logits[0], inner["f1_pred4"])
    aggregated = torch.from_numpy(inner["f1_agglogits_s4"][0].astype(np.float32))
    near = torch.softmax(aggregated, 0) - session.probabilities[:, ::4, ::4]
    assert near.abs().max() < 5e-3  # logits up to 16 in half precision
    apart = differences(session, mask, golden, 1)
    assert apart.largest < 1e-3 and apart.means < 1e-4 and apart.labels < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("run", ["single_B", "multi2rev_B", "late3_B"])
def test_whole_clips(shared: Path, adapter: SWEMAdapter, run: str) -> None:
    """Free-running, with the recorded first bases."""
    golden = recorded_alone(shared, "swem", run)
    video = cut(shared, golden)
    session: SWEMSession = adapter.session(video, handed_in(golden))
    found: list[Differences] = []
    for t, mask in enumerate(steps(session, video)):
        found.append(differences(session, mask, golden, t))
    assert found[1].largest < 1e-3
    assert max(each.largest for each in found) < 3e-2
    assert max(each.means for each in found) < 1e-3
    assert np.mean([each.labels for each in found]) < 1e-3
