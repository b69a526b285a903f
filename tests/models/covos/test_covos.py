"""The adapter over a video: base model on key frames, what lies between, odd videos, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.covos import LIGHT_ENCODER
from robust_vos_bench.adapters.covos.adapter import CoVOSAdapter
from robust_vos_bench.adapters.covos.correction import near, patch
from robust_vos_bench.adapters.covos.network import CoVOSNetwork, groups
from robust_vos_bench.adapters.covos.propagation import Propagation
from robust_vos_bench.adapters.covos.sizes import Decoded, Sizes
from robust_vos_bench.adapters.covos.stream import encode
from robust_vos_bench.adapters.covos.warp import Motion, Warp, round_away
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import MissingExtraError, UsageError, WeightsError
from robust_vos_bench.models import load_adapter, segment_checked
from robust_vos_bench.models.registry import find_entry

from .clips import iou, square

BRIGHT = f"{Path(__file__).with_name('bright.py')}:Bright"


def adapter(name: str = "covos.warp", **options: Any) -> CoVOSAdapter:
    found: Any = load_adapter(name, "random" if name == "covos" else None, "cpu", **{"base": BRIGHT, **options})
    return found


def stream_keys(model: CoVOSAdapter, video: Video) -> set[int]:
    return set(encode(video.frames, model.encoding, video.size, video.fps).keys)


def seen(model: CoVOSAdapter) -> list[Any]:
    """What the base model was given: its module's list."""
    import sys

    found: list[Any] = sys.modules[type(model.base).__module__].SEEN
    return found


def test_masks_are_warped_where_the_square_has_gone() -> None:
    video, truth = square(16)
    model = adapter()
    keys = stream_keys(model, video)
    masks = list(segment_checked(model, video))
    between = [t for t in range(16) if t not in keys]
    assert len(between) >= 6
    moved = np.mean([iou(masks[t] == 9, truth[t]) for t in between])
    held = np.mean([iou(masks[max(k for k in keys if k < t)] == 9, truth[t]) for t in between])
    assert moved > 0.8 and held < moved - 0.1  # the mask of the key frame before would not do
    assert seen(model)[-1][0] == tuple(f"{k:05d}" for k in sorted(keys))
    assert model.diagnostics == ["looked for red"]
    coarse = list(segment_checked(adapter(cell=4), video))
    assert 0.6 < np.mean([iou(coarse[t] == 9, truth[t]) for t in between]) < moved


def test_the_control_gives_every_decoded_frame_to_the_base_model() -> None:
    video, truth = square(10)
    model = adapter("covos.decoded")
    masks = list(segment_checked(model, video))
    assert seen(model)[-1][0] == video.frame_names
    assert all(iou(mask == 9, true) > 0.9 for mask, true in zip(masks, truth))


def test_masks_in_a_folder_may_be_the_base(tmp_path: Path) -> None:
    """A base model that looks at no frame: right masks on key frames show what the warp alone loses."""
    from robust_vos_bench.datasets.images import write_mask

    video, truth = square(12)
    (tmp_path / "clean" / "square").mkdir(parents=True)
    for name, mask in zip(video.frame_names, truth):
        write_mask(tmp_path / "clean" / "square" / f"{name}.png", mask.astype(np.uint8) * 9)
    model = adapter(base="masks", base_options=(f"folder={tmp_path}",))
    model.begin("clean", "")
    masks = list(segment_checked(model, video))
    keys = stream_keys(model, video)
    assert all(np.array_equal(masks[k] == 9, truth[k]) for k in keys)
    assert np.mean([iou(masks[t] == 9, truth[t]) for t in set(range(12)) - keys]) > 0.8


def test_without_frames_between_only_the_base_model_speaks() -> None:
    video, _ = square(6)
    plain = list(segment_checked(adapter("covos.decoded", bframes=0), video))
    for name in ("covos", "covos.warp"):
        assert np.array_equal(list(segment_checked(adapter(name, bframes=0), video)), plain)


@pytest.mark.parametrize("name", ["covos", "covos.warp"])
def test_an_object_that_appears_between_key_frames(name: str) -> None:
    """From there to the next key frame all are key frames, and ids have gaps and any order."""
    video, _ = square(16)
    model = adapter(name, base="static")
    keys = stream_keys(model, video)
    t = next(t for t in range(2, 14) if t not in keys and t + 1 not in keys)
    until = min(k for k in keys if k > t)
    first, late = np.zeros((2, *video.size), np.uint8)
    first[10:30, 5:30], first[40:60, 60:90], late[5:25, 50:80] = 200, 7, 3
    video = Video.from_arrays(list(video.frames), {0: first, t: late}, name="late")
    masks = list(segment_checked(model, video))  # refuses ids before their first frame
    both = np.where(late, late, first)
    for k in sorted(keys | set(range(t, until))):
        assert np.array_equal(masks[k], first if k < t else both)
    assert set(np.unique(masks[until])) == {0, 3, 7, 200}


