"""No path, host or person of a machine leaves it in a pack, a leaderboard or a report: canaries in every place."""

from __future__ import annotations

import base64
import gzip
import html
import json
import platform
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.analysis.packing import results_of
from robust_vos_bench.analysis.result import read_result, verify
from robust_vos_bench.analysis.sharing import Private, shareable
from robust_vos_bench.cli.report import command as report_command
from robust_vos_bench.reports.leaderboard_files import leaderboard
from robust_vos_bench.reports.pack import pack_result

PLUG_IN = '''
import getpass, os, platform, socket
from pathlib import Path
import numpy as np
from robust_vos_bench import ModelCard, VOSAdapter

class Leaky(VOSAdapter):
    """Says all that it knows."""

    card = ModelCard("leaky", version="1")

    def __init__(self, checkpoint=None, device="cpu", *, notes: Path = Path(), fail: bool = False):
        super().__init__(checkpoint, device)
        self.notes, self.fail, self.weights = notes, fail, checkpoint

    def segment(self, video):
        said = [os.getcwd(), os.path.expanduser("~"), __file__, Path(__file__).name, str(self.notes), platform.node(),
                socket.gethostname(), os.environ["USER"], str(self.weights), "~/canary-x", "../canary-y/z.png"]
        said += [f"{word!r}: cannot be read" for word in said] + [f"({word}:12)" for word in said]
        self.diagnostics.extend(said)
        self.diagnostics.append(" ".join(said))
        for t, frame in enumerate(video.frames):
            if self.fail and t == 2 and video.name == "b":
                raise RuntimeError("; ".join(said))
            yield next(iter(video.prompts.values()))
'''


