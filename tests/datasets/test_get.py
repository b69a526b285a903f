"""`data get`: from the hosts of data sets, over mirrors, to a data set that is unpacked and looked through."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.hosts import Drive, Hub, Internet, internet
from helpers.scoring.authors import make
from robust_vos_bench.api.data import fetch, find_source
from robust_vos_bench.cli import main
from robust_vos_bench.datasets import sources
from robust_vos_bench.datasets import unpack as unpacking
from robust_vos_bench.datasets.unpack import is_whole, unpack
from robust_vos_bench.errors import DataError
from robust_vos_bench.fetch import http as by_http


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    monkeypatch.setattr(by_http, "_WAITS", (0.0, 0.0))
    with internet() as made:
        yield made


def tar(members: dict[str, bytes], mode: str = "w:gz", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as file:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def below(folder: Path, top: str) -> dict[str, bytes]:
    return {f"{top}{p.relative_to(folder).as_posix()}": p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def mosev2(tmp_path: Path) -> bytes:
    root, _ = make("mosev2", tmp_path / "made")
    (root / "valid" / "meta.json").unlink()
    return tar(below(root / "valid", "valid/"))


def get(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["data", "get", *words])
    return int(done.value.code or 0)


def test_from_the_hub_to_a_verified_split(
    net: Internet, mosev2: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Hub({"FudanCVL/MOSEv2": {"mosev2_valid.tar.gz": mosev2, "mosev2_train.tar.gz": b"x"}}).install(net)
    # The split is a small one, not the official one.
    monkeypatch.setattr("robust_vos_bench.datasets.named.Mose.official", {})
    assert get("mosev2:valid", "--data-root", str(tmp_path / "data")) == 0
    out = capsys.readouterr()
    assert "MOSEv2-valid.tar.gz, 0.0 MiB, licence CC BY-NC-SA 4.0, non-commercial research only, from https" in out.err
    assert f"sha256 {hashlib.sha256(mosev2).hexdigest()} (first download" in out.err
    assert "mosev2:valid in" in out.out and out.out.endswith("OK\n")
    assert (tmp_path / "data/MOSEv2/valid/JPEGImages").is_dir()
    assert not (tmp_path / "data/MOSEv2-valid.tar.gz").exists()


def test_mirrors_follow_until_one_has_the_file_that_the_authors_give_the_hash_of(
    net: Internet, mosev2: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = sources.ARCHIVES["mose:valid"]
    remote = replace(archive.remote, sha256=hashlib.sha256(mosev2).hexdigest())
    monkeypatch.setitem(sources.ARCHIVES, "mose:valid", replace(archive, remote=remote))
    Hub({"FudanCVL/MOSE": {"valid.tar.gz": tar({"valid/other": b"old"})}}).install(net)  # another version
    mirror = archive.remote.links[-1]
    drive = Drive({mirror.id: ("valid.tar.gz", mosev2)}, {"1vChKHzbboP1k6wd6t95guxxURW3nIXBe": {}})  # type: ignore[union-attr]
    drive.install(net)
    got = fetch(find_source("mose", tmp_path), progress=True, check=False)
    err = capsys.readouterr().err
    assert got.known and got.source == mirror.address
    assert err.count("Trying https://drive.google.com") == 2 and "sha256" in err
    assert (tmp_path / "MOSE/valid/Annotations/0a1b2c3d/00000.png").is_file()


def test_youtube_vos_comes_from_its_mirror_and_offline_never_asks(
    net: Internet, tmp_path: Path, youtubevos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    assert get("youtubevos2019", "--data-root", str(root), "--offline") == 4
    assert "forbids the network" in capsys.readouterr().err and not net.requests
    assert get("youtubevos2019", "--data-root", str(root)) == 4
    assert "The page of the data set: https://youtube-vos.org/dataset/vos/" in capsys.readouterr().err
    body = zipped(below(youtubevos / "valid", "valid/"))
    drive = Drive({"1o586Wjya-f2ohxYf9C1RlRH-gkrzGS8t": ("valid.zip", body)})
    drive.install(net)
    drive.broken = len(body) // 2
    assert get("youtubevos2019", "--data-root", str(root)) == 4
    drive.broken = None
    assert get("youtubevos2019", "--data-root", str(root), "--json") == 0
    out = capsys.readouterr().out
    facts = json.loads(out[out.index("{") :])
    assert facts["verified"]["ok"] and facts["verified"]["dataset"] == "youtubevos2019:valid"
    assert facts["source"] == "https://drive.google.com/file/d/1o586Wjya-f2ohxYf9C1RlRH-gkrzGS8t/view"


def test_lvos_brings_its_meta_file(net: Internet, tmp_path: Path) -> None:
    made, _ = make("lvos", tmp_path / "made")
    meta = made / "valid" / "valid_meta.json"
    text = meta.read_bytes()
    meta.unlink()
    files = {
        "1msjV2AAKROc-UsXh8lUic2gQpsLKfjQ0": ("Eval.zip", zipped(below(made / "valid", "LVOS/val/"))),
        "1" * 33: ("val_meta.json", text),
    }
    Drive(files, {"1fOwGggoYNm_GkZIxs68ptHLk4JNF4Ebq": {"val_meta.json": "1" * 33}}).install(net)
    got = fetch(find_source("lvos:valid", tmp_path), progress=False)
    assert got.verified is not None and got.verified.ok and got.verified.videos == 4
    assert (got.folder / "valid_meta.json").read_bytes() == text


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tars_are_unpacked_and_what_is_there_is_kept(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar({"./a/b/JPEGImages/v/0.jpg": b"one", "./a/b/meta.json": b"{}"}, mode))
    is_whole(path)
    assert unpack(path, tmp_path / "out") == 2
    kept = (tmp_path / "out/meta.json").stat().st_mtime_ns
    (tmp_path / "out/JPEGImages/v/0.jpg").write_bytes(b"eno")
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/JPEGImages/v/0.jpg").read_bytes() == b"one"
    assert (tmp_path / "out/meta.json").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    ("members", "kind", "link", "words"),
    [
        ({"ok": b"1", "../evil": b"2"}, tarfile.REGTYPE, "", "outside the folder"),
        ({"ok": b"1", "/evil": b"2"}, tarfile.REGTYPE, "", "outside the folder"),
        ({"a/link": b""}, tarfile.SYMTYPE, "/etc", "link or device"),
        ({"a/link": b""}, tarfile.LNKTYPE, "../../evil", "link or device"),
        ({"a/dev": b""}, tarfile.CHRTYPE, "", "link or device"),
        ({"a/pipe": b""}, tarfile.FIFOTYPE, "", "link or device"),
        ({"a/zeros": bytes(1 << 20)}, tarfile.REGTYPE, "", "200 times its own size"),
    ],
)
def test_tars_that_lead_out_or_blow_up_are_refused_before_anything_is_written(
    tmp_path: Path, members: dict[str, bytes], kind: bytes, link: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_SLACK", 1000)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar(members, kind=kind, link=link))
    with pytest.raises(DataError, match=rf"a\.tar\.gz: refused: .*{words}"):
        unpack(path, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists() and not (tmp_path / "evil").exists()


def test_a_tar_that_is_cut_off_or_none_at_all_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar({"JPEGImages/a": b"12345" * 5000})[:-20])
    with pytest.raises(DataError, match=r"a\.tar\.gz: damaged archive"):
        unpack(path, tmp_path / "out")
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="damaged archive"):
        is_whole(path)
