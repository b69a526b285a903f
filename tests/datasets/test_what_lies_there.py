"""Which videos a folder holds: the same for every verb, whatever else lies there; every difference is told."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dataset_files import boxes, numbers, write_video

from robust_vos_bench.cli.data import verify as verify_command
from robust_vos_bench.cli.score import command as score_command
from robust_vos_bench.conditions import Condition
from robust_vos_bench.corrupted.split import write_splits
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.verify import Verification, verify
from robust_vos_bench.errors import DataError, RvosError, UsageError
from robust_vos_bench.fetch.record import compare_and_record
from robust_vos_bench.system.text import read_text
from robust_vos_bench.system.toml import read_toml


def lay(root: Path, *names: str, count: int = 5) -> None:
    for name in names:
        write_video(root, name, {s: boxes([1, 2], t) for t, s in enumerate(numbers(count))}, numbers(count))


def check(spec: str, root: Path) -> Verification:
    data = open_dataset(spec, root)
    assert isinstance(data, FolderDataset)
    return verify(data)


def score(root: Path, spec: str = "folder", predictions: Path | None = None) -> tuple[dict[str, object], str]:
    words = ["--dataset", spec, "--data-root", str(root), "--predictions", str(predictions or root / "Annotations")]
    done = CliRunner().invoke(score_command, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("frames", [["a", "b", "c"], ["b"], [], ["b", "extra"], None])
def test_the_same_videos_whatever_frames_lie_there(tmp_path: Path, frames: list[str] | None) -> None:
    lay(tmp_path, "a", "b", "c")
    whole, _ = score(tmp_path)
    shutil.move(tmp_path / "JPEGImages", tmp_path / "all")
    if frames is not None:
        (tmp_path / "JPEGImages").mkdir()
        for name in frames:
            shutil.copytree(tmp_path / "all" / ("a" if name == "extra" else name), tmp_path / "JPEGImages" / name)
    found, said = score(tmp_path)
    assert found == whole and len(found["objects"]) == 6  # type: ignore[arg-type]
    data = open_dataset("folder", tmp_path)
    assert list(data.videos) == ["a", "b", "c"]
    if frames and "extra" in frames:
        assert f"{tmp_path}/Annotations: no annotations of 'extra'" in said
    if frames == ["b"]:
        assert f"{tmp_path}/JPEGImages: no frames of 'a', 'c'; they can be scored, not run" in said
    if frames and len(frames) < 3:
        assert {Path(p.file).name for p in check("folder", tmp_path).problems} == {"a", "c"}
        with pytest.raises(DataError, match="JPEGImages/c: no such folder"):
            data.video("c")


def test_an_empty_folder_of_frames_is_as_none(tmp_path: Path) -> None:
    lay(tmp_path, "a", "b")
    whole, _ = score(tmp_path)
    shutil.rmtree(tmp_path / "JPEGImages/a")
    (tmp_path / "JPEGImages/a").mkdir()
    assert score(tmp_path)[0] == whole
    with pytest.raises(DataError, match=r"JPEGImages/a: no frames"):
        open_dataset("folder", tmp_path).video("a")


@pytest.mark.parametrize("name", ["@eaDir", ".AppleDouble", "__MACOSX", "#recycle", "nothing-in-it"])
@pytest.mark.parametrize("kind", ["JPEGImages", "Annotations"])
def test_folders_that_are_no_videos(tmp_path: Path, name: str, kind: str) -> None:
    lay(tmp_path, "walk")
    whole, _ = score(tmp_path)
    (tmp_path / kind / name).mkdir()
    if name != "nothing-in-it":
        (tmp_path / kind / name / "SYNOPHOTO_THUMB.jpg").write_bytes(b"x")
    for noise in (".DS_Store", "Thumbs.db"):
        (tmp_path / kind / noise).write_bytes(b"x")
        (tmp_path / kind / "walk" / noise).write_bytes(b"x")
    found, said = score(tmp_path)
    assert found == whole and f"left out '{name}'" in said
    done = CliRunner().invoke(verify_command, ["--dataset", "folder", "--data-root", str(tmp_path)])
    assert done.exit_code == 0 and f"left out '{name}'" in done.output and "1 video," in done.output


@pytest.mark.parametrize("spec", ["folder:val", "davis2017:val"])
def test_a_name_twice_counts_once(tmp_path: Path, spec: str) -> None:
    inner = "/480p" if spec.startswith("davis") else ""
    for name in ("goat", "cow"):
        masks = {s: boxes([1], t) for t, s in enumerate(numbers(4))}
        folders = {"frames_folder": f"JPEGImages{inner}", "masks_folder": f"Annotations{inner}"}
        write_video(tmp_path, name, masks, numbers(4), **folders)  # type: ignore[arg-type]
    lists = tmp_path / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("goat\ncow\n")
    whole, _ = score(tmp_path, spec, tmp_path / f"Annotations{inner}")
    (lists / "val.txt").write_text("goat\ncow\r\n\ngoat\n  goat \n")
    found, said = score(tmp_path, spec, tmp_path / f"Annotations{inner}")
    assert found == whole and len(found["objects"]) == 2  # type: ignore[arg-type]
    assert f"{lists / 'val.txt'}: names 'goat' more than once" in said
    assert list(open_dataset(spec, tmp_path).videos) == ["goat", "cow"]
    assert any("more than once" in w.what and w.file.endswith("val.txt") for w in check(spec, tmp_path).warnings)


@pytest.mark.parametrize("spec", ["folder:val", "davis2016:val", "davis2017:val"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_lists_in_utf8_with_and_without_mark(tmp_path: Path, spec: str, encoding: str) -> None:
    year = "2016" if "2016" in spec else "2017"
    path = tmp_path / "ImageSets" / year / "val.txt"
    path.parent.mkdir(parents=True)
    inner = "/480p" if spec.startswith("davis") else ""
    for name in ("gr\u00fcn", "zwei"):
        (tmp_path / f"JPEGImages{inner}" / name).mkdir(parents=True)
    path.write_bytes("gr\u00fcn\r\nzwei\r\n".encode(encoding))
    assert list(open_dataset(spec, tmp_path).videos) == ["gr\u00fcn", "zwei"]
    for other in ("utf-16", "latin-1", "utf-16-le"):
        path.write_bytes("gr\u00fcn\nzwei\n".encode(other))
        with pytest.raises(DataError, match=r"val\.txt: not UTF-8 text.*save it as UTF-8"):
            _ = open_dataset(spec, tmp_path).videos


def test_meta_json_in_other_encodings(youtubevos: Path) -> None:
    path = youtubevos / "valid/meta.json"
    text = path.read_text()
    path.write_text(text, encoding="utf-8-sig")
    assert list(open_dataset("youtubevos2019:valid", youtubevos).videos) == ["0a1b"]
    path.write_text(text, encoding="utf-16")
    with pytest.raises(DataError, match=r"meta\.json: not UTF-8"):
        _ = open_dataset("youtubevos2019:valid", youtubevos).videos


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ({"1": {"category": "cat", "frames": [0, 5]}}, "object 1: 'frames' must be a list of frame names.*not 0"),
        ({"1": {"category": "cat", "frames": ["00000", None]}}, "not null"),
        ({"7": {"category": "cat", "frames": {"00000": 1}}}, "object 7: 'frames'.*not a table"),
        ({"7": {"category": "cat", "frames": None}}, "object 7: 'frames'.*not null"),
        ({"7": {"category": "cat", "frames": "00000"}}, 'not "00000"'),
        ({"1": {"category": 3, "frames": ["00000"]}}, "object 1: 'category' must be a name, not 3"),
        ({"1": None}, "object 1 is described by null"),
        ({"1": ["00000"]}, "object 1 is described by a list"),
        ({"0": {}}, "the id '0' is no number from 1 to 254"),
        ({"255": {}}, "the id '255'"),
        ({"-1": {}}, "the id '-1'"),
        ({"1": {}, "01": {}}, "object 1 twice, as '1' and '01'"),
        (None, "no proper 'objects'"),
        ([], "no proper 'objects'"),
    ],
)
def test_meta_json_of_another_shape(youtubevos: Path, objects: object, told: str) -> None:
    (youtubevos / "valid/meta.json").write_text(json.dumps({"videos": {"0a1b": {"objects": objects}}}))
    data = open_dataset("youtubevos2018:valid", youtubevos)
    for ask in (lambda: data.videos, lambda: data.video("0a1b"), lambda: data.truth("0a1b")):
        with pytest.raises(DataError, match=rf"valid/meta\.json: video '0a1b'.*{told}"):
            ask()


@pytest.mark.parametrize("text", ["[]", '"a"', '{"videos": null}', '{"videos": {"a": 1, "a": 2}}', "[" * 100000, "NaN"])
def test_meta_json_that_is_none(youtubevos: Path, text: str) -> None:
    (youtubevos / "valid/meta.json").write_text(text)
    with pytest.raises(DataError, match=r"meta\.json: not a YouTube-VOS"):
        _ = open_dataset("youtubevos2018:valid", youtubevos).videos


def test_sparse_annotations_in_the_layout_of_davis(tmp_path: Path) -> None:
    """As Long-Time Video: 10 frames, every fourth annotated."""
    masks = {s: boxes([1], t) for t, s in enumerate(numbers(10)) if t % 4 == 0}
    folders = {"frames_folder": "JPEGImages/480p", "masks_folder": "Annotations/480p"}
    write_video(tmp_path, "rat", masks, numbers(10), **folders)  # type: ignore[arg-type]
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("rat\n")
    for spec in ("folder", "davis2017:val"):
        with pytest.raises(DataError, match="folder:480p"):
            open_dataset(spec, tmp_path).video("rat")
    data = open_dataset("folder:480p", tmp_path)
    truth = data.truth("rat")
    assert list(data.videos) == ["rat"] and truth is not None
    assert [t for t in range(10) if truth.masks[t] is not None] == [0, 4, 8]
    assert np.array_equal(truth.masks[4], boxes([1], 4))
    found, _ = score(tmp_path, "folder:480p", tmp_path / "Annotations/480p")
    assert found["global"]["J&F-Mean"] == 1.0  # type: ignore[index]
    assert check("folder:480p", tmp_path).ok


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("place", ["JPEGImages/b", "Annotations/b"])
def test_what_the_system_refuses_is_named_and_verify_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, code: int
) -> None:
    lay(tmp_path, "a", "b", "c")
    (tmp_path / "JPEGImages/c/00002.jpg").write_bytes(b"")
    real = Path.iterdir

    def refuse(self: Path) -> object:
        if self == tmp_path / place:
            raise OSError(code, "the system says no", str(self))
        return real(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    data = open_dataset("folder", tmp_path)
    with pytest.raises(RvosError, match=f"{place}: cannot be read.*the system says no") as refused:
        data.video("b")
    assert refused.value.exit_code == 4
    said = {Path(p.file).relative_to(tmp_path).as_posix() for p in check("folder", tmp_path).problems}
    assert {place, "JPEGImages/c/00002.jpg"} <= said


def test_a_root_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "a")

    def refuse(self: Path) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=f"{tmp_path}.*cannot be read"):
        _ = open_dataset("folder", tmp_path).videos


@pytest.mark.parametrize("text", ["[]", "null", '{"videos": []}', "{", "\u00fc".encode("latin-1").decode("latin-1")])
def test_a_manifest_of_somebody_else_is_named(tmp_path: Path, text: str) -> None:
    lay(tmp_path / "data", "a")
    condition = Condition("brightness", 1)
    manifest = tmp_path / "copy" / condition.label / "rvos-bench.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"rvos-bench\.json: "):
        list(write_splits(open_dataset("folder", tmp_path / "data"), [condition], tmp_path / "copy"))
    assert manifest.read_bytes() == text.encode("latin-1")


def test_corrupt_goes_on_where_the_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path / "data", "a", "b")
    real = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == tmp_path / "data/Annotations/a/00003.png":
            raise OSError(errno.EIO, "Input/output error", str(self))
        return real(self)

    data = open_dataset("folder", tmp_path / "data")
    assert data.truth("a") is not None and data.fingerprint("a")  # both are remembered: the masks are read by copying
    monkeypatch.setattr(Path, "read_bytes", refuse)
    done = {w.task.video: w for w in write_splits(data, [Condition("brightness", 1)], tmp_path / "copy")}
    error = done["a"].error
    assert isinstance(error, DataError) and "Annotations/a/00003.png" in str(error) and "Input/output" in str(error)
    assert done["b"].record is not None


@pytest.mark.parametrize("text", ["[1]", '{"https://x": 5}', "{", '{"https://x": {}}'])
def test_a_damaged_record_of_downloads_is_not_thrown_away(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.zip").write_bytes(b"zip")
    (tmp_path / "downloads.json").write_text(text)
    with pytest.raises(DataError, match=r"downloads\.json: damaged"):
        compare_and_record("https://x", "0" * 64, tmp_path / "a.zip", 3, tmp_path)
    assert (tmp_path / "downloads.json").read_text() == text


def test_the_one_reader_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    for data in (b'a = "\xc3\xbc"\n', b'\xef\xbb\xbfa = "\xc3\xbc"\r\n', b'a = "\xc3\xbc"\r'):
        path.write_bytes(data)
        assert read_text(path) == 'a = "\u00fc"\n'
        assert read_toml(path) == {"a": "\u00fc"}
    for data in (b'a = "\xfc"', 'a = "x"'.encode("utf-16"), 'a = "x"'.encode("utf-32"), b"\0\1\2"):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"t\.toml: not UTF-8 text.*save it as UTF-8"):
            read_toml(path, UsageError)
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(DataError, match=f"{missing}: "):
            read_text(missing)