def write_data(root: Path) -> None:
    """Two videos of a square that moves."""
    for name in ("a", "b"):
        images, masks = root / "JPEGImages" / name, root / "Annotations" / name
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for t in range(4):
            mask = np.zeros((24, 32), np.uint8)
            mask[4:12, 4 + t : 14 + t] = 1
            Image.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(images / f"{t:05d}.png")
            Image.fromarray(mask).save(masks / f"{t:05d}.png")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which everything has the word in its name."""
    top = tmp_path / "place"
    for name in ("canary home", "canary-cwd", "canary-plug", "canary-weights", "canary-notes"):
        (top / name).mkdir(parents=True)
    write_data(top / "canary-data")
    (top / "canary-plug" / "canary_model.py").write_text(PLUG_IN)
    (top / "canary-weights" / "canary.pth").write_bytes(b"weights")
    for name, value in (("HOME", top / "canary home"), ("USER", "canary-person"), ("LOGNAME", "canary-person")):
        monkeypatch.setenv(name, str(value))
    for module, name in ((platform, "node"), (socket, "gethostname")):
        monkeypatch.setattr(module, name, lambda: "canary-host.example")
    monkeypatch.chdir(top / "canary-cwd")
    return top


def run_leaky(place: Path, name: str, fail: bool = False, **words: Any) -> rvos.Run:
    """A run with a path as an option of the model, a relative one where it does not fail."""
    notes = str(place / "canary-notes") if fail else "canary-relative"
    return rvos.run(
        f"{place}/canary-plug/canary_model.py:Leaky",
        **{"corruption": "pixelate", "severity": 3, **words},
        dataset="folder",
        data_root=place / "canary-data",
        option={"notes": notes, "fail": fail},
        output=place / "canary-out" / name,
        workers=1,
        progress=False,
        allow_failures=True,
    )


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder as text, with what is packed inside of it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield path.name, (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def inside(page: str) -> Iterator[str]:
    """A page, unescaped, and the data that is embedded in it."""
    yield html.unescape(page)
    for kind, found in re.findall(r"data:([a-z/]+);base64,([A-Za-z0-9+/=]+)", page):
        data = base64.b64decode(found)
        yield gzip.decompress(data).decode() if kind == "application/gzip" else data.decode("latin-1")


@pytest.mark.parametrize("conditions", [False, True])
def test_no_canary_leaves(place: Path, tmp_path: Path, conditions: bool) -> None:
    """conditions: the run is made of objects, and so has a Python call in place of a command."""
    words: dict[str, Any] = {}
    if conditions:
        words = {"corruption": [rvos.Condition("pixelate", 3), rvos.Condition("contrast", 1)], "severity": None}
    done = run_leaky(place, "run", **words)
    failed = run_leaky(place, "failed", fail=True, **words)
    assert (
        done.manifest.status == "complete"
        and failed.manifest.units.failed
        and bool(done.manifest.command) != conditions
    )
    kept = (done.folder / "run.json").read_text() + (failed.folder / "log.jsonl").read_text()
    for word in ("canary home", "canary-cwd", "canary_model.py", "canary-host", "canary-person", "canary-relative"):
        assert word in kept, "the run directory itself keeps all of it"

    out = tmp_path / "shared"
    out.mkdir()
    pack_result(done.folder, output=out / "packed.json.gz")
    leaderboard(done.folder, failed.folder, output=out / "boards")
    leaderboard(out / "packed.json.gz", output=out / "again")
    for name, runs in {"one": [done], "failed": [failed], "both": [done, failed]}.items():
        rvos.report(*runs, output=out / f"{name}.html")
    said = CliRunner().invoke(report_command, [str(done.folder), str(failed.folder), "--json", "--table"])
    (out / "table.json").write_text(said.stdout)
    printed = CliRunner().invoke(report_command, [str(done.folder), str(failed.folder), "--table"])
    (out / "table.txt").write_text(printed.stdout)
    assert said.exit_code == printed.exit_code == 0, said.output + printed.output

    found = [(name, part) for name, text in texts(out) for part in (inside(text) if name.endswith("html") else [text])]
    assert len(found) >= 20
    for name, text in found:
        where = text.lower().find("canary")
        assert where < 0, (name, text[max(where - 200, 0) : where + 60])
        assert str(tmp_path) not in text, name
    page = (out / "failed.html").read_text()
    assert "RuntimeError" in page and "FILE.py" in page and "DIR" in page and "HOST" in page and "USER" in page
    row = json.loads((out / "table.json").read_text())["models"]
    assert len(row) == 2 and all(r["model"].startswith("leaky[") and "notes=DIR-" in r["model"] for r in row)


def strings(plain: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every text in nested plain data."""
    if isinstance(plain, str):
        yield path
    for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ():
        yield from strings(value, (*path, key))


def test_a_canary_in_any_field_of_a_result_is_taken_out(place: Path) -> None:
    done = run_leaky(place, "run")
    (result,) = results_of(done)
    plain = json.loads(msgspec.json.encode(result))
    plain["records"], plain["facts"] = plain["records"][:1], plain["facts"][:1]
    kinds = [path for path in strings(plain) if path[-1] != "schema" and path != ("checksum",)]
    assert len(kinds) > 40
    for path in kinds:
        copy = json.loads(json.dumps(plain))
        at = copy
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] += " /srv/canary/x.png"
        shared = shareable(msgspec.convert(copy, type(result)))
        assert b"canary" not in msgspec.json.encode(shared), path


def test_sharing_twice_is_sharing_once_and_keeps_what_is_no_secret(place: Path) -> None:
    done = run_leaky(place, "run")
    (result,) = results_of(done)
    verify(result, "here")
    assert shareable(result) == result and result.complete
    (own,) = results_of(done, shared=False)
    assert [r.objects for r in own.records] == [r.objects for r in result.records]
    assert [r.key for r in own.records] == [r.key for r in result.records]
    model = result.manifest.models[0]
    assert model.weights_sha256 == own.manifest.models[0].weights_sha256 and model.name == result.records[0].model
    command = result.manifest.command
    assert command[:4] == ["rvos-bench", "run", "--model", "FILE.py:Leaky"] and "pixelate" in command
    assert command[command.index("--data-root") + 1] == "DIR" and command[command.index("--output") + 1] == "DIR"


