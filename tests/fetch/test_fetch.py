"""Downloads are whole and checked, or not there; every kind of host, over encrypted connections on the loopback."""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.hosts import Answer, Drive, Files, Hub, Internet, Request, file_answer
from robust_vos_bench.errors import DataError
from robust_vos_bench.fetch import (
    ChangedError,
    DriveFile,
    DriveFolder,
    FetchError,
    HubFile,
    Link,
    OfflineError,
    Remote,
    UnusableError,
    Url,
    fetch,
    offline,
    release,
)
from robust_vos_bench.fetch import get as getting
from robust_vos_bench.fetch import http as by_http
from robust_vos_bench.system.atomic import WriteError

ID = "1mRrE0uCI2ktdWlUgapJI_KmgeIiF2eOm"
RELEASED = release("hkchengrex/XMem", "v1.0", "XMem.pth")
HUB = HubFile("xmlyqing00/AFB-URR", "model.pth")


class World:
    """All hosts with one file."""

    def __init__(self, net: Internet, body: bytes) -> None:
        self.net, self.body = net, body
        self.files = Files({"/assets/XMem.pth": body, "/file": body})
        net.hosts["github.com"] = lambda request: Answer(
            b"", 302, {"Location": "https://release-assets.githubusercontent.com/assets/XMem.pth"}
        )
        net.hosts["release-assets.githubusercontent.com"] = self.files
        net.hosts["example.org"] = self.files
        self.drive = Drive({ID: ("XMem.pth", body)}, {"1QYsog7zNzcxGXTGBzEhMUg8QVJwZB6D1": {"XMem.pth": ID}})
        self.drive.install(net)
        self.hub = Hub({"xmlyqing00/AFB-URR": {"model.pth": body, "README.md": b"hello"}})
        self.hub.install(net)

    def break_after(self, count: int | None) -> None:
        self.files.broken = self.drive.broken = self.hub.broken = count

    def served(self) -> list[Request]:
        """Requests for the bytes of the file."""
        hosts = ("release-assets.githubusercontent.com", "drive.usercontent.google.com", Hub.STORE, "example.org")
        return [r for r in self.net.requests if r.host in hosts and r.method == "GET"]


@pytest.fixture
def world(net: Internet, body: bytes, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(by_http, "_WAITS", (0.0, 0.0))
    monkeypatch.setattr(importlib.import_module("gdown.download"), "_wait_or_cancel", lambda **words: None)
    return World(net, body)


LINKS: dict[str, Link] = {
    "release": RELEASED,
    "drive": DriveFile(ID),
    "folder": DriveFolder("1QYsog7zNzcxGXTGBzEhMUg8QVJwZB6D1", "XMem.pth"),
    "hub": HUB,
    "pattern": HubFile("xmlyqing00/AFB-URR", "*.pth"),
}


def names(folder: Path) -> list[str]:
    """What a person sees in a folder, and what is left of parts; without locks."""
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith((".lock", ".holder")))


