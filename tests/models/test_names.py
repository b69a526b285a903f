"""Names that users give to models: two checkpoints of one architecture in one run, told apart everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import robust_vos_bench
from robust_vos_bench.analysis.leaderboard import build_page, collect
from robust_vos_bench.api.models import resolve_models, split_name
from robust_vos_bench.api.settings import model_names
from robust_vos_bench.cli import cli as main_command
from robust_vos_bench.errors import UsageError
from robust_vos_bench.reports.markdown import page_markdown
from robust_vos_bench.reports.pack import pack_result
from robust_vos_bench.runs.build import build_model
from robust_vos_bench.runs.records import digest

MODEL = '''
import msgspec
import numpy as np
from robust_vos_bench.models import ModelCard, StreamingAdapter

class Net(StreamingAdapter):
    """Repeats the prompt, moved down by the number in its checkpoint plus `extra`."""

    card = ModelCard("net")

    def __init__(self, checkpoint=None, device="cpu", *, extra: int = 0):
        super().__init__(checkpoint, device)
        self.move = extra + (int(checkpoint.read_text()) if checkpoint else 0)

    def reset(self, video):
        self.mask = np.zeros(video.size, np.uint8)

    def step(self, frame, prompt, last):
        if prompt is not None:
            self.mask = np.where(prompt > 0, prompt, self.mask)
            return self.mask.copy()
        return np.roll(self.mask, self.move, 0)
'''


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A model, two checkpoints of it and a still clip of one object, 20 rows high: folder data set `clips`."""
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "still.pth").write_text("0")
    (tmp_path / "moved.pth").write_text("20")
    mask = np.zeros((60, 40), np.uint8)
    mask[10:30, 10:30] = 1
    for kind, picture in (("JPEGImages", np.full((60, 40, 3), 90, np.uint8)), ("Annotations", mask)):
        folder = tmp_path / "clips" / kind / "one"
        folder.mkdir(parents=True)
        for t in range(4):
            Image.fromarray(picture).save(folder / f"{t:05d}.png")
    return tmp_path


def run(files: Path, model: Any, **words: Any) -> Any:
    settings: dict[str, Any] = {"dataset": "folder", "data_root": files / "clips", "corruption": "fog", "severity": 1}
    return robust_vos_bench.run(
        model, progress=False, device="cpu", workers=1, output=files / "out", **{**settings, **words}
    )


def test_two_checkpoints_of_one_architecture_are_told_apart(files: Path) -> None:
    net = f"{files / 'net.py'}:Net"
    made = {"ours": files / "still.pth", "theirs": files / "moved.pth"}
    done = run(files, {"ours": net, "theirs": net}, checkpoint=made)
    assert list(done.models) == ["ours", "theirs"]
    first, other = done.manifest.models
    assert (first.name, first.model, first.checkpoint) == ("ours", "net", "still.pth")
    assert (other.name, other.model, other.checkpoint) == ("theirs", "net", "moved.pth")
    j = {row["model"]: row["J"] for row in done.scores.to_dict("records") if row["corruption"] == "clean"}
    assert j["ours"] == 1.0 and j["theirs"] == 0.0
    packed = [pack_result(files / "out", name) for name in ("ours", "theirs")]
    pages = collect(packed)
    (page,) = pages.values()
    text = page_markdown(build_page(list(page.values())))
    assert "| ours " in text and "| theirs " in text and "net v1+" in text