def test_two_folders_as_options_stay_two_models(place: Path, tmp_path: Path) -> None:
    one, two = run_leaky(place, "one"), run_leaky(place, "two", fail=True)
    (page,) = leaderboard(one.folder, two.folder, output=tmp_path / "boards")
    assert len({row.model for row in page.rows}) == 2


WORDS = {
    "--data-root /home/me/DAVIS -o out -w 1": "--data-root DIR -o DIR -w 1",
    "--data-root=/home/me/DAVIS --output=out": "--data-root=DIR --output=DIR",
    "--model ours=plug/mine.py:Net,static": "--model ours=FILE.py:Net,static",
    "--checkpoint ours=w.pth --checkpoint random": "--checkpoint ours=FILE --checkpoint random",
    "--checkpoint C:\\w\\x.pth --seed 3": "--checkpoint FILE --seed 3",
    "--corruption fog,../own.py:haze -p mine/own.toml": "--corruption fog,FILE.py:haze -p FILE.toml",
    "--dataset data.py:Squares:two": "--dataset FILE.py:Squares:two",
    "--ray-address ray://head.example:10001 --engine ray": "--ray-address ADDRESS --engine ray",
    "-d clip.mp4 --mask first.png --mask 12=late.txt": "-d FILE --mask FILE --mask 12=FILE",
    "--dataset=/home/me/clips --videos dog,car*": "--dataset=DIR --videos dog,car*",
    "--option size=480 --preset common -q": "--option size=480 --preset common -q",
}


@pytest.mark.parametrize("given", WORDS)
def test_words_of_a_command(given: str) -> None:
    assert Private([]).command(given.split(), strict=True) == WORDS[given].split()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/home/me/x.png: truncated", "DIR: truncated"),
        ("cannot open '/a/b c'", "cannot open 'DIR c'"),
        (
            "see https://example.org/a/b and CC BY 4.0 / MIT, J/F 3/4",
            "see https://example.org/a/b and CC BY 4.0 / MIT, J/F 3/4",
        ),
        (r"C:\Users\me\x.pth is bad", "DIR is bad"),
        (r"on \\server\share\me", "on DIR"),
        ("in ~/x, ~me/y, ./z/w and ../up/v.", "in DIR, DIR, DIR and DIR."),
        ("weights=/srv/w.pt;size=3", "weights=DIR;size=3"),
    ],
)
def test_paths_in_a_sentence(text: str, clean: str) -> None:
    assert Private([]).text(text) == clean


def test_old_packed_results_lose_their_paths_when_they_are_shared_again(run_folder: Any, tmp_path: Path) -> None:
    """Packs of older versions hold the command as it was typed, with its paths."""
    folder = run_folder(models=["one"])
    pack_result(folder, output=tmp_path / "new.json.gz")
    plain = json.loads(gzip.decompress((tmp_path / "new.json.gz").read_bytes()))
    (made,) = plain["manifest"].pop("invocations")
    typed = ["rvos-bench", "run", "--data-root", "/home/canary/DAVIS", "-o", "plain-word", "--model", "one"]
    plain["manifest"] |= {"schema": "rvos-bench/run/1", "command": typed, "settings": {}, "tool": made["tool"]}
    plain["schema"] = "rvos-bench/result/1"
    for record in plain["records"]:
        record.pop("invocation")
    import hashlib

    content = [plain["manifest"], plain["records"], plain["facts"]]
    plain["checksum"] = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
    (tmp_path / "old.json.gz").write_bytes(gzip.compress(msgspec.json.encode(plain)))
    assert "/home/canary/DAVIS" in read_result(tmp_path / "old.json.gz").manifest.command
    (page,) = leaderboard(tmp_path / "old.json.gz", output=tmp_path / "boards")
    for _, text in texts(tmp_path / "boards"):
        assert "canary" not in text
    assert page.rows[0].result.manifest.command[:6] == ["rvos-bench", "run", "--data-root", "DIR", "-o", "plain-word"]