@pytest.mark.parametrize("kind", LINKS)
def test_a_file_comes_whole_is_recorded_and_is_not_fetched_twice(world: World, tmp_path: Path, kind: str) -> None:
    path, remote = tmp_path / "xmem" / "XMem.pth", Remote((LINKS[kind],))
    seen: list[tuple[int, int]] = []
    got = fetch(remote, path, tmp_path, tell=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == world.body and not got.known and got.link == LINKS[kind]
    assert seen[-1] == (len(world.body), len(world.body)) and [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert names(path.parent) == ["XMem.pth"]
    record = json.loads((tmp_path / "downloads.json").read_text())
    assert record == {
        LINKS[kind].key: {"sha256": hashlib.sha256(world.body).hexdigest(), "bytes": 3_000_000, "file": "xmem/XMem.pth"}
    }
    asked = len(world.net.requests)
    again = fetch(remote, path, tmp_path)
    assert again.known and again.link == LINKS[kind] and len(world.net.requests) == asked


@pytest.mark.parametrize("kind", ["release", "drive", "hub"])
def test_what_broke_off_goes_on_in_the_same_call(world: World, tmp_path: Path, kind: str) -> None:
    world.break_after(1_200_000)
    fetch(Remote((LINKS[kind],)), tmp_path / "XMem.pth", tmp_path)
    assert (tmp_path / "XMem.pth").read_bytes() == world.body
    ranges = [r.headers.get("range") for r in world.served()]
    assert ranges[0] is None and len(ranges) > 2 and None not in ranges[1:] and "bytes=0-" not in ranges


@pytest.mark.parametrize("kind", ["release", "drive", "hub"])
def test_what_broke_off_goes_on_in_a_later_call(world: World, tmp_path: Path, kind: str) -> None:
    def stop(done: int, total: int) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    remote = Remote((LINKS[kind],))
    with pytest.raises(KeyboardInterrupt):
        fetch(remote, tmp_path / "XMem.pth", tmp_path, tell=stop)
    assert not (tmp_path / "XMem.pth").exists() and not (tmp_path / "downloads.json").exists()
    world.net.requests.clear()
    first: list[int] = []
    fetch(remote, tmp_path / "XMem.pth", tmp_path, tell=lambda done, total: first.append(done))
    assert (tmp_path / "XMem.pth").read_bytes() == world.body and first[0] > 1_000_000
    assert any((r.headers.get("range") or "").startswith("bytes=") for r in world.served())
    assert names(tmp_path) == ["XMem.pth", "downloads.json"]


@pytest.mark.parametrize("kind", ["release", "drive", "hub"])
def test_a_part_of_another_file_is_not_continued(world: World, tmp_path: Path, kind: str) -> None:
    def stop(done: int, total: int) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    remote, other = Remote((LINKS[kind],)), world.body[::-1] + b"more"
    with pytest.raises(KeyboardInterrupt):
        fetch(remote, tmp_path / "XMem.pth", tmp_path, tell=stop)
    world.files.files = dict.fromkeys(world.files.files, other)
    world.drive.files[ID] = ("XMem.pth", other)
    world.hub.repositories["xmlyqing00/AFB-URR"]["model.pth"] = other
    fetch(remote, tmp_path / "XMem.pth", tmp_path)
    assert (tmp_path / "XMem.pth").read_bytes() == other


def test_a_part_of_a_file_of_the_same_size_is_not_continued_by_http(world: World, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(Remote((RELEASED,)), tmp_path / "XMem.pth", tmp_path, tell=stop)
    other = world.body[::-1]
    world.files.files = dict.fromkeys(world.files.files, other)
    fetch(Remote((RELEASED,)), tmp_path / "XMem.pth", tmp_path)
    assert (tmp_path / "XMem.pth").read_bytes() == other


@pytest.mark.parametrize("kind", ["release", "drive", "hub"])
def test_a_break_without_progress_says_file_address_and_what_to_do(world: World, tmp_path: Path, kind: str) -> None:
    world.break_after(0)
    with pytest.raises(FetchError) as told:
        fetch(Remote((LINKS[kind],)), tmp_path / "XMem.pth", tmp_path)
    for words in ("broke off", "goes on where it stopped", LINKS[kind].address, f"put the file at {tmp_path}"):
        assert words in str(told.value)
    assert told.value.exit_code == 4 and not (tmp_path / "XMem.pth").exists()


def test_a_length_that_is_too_long_never_ends_well(world: World, tmp_path: Path) -> None:
    world.net.hosts["example.org"] = lambda request: file_answer(request, world.body, length=len(world.body) + 10)
    with pytest.raises(FetchError, match="broke off"):
        fetch(Remote((Url("https://example.org/file"),)), tmp_path / "a", tmp_path)
    assert not (tmp_path / "a").exists()


def test_a_length_that_is_too_short_is_found_by_the_look_at_the_file(world: World, tmp_path: Path) -> None:
    world.net.hosts["example.org"] = lambda request: file_answer(request, world.body, length=1_000_000)

    def is_whole(part: Path) -> None:
        if part.read_bytes() != world.body:
            raise DataError(f"{part}: cut off")

    remote = Remote((Url("https://example.org/file"),))
    with pytest.raises(UnusableError, match=r"example\.org/file: what arrived cannot be used: a: cut off"):
        fetch(remote, tmp_path / "a", tmp_path, check=is_whole)
    assert names(tmp_path) == [], "nothing to go on with, nothing recorded"
    world.net.hosts["example.org"] = world.files
    fetch(remote, tmp_path / "a", tmp_path, check=is_whole)
    assert names(tmp_path) == ["a", "downloads.json"]


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream"])
def test_a_page_is_no_file(world: World, tmp_path: Path, kind: str) -> None:
    page = b"\n <!DOCTYPE html><html><body>Please log in</body></html>"
    world.net.hosts["example.org"] = lambda request: Answer(page, headers={"Content-Type": kind})
    with pytest.raises(FetchError, match=r"web page instead of the file.*put the file at"):
        fetch(Remote((Url("https://example.org/file"),)), tmp_path / "a", tmp_path)
    assert names(tmp_path) == []


def test_the_quota_page_of_drive(world: World, tmp_path: Path) -> None:
    world.drive.quota = True
    with pytest.raises(FetchError, match=r"does not hand out the file now \(Too many users.*tomorrow") as told:
        fetch(Remote((DriveFile(ID),)), tmp_path / "a", tmp_path)
    assert ID in str(told.value) and not (tmp_path / "a").exists()


def test_a_file_that_is_gone(world: World, tmp_path: Path) -> None:
    gone: dict[Link, str] = {
        Url("https://example.org/none"): "404",
        DriveFile("1" * 33): "(does not hand out|broke off)",
        DriveFolder(
            "1QYsog7zNzcxGXTGBzEhMUg8QVJwZB6D1", "none.pth"
        ): "no file of the name 'none.pth'; there is XMem.pth",
        HubFile("xmlyqing00/AFB-URR", "none.pth"): "no such file",
        HubFile("xmlyqing00/none", "model.pth"): "no such repository",
        HubFile("xmlyqing00/AFB-URR", "*"): "2 files fit",
    }
    for link, words in gone.items():
        with pytest.raises(FetchError, match=words) as told:
            fetch(Remote((link,)), tmp_path / "a", tmp_path)
        assert link.address in str(told.value)


def test_a_gated_repository_says_what_to_do_and_the_token_stays_with_the_hub(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hub.gated = True
    with pytest.raises(FetchError, match="accept their terms"):
        fetch(Remote((HUB,)), tmp_path / "a", tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    fetch(Remote((HUB,)), tmp_path / "a", tmp_path)  # the store asserts that no token arrives
    assert (tmp_path / "a").read_bytes() == world.body


def test_bytes_that_differ_from_the_digest_of_the_hub(world: World, tmp_path: Path) -> None:
    world.hub.sha256["model.pth"] = "0" * 64
    with pytest.raises(ChangedError, match="damaged on the way"):
        fetch(Remote((HUB,)), tmp_path / "a", tmp_path)
    assert names(tmp_path) == []


def test_a_digest_of_the_authors_is_compared(world: World, tmp_path: Path) -> None:
    good = Remote((RELEASED,), md5=hashlib.md5(world.body).hexdigest())
    with pytest.raises(ChangedError, match=r"XMem\.pth from https.*md5 .* but its authors say 000"):
        fetch(Remote((RELEASED,), md5="0" * 32), tmp_path / "XMem.pth", tmp_path)
    assert names(tmp_path) == []
    assert fetch(good, tmp_path / "XMem.pth", tmp_path).known
    (tmp_path / "XMem.pth").write_bytes(b"other")
    with pytest.raises(ChangedError, match="md5"):
        fetch(good, tmp_path / "XMem.pth", tmp_path)


def test_a_file_that_changed_since_it_was_first_fetched(world: World, tmp_path: Path) -> None:
    path, remote = tmp_path / "XMem.pth", Remote((RELEASED,))
    fetch(remote, path, tmp_path)
    path.unlink()
    world.files.files = dict.fromkeys(world.files.files, b"something else")
    with pytest.raises(ChangedError, match=r"the file there has changed.*downloads\.json"):
        fetch(remote, path, tmp_path)
    assert names(tmp_path) == ["downloads.json"]
    path.write_bytes(b"replaced by hand")
    with pytest.raises(ChangedError, match=r"XMem\.pth: sha256 .* differs"):
        fetch(remote, path, tmp_path)


def test_mirrors_are_tried_in_order_and_their_parts_are_kept_apart(world: World, tmp_path: Path) -> None:
    def broken(request: Request) -> Answer:
        return file_answer(request, b"x" * 2_000_000, break_after=1_500_000 if "range" not in request.headers else 0)

    world.net.hosts["example.org"], world.net.hosts["mirror.example.org"] = broken, world.files
    remote = Remote((Url("https://example.org/file"), Url("https://mirror.example.org/file")))
    said: list[str] = []
    got = fetch(remote, tmp_path / "a", tmp_path, say=said.append)
    assert got.link == remote.links[1] and (tmp_path / "a").read_bytes() == world.body
    assert len(said) == 1 and "broke off" in said[0] and "Trying https://mirror.example.org/file" in said[0]
    assert fetch(remote, tmp_path / "a", tmp_path).link == remote.links[1]


def test_no_encrypted_address_leads_to_a_plain_one(world: World, tmp_path: Path) -> None:
    world.net.hosts["example.org"] = lambda request: Answer(b"", 302, {"Location": "http://mirror.example.org/file"})
    world.net.hosts["mirror.example.org"] = world.files
    with pytest.raises(FetchError, match="not encrypted"):
        fetch(Remote((Url("https://example.org/file"),)), tmp_path / "a", tmp_path)
    assert not world.net.to("mirror.example.org")


def test_a_server_that_is_busy_for_a_moment_is_asked_again(world: World, tmp_path: Path) -> None:
    answers = [Answer(b"", 503), Answer(b"", 429)]
    world.net.hosts["example.org"] = lambda request: answers.pop(0) if answers else world.files(request)
    fetch(Remote((Url("https://example.org/file"),)), tmp_path / "a", tmp_path)
    world.net.hosts["example.org"] = lambda request: Answer(b"", 503)
    with pytest.raises(FetchError, match="503"):
        fetch(Remote((Url("https://example.org/file"),)), tmp_path / "b", tmp_path)


def test_no_network(tmp_path: Path, net: Internet) -> None:
    for link in (RELEASED, DriveFile(ID), HUB):
        with pytest.raises(FetchError, match="put the file at"):
            fetch(Remote((link,)), tmp_path / "a", tmp_path)
    assert names(tmp_path) in ([], [p for p in names(tmp_path) if p.endswith(".drive")])


def test_offline_touches_nothing(world: World, tmp_path: Path) -> None:
    with offline(), pytest.raises(OfflineError, match=r"RVOS_BENCH_OFFLINE \(or --offline\) forbids"):
        fetch(Remote((RELEASED,)), tmp_path / "x" / "a", tmp_path)
    assert not world.net.requests and not (tmp_path / "x").exists() and "RVOS_BENCH_OFFLINE" not in os.environ
    fetch(Remote((RELEASED,)), tmp_path / "a", tmp_path)
    with offline():
        assert fetch(Remote((RELEASED,)), tmp_path / "a", tmp_path).known


def test_a_file_that_does_not_fit_is_refused_before_it_is_fetched(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getting.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    for link in (RELEASED, DriveFile(ID), HUB):
        with pytest.raises(WriteError, match=r"needs .* MiB more, 1 MiB are free; free some space"):
            fetch(Remote((link,)), tmp_path / "a", tmp_path)
    assert not (tmp_path / "a").exists()


LIMITED = """
import resource, sys, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
from pathlib import Path
from robust_vos_bench.fetch import *
from robust_vos_bench.errors import RvosError
link = {"release": release("hkchengrex/XMem", "v1.0", "XMem.pth"), "drive": DriveFile(sys.argv[3]),
        "hub": HubFile("xmlyqing00/AFB-URR", "model.pth")}[sys.argv[2]]
try:
    fetch(Remote((link,)), Path(sys.argv[1]) / "a", Path(sys.argv[1]))
except RvosError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits on file sizes")
@pytest.mark.parametrize("kind", ["release", "drive", "hub"])
def test_a_write_that_the_system_refuses_in_the_middle(world: World, tmp_path: Path, kind: str) -> None:
    words = [sys.executable, "-c", LIMITED, str(tmp_path), kind, ID]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "cannot be written: it would be larger than files may be here" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "a").exists()
    fetch(Remote((LINKS[kind],)), tmp_path / "a", tmp_path)
    assert (tmp_path / "a").read_bytes() == world.body


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file permissions")
def test_a_folder_that_cannot_be_written(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")  # also for root, who may write into folders without permission
    for link in (RELEASED, DriveFile(ID)):
        with pytest.raises(WriteError, match=r"file.*cannot be written"):
            fetch(Remote((link,)), tmp_path / "file" / "a", tmp_path)
    assert not world.net.requests


def _fetch_in_another_process(folder: Path, said: multiprocessing.Queue[str]) -> None:
    def slowly(done: int, total: int) -> None:
        time.sleep(0.1)

    got = fetch(Remote((RELEASED,)), folder / "a", folder, say=said.put, tell=slowly)
    said.put(f"known {got.known}")


def test_two_processes_fetch_one_file_once(world: World, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    said: multiprocessing.Queue[str] = spawn.Queue()
    both = [spawn.Process(target=_fetch_in_another_process, args=(tmp_path, said)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    lines = [said.get(timeout=5) for _ in both]
    assert [p.exitcode for p in both] == [0, 0] and len(world.served()) == 1
    assert (tmp_path / "a").read_bytes() == world.body and "known True" in lines + [said.get(timeout=5)]


SLOW = """
import signal; signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
import sys, time
from pathlib import Path
from robust_vos_bench.fetch import *
def slowly(done, total):
    if done: print(done, flush=True); time.sleep(60)
link = DriveFile(sys.argv[2]) if sys.argv[2] != "release" else release("hkchengrex/XMem", "v1.0", "XMem.pth")
fetch(Remote((link,)), Path(sys.argv[1]) / "a", Path(sys.argv[1]), tell=slowly)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("kind", ["release", ID])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_leaves_nothing_that_counts_as_whole(
    world: World, tmp_path: Path, kind: str, sent: signal.Signals
) -> None:
    words = [sys.executable, "-c", SLOW, str(tmp_path), kind]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(sent)
        process.wait(30)
    assert not (tmp_path / "a").exists() and not (tmp_path / "downloads.json").exists()
    link = RELEASED if kind == "release" else DriveFile(ID)
    world.net.requests.clear()
    fetch(Remote((link,)), tmp_path / "a", tmp_path)
    assert (tmp_path / "a").read_bytes() == world.body and names(tmp_path) == ["a", "downloads.json"]
