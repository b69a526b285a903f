"""From nothing to a table with one command: weights are fetched, checked and kept; the loopback plays the internet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import robust_vos_bench as rvos
from helpers.hosts import Drive, Files, Hub, Internet, internet
from robust_vos_bench.adapters.aot.network import AOT
from robust_vos_bench.adapters.aot.untrained import UNTRAINED
from robust_vos_bench.adapters.aot.variants import VARIANTS
from robust_vos_bench.cli import main
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models import describe_models
from robust_vos_bench.models.registry import builtin_entries

from . import own

OWN = Path(own.__file__)
RELEASES = "/owner/name/releases/download/v1.0"


def aot_weights(variant: str) -> dict[str, torch.Tensor]:
    """Untrained weights under the official names."""
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in AOT(VARIANTS[variant]).state_dict().items()}
    values = {name: UNTRAINED.values(name, shape) for name, shape in shapes.items()}
    return {name: torch.from_numpy(value) for name, value in values.items() if value is not None}


def file_of(state: object, path: Path) -> bytes:
    torch.save(state, path)
    return path.read_bytes()


class World:
    """Hosts with the files of `own.py`."""

    def __init__(self, net: Internet, folder: Path) -> None:
        torch.manual_seed(0)
        self.net, self.folder = net, folder
        self.good = file_of(own.network().state_dict(), folder / "good")
        self.other = file_of(own.network().state_dict(), folder / "other")
        self.wrong = file_of(torch.nn.Linear(4, 1).state_dict(), folder / "wrong")
        self.github = Files({f"{RELEASES}/tiny.pth": self.good, f"{RELEASES}/other.pth": self.other})
        self.plain = Files({"/backbone.pth": self.other})
        self.drive = Drive({own.DRIVE_ID: ("x.pth", self.good)}, {own.FOLDER_ID: {"tiny.pth": own.DRIVE_ID}})
        self.hub = Hub({"owner/name": {"README.md": b"x", "tiny.pth": self.good}})
        net.hosts["github.com"], net.hosts["example.org"] = self.github, self.plain
        self.drive.install(net)
        self.hub.install(net)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / "clips" / kind / "a").mkdir(parents=True)
    for t in range(3):
        mask = np.zeros((48, 64), np.uint8)
        mask[8:24, 6 + t : 26 + t] = 1
        Image.fromarray(np.full((48, 64, 3), 60 + 50 * t, np.uint8)).save(tmp_path / f"clips/JPEGImages/a/{t:05d}.png")
        Image.fromarray(mask).save(tmp_path / f"clips/Annotations/a/{t:05d}.png")
    (tmp_path / "made").mkdir()
    with internet() as net:
        yield World(net, tmp_path / "made")


GRID = ("--dataset=folder", "--data-root=clips", "--corruption=contrast", "--severity=1", "--workers=1", "--device=cpu")


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(words)
    return int(done.value.code or 0)


@pytest.mark.parametrize(
    ("name", "host", "licence"),
    [
        ("Released", "https://github.com/owner/name/releases/download/v1.0/tiny.pth", "MIT"),
        ("Driven", f"https://drive.google.com/file/d/{own.DRIVE_ID}/view", "NON-COMMERCIAL"),
        ("InFolder", "https://example.org/gone", "no licence given"),
        ("Hubbed", "https://huggingface.co/owner/name", "Apache-2.0"),
    ],
)
def test_one_command_goes_from_nothing_to_a_table(
    world: World, capsys: pytest.CaptureFixture[str], name: str, host: str, licence: str
) -> None:
    assert run("run", f"--model={OWN}:{name}", *GRID) == 0
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if "fetching tiny.pth" in line]
    assert len(lines) == 1 and f"{len(world.good)} bytes" in lines[0] and host in lines[0] and licence in lines[0]
    assert name.lower() in out and Path(f"weights/{name.lower()}/tiny.pth").read_bytes() == world.good
    assert not Path("cache/weights").exists(), "$RVOS_BENCH_WEIGHTS comes first"
    asked = len(world.net.requests)
    assert run("run", f"--model={OWN}:{name}", *GRID, "--overwrite=always", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "complete" and "fetching" not in err and len(world.net.requests) == asked


def test_a_built_in_model_of_drive(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    link = builtin_entries()["aot.t"].card.weights[0].links[0]
    body = file_of({"state_dict": aot_weights("aot.t")}, world.folder / "aot")
    world.drive.files[link.id] = ("AOTT_PRE_YTB_DAV.pth", body)  # type: ignore[union-attr]
    assert run("run", "--model=aot.t", *GRID, "--json") == 0
    out, err = capsys.readouterr()
    shown = json.loads(out)
    assert shown["models"][0]["model"] == "aot.t" and shown["models"][0]["p"] is not None
    assert "fetching AOTT_PRE_YTB_DAV.pth" in err and "BSD-3-Clause" in err
    rows = {row["name"]: row for row in describe_models()}
    assert rows["aot.t"]["weights"] == "here" and rows["aot.s"]["weights"] == "fetchable"


@pytest.mark.slow
def test_a_built_in_model_of_a_release(world: World) -> None:
    adapter = rvos.load_adapter("xmem", "random", "cpu")
    network = type(adapter).build(adapter)  # type: ignore[attr-defined]
    path = "/hkchengrex/XMem/releases/download/v1.0/XMem.pth"
    world.github.files[path] = file_of(network.state_dict(), world.folder / "xmem")
    assert run("run", "--model=xmem", *GRID, "--quiet") == 0


def test_a_file_that_does_not_fit_the_network_is_never_kept(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.github.files[f"{RELEASES}/tiny.pth"] = world.wrong
    assert run("run", f"--model={OWN}:Released", *GRID) == 4
    err = capsys.readouterr().err
    assert "what arrived cannot be used: tiny.pth does not fit Linear" in err and "shape: weight is (1, 4)" in err
    assert f"https://github.com{RELEASES}/tiny.pth" in err and "put the file at" in err
    assert [p.name for p in Path("weights").rglob("*") if p.is_file() and ".lock" not in p.name] == []
    world.github.files[f"{RELEASES}/tiny.pth"] = world.good
    assert run("run", f"--model={OWN}:Released", *GRID) == 0


def test_offline_touches_nothing_and_says_what_would_fetch(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "--model=xmem", "--offline", *GRID) == 4
    err = capsys.readouterr().err
    assert "rvos-bench weights get xmem" in err and "--offline" in err
    assert run("check", f"{OWN}:Released", "--offline") == 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RVOS_BENCH_OFFLINE", "1")
        assert run("run", f"--model={OWN}:Released", *GRID) == 4 and run("weights", "get", "xmem") == 4
    assert world.net.requests == []
    assert run("check", "static") == 0


def test_a_dry_run_fetches_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", f"--model={OWN}:Released", *GRID, "--dry-run", "--no-probe") == 0
    assert world.net.requests == []


def test_check_and_python_fetch_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", f"{OWN}:Driven") == 0
    assert "fetching tiny.pth of driven" in capsys.readouterr().err
    rvos.load_adapter(f"{OWN}:Released", device="cpu")
    assert "fetching tiny.pth of released" in capsys.readouterr().err


def test_an_official_file_by_name(world: World) -> None:
    assert run("run", f"--model={OWN}:Released", "--checkpoint=other.pth", *GRID, "--output=out") == 0
    assert rvos.load_run("out").manifest.models[0].checkpoint == "other.pth"
    assert not Path("weights/released/tiny.pth").exists()


def test_a_fetched_file_that_was_changed_is_not_run(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", f"--model={OWN}:Released", *GRID) == 0
    Path("weights/released/tiny.pth").write_bytes(world.other)
    assert run("run", f"--model={OWN}:Released", *GRID) == 4
    assert re.search(r"released/tiny\.pth: sha256 .* differs from .*--checkpoint FILE", capsys.readouterr().err)
    assert run("run", f"--model={OWN}:Released", f"--checkpoint={world.folder / 'other'}", *GRID) == 0
    assert run("weights", "verify", f"{OWN}:Released") == 4
    assert "WRONG" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_gives_way_to_the_cache(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_bytes(b"")  # below a file nobody can write, not even root
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", "file/weights")
    assert run("run", f"--model={OWN}:Released", *GRID) == 0
    assert Path("cache/weights/released/tiny.pth").is_file()
    monkeypatch.setenv("RVOS_BENCH_CACHE", "file/cache")
    assert run("weights", "get", f"{OWN}:Driven") == 4
    err = capsys.readouterr().err
    assert "tiny.pth" in err and "drive.google.com" in err and "set RVOS_BENCH_WEIGHTS to a folder" in err


def test_what_is_needed_beside_the_checkpoint_is_fetched_and_part_of_the_key(world: World) -> None:
    assert run("run", f"--model={OWN}:Backed", *GRID, "--output=one") == 0
    assert Path("weights/backed/backbone.pth").read_bytes() == world.other
    first = rvos.load_run("one").manifest.models[0].weights_sha256
    Path("weights/downloads.json").unlink()
    Path("weights/backed/backbone.pth").write_bytes(world.good)
    assert run("run", f"--model={OWN}:Backed", *GRID, "--output=two") == 0
    assert rvos.load_run("two").manifest.models[0].weights_sha256 != first


def test_a_bare_family_name_keeps_its_meaning(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for family in ("aot", "cfbi", "aoc"):
        with pytest.warns(UserWarning, match=rf"runs {family}\.lite") as told:
            rvos.load_adapter(family, device="cpu")
        assert ("`rvos-bench weights get" in str(told[0].message)) == (family != "aoc"), family
    assert world.net.requests == []


def test_the_commands_of_weights(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    spec = f"{OWN}:Released"
    assert run("weights", "get", spec, "--json") == 0
    (got,) = json.loads(capsys.readouterr().out)
    assert got["fetched"] and not got["known"] and got["models"] == ["released"] and got["license"] == "MIT"
    assert run("weights", "get", spec, "--every", "--json") == 0
    assert [row["fetched"] for row in json.loads(capsys.readouterr().out)] == [False, True]
    assert run("weights", "verify", spec) == 0
    assert capsys.readouterr().out.count("ok") == 2
    assert run("weights", "list", spec) == 0 and "released/tiny.pth" in capsys.readouterr().out
    assert run("weights", "list", "--json") == 0
    rows = {row["file"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["XMem.pth"]["state"] == "fetchable" and rows["GSFM.pth"]["state"] == "never published"
    assert rows["STM_weights.pth"]["non_commercial"] and "here" in {row["state"] for row in rows.values()}
    assert run("weights", "list") == 0 and "cutie-base-mega.pth" in capsys.readouterr().out
    assert run("weights", "where") == 0 and str(Path("weights").absolute()) in capsys.readouterr().out
    for words, said in (
        (("get",), "say which weights"),
        (("get", "xmen"), "Did you mean 'xmem'"),
        (("get", "static"), "needs no weights"),
        (("get", "gsfm"), "never published"),
        (("get", "all", "--family", "aotx"), "unknown family"),
        (("convert", "xmem"), "need no conversion"),
        (("convert", "none.pth"), "no such file"),
    ):
        assert run("weights", *words) in (2, 4), words
        assert said in capsys.readouterr().err, words


def test_all_of_a_family_goes_on_after_a_failure(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    cards = [builtin_entries()[f"aot.{variant}"].card for variant in ("t", "s")]
    link = cards[0].weights[0].links[0]
    body = file_of({"state_dict": aot_weights("aot.t")}, world.folder / "aot")
    world.drive.files[link.id] = ("x", body)  # type: ignore[union-attr]
    assert run("weights", "get", "all", "--family", "aot", "--json") == 4
    out, err = capsys.readouterr()
    assert [row["file"] for row in json.loads(out)] == ["AOTT_PRE_YTB_DAV.pth"]
    assert err.count("of model 'aot.") == 5 and "aot.lite" not in err


def test_the_md5_of_the_authors_is_compared_before_anything_else(world: World) -> None:
    path = "/hkchengrex/Cutie/releases/download/v1.0/cutie-base-mega.pth"
    world.github.files[path] = world.good
    with pytest.raises(WeightsError, match=r"md5 .*authors say a6071de6136982e396851903ab4c083a"):
        rvos.get_weights("cutie.base", progress=False)


def test_a_pickled_file_is_converted_by_command_only(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"net": own.network().state_dict(), "constructor": Path("x"), "epoch": 3}
    world.plain.files["/tiny.pth.tar"] = file_of(held, world.folder / "p")
    spec = f"{OWN}:Pickled"
    assert run("run", f"--model={spec}", *GRID) == 4
    assert "rvos-bench weights get pickled" in capsys.readouterr().err and world.net.requests == []
    assert run("weights", "get", spec) == 0
    assert "Convert it once: rvos-bench weights convert pickled" in capsys.readouterr().err
    assert run("run", f"--model={spec}", *GRID) == 4
    assert "has to be converted once: rvos-bench weights convert" in capsys.readouterr().err
    assert run("weights", "convert", spec) == 0
    err = capsys.readouterr().err
    assert "WARNING" in err and "pathlib" in err and "nothing that the file names was called" in err
    assert run("run", f"--model={spec}", *GRID) == 0
    world.plain.files["/tiny.pth.tar"] = file_of({"net": torch.nn.Linear(9, 9).state_dict()}, world.folder / "p")
    for path in Path("weights/pickled").glob("tiny*"):
        path.unlink()
    Path("weights/downloads.json").unlink()
    assert run("weights", "get", spec) == 0 and run("weights", "convert", spec) == 4
    assert not Path("weights/pickled/tiny.safetensors").exists()


def test_every_built_in_model_says_how_its_weights_are_to_be_had(shared: Path) -> None:
    """The cards have every address that was collected for a model that is here; of other things in their notes."""
    collected = (shared / "links.md").read_text()
    known = {link.address for entry in builtin_entries().values() for w in entry.card.weights for link in w.links}
    known |= {entry.card.notes for entry in builtin_entries().values()}
    for entry in builtin_entries().values():
        for weights in entry.card.weights:
            assert weights.said, entry.name
            assert weights.links or not weights.published or ".lite" in entry.name, entry.name
    families = {entry.card.family for entry in builtin_entries().values()}
    rows = [line for line in collected.partition("## Data")[0].splitlines() if line.startswith("| ")]
    for row in rows:
        if re.split(r"[ .,]", row[2:])[0] not in families:
            continue
        for drive_id in re.findall(r"\b1[\w-]{32}\b", row):
            assert any(drive_id in address for address in known), row
