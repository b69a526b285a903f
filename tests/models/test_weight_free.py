"""The models that need no published weights: what they get right, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.synthetic import Blob, moving_blobs, standard_clip


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def truth_of(blobs: tuple[Blob, ...], size: tuple[int, int], t: int) -> np.ndarray:
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    labels = np.zeros(size, np.uint8)
    for b in blobs:
        dy, dx = round(b.step[0] * t), round(b.step[1] * t)
        inside = ((y - b.centre[0] - dy) / b.radii[0]) ** 2 + ((x - b.centre[1] - dx) / b.radii[1]) ** 2 <= 1
        labels[inside & (t >= b.first)] = b.id
    return labels


BLOBS = (
    Blob(3, (60, 60), (2.0, 4.0), (26, 30)),
    Blob(9, (140, 200), (-1.5, -3.0), (22, 24)),
    Blob(200, (60, 190), (3.0, 0.0), (20, 20), first=4),
)


def test_static_repeats_prompts() -> None:
    clip = standard_clip()
    masks = list(load_adapter("static", device="cpu").segment(clip))
    for t, mask in enumerate(masks):
        want = clip.prompts[0] if t < 3 else np.where(clip.prompts[3] > 0, clip.prompts[3], clip.prompts[0])
        np.testing.assert_array_equal(mask, want)


@pytest.mark.parametrize(("name", "least"), [("flow", 0.8), ("labelprop", 0.85)])
def test_several_moving_objects_one_of_them_late(name: str, least: float) -> None:
    size, length = (193, 257), 10
    clip = moving_blobs(BLOBS, size, length, seed=7)
    static = list(load_adapter("static", device="cpu").segment(clip))[-1]
    masks = list(load_adapter(name, device="cpu").segment(clip))
    truth = truth_of(BLOBS, size, length - 1)
    for i in (3, 9, 200):
        score = overlap(masks[-1] == i, truth == i)
        assert score >= least, (i, score)
        assert score > overlap(static == i, truth == i)
    np.testing.assert_array_equal(masks[0], clip.prompts[0])
    np.testing.assert_array_equal(masks[4][clip.prompts[4] > 0], 200)


@pytest.mark.parametrize("name", ["flow", "labelprop"])
def test_ids_are_names_only(name: str) -> None:
    """Renaming objects renames the masks and changes nothing else."""
    clip = moving_blobs(BLOBS[:2], (97, 129), 5, seed=3)
    table = np.zeros(256, np.uint8)
    table[[3, 9]] = [40, 254]
    renamed = clip.with_prompts({t: table[m] for t, m in clip.prompts.items()})
    renamed = Video(clip.name, clip.size, clip.frames, renamed.prompts)
    for a, b in zip(load_adapter(name, device="cpu").segment(clip), load_adapter(name, device="cpu").segment(renamed)):
        np.testing.assert_array_equal(table[a], b)


def test_flow_follows_motion_below_a_pixel() -> None:
    """Rounding to labels at every frame would stand still at 0.4 pixels per frame."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.uniform(0, 255, (96, 160, 3)), (0, 0), 2)
    scene = ((scene - scene.min()) / np.ptp(scene) * 255).astype(np.float32)
    frames = []
    for t in range(21):
        move = np.array([[1, 0, 0.4 * t], [0, 1, 0]], np.float32)
        frames.append(cv2.warpAffine(scene, move, (160, 96), borderMode=cv2.BORDER_REFLECT).astype(np.uint8))
    prompt = np.zeros((96, 160), np.uint8)
    prompt[30:60, 60:90] = 1
    last = list(load_adapter("flow", device="cpu").segment(Video.from_arrays(frames, prompt)))[-1]
    want = np.roll(prompt, 8, 1)
    assert overlap(last == 1, want == 1) > 0.9 > overlap(prompt == 1, want == 1)


def test_flow_does_not_depend_on_opencv_threads() -> None:
    clip = moving_blobs(BLOBS, (193, 257), 4, seed=7)
    before, results = cv2.getNumThreads(), []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            results.append(list(load_adapter("flow", device="cpu").segment(clip)))
            assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["flow", "labelprop"])
@pytest.mark.parametrize("size", [(1, 1), (5, 200), (17, 16), (64, 33)])
def test_any_frame_size(name: str, size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, *size, 3), np.uint8)
    prompt = np.zeros(size, np.uint8)
    prompt[: (size[0] + 1) // 2, : (size[1] + 1) // 2] = 6
    masks = list(load_adapter(name, device="cpu").segment(Video.from_arrays(frames, prompt)))
    assert [m.shape for m in masks] == [size] * 3 and set(np.unique(masks)) <= {0, 6}


def test_labelprop_scales_large_frames_down_and_back() -> None:
    blobs = (Blob(3, (120, 120), (4.0, 8.0), (60, 70)),)
    clip = moving_blobs(blobs, (330, 470), 5, seed=2)
    last = list(load_adapter("labelprop", device="cpu", size=160).segment(clip))[-1]
    assert last.shape == (330, 470) and overlap(last == 3, truth_of(blobs, (330, 470), 4) == 3) > 0.9


def test_labelprop_thirty_objects() -> None:
    blobs = tuple(Blob(5 + 7 * n, (20 + 32 * (n // 6), 20 + 32 * (n % 6)), (1.0, 1.0), (11, 12)) for n in range(30))
    clip = moving_blobs(blobs, (193, 225), 3, seed=5)
    last = list(load_adapter("labelprop", device="cpu").segment(clip))[-1]
    truth = truth_of(blobs, (193, 225), 2)
    assert np.mean([overlap(last == b.id, truth == b.id) for b in blobs]) > 0.7


def test_labelprop_reads_frames_that_must_not_be_written() -> None:
    clip = standard_clip(4)
    frames = []
    for frame in clip.frames:
        frame = frame.copy()
        frame.flags.writeable = False
        frames.append(frame)
    want = list(load_adapter("labelprop", device="cpu").segment(clip))
    got = list(load_adapter("labelprop", device="cpu").segment(clip.with_frames(frames)))
    np.testing.assert_array_equal(want, got)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "size is 8"),
        ({"memory": 0}, "memory is 0"),
        ({"radius": 2.0}, "radius is 2.0"),
        ({"temperature": 0.0}, "positive"),
    ],
)
def test_labelprop_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_adapter("labelprop", device="cpu", **options)


def test_labelprop_on_real_video(davis_root: Path) -> None:
    """Ten frames of a real video at half size: far above repeating the prompt."""
    frames, masks = [], []
    for path in sorted((davis_root / "JPEGImages/480p/camel").glob("*.jpg"))[:10]:
        image = Image.open(path)
        frames.append(np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)))
        mask = Image.open(davis_root / "Annotations/480p/camel" / f"{path.stem}.png").convert("L")
        small = mask.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        masks.append((np.asarray(small) > 127).astype(np.uint8))
    clip = Video.from_arrays(frames, masks[0])
    scores = {
        name: np.mean([overlap(a == 1, b == 1) for a, b in zip(load_adapter(name, device="cpu").segment(clip), masks)])
        for name in ("static", "labelprop")
    }
    assert scores["labelprop"] > 0.9 > scores["static"]