def test_the_command_line_says_the_same(files: Path) -> None:
    net = f"{files / 'net.py'}:Net"
    words = ["run", "--model", f"a={net},b={net},{net}", "--dataset", "folder", "--data-root", str(files / "clips")]
    words += ["--checkpoint", f"b={files / 'moved.pth'}", "--option", "a:extra=20", "--corruption", "fog", "-s", "1"]
    words += ["--device", "cpu", "--workers", "1", "-o", str(files / "out"), "--json", "-q"]
    done = CliRunner().invoke(main_command, words)
    assert done.exit_code == 0, done.output
    rows = {row["model"]: row for row in json.loads(done.stdout)["models"]}
    assert list(rows) == ["a", "b", "net"]
    manifest = json.loads((files / "out" / "run.json").read_text())
    assert [(m["name"], m.get("model"), m["options"]) for m in manifest["models"]] == [
        ("a", "net", {"extra": 20}),
        ("b", "net", {}),
        ("net", None, {}),
    ]


def test_keys_of_models_without_a_name_stay_as_they_were() -> None:
    from robust_vos_bench.conditions import CLEAN
    from robust_vos_bench.runs.plan import Plan

    class Data:
        name, code = "folder", ""

    def key(label: str) -> str:
        plan = Plan(
            (build_model("labelprop", options={"size": 304}, label=label),),
            Data(),  # type: ignore[arg-type]
            (CLEAN,),
            {"clean": "c0"},
            {},
            {},
            ("v",),
            "p",
            "1",
            fingerprints={"v": "f0"},
        )
        return plan.key(0, CLEAN, "v")

    spec = build_model("labelprop", options={"size": 304})
    facts = {
        "model": "labelprop[size=304]",
        "adapter": spec.record.adapter_version,
        "options": {"size": 304},
        "weights": "",
        "data": "f0",
        "dataset": "folder",
        "condition": CLEAN.to_dict(),
        "corruption": "c0",
        "protocol": ["p", "1"],
    }
    assert key("") == digest(facts)[:24]
    assert key("ours") == digest({**facts, "model": "ours=labelprop"})[:24] != key("")
    assert "model" not in msgspec.to_builtins(spec.record)


def test_one_named_model_takes_words_with_and_without_its_name(files: Path) -> None:
    net = f"{files / 'net.py'}:Net"
    for checkpoint in (f"{files / 'moved.pth'}", f"mine={files / 'moved.pth'}", f"{net}={files / 'moved.pth'}"):
        for option in ("extra=3", "mine:extra=3", f"{net}:extra=3"):
            (spec,) = resolve_models([f"mine={net}"], [checkpoint], [option])
            assert spec.record.name == "mine" and spec.options == {"extra": 3}
            assert spec.checkpoint == str(files / "moved.pth")


@pytest.mark.parametrize(
    ("words", "checkpoints", "options", "message"),
    [
        (["a b=static"], [], [], "NAME=MODEL"),
        (["../up=static"], [], [], "NAME=MODEL"),
        (["=static"], [], [], "NAME=MODEL"),
        (["x="], [], [], "NAME=MODEL"),
        (["flow=static"], [], [], "is the name of a model"),
        (["x=static", "y=static"], ["static=w.pth"], [], "write x= or y= instead of static="),
        (["x=labelprop", "y=labelprop"], [], ["labelprop:size=3"], "write x: or y: instead"),
        (["x=labelprop", "y=labelprop"], [], ["size=300"], "several models"),
        (["x=statik"], [], [], "Did you mean 'static'"),
    ],
)
def test_unclear_words_are_refused(words: list[str], checkpoints: list[str], options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_models(words, checkpoints, options)


def test_names_that_a_file_system_may_not_tell_apart_are_refused(files: Path) -> None:
    with pytest.raises(UsageError, match="given twice; give each a name of its own"):
        run(files, ["Net-1=static", "net-1=flow"])


def test_a_path_may_hold_an_equals_sign(files: Path) -> None:
    (files / "a=b").mkdir()
    (files / "a=b" / "net.py").write_text(MODEL)
    assert split_name(f"{files}/a=b/net.py:Net") == ("", f"{files}/a=b/net.py:Net")
    assert split_name(f"x={files}/a=b/net.py:Net") == ("x", f"{files}/a=b/net.py:Net")
    assert model_names({"x": "aot.t"}) == ("x=aot.t",)