@pytest.mark.parametrize("name", ["covos", "covos.warp", "covos.decoded"])
@pytest.mark.parametrize("case", ["one frame", "two frames", "odd", "cell", "speck", "frozen", "later", "end"])
def test_odd_videos(name: str, case: str) -> None:
    rng = np.random.default_rng(2)
    count, size = {"one frame": 1, "two frames": 2}.get(case, 6), {"odd": (37, 51), "cell": (3, 2)}.get(case, (40, 48))
    frames = list(rng.integers(0, 256, (count, *size, 3), np.uint8))
    if case == "frozen":
        frames = [frames[0]] * count
    mask = np.zeros(size, np.uint8)
    mask[: size[0] // 2 + 1, : size[1] // 2] = 5
    if case == "speck":
        mask[:] = 0
        mask[20, 20:23] = 5
    start = {"later": 3, "end": count - 1}.get(case, 0)
    video = Video.from_arrays(frames, {start: mask}, name=case)
    masks = list(segment_checked(adapter(name, base="static"), video))
    assert len(masks) == count and not any(m.any() for m in masks[:start])
    assert np.array_equal(masks[start], mask) and np.array_equal(masks[-1], mask)
    if case == "frozen" and name != "covos":
        assert all(np.array_equal(m, mask) for m in masks)


def test_fifty_objects_go_by_tens() -> None:
    video, _ = square(8, (80, 80))
    mask = np.zeros((80, 80), np.uint8)
    for i in range(50):
        mask[2 + 7 * (i // 10) :, :][:6, 8 * (i % 10) : 8 * (i % 10) + 7] = 250 - 3 * i
    many = Video.from_arrays(list(video.frames), mask, name="many")
    model = adapter("covos", base="static")
    masks = list(segment_checked(model, many))
    assert any("50 objects: the propagator holds 10" in line for line in model.diagnostics)
    assert len(np.unique(masks[1])) > 10
    assert np.array_equal(list(segment_checked(adapter(base="static"), many))[-1], mask)
    assert [(s.start, s.stop) for s in groups(23)] == [(0, 10), (10, 20), (20, 23)]


def test_videos_in_turns_and_again_are_the_same() -> None:
    one, other = square(12)[0], square(9, (48, 80), 2.0, name="other")[0]
    for name in ("covos", "covos.warp"):
        model = adapter(name)
        alone = list(segment_checked(model, one))
        pairs = list(zip(segment_checked(model, one), segment_checked(model, other)))
        assert all(np.array_equal(a, b) for a, (b, _) in zip(alone, pairs))


def test_large_frames_are_reduced_for_the_networks() -> None:
    assert Sizes((1080, 1920), 480).inner == (480, 853) and Sizes((100, 60), 48).inner == (80, 48)
    assert Sizes((240, 427), 480).inner == (240, 427) and Sizes((1080, 1920), None).inner == (1080, 1920)
    sizes = Sizes((96, 160), 48)
    fields = np.full((2, 2, 96, 160), 32, np.int16)
    motion = sizes.motion(Decoded(fields[0], fields[1], np.ones((2, 96, 160), np.uint8)), (96, 160), "cpu")
    assert motion.x.shape == (2, 12, 20) and (motion.x == 1.0).all()  # 8 pixels are 4 of half the size: a cell
    masks = list(segment_checked(adapter("covos", size=48), square(6)[0]))
    assert masks[1].shape == (64, 96)


def test_warp_is_its_definition() -> None:
    """Halves go away from zero, the border is the last cell, lists are halved, references of any distance."""
    assert round_away(torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 0.49])).tolist() == [1, 2, 3, -1, -2, 0]
    generator = torch.Generator().manual_seed(0)
    maps = {t: torch.rand(3, 5, 7, generator=generator) for t in range(6)}
    x, y = torch.randint(-40, 40, (2, 2, 5, 7), generator=generator) / 4
    offsets = torch.randint(0, 4, (2, 5, 7), generator=generator)
    found = Warp(Motion(x, y, offsets), 4, 5).of(maps.__getitem__, torch.zeros(3, 5, 7))
    for i in range(5):
        for j in range(7):
            parts = []
            for side, sign in ((0, -1), (1, 1)):
                if d := int(offsets[side, i, j]):
                    row = min(max(int(round_away(i + y[side, i, j])), 0), 4)
                    column = min(max(int(round_away(j + x[side, i, j])), 0), 6)
                    parts.append(maps[min(max(4 + sign * d, 0), 5)][:, row, column])
            expected = sum(part / len(parts) for part in parts) if parts else torch.zeros(3)
            assert torch.equal(found[:, i, j], torch.as_tensor(expected))


def test_without_networks_blocks_without_vectors_keep_the_nearest_key_frame() -> None:
    run = Propagation(None, Sizes((16, 16), None, 1), (16, 16), 4)
    picture, first, second = np.zeros((16, 16, 3), np.uint8), *np.zeros((2, 16, 16), np.uint8)
    first[:, :4], second[:, 8:] = 1, 2
    run.key(0, picture, first, 2)
    run.key(3, picture, second, 2)
    x, offsets = np.zeros((2, 2, 16, 16), np.int16), np.zeros((2, 16, 16), np.uint8)
    offsets[0, 8:] = 2
    found = run.between(2, picture, Decoded(x[0], x[1], offsets), 2)
    assert np.array_equal(found[:8], second[:8]) and np.array_equal(found[8:], first[8:])


def test_the_patch_is_its_definition() -> None:
    generator = torch.Generator().manual_seed(1)
    now, key = torch.randn(2, 16, 6, 5, generator=generator)
    masks = torch.zeros(2, 6, 5)
    masks[0, 1:3, 1:4], masks[1, 4, 4] = 1, 1
    hot = torch.rand(6, 5, generator=generator) > 0.5
    found = patch(now, hot, key, masks)
    inside = [(i, j) for i in range(6) for j in range(5) if masks[:, i, j].any()]
    for i in range(6):
        for j in range(5):
            f = now[:, i, j].double()
            scores = torch.stack([(2 * key[:, a, b] @ f.float() - key[:, a, b] @ key[:, a, b]) / 4 for a, b in inside])
            weights = torch.softmax(scores, 0)
            expected = sum(w * masks[:, a, b] for w, (a, b) in zip(weights, inside)) if hot[i, j] else torch.zeros(2)
            torch.testing.assert_close(found[:, i, j], torch.as_tensor(expected), atol=1e-5, rtol=1e-4)
    assert not patch(now, hot, key, torch.zeros(2, 6, 5)).any() and not patch(now, hot & False, key, masks).any()
    spot = torch.zeros(30, 30, dtype=torch.bool)
    spot[15, 2] = True
    assert near(spot).nonzero().min(0).values.tolist() == [7, 0] and int(near(spot).sum()) == 17 * 11


def test_official_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The propagator under its prefix, the encoder with two stages that nothing runs; all else has to fit."""
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    state = {name: torch.full(tensor.shape, 0.5) for name, tensor in CoVOSNetwork().state_dict().items()}
    light = {n.removeprefix("light_encoder."): t for n, t in state.items() if n.startswith("light_encoder.")}
    rest = {f"soft_propagation.{n}": t for n, t in state.items() if not n.startswith("light_encoder.")}
    (tmp_path / "covos").mkdir()
    torch.save(rest, tmp_path / "covos" / "covos_propagator.pth")
    with pytest.raises(WeightsError, match=LIGHT_ENCODER):
        CoVOSAdapter(tmp_path / "covos" / "covos_propagator.pth", base="static")
    torch.save({**light, "layer2.0.conv1.weight": torch.ones(2)}, tmp_path / "covos" / LIGHT_ENCODER)
    made = CoVOSAdapter(tmp_path / "covos" / "covos_propagator.pth", base="static").network
    assert made is not None and float(made.classifier[0].bias[3]) == 0.5  # type: ignore[index]
    del rest["soft_propagation.conv_res.3.conv2.bias"]
    torch.save(rest, tmp_path / "less.pth")
    with pytest.raises(WeightsError, match=r"missing: conv_res\.3\.conv2\.bias"):
        CoVOSAdapter(tmp_path / "less.pth", base="static")
    del light["res2.1.conv1.weight"]
    torch.save(light, tmp_path / "covos" / LIGHT_ENCODER)
    with pytest.raises(WeightsError, match=r"missing: res2\.1\.conv1\.weight"):
        CoVOSAdapter(tmp_path / "covos" / "covos_propagator.pth", base="static")


def test_another_codec_than_asked_for_is_refused() -> None:
    with pytest.raises(UsageError, match=r"option codec asks for 'x264 1', but 'x264 .* is here"):
        adapter(codec="x264 1")


def test_without_pyav_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from robust_vos_bench.adapters.covos.stream import codec_version

    codec_version.cache_clear()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match="PyAV"):
        adapter()


def test_the_card_tells_what_differs() -> None:
    card = find_entry("covos").card
    assert "GPL-3.0" in card.license and "binary" in card.license and not card.streaming
    assert "H.264 with one reference" in card.notes and "HEVC" in card.notes
    assert "not the published system" in find_entry("covos.warp").card.title
