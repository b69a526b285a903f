"""DAVIS, YouTube-VOS and plain folders, read in the layouts of their archives."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_files import boxes, numbers, picture, write_video
from PIL import Image

from robust_vos_bench.datasets import dataset_names, layout, open_dataset
from robust_vos_bench.datasets.images import read_mask, write_mask
from robust_vos_bench.datasets.youtube_vos import YouTubeVOS
from robust_vos_bench.errors import DataError, UsageError


def test_davis2017_in_list_order_with_objects_of_the_first_mask(davis2017: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    assert list(data.videos) == ["dog", "bear"] and data.protocol == "davis" and data.name == "davis2017:val"
    video = data.video("bear")
    assert (video.size, len(video), video.object_ids, video.first_frames) == ((48, 64), 4, (1, 2), {1: 0, 2: 0})
    assert (video.fps, video.dataset, video.frame_names[-1]) == (24.0, "davis2017:val", "00003")
    frames = list(video.frames)
    assert len(frames) == 4 and np.array_equal(frames[2], video.frames[2])  # type: ignore[index]
    truth = data.truth("bear")
    assert truth is not None and truth.frame_names == video.frame_names
    assert np.array_equal(truth.masks[3], boxes([1, 2], 3))


def test_truth_needs_no_frames(davis2017: Path) -> None:
    shutil.rmtree(davis2017 / "JPEGImages")
    data = open_dataset("davis2017:val", davis2017)
    truth = data.truth("dog")
    assert truth is not None and len(truth) == 3 and truth.size == (48, 64)
    assert truth.masks.lookup is None and truth.masks.paths[1].name == "00001.png"  # type: ignore[attr-defined]
    assert data.fingerprint("dog")
    with pytest.raises(DataError, match="JPEGImages/480p/dog"):
        data.video("dog")


def test_davis_later_ids_are_no_objects_and_void_is_no_id(davis2017: Path) -> None:
    folder = davis2017 / "Annotations" / "480p" / "dog"
    first = boxes([1, 2])
    first[40:] = 255
    write_mask(folder / "00000.png", first)
    write_mask(folder / "00001.png", boxes([1, 2, 9]))
    video = open_dataset("davis2017:val", davis2017).video("dog")
    assert video.object_ids == (1, 2) and set(video.prompts) == {0} and not (video.prompts[0] == 255).any()


def test_davis2016_masks_become_zero_and_one(davis2016: Path) -> None:
    data = open_dataset("davis2016", davis2016)
    assert list(data.videos) == ["swan"]
    video, truth = data.video("swan"), data.truth("swan")
    assert truth is not None and video.object_ids == (1,)
    assert set(np.unique(truth.masks[1])) == {0, 1}
    assert np.array_equal(truth.masks.lookup[[0, 1, 254, 255]], [0, 1, 1, 1])  # type: ignore[attr-defined]
    assert np.array_equal(data.map_mask(np.array([[0, 7, 255]], np.uint8)), [[0, 1, 1]])


def test_davis2016_from_a_2017_archive_joins_the_objects(davis2017: Path) -> None:
    (davis2017 / "ImageSets" / "2016").mkdir()
    (davis2017 / "ImageSets" / "2016" / "val.txt").write_text("dog\n")
    video = open_dataset("davis2016:val", davis2017).video("dog")
    assert video.object_ids == (1,)
    assert np.array_equal(video.prompts[0], (boxes([1, 2]) > 0).astype(np.uint8))


def test_test_dev_has_prompts_and_no_truth(davis2017: Path) -> None:
    data = open_dataset("davis2017:test-dev", davis2017)
    assert data.video("girl").object_ids == (1, 2, 3)
    assert data.truth("girl") is None


def test_resolutions_and_roots_above(davis2017: Path) -> None:
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(davis2017 / kind / "480p", davis2017 / kind / "Full-Resolution")
    full = open_dataset("davis2017:val", davis2017.parent, size="full")
    assert full.name == open_dataset("davis2017:val@Full-Resolution", davis2017).name == "davis2017:val@Full-Resolution"
    assert "Full-Resolution" in str(full.video("dog").frames.paths[0])  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="unknown size '720p'"):
        open_dataset("davis2017:val", davis2017, size="720p")


def test_davis_missing_frames_and_annotations_are_named(davis2017: Path) -> None:
    frames, masks = davis2017 / "JPEGImages/480p/bear", davis2017 / "Annotations/480p/bear"
    (frames / "00002.jpg").rename(davis2017 / "kept.jpg")
    with pytest.raises(DataError, match=r"bear/00002\.jpg: no such file"):
        open_dataset("davis2017:val", davis2017).video("bear")
    (davis2017 / "kept.jpg").rename(frames / "00002.jpg")
    (frames / "00003.jpg").unlink()
    with pytest.raises(DataError, match=r"bear/00003\.png: annotates frame 00003"):
        open_dataset("davis2017:val", davis2017).video("bear")
    shutil.copy(frames / "00002.jpg", frames / "00003.jpg")
    (masks / "00001.png").unlink()
    data = open_dataset("davis2017:val", davis2017)
    for ask in (data.video, data.truth):
        with pytest.raises(DataError, match=r"bear/00001\.png: no such file"):
            ask("bear")


def test_binary_masks_where_ids_are_expected(davis2016: Path) -> None:
    (davis2016 / "ImageSets" / "2017").mkdir()
    (davis2016 / "ImageSets" / "2017" / "val.txt").write_text("swan\n")
    with pytest.raises(DataError, match=r"swan/00000\.png: holds no object.*binary 0 / 255.*davis2016"):
        open_dataset("davis2017:val", davis2016).video("swan")


def test_empty_first_mask(davis2017: Path) -> None:
    write_mask(davis2017 / "Annotations/480p/dog/00000.png", np.zeros((48, 64), np.uint8))
    with pytest.raises(DataError, match=r"dog/00000\.png: holds no object"):
        open_dataset("davis2017:val", davis2017).video("dog")


def test_masks_and_frames_of_another_size(davis2017: Path) -> None:
    write_mask(davis2017 / "Annotations/480p/dog/00000.png", boxes([1], size=(48, 62)))
    with pytest.raises(DataError, match=r"dog/00000\.png: a mask of 62 x 48"):
        open_dataset("davis2017:val", davis2017).video("dog")
    write_mask(davis2017 / "Annotations/480p/bear/00002.png", boxes([1], size=(44, 64)))
    truth = open_dataset("davis2017:val", davis2017).truth("bear")
    assert truth is not None
    with pytest.raises(DataError, match=r"bear/00002\.png: a mask of 64 x 44"):
        truth.masks[2]
    Image.fromarray(picture(0, (48, 60))).save(davis2017 / "JPEGImages/480p/bear/00001.jpg")
    with pytest.raises(DataError, match=r"bear/00001\.jpg: a frame of 60 x 48"):
        list(open_dataset("davis2017:val", davis2017).video("bear").frames)


def test_colour_first_mask(davis2017: Path) -> None:
    Image.fromarray(picture(0)).save(davis2017 / "Annotations/480p/dog/00000.png")
    with pytest.raises(DataError, match=r"dog/00000\.png: a colour"):
        open_dataset("davis2017:val", davis2017).video("dog")


def test_youtube_vos_late_objects_gaps_and_categories(youtubevos: Path) -> None:
    data = open_dataset("youtubevos2019:valid", youtubevos)
    assert isinstance(data, YouTubeVOS) and data.protocol == "ranges"
    video = data.video("0a1b")
    assert video.first_frames == {1: 0, 4: 0, 6: 2} and video.fps == 6.0
    assert set(np.unique(video.prompts[2])) == {0, 6}, "a later prompt carries only what is new there"
    assert data.truth("0a1b") is None
    assert data.submission_frames("0a1b") == tuple(numbers(4, 5))
    assert data.seen_categories == {"dog", "cat"}, "from train/meta.json"
    shutil.rmtree(youtubevos / "train")
    seen = open_dataset("youtubevos2019:valid", youtubevos).seen_categories
    assert len(seen) == 65 and "dog" in seen and "unicorn" not in seen


def test_youtube_vos_all_frames_takes_prompts_from_valid(youtubevos: Path) -> None:
    data = open_dataset("youtubevos2018:valid_all_frames", youtubevos)
    video = data.video("0a1b")
    assert len(video) == 16 and video.first_frames == {1: 0, 4: 0, 6: 10} and video.fps == 30.0
    assert isinstance(data, YouTubeVOS) and data.submission_frames("0a1b") == tuple(numbers(4, 5))


def test_youtube_vos_train_has_truth_with_categories(youtubevos: Path) -> None:
    truth = open_dataset("youtubevos2019:train", youtubevos).truth("ffff")
    assert truth is not None and truth.first_frames == {2: 0, 5: 1} and truth.categories == {2: "dog", 5: "cat"}
    assert np.array_equal(truth.masks[3], boxes([2, 5], 3))


def test_youtube_vos_damage(youtubevos: Path) -> None:
    (youtubevos / "valid/JPEGImages/0a1b/00015.jpg").unlink()
    with pytest.raises(DataError, match=r"0a1b/00015\.jpg: no such file.*meta\.json"):
        open_dataset("youtubevos2019:valid", youtubevos).video("0a1b")
    (youtubevos / "valid/meta.json").write_text('{"videos": {"x": [1]}}')
    with pytest.raises(DataError, match=r"meta\.json: video 'x'"):
        _ = open_dataset("youtubevos2019:valid", youtubevos).videos
    (youtubevos / "valid/meta.json").write_text('{"videos": {"x": {"objects": {"\u00b2": {}}}}}')
    with pytest.raises(DataError, match=r"meta\.json: video 'x'"):
        _ = open_dataset("youtubevos2019:valid", youtubevos).videos
    (youtubevos / "valid/meta.json").write_text('{"videos": []}')
    with pytest.raises(DataError, match=r"meta\.json: not a YouTube-VOS.*'videos' must map"):
        _ = open_dataset("youtubevos2019:valid", youtubevos).videos
    (youtubevos / "valid/meta.json").write_text("{")
    with pytest.raises(DataError, match=r"meta\.json: not a YouTube-VOS"):
        _ = open_dataset("youtubevos2019:valid", youtubevos).videos


def test_folder_with_late_objects_and_sparse_truth(tmp_path: Path) -> None:
    masks = {"00002": boxes([7]), "00004": boxes([7, 9], 1), "00006": boxes([7, 9], 2)}
    write_video(tmp_path, "clip", masks, numbers(8), suffix=".png")
    data = open_dataset("folder", tmp_path)
    video, truth = data.video("clip"), data.truth("clip")
    assert video.first_frames == {7: 2, 9: 4} and set(np.unique(video.prompts[4])) == {0, 9}
    assert truth is not None and len(truth.masks) == 8
    assert [t for t in range(8) if truth.masks[t] is not None] == [2, 4, 6]


def test_numbers_without_zeros_are_in_order_of_number(tmp_path: Path) -> None:
    stems = [str(t) for t in range(1, 13)]
    write_video(
        tmp_path, "clip", {s: boxes([1], t) if s != "10" else boxes([1, 5], t) for t, s in enumerate(stems)}, stems
    )
    data = open_dataset("folder", tmp_path)
    video, truth = data.video("clip"), data.truth("clip")
    assert video.frame_names == tuple(stems) and video.first_frames == {1: 0, 5: 9}
    assert truth is not None and truth.frame_names == tuple(stems)
    assert np.array_equal(truth.masks[2], boxes([1], 2))


def test_davis_frames_without_zeros(davis2017: Path) -> None:
    for kind, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".png")):
        folder = davis2017 / kind / "480p" / "bear"
        for t in range(4):
            (folder / f"{t:05d}{suffix}").rename(folder / f"{t + 8}{suffix}")
    data = open_dataset("davis2017:val", davis2017)
    truth = data.truth("bear")
    assert truth is not None and data.video("bear").frame_names == truth.frame_names == ("8", "9", "10", "11")


def test_truth_of_a_frame_that_is_not_there(tmp_path: Path) -> None:
    masks = {s: boxes([1] if t < 2 else [1, 2], t) for t, s in enumerate(numbers(4))}
    write_video(tmp_path, "clip", masks, numbers(4))
    (tmp_path / "JPEGImages/clip/00002.jpg").unlink()
    data = open_dataset("folder", tmp_path)
    for ask in (data.video, data.truth):
        with pytest.raises(DataError, match=r"clip/00002\.png: annotates frame 00002"):
            ask("clip")


def test_folder_that_holds_only_prompts_has_no_truth(tmp_path: Path) -> None:
    write_video(tmp_path, "clip", {"00000": boxes([1]), "00003": boxes([0, 2])}, numbers(6))
    assert open_dataset("folder", tmp_path).truth("clip") is None


def test_real_late_prompts(shared: Path, tmp_path: Path) -> None:
    """DAVIS judo as YouTube-VOS prompts; its second mask is one pixel narrower than the frames, which is an error."""
    root = shared / "data" / "judo-late"
    with pytest.raises(DataError, match=r"judo/00005\.png: a mask of 853 x 480"):
        open_dataset("folder", root).video("judo")
    shutil.copytree(root, tmp_path / "judo")
    damaged = tmp_path / "judo/Annotations/judo/00005.png"
    write_mask(damaged, np.pad(read_mask(damaged), ((0, 0), (0, 1))))
    assert open_dataset("folder", tmp_path / "judo").video("judo").first_frames == {1: 0, 2: 5, 3: 8, 4: 13}


def test_folder_splits_and_binary_masks(tmp_path: Path) -> None:
    write_video(tmp_path / "valid", "a", {"00000": boxes([1])}, numbers(2))
    assert list(open_dataset("folder:valid", tmp_path).videos) == ["a"]
    for name in ("x", "y"):
        write_video(tmp_path / "own", name, {s: boxes([255]) for s in numbers(2)}, numbers(2))
    (tmp_path / "own" / "ImageSets").mkdir()
    (tmp_path / "own" / "ImageSets" / "val.txt").write_text("y\n")
    assert list(open_dataset("folder:val", tmp_path / "own").videos) == ["y"]
    with pytest.raises(DataError, match="folder:binary"):
        open_dataset("folder", tmp_path / "own").video("x")
    binary = open_dataset("folder:val:binary", tmp_path / "own")
    assert binary.video("y").object_ids == (1,) and binary.name == "folder:val:binary"
    with pytest.raises(DataError, match="no split 'test'"):
        open_dataset("folder:test", tmp_path / "own")


def test_one_frame_300_frames_and_30_objects(tmp_path: Path) -> None:
    write_video(tmp_path, "one", {"00000": boxes([1])}, numbers(1))
    write_video(tmp_path, "long", {s: boxes([1], t) for t, s in enumerate(numbers(300))}, numbers(300))
    many = list(range(3, 33))
    write_video(tmp_path, "many", {s: boxes(many, t) for t, s in enumerate(numbers(2))}, numbers(2))
    data = open_dataset("folder", tmp_path)
    assert len(data.video("one")) == 1 and len(list(data.video("one").frames)) == 1
    assert len(list(data.video("long").frames)) == 300
    assert data.video("many").object_ids == tuple(many)


def test_wrong_names_and_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"'davis2018:val'.*Did you mean 'davis2017:val'"):
        open_dataset("davis2018:val")
    with pytest.raises(UsageError, match=r"'davis2017:vale'.*Did you mean 'davis2017:val'"):
        open_dataset("davis2017:vale")
    with pytest.raises(UsageError, match="--data-root"):
        open_dataset("folder")
    with pytest.raises(DataError, match="rvos-bench data get davis2017"):
        open_dataset("davis2017:val")
    (tmp_path / "file").touch()
    for spec in ("davis2017:val", "youtubevos2019", "folder"):
        with pytest.raises(DataError, match="is a file"):
            open_dataset(spec, tmp_path / "file")
        with pytest.raises(DataError, match="no such folder"):
            open_dataset(spec, tmp_path / "nowhere")
        with pytest.raises(DataError, match=str(tmp_path)):
            open_dataset(spec, tmp_path)
    monkeypatch.setenv("RVOS_BENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match="is a file"):
        open_dataset("davis2017:val")


def test_plain_folder_that_is_davis_says_so(davis2017: Path) -> None:
    with pytest.raises(DataError, match="layout of DAVIS"):
        open_dataset("folder", davis2017)


def test_limit_and_choice_of_videos(davis2017: Path) -> None:
    assert list(open_dataset("davis2017:val", davis2017, limit=1).videos) == ["dog"]
    assert list(open_dataset("davis2017:val", davis2017, videos=["bear"]).videos) == ["bear"]
    with pytest.raises(UsageError, match=r"'beer'.*'bear'"):
        _ = open_dataset("davis2017:val", davis2017, videos=["beer"]).videos
    with pytest.raises(UsageError, match="at least 1"):
        open_dataset("davis2017:val", davis2017, limit=0)
    with pytest.raises(UsageError, match="unknown video of davis2017:val 'cat'"):
        open_dataset("davis2017:val", davis2017).video("cat")


def test_fingerprints_follow_the_bytes(davis2017: Path, tmp_path: Path) -> None:
    data = open_dataset("davis2017:val", davis2017)
    before = {name: data.fingerprint(name) for name in data.videos}
    copy = shutil.copytree(davis2017, tmp_path / "copy")
    assert open_dataset("davis2017:val", copy).index_hash == data.index_hash, "the place does not matter"
    assert len(set(before.values())) == 2
    mask = davis2017 / "Annotations/480p/dog/00001.png"
    changed = read_mask(mask)
    changed[0, 0] ^= 1
    write_mask(mask, changed)
    after = open_dataset("davis2017:val", davis2017)
    assert after.fingerprint("dog") != before["dog"] and after.fingerprint("bear") == before["bear"]
    write_mask(mask, read_mask(copy / "Annotations/480p/dog/00001.png"))
    assert open_dataset("davis2017:val", davis2017).fingerprint("dog") == before["dog"]


def test_fingerprint_of_meta(youtubevos: Path) -> None:
    before = open_dataset("youtubevos2019:valid", youtubevos).fingerprint("0a1b")
    path = youtubevos / "valid/meta.json"
    meta = json.loads(path.read_text())
    meta["videos"]["0a1b"]["objects"]["6"]["category"] = "ape"
    path.write_text(json.dumps(meta))
    assert open_dataset("youtubevos2019:valid", youtubevos).fingerprint("0a1b") != before


def test_what_was_found_out_is_kept_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    masks = {s: boxes([1], t) for t, s in enumerate(numbers(5))}
    write_video(tmp_path / "in", "a", masks, numbers(5))
    assert open_dataset("folder", tmp_path / "in").video("a").first_frames == {1: 0}
    reads: list[Path] = []
    monkeypatch.setattr(layout, "read_mask", lambda path, size=None: (reads.append(path), read_mask(path, size))[1])
    assert open_dataset("folder", tmp_path / "in").video("a").first_frames == {1: 0}
    assert [path.name for path in reads] == ["00000.png"], "only the prompt itself is decoded again"
    write_mask(tmp_path / "in/Annotations/a/00003.png", boxes([1, 2], 3))
    assert open_dataset("folder", tmp_path / "in").video("a").first_frames == {1: 0, 2: 3}
    for kept in (tmp_path / "cache").rglob("*"):
        if kept.is_file():
            kept.write_text("{")
    assert open_dataset("folder", tmp_path / "in").video("a").first_frames == {1: 0, 2: 3}


def test_data_sets_travel_to_workers(davis2017: Path, youtubevos: Path) -> None:
    for spec, root in (("davis2017:val", davis2017), ("youtubevos2019:valid", youtubevos), ("demo", None)):
        data = open_dataset(spec, root)
        name = data.videos[0]
        there = pickle.loads(pickle.dumps(data))
        video, again = data.video(name), pickle.loads(pickle.dumps(there.video(name)))
        assert len(pickle.dumps(video.frames)) < 20_000
        assert all(np.array_equal(a, b) for a, b in zip(video.frames, again.frames))


def test_every_name_is_known_to_open_dataset(tmp_path: Path) -> None:
    for name in dataset_names():
        if name.startswith("demo"):
            assert open_dataset(name).name == name
        else:
            with pytest.raises(DataError):
                open_dataset(name, tmp_path)


def test_real_davis(davis_root: Path) -> None:
    data = open_dataset("davis2016:val", davis_root)
    assert data.videos[0] == "blackswan" and len(data.videos) == 8
    video, truth = data.video("dog"), data.truth("dog")
    assert video.size == (480, 854) and len(video) == 60 and truth is not None and len(truth) == 60
    assert np.array_equal(video.prompts[0], truth.masks[0])
