"""The adapters: frame loop, late objects, ids, options, checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from recordings import steps

from robust_vos_bench import load_adapter
from robust_vos_bench.adapters.cfbi import MODELS, weights
from robust_vos_bench.adapters.cfbi.model import PRESETS, CFBIAdapter, matching_options
from robust_vos_bench.adapters.cfbi.network import CFBI, CFBIPlus
from robust_vos_bench.adapters.cfbi.protocol import Inputs
from robust_vos_bench.adapters.cfbi.references import MatchingOptions
from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import checkpoint
from robust_vos_bench.models.options import entry_options, parse_options
from robust_vos_bench.models.registry import find_entry

from . import golden as goldens

SMALL = (48, 64)


def video(prompts: dict[int, Mask], frames: int = 4, seed: int = 0) -> Video:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    clip = [np.roll(np.kron(noise, np.ones((8, 8, 1), np.uint8)), 3 * t, 1) for t in range(frames)]
    return Video.from_arrays(clip, prompts)


def box(rows: slice, columns: slice, value: int) -> Mask:
    mask = np.zeros(SMALL, np.uint8)
    mask[rows, columns] = value
    return mask


FIRST = box(slice(8, 30), slice(5, 30), 3)
LATE = box(slice(20, 44), slice(36, 60), 9)


@pytest.fixture
def small() -> Iterator[CFBIAdapter]:
    """MobileNetV2-CFBI with recipe weights."""
    model = goldens.adapter("mobilenetv2")
    yield model


def test_masks_have_the_given_ids_and_sizes_and_repeat(small: CFBIAdapter) -> None:
    clip = video({0: FIRST, 2: LATE})
    masks = list(small.segment(clip))
    assert [mask.shape for mask in masks] == [SMALL] * 4
    assert all(mask.dtype == np.uint8 for mask in masks)
    assert np.array_equal(masks[0], FIRST)
    assert set(np.unique(np.stack(masks))) <= {0, 3, 9}
    # The given object is copied over the prediction, and is segmented only from the next frame on.
    assert (masks[2][LATE > 0] == 9).all()
    assert not (masks[2][LATE == 0] == 9).any()
    assert not (masks[1] == 9).any()
    for mask, again in zip(masks, small.segment(clip)):
        assert np.array_equal(mask, again)


def test_two_videos_may_be_segmented_in_turns(small: CFBIAdapter) -> None:
    clips = video({0: FIRST}, 3), video({0: LATE}, 3, seed=5)
    alone = [list(small.segment(clip)) for clip in clips]
    turns = list(zip(*(small.segment(clip) for clip in clips)))
    for t, masks in enumerate(turns):
        assert np.array_equal(masks[0], alone[0][t])
        assert np.array_equal(masks[1], alone[1][t])


def test_frames_before_the_first_prompt_are_background(small: CFBIAdapter) -> None:
    shifted = list(small.segment(video({1: FIRST}, 3)))
    assert not shifted[0].any()
    assert np.array_equal(shifted[1], FIRST)


def test_a_session_gives_the_masks_of_segment(small: CFBIAdapter) -> None:
    clip = video({0: FIRST}, 2)
    with pytest.raises(UsageError, match="the first frame sent to the model has no prompt"):
        small.session(clip).step(np.zeros((*SMALL, 3), np.uint8), None, False)
    masks = list(steps(small.session(clip), clip))
    assert all(np.array_equal(a, b) for a, b in zip(masks, small.segment(clip)))


session = goldens.session_of


@torch.no_grad()
def test_a_prompted_frame_becomes_a_reference_with_the_merged_mask(small: CFBIAdapter) -> None:
    clip = video({0: FIRST, 2: LATE})
    state = session(small, clip)
    sizes, slots, masks = [], [], []
    for t, frame in enumerate(clip.frames):
        masks.append(state.step(frame, clip.prompts.get(t), False))
        sizes.append([len(group) for group in state.views[0].references.pools[0].groups(3)])
        slots.append(state.slots)
    # Slots count the ids that appeared on earlier frames; the second id gets its own after frame 2.
    assert slots == [2, 2, 3, 3]
    assert sizes[0] == sizes[1]
    assert sizes[2] == sizes[3]
    # 49 x 65 pixels at the input are 13 x 17 at stride 4; every pixel of every reference is in one slot.
    assert sum(sizes[0]) == 13 * 17
    assert sum(sizes[2]) == 2 * 13 * 17
    assert sizes[0][2] == 0
    assert sizes[2][2] > 0
    assert np.array_equal(state.ids.to_original(state.before.numpy()), masks[3])


@torch.no_grad()
def test_ids_that_appear_later_leave_an_empty_slot_between(small: CFBIAdapter) -> None:
    clip = video({0: LATE, 2: FIRST})  # id 9 first, then id 3
    state = session(small, clip)
    frames = list(clip.frames)
    state.step(frames[0], clip.prompts[0], False)
    logits = state.predict(state.image(frames[1]))[0]
    assert logits.shape[1] == 3
    references = state.views[0].references
    assert [len(group) > 0 for group in references.pools[0].groups(3)] == [True, False, True]


@torch.no_grad()
def test_views_of_a_mirrored_video_swap(small: CFBIAdapter) -> None:
    clip = video({0: FIRST}, 2)
    mirrored = Video.from_arrays([frame[:, ::-1].copy() for frame in clip.frames], {0: FIRST[:, ::-1].copy()})
    plain, flipped = session(small, clip, flip=True), session(small, mirrored, flip=True)
    for state, source in ((plain, clip), (flipped, mirrored)):
        state.step(next(iter(source.frames)), source.prompts[0], False)
    # Up to roundings: the mirrored frame is resized before it is mirrored back.
    logits = (
        plain.predict(plain.image(list(clip.frames)[1])),
        flipped.predict(flipped.image(list(mirrored.frames)[1])),
    )
    assert len(logits[0]) == 2
    torch.testing.assert_close(logits[0][1], logits[1][0], rtol=0, atol=5e-3)
    torch.testing.assert_close(logits[0][0], logits[1][1], rtol=0, atol=5e-3)
    fused = plain.probabilities(plain.enlarged(logits[0]))
    torch.testing.assert_close(fused.sum(0), torch.ones(SMALL))
    torch.testing.assert_close(fused, flipped.probabilities(flipped.enlarged(logits[1])).flip(-1), rtol=0, atol=5e-3)


def test_scales_make_views_of_their_own(small: CFBIAdapter) -> None:
    state = session(small, video({0: FIRST}), scales=(1, 1.15, 1.3), flip=True, max_edge=64)
    assert [(view.size, view.flip) for view in state.views] == [
        (size, flip) for size in ((49, 65), (49, 65), (65, 81)) for flip in (False, True)
    ]
    assert Inputs().longest == 1040
    assert Inputs((1, 1.15)).longest == 800


def test_presets_are_the_published_command_lines() -> None:
    named = {name: (o.rate, o.min_pixels, o.half) for name, o in PRESETS.items()}
    assert named == {
        "default": (1, 0, False),
        "fast": (2, 0, True),
        "davis": (2, 100, False),
        "youtube_vos": (2, 0, False),
    }
    assert matching_options("fast", rate=3, half=False) == MatchingOptions(rate=3)
    assert "preset" in entry_options(find_entry("cfbi.plus"))


def test_options_from_the_command_line_are_typed() -> None:
    pairs = ["preset=youtube_vos", "scales=1,1.15", "flip=true", "half=true", "rate=3", "max_edge=432"]
    assert parse_options(find_entry("cfbi.plus"), pairs) == {
        "preset": "youtube_vos",
        "scales": (1.0, 1.15),
        "flip": True,
        "half": True,
        "rate": 3,
        "max_edge": 432.0,
    }


@pytest.mark.slow
def test_cfbi_plus_runs_the_davis_preset_unless_told_otherwise() -> None:
    assert goldens.adapter("plus").matching == PRESETS["davis"]
    assert goldens.adapter("cfbi").matching == PRESETS["default"]
    adapter = load_adapter("cfbi.plus", "random", "cpu", preset="youtube_vos")
    assert isinstance(adapter, CFBIAdapter)
    assert adapter.matching == PRESETS["youtube_vos"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "fats"}, "fast"),
        ({"rate": 0}, "rate"),
        ({"min_pixels": -1}, "min_pixels"),
        ({"scales": "1,x"}, "scales"),
        ({"scales": "-1"}, "scales"),
        ({"scales": ()}, "scales"),
        ({"max_edge": 8}, "max_edge"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CFBIAdapter("random", **options)  # type: ignore[arg-type]


def test_wrong_variant_and_option_names_are_refused() -> None:
    with pytest.raises(UsageError, match="variant"):
        CFBIAdapter("random", variant="cfbi2")
    with pytest.raises(UsageError, match="no option 'atrous'"):
        load_adapter("cfbi.mobilenetv2", "random", "cpu", atrous=2)


@pytest.mark.parametrize(
    ("file", "network"),
    [
        ("cfbi_resnet101", CFBI),
        ("cfbip_resnet101", CFBIPlus),
        ("cfbi_mobilenetv2", lambda: CFBI("mobilenetv2")),
    ],
)
def test_names_and_shapes_are_the_official_ones(file: str, network: type, shared: Path) -> None:
    recorded = json.loads((shared / "models" / "cfbi" / "keys" / f"{file}.json").read_text())
    ours = {name: list(tensor.shape) for name, tensor in network().state_dict().items()}
    assert {weights.canonical(name)[0] for name in recorded} == set(ours)
    for name, shape in recorded.items():
        assert ours[weights.canonical(name)[0]] == shape
    groups = json.loads((shared / "models" / "cfbi" / "keys" / f"{file}.aliases.json").read_text())
    for first, others in groups.items():
        assert {weights.canonical(first)[0]} == {weights.canonical(other)[0] for other in others}
        assert weights.canonical(first)[1] < min(weights.canonical(other)[1] for other in others)


@pytest.fixture(scope="module")
def official(shared: Path) -> dict[str, torch.Tensor]:
    """A MobileNetV2 state with every alias, as the official network would save it."""
    recorded = json.loads((shared / "models" / "cfbi" / "keys" / "cfbi_mobilenetv2.json").read_text())
    drawn = {n: weights.UNTRAINED.values(weights.canonical(n)[0], tuple(s)) for n, s in recorded.items()}
    return {n: torch.from_numpy(np.asarray(values)) for n, values in drawn.items()}


def loaded(state: dict[str, torch.Tensor], folder: Path, prefix: str = "") -> CFBIAdapter:
    file = folder / "weights.pth"
    torch.save({"state_dict": {prefix + n: t for n, t in state.items()}, "optimizer": {}}, file)
    return CFBIAdapter(file, variant="mobilenetv2")


def same(left: CFBIAdapter, right: CFBIAdapter) -> bool:
    ours, theirs = left.network.state_dict(), right.network.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_official_files_load(official: dict[str, torch.Tensor], small: CFBIAdapter, tmp_path: Path) -> None:
    assert same(loaded(official, tmp_path), small)
    absent = ("feautre_8x", "feature_16x", "feature_32x", "seperate_conv", "embedding_conv")
    older = {n: t for n, t in official.items() if not any(group in n for group in absent)}
    assert len(older) < len(official)
    assert same(loaded(older, tmp_path, prefix="module."), small)


def test_the_copy_that_the_official_network_registers_last_wins() -> None:
    base = "feature_extracter.backbone"
    state = {
        f"{base}.feautre_8x.4.conv.0.weight": torch.tensor([3.0]),
        f"{base}.features.4.conv.0.weight": torch.tensor([1.0]),
        f"{base}.high_level_features.4.conv.0.weight": torch.tensor([2.0]),
        "semantic_embedding.3.bias": torch.tensor([5.0]),
        "embedding_conv.bias": torch.tensor([4.0]),
        "dynamic_prehead.bn.bias": torch.tensor([6.0]),
    }
    assert {name: float(tensor) for name, tensor in weights.merge_aliases(state).items()} == {
        f"{base}.features.4.conv.0.weight": 3,
        "semantic_embedding.3.bias": 5,
        "dynamic_prehead.bn.bias": 6,
    }


def test_files_that_do_not_fit_are_refused_by_name(official: dict[str, torch.Tensor], tmp_path: Path) -> None:
    def without(name: str) -> dict[str, torch.Tensor]:
        return {n: t for n, t in official.items() if weights.canonical(n)[0] != name}

    with pytest.raises(WeightsError, match=r"missing: semantic_embedding\.3\.weight"):
        loaded(without("semantic_embedding.3.weight"), tmp_path)
    with pytest.raises(WeightsError, match=r"unexpected: classifier\.weight"):
        loaded({**official, "classifier.weight": torch.zeros(3)}, tmp_path)
    with pytest.raises(WeightsError, match=r"shape: bg_bias is \(3, 1, 1, 1\)"):
        loaded({**official, "bg_bias": torch.zeros(3, 1, 1, 1)}, tmp_path)


def test_missing_weights_say_where_the_authors_publish_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoint, "packaged_folder", lambda: tmp_path)  # nor those of the lite model
    for entry in [entry for entry in MODELS if ".lite" not in entry.card.name]:
        with pytest.raises(WeightsError, match=r"drive\.google\.com") as caught:
            load_adapter(entry.name)
        assert all(weight.file in str(caught.value) for weight in entry.card.weights)
