"""The demo clips: the same bits everywhere, exact masks, and difficulty between too easy and hopeless."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.demo import clips, photographs
from robust_vos_bench.datasets.demo.outlines import cutout
from robust_vos_bench.datasets.demo.render import Key, halve, interpolate, pack, pose, sample
from robust_vos_bench.errors import DataError

GOLDEN = {
    "cat": (
        "b74166f1400d6b7b45aebdf2b85b1a860cb27be4570b815312ae86437e9a688d",
        "a395b0bc2570433a48973fdcddc4625937a15c85b8919beca72c237f762ec1b3",
    ),
    "coffee": (
        "8284516f5a7178765e40c4cbc2cc5735ad71ab9401c88e2e55c0bb0cd6ccdc6e",
        "dd2b0396b334f8529e9c23af7e74f0a97b9ae135267f4ddb8d65ec0b5f8d5d2e",
    ),
    "herd": (
        "198a3b947eb0343299d98bdf5330861c95d7fe0f5918a3fe4889cc686e42b6d9",
        "4ef02504adb6849a9a7af9b43efcc9bde391d91bef4082eecefac0ed016c137f",
    ),
    "visitor": (
        "18b5edf931a8c825fbbd469e720022055df31ca7bf1d18b6c96ab859fe75559e",
        "cbf15e778db14cf621403d21bce28eaad38e76879eeb22a3a994b7264fa23868",
    ),
    "sprint": (
        "f4fdd5020883da612dc89df37ca1ecfdaf3c0f85fd7189ee83f3e0c3dd72dd16",
        "04b824b827781cf939b43aff3ba9148b4befb21626de44581f3a229208b43dce",
    ),
}
"""sha256 of frames and masks of `clips.VERSION` 1; a change of any pixel needs a new version."""


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_clips_are_the_same_bits_everywhere(name: str) -> None:
    assert clips.VERSION == 1
    made = clips.clip(name)
    digests = tuple(hashlib.sha256(array.tobytes()).hexdigest() for array in (made.frames, made.masks))
    assert digests == GOLDEN[name]


def test_what_the_default_demo_holds() -> None:
    data = open_dataset("demo")
    videos = {name: data.video(name) for name in data.videos}
    assert {len(v.object_ids) for v in videos.values()} == {1, 2, 3}
    late = [v for v in videos.values() if len(v.prompts) > 1]
    assert len(late) == 1 and late[0].first_frames == {3: 0, 5: 4} and set(np.unique(late[0].prompts[4])) == {0, 5}
    assert sum(len(v) for v in videos.values()) <= 80 and max(v.size[0] for v in videos.values()) <= 240
    for name, video in videos.items():
        truth = data.truth(name)
        assert truth is not None and truth.first_frames == video.first_frames and len(truth) == len(video)
        for t, prompt in video.prompts.items():
            assert np.array_equal(prompt[prompt > 0], np.asarray(truth.masks[t])[prompt > 0])
            for i in np.unique(prompt)[1:]:
                assert (prompt == i).sum() > 100, "a prompt must show enough of its object"


def test_masks_follow_the_pictures() -> None:
    """Inside an object the frame differs from the same scene without it, outside shadows and grain it does not."""
    made = clips.clip("coffee")
    bare = next(scene for scene in clips.SCENES if scene.name == "coffee")
    camera = interpolate(bare.camera, clips.SMALL_SPAN[0])
    wall = clips._shrunk(clips._tinted(photographs.photograph(bare.photograph), bare.tint), 160 * bare.camera[0].height)
    empty = sample(pack(wall), pose(camera, wall.shape[0], 160), (0, 160, 0, 286))[..., :3]
    gain = made.frames[0].mean() / empty.mean()
    change = np.abs(made.frames[0] - empty * gain).mean(-1)
    inside, outside = change[made.masks[0] > 0], change[made.masks[0] == 0]
    assert np.median(inside) > 4 * np.median(outside)


def test_static_is_far_below_a_perfect_model_and_flow_in_between() -> None:
    import cv2

    data = open_dataset("demo")
    static, flowed = [], []
    for name in data.videos:
        video, truth = data.video(name), data.truth(name)
        assert truth is not None
        grids = np.stack(np.meshgrid(np.arange(video.size[1]), np.arange(video.size[0])), -1).astype(np.float32)
        flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        for i, first in video.first_frames.items():
            mask = video.prompts[first] == i
            current = mask.astype(np.float32)
            previous = cv2.cvtColor(video.frames[first], cv2.COLOR_RGB2GRAY)  # type: ignore[index]
            for t in range(first + 1, len(video)):
                grey = cv2.cvtColor(video.frames[t], cv2.COLOR_RGB2GRAY)  # type: ignore[index]
                back = flow.calc(grey, previous, None)
                current = cv2.remap(current, grids + back, None, cv2.INTER_LINEAR)
                previous = grey
                true = np.asarray(truth.masks[t]) == i
                static.append(_iou(mask, true))
                flowed.append(_iou(current > 0.5, true))
    assert np.mean(static) < 0.35 and np.mean(static) + 0.15 < np.mean(flowed) < 0.8


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return 1.0 if union == 0 else float((a & b).sum() / union)


def test_frames_are_private_copies() -> None:
    video = open_dataset("demo").video("cat")
    frame = video.frames[0]  # type: ignore[index]
    frame[:] = 0
    assert next(iter(video.frames)).any()
    assert len(video.frames[2:5]) == 3  # type: ignore[index]


def test_larger_variants_show_the_same_scenes() -> None:
    full = open_dataset("demo:full")
    assert set(open_dataset("demo").videos) < set(full.videos)
    video = full.video("vanish")
    assert video.size == (240, 428) and len(video) == 24
    visible = [int((np.asarray(mask) == 7).sum()) for mask in full.truth("vanish").masks]  # type: ignore[union-attr]
    assert min(visible) == 0 < visible[0] and visible[-1] > 0, "gone behind something, and back"
    assert clips.clip_shape("twins", "480p") == (24, 480, 854)


def test_fingerprints_tell_variants_apart() -> None:
    assert len({open_dataset(f"demo{v}").fingerprint("cat") for v in ("", ":full", ":480p")}) == 3


def test_other_photographs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(photographs.PIXELS, "coffee", "0" * 64)
    photographs.photograph.cache_clear()
    with pytest.raises(DataError, match=r"coffee\.png.*scikit-image"):
        photographs.photograph("coffee")
    photographs.photograph.cache_clear()


def test_cutouts_have_a_soft_rim_and_a_full_inside() -> None:
    for name in ("cat", "astronaut", "horse:brick"):
        pixels, cover = cutout(name)
        assert pixels.shape[:2] == cover.shape and cover.max() == 255
        assert 0.2 < (cover == 255).mean() < 0.95 and 0 < ((cover > 0) & (cover < 255)).mean() < 0.1


def test_sampling_at_identity_returns_the_picture_and_halving_the_mean() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    at = pose(Key(0, 15 / 20, 0.5, 1.0), 20, 20)
    assert np.array_equal(sample(pack(image), at, (0, 20, 0, 30))[..., :3], image)
    half = halve(image)
    assert half.shape == (10, 15, 3)
    assert np.abs(half - image.reshape(10, 2, 15, 2, 3).mean((1, 3))).max() <= 0.5


def test_paths_pass_through_their_keys() -> None:
    keys = (Key(0, 0, 0, 1), Key(0.4, 2, 1, 1), Key(1, 1, 5, 2))
    for key in keys:
        at = interpolate(keys, key.time)
        assert (at.x, at.y, at.height) == pytest.approx((key.x, key.y, key.height))


def test_opening_data_sets_imports_nothing_heavy() -> None:
    code = (
        "import sys; from robust_vos_bench.datasets import open_dataset; open_dataset('demo').video('cat');"
        "import robust_vos_bench.cli.data, robust_vos_bench.cli.corrupt;"
        "print([m for m in ('torch', 'cv2', 'pandas', 'numba', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
