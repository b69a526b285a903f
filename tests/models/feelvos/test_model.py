"""FEELVOS: maps against their definitions, ids and late objects, odd videos, checkpoints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recordings import steps
from safetensors.torch import save_file
from torch import Tensor

from robust_vos_bench.adapters.common.siblings import hint
from robust_vos_bench.adapters.feelvos.model import FEELVOSAdapter, corner_sampled
from robust_vos_bench.adapters.feelvos.network import FEELVOS
from robust_vos_bench.adapters.feelvos.weights import from_official, to_official
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import load_adapter, segment_checked


@pytest.fixture(scope="module")
def adapter() -> FEELVOSAdapter:
    """Untrained."""
    found = load_adapter("feelvos", "random", "cpu")
    assert isinstance(found, FEELVOSAdapter)
    return found


def clip(prompts: dict[int, np.ndarray], frames: int = 3) -> Video:
    size = next(iter(prompts.values())).shape
    noise = np.random.default_rng(1).integers(0, 256, (frames, *size, 3), np.uint8)
    return Video.from_arrays(list(noise), {t: mask.astype(np.uint8) for t, mask in prompts.items()}, name="odd")


def box(size: tuple[int, int], rows: slice, columns: slice, value: int) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = value
    return mask


# -- definitions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [(238, 60), (427, 107), (480, 120), (854, 214), (9, 3), (4, 1), (1, 1)])
def test_labels_are_sampled_at_aligned_corners(source: int, target: int) -> None:
    """Row i is row round(i (H - 1) / (h - 1)), halves upwards; both ends are kept."""
    rows = torch.arange(source)[:, None].expand(-1, 5)
    found = corner_sampled(rows, (target, 5))[:, 0].tolist()
    exact = [i * (source - 1) / max(target - 1, 1) for i in range(target)]
    assert found[0] == 0 and (target == 1 or found[-1] == source - 1)
    for index, place in zip(found, exact):
        assert index == int(place + 0.5) or abs(place % 1 - 0.5) < 1e-4


def test_the_maps_are_their_definitions() -> None:
    """Distances to the nearest cell of the first frame, and to the nearest within the window of the frame before."""
    draw = torch.Generator().manual_seed(0)
    now, first, before = torch.rand(3, 6, 7, 9, generator=draw).double() * 0.7
    owner, previous = torch.randint(0, 3, (2, 7, 9), generator=draw)
    references = [first[:, owner == k].T.float() if k < 2 else torch.zeros(0, 6) for k in range(3)]
    masks = previous[None] == torch.arange(3)[:, None, None]
    masks[2] = False
    for window in (0, 1, 3, 15):
        everywhere, nearby = FEELVOS.matching(now.float(), references, before.float(), masks, window)
        for k in range(3):
            for y in range(7):
                for x in range(9):
                    here = now[:, y, x, None]
                    every = [(here - references[k].T.double()).square().sum(0).min()] if k < 2 else [torch.tensor(1e20)]
                    y0, x0 = max(0, y - window), max(0, x - window)
                    part = (slice(y0, y + window + 1), slice(x0, x + window + 1))
                    chosen = before[(slice(None), *part)][:, masks[k][part]]
                    near = (here - chosen).square().sum(0).min() if chosen.numel() else torch.tensor(1e20)
                    for found, d in ((everywhere, every[0]), (nearby, near)):
                        assert abs(float(found[k, y, x]) - float(2 * torch.sigmoid(d) - 1)) < 1e-5
    assert bool((everywhere[2] == 1).all()) and bool((nearby[2] == 1).all())


@torch.no_grad()
def test_the_head_reads_the_decoder_first_then_global_previous_local(adapter: FEELVOSAdapter) -> None:
    """The first layer is computed in two parts; as one, on 259 channels joined, it gives the same."""
    network: Any = adapter.network
    decoded, maps = torch.rand(1, 256, 6, 5), torch.rand(3, 3, 6, 5)
    x = torch.cat([decoded.expand(3, -1, -1, -1), maps], 1)
    for i in range(4):
        for part in ("depthwise", "pointwise"):
            conv = getattr(network.embedding_seg, f"split_separable_conv2d_{i}_{part}").conv
            x = torch.relu(torch.nn.functional.conv2d(x, conv.weight, conv.bias, 1, conv.padding, 1, conv.groups))
    semantic = network.logits.semantic.conv
    expected = torch.nn.functional.conv2d(x, semantic.weight, semantic.bias)[:, 0]
    torch.testing.assert_close(network.head(decoded, maps), expected, atol=1e-3, rtol=1e-4)


# -- ids and late objects --------------------------------------------------------------------------------------------


def test_ids_are_mapped_at_the_ends(adapter: FEELVOSAdapter) -> None:
    """Any ids, in the order of their numbers: the same masks as with 1 and 2."""
    size = (40, 56)
    dense = box(size, slice(4, 30), slice(4, 24), 1) + box(size, slice(8, 36), slice(30, 52), 2)
    plain = list(adapter.segment(clip({0: dense})))
    ids = np.array([0, 7, 254], np.uint8)
    for mask, other in zip(plain, adapter.segment(clip({0: ids[dense]}))):
        assert np.array_equal(ids[mask], other)


def test_a_late_object_becomes_a_further_reference(adapter: FEELVOSAdapter) -> None:
    """Only of itself: what was known of the others stays as it was; given pixels are returned."""
    size = (40, 56)
    first, late = box(size, slice(4, 30), slice(4, 24), 9), box(size, slice(8, 36), slice(30, 52), 3)
    video = clip({0: first, 2: late}, 4)
    session = adapter.session(video)
    sizes, masks = [], []
    for mask in steps(session, video):
        masks.append(mask)
        sizes.append([len(group) for group in session.references.groups(3)])
    assert sizes[0] == sizes[1] and sum(sizes[0]) == 10 * 14 and sizes[0][2] == 0
    assert sizes[2][:2] == sizes[0][:2] and sizes[2][2] > 0 and sizes[3] == sizes[2]
    assert (masks[2][late > 0] == 3).all() and not (masks[1] == 3).any()
    assert len(session.found) == 3


def test_memory_does_not_grow_with_the_video(adapter: FEELVOSAdapter) -> None:
    """First frame and the one before: what a session holds after 2 frames is what it holds after 8."""

    def held(session: Any) -> int:
        groups = session.references.groups(2)
        return sum(t.numel() for t in (*groups, session.references.rows()[0], session.previous, session.known))

    video = clip({0: box((32, 32), slice(4, 20), slice(4, 20), 1)}, 8)
    session = adapter.session(video)
    sizes = [held(session) for _ in steps(session, video)]
    assert len(set(sizes)) == 1


# -- odd videos ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(5, 3), (1, 1), (9, 17)])
def test_a_video_smaller_than_one_cell(adapter: FEELVOSAdapter, size: tuple[int, int]) -> None:
    masks(adapter, clip({0: box(size, slice(0, 1), slice(0, 1), 3)}, 4))


def masks(adapter: FEELVOSAdapter, video: Video) -> list[np.ndarray]:
    found = list(segment_checked(adapter, video))
    t = video.first_prompt
    assert len(found) == len(video) and np.array_equal(found[t], video.prompts[t])
    return found


def test_an_object_without_a_cell_has_no_reference_and_the_others_keep_their_ids(adapter: FEELVOSAdapter) -> None:
    """Three pixels between the sampled ones: the official code would shift the indices, or stop."""
    size = (48, 64)
    mask = box(size, slice(10, 40), slice(30, 60), 9) + box(size, slice(21, 22), slice(5, 8), 4)
    video = clip({0: mask})
    session = adapter.session(video)
    frames = list(video.frames)
    session.step(frames[0], video.prompts[0], False)
    groups = session.references.groups(3)
    assert len(groups[1]) == 0 < len(groups[2])
    small = session.small(session.known, adapter.network.embed(torch.zeros(1, 3, *size)))
    assert set(small.unique().tolist()) == {0, 2}
    assert set(np.unique(masks(adapter, video)[1])) <= {0, 4, 9}


def test_fifty_objects(adapter: FEELVOSAdapter) -> None:
    mask = np.zeros((40, 80), np.uint8)
    for i in range(50):
        y, x = divmod(i, 10)
        mask[y * 8 : y * 8 + 6, x * 8 : x * 8 + 6] = 4 * i + 2
    masks(adapter, clip({0: mask}))


def test_a_first_frame_without_objects(adapter: FEELVOSAdapter) -> None:
    found = masks(adapter, clip({2: box((32, 48), slice(4, 20), slice(8, 30), 1)}, 4))
    assert not found[0].any() and not found[1].any()
    with pytest.raises(UsageError, match="the first frame sent to the model has no prompt"):
        video = clip({0: box((32, 48), slice(4, 20), slice(8, 30), 1)})
        adapter.session(video).step(np.zeros((32, 48, 3), np.uint8), None, False)


def test_an_object_that_goes_may_come_back(adapter: FEELVOSAdapter) -> None:
    """Without a pixel in the frame before, its local map is 1 and its mask 0; the first frame still speaks for it."""
    size = (32, 64)
    mask = box(size, slice(0, 32), slice(0, 40), 1) + box(size, slice(8, 16), slice(48, 60), 2)
    video = clip({0: mask}, 4)
    session = adapter.session(video)
    seen: list[Tensor] = []
    plain = adapter.network.matching
    frames = list(video.frames)
    session.step(frames[0], video.prompts[0], False)
    session.known[session.known == 2] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter.network, "matching", lambda *given: seen.extend(plain(*given)) or tuple(seen[-2:]))
        session.step(frames[1], None, False)
    everywhere, nearby = seen
    assert bool((nearby[2] == 1).all()) and bool((everywhere[2] < 1).any())
    assert bool(torch.isfinite(session.found).all())


def test_the_window_is_an_option_with_bounds() -> None:
    with pytest.raises(UsageError, match="window"):
        load_adapter("feelvos", "random", "cpu", window=-1)


# -- checkpoints -----------------------------------------------------------------------------------------------------


def bare() -> dict[str, Tensor]:
    """Zeros under the official names, without memory of their own."""
    with torch.device("meta"):
        state = FEELVOS().state_dict()
    return {n: torch.zeros(t.shape) for n, t in to_official(state).items()}


def test_layouts_are_turned_and_turned_back() -> None:
    state = {"a_depthwise/depthwise_weights": torch.rand(7, 5, 4, 1), "a_pointwise/weights": torch.rand(1, 1, 4, 6)}
    ours = from_official({**state, "global_step": torch.tensor(3), "a_pointwise/weights/Momentum": torch.rand(2)})
    assert {n: tuple(t.shape) for n, t in ours.items()} == {
        "a_depthwise.conv.weight": (4, 1, 7, 5),
        "a_pointwise.conv.weight": (6, 4, 1, 1),
    }
    assert float(ours["a_depthwise.conv.weight"][2, 0, 6, 3]) == float(state["a_depthwise/depthwise_weights"][6, 3, 2])
    back = to_official(ours)
    assert back.keys() == state.keys() and all(torch.equal(back[n], t) for n, t in state.items())


def test_a_converted_file_loads_strictly(tmp_path: Path) -> None:
    """What only training needs may be there; a missing or an unknown tensor is named."""
    state = bare()
    state["logits/semantic/biases"] += 2.5
    save_file({**state, "global_step": torch.tensor(200004)}, tmp_path / "good.safetensors")
    loaded: Any = FEELVOSAdapter(tmp_path / "good.safetensors")
    assert float(loaded.network.logits.semantic.conv.bias) == 2.5
    del state["aspp2_depthwise/BatchNorm/gamma"]
    save_file({**state, "extra/weights": torch.zeros(1)}, tmp_path / "less.safetensors")
    with pytest.raises(
        WeightsError, match=r"(?s)missing: aspp2_depthwise\.bn\.weight.*unexpected: extra\.conv\.weight"
    ):
        FEELVOSAdapter(tmp_path / "less.safetensors")


@pytest.mark.parametrize(
    ("model", "title", "file"),
    [
        ("cfbi", "CFBI", "cfbi/keys/cfbi_resnet101.json"),
        ("cfbi", "CFBI", "cfbi/keys/cfbi_mobilenetv2.json"),
        ("cfbi.plus", "CFBI+", "cfbi/keys/cfbip_resnet101.json"),
        ("aoc", "AOC-Net", "aoc/keys/aoc_resnet101.json"),
        ("rpcm", "RPCM", "aoc/keys/rpcm_resnet101.json"),
    ],
)
def test_a_checkpoint_of_a_relative_is_named(shared: Path, tmp_path: Path, model: str, title: str, file: str) -> None:
    names = json.loads((shared / "models" / file).read_text())
    torch.save({name: torch.zeros(1) for name in names}, tmp_path / "other.pth")
    with pytest.raises(
        WeightsError, match=re.escape(f"checkpoint of {title}: run it with --model {model} --checkpoint FILE")
    ):
        load_adapter("feelvos", tmp_path / "other.pth", "cpu")
    assert hint(json.loads((shared / "models/feelvos/keys/feelvos_xception65.json").read_text()), "feelvos") == ""