def save(folder: Path, masks: list[np.ndarray], names: tuple[str, ...]) -> None:
    folder.mkdir(parents=True)
    for name, mask in zip(names, masks):
        Image.fromarray(mask).save(folder / f"{name}.png")


class TestMasks:
    clip = standard_clip()

    @pytest.fixture
    def masks(self) -> list[np.ndarray]:
        return list(load_adapter("static", device="cpu").segment(self.clip))

    def test_declared_by_a_file(self, tmp_path: Path, masks: list[np.ndarray]) -> None:
        save(tmp_path / "standard", masks, self.clip.frame_names)
        (tmp_path / "rvos-masks.toml").write_text('condition = ["clean", "fog-3"]\n')
        adapter = load_adapter("masks", device="cpu", folder=tmp_path)
        for label in ("clean", "fog-3"):
            adapter.begin(label, "demo")
            np.testing.assert_array_equal(list(adapter.segment(self.clip)), masks)
        with pytest.raises(DataError, match="declares no masks for condition 'fog-4'"):
            adapter.begin("fog-4", "demo")

    def test_declared_by_subfolders(self, tmp_path: Path, masks: list[np.ndarray]) -> None:
        save(tmp_path / "clean" / "standard", masks, self.clip.frame_names)
        save(tmp_path / "fog-3" / "standard", [m * 0 for m in masks], self.clip.frame_names)
        adapter = load_adapter("masks", device="cpu", folder=tmp_path)
        adapter.begin("fog-3", "demo")
        assert not np.any(list(adapter.segment(self.clip)))
        adapter.begin("clean", "demo")
        np.testing.assert_array_equal(list(adapter.segment(self.clip)), masks)

    def test_a_folder_that_declares_nothing(self, tmp_path: Path, masks: list[np.ndarray]) -> None:
        save(tmp_path / "standard", masks, self.clip.frame_names)
        with pytest.raises(DataError, match=r"rvos-masks\.toml"):
            load_adapter("masks", device="cpu", folder=tmp_path)
        (tmp_path / "rvos-masks.toml").write_text("condition = 3\n")
        with pytest.raises(DataError, match="expected condition"):
            load_adapter("masks", device="cpu", folder=tmp_path)
        with pytest.raises(UsageError, match="not a folder"):
            load_adapter("masks", device="cpu", folder=tmp_path / "absent")

    @pytest.mark.parametrize("damage", ["missing", "truncated", "rgb", "size"])
    def test_files_that_do_not_fit_are_named(self, tmp_path: Path, masks: list[np.ndarray], damage: str) -> None:
        folder = tmp_path / "clean" / "standard"
        save(folder, masks, self.clip.frame_names)
        path = folder / "00002.png"
        if damage == "missing":
            path.unlink()
        elif damage == "truncated":
            path.write_bytes(path.read_bytes()[:60])
        elif damage == "rgb":
            Image.fromarray(np.zeros((97, 139, 3), np.uint8)).save(path)
        else:
            Image.fromarray(np.zeros((10, 10), np.uint8)).save(path)
        adapter = load_adapter("masks", device="cpu", folder=tmp_path)
        adapter.begin("clean", "demo")
        with pytest.raises(DataError, match=r"00002\.png"):
            list(adapter.segment(self.clip))

    def test_a_video_without_masks(self, tmp_path: Path, masks: list[np.ndarray]) -> None:
        save(tmp_path / "clean" / "another", masks, self.clip.frame_names)
        adapter = load_adapter("masks", device="cpu", folder=tmp_path)
        with pytest.raises(DataError, match="no folder of masks for video 'standard'"):
            list(adapter.segment(self.clip))

    def test_binary_masks(self, tmp_path: Path) -> None:
        clip = moving_blobs((Blob(1, (40, 60), (0.0, 1.0), (15, 20)),), (96, 128), 3, name="one")
        save(tmp_path / "clean" / "one", [clip.prompts[0] * 255] * 3, clip.frame_names)
        adapter = load_adapter("masks", device="cpu", folder=tmp_path, binary=True)
        np.testing.assert_array_equal(list(adapter.segment(clip)), [clip.prompts[0]] * 3)
