"""Zips are unpacked without trusting them; `data get` brings a data set."""

from __future__ import annotations

import http.server
import stat
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from robust_vos_bench.cli import main
from robust_vos_bench.datasets import sources
from robust_vos_bench.datasets import unpack as unpacking
from robust_vos_bench.datasets.sources import Archive
from robust_vos_bench.datasets.unpack import unpack
from robust_vos_bench.errors import DataError
from robust_vos_bench.fetch import Remote, Url


class Server:
    """One file over HTTP with ranges; may break off after so many bytes of an answer."""

    def __init__(self, body: bytes) -> None:
        self.body, self.ranges, self.break_after, self.status = body, [], None, 0  # type: ignore[var-annotated]
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                outer.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                if outer.status:
                    self.send_error(outer.status)
                    return
                if start >= len(outer.body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(outer.body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                rest = outer.body[start:]
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest if outer.break_after is None else rest[: outer.break_after])

            def log_message(self, *words: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/data.zip"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def make_zip(path: Path, members: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, data)
    return path


def test_unpacks_without_the_top_folder_and_keeps_what_is_there(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"DAVIS/ImageSets/val.txt": b"dog\n", "DAVIS/README": b"x" * 5000})
    assert unpack(archive, tmp_path / "out") == 2
    assert (tmp_path / "out/ImageSets/val.txt").read_bytes() == b"dog\n"
    untouched = (tmp_path / "out/README").stat().st_mtime_ns
    (tmp_path / "out/ImageSets/val.txt").write_bytes(b"cat\n")
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/ImageSets/val.txt").read_bytes() == b"dog\n"
    assert (tmp_path / "out/README").stat().st_mtime_ns == untouched


def test_what_is_there_needs_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "a.zip", {"DAVIS/ImageSets/val.txt": b"dog\n", "DAVIS/README": b"x" * 5000})
    unpack(archive, tmp_path / "out")
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    assert unpack(archive, tmp_path / "out") == 2
    (tmp_path / "out/ImageSets/val.txt").unlink()
    assert unpack(archive, tmp_path / "out") == 2, "the 4 bytes that are missing fit"
    (tmp_path / "out/README").unlink()
    with pytest.raises(DataError, match="are free"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:\\evil", "a\\..\\..\\evil", "C:evil"])
def test_members_that_leave_the_folder_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "a.zip", {"ok/file": b"1", name: b"2"})
    with pytest.raises(DataError, match=r"a\.zip: refused"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists() and not (tmp_path / "evil").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"link": b"/etc"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(DataError, match="link or device"):
        unpack(archive, tmp_path / "out")


def test_a_link_in_the_folder_does_not_lead_out_of_it(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"top/sub/file": b"1", "top/other": b"2"})
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="leads out of"):
        unpack(archive, tmp_path / "out")
    assert not list((tmp_path / "outside").iterdir())


def test_damaged_and_huge_zips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_zip(tmp_path / "a.zip", {"d/f": b"0123456789" * 500, "d/g": b"1"}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[:-30])
    with pytest.raises(DataError, match=r"cut\.zip: damaged zip"):
        unpack(tmp_path / "cut.zip", tmp_path / "out")
    (tmp_path / "flip.zip").write_bytes(data[:45] + bytes([data[45] ^ 255]) + data[46:])
    with pytest.raises(DataError, match=r"flip\.zip: damaged zip"):
        unpack(tmp_path / "flip.zip", tmp_path / "out")
    monkeypatch.setattr(unpacking, "_LARGEST_MEMBER", 4000)
    with pytest.raises(DataError, match="would take"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_get_from_link_to_opened_data_set(
    tmp_path: Path, davis2017: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    members = {f"DAVIS/{p.relative_to(davis2017)}": p.read_bytes() for p in davis2017.rglob("*") if p.is_file()}
    monkeypatch.delenv("RVOS_BENCH_OFFLINE")
    server = Server(make_zip(tmp_path / "made.zip", members).read_bytes())
    monkeypatch.setitem(
        sources.ARCHIVES,
        "davis2017",
        Archive(Remote((Url(server.url),)), "data.zip", "DAVIS-2017", split="davis2017:val"),
    )
    root = tmp_path / "data"
    try:
        with pytest.raises(SystemExit) as done:
            main(["data", "get", "davis2017:val", "--data-root", str(root)])
    finally:
        server.stop()
    out = capsys.readouterr()
    assert done.value.code == 0 and str(root / "DAVIS-2017") in out.out and "first download" in out.err
    assert sorted(p.name for p in root.iterdir() if not p.name.endswith(".lock")) == ["DAVIS-2017", "downloads.json"]
    with pytest.raises(SystemExit) as done:
        main(["data", "verify", "--dataset", "davis2017:val", "--data-root", str(root)])
    assert done.value.code == 0


def test_get_says_what_to_do_where_there_is_no_link(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, words in (("youtubevos2018:train", "train.zip"), ("sav:test", "sav_test.tar")):
        with pytest.raises(SystemExit) as done:
            main(["data", "get", name, "--data-root", str(tmp_path)])
        assert done.value.code == 4 and words in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        main(["data", "get", "davis2018"])
    assert done.value.code == 2 and "davis2017" in capsys.readouterr().err
    with pytest.raises(SystemExit) as done:
        main(["data", "get", "davis2017:test-dev@full", "--dry-run"])
    assert done.value.code == 0 and "DAVIS-2017-test-dev-Full-Resolution.zip" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["data", "get", "lvosv2", "--dry-run"])
    assert "LVOSv2/valid (licence annotations CC BY 4.0, non-commercial research only)" in capsys.readouterr().out
