"""What a bare family name stands for, with and without weights, and how users hear of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from robust_vos_bench.adapters import lite
from robust_vos_bench.adapters.lite.untrained import UNTRAINED
from robust_vos_bench.cli import main
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import checkpoint, choose, describe_models, load_adapter
from robust_vos_bench.models.registry import builtin_entries

FAMILIES = ("aoc", "aot", "cfbi")
BARE = f"aoc.lite-{lite.BARE}"
"""What a bare `aoc` stands for."""


@pytest.fixture
def nothing_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights anywhere; returns the folder that stands for the one in the package."""
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    monkeypatch.setattr(checkpoint, "packaged_folder", lambda: packaged)
    return packaged


def _ship(folder: Path, family: str = "aoc", recipe_name: str = lite.BARE) -> Path:
    """Put recipe weights where the lite model's own would be."""
    network = load_adapter(f"{family}.lite", "random", "cpu").network  # type: ignore[attr-defined]
    state = {
        n: torch.from_numpy(np.asarray(UNTRAINED.values(n, tuple(t.shape)))).half()
        for n, t in network.state_dict().items()
    }
    file = folder / f"{family}.lite.{recipe_name}.safetensors"
    save_file(state, file)
    return file


@pytest.mark.parametrize("family", FAMILIES)
def test_without_any_weights_the_paper_s_model_is_asked_for(nothing_found: Path, family: str) -> None:
    choice = choose(family)
    assert not choice.instead and "lite" not in choice.entry.name
    for name in (family, f"{family}.lite", f"{family}.lite-corrupted"):
        with pytest.raises(WeightsError):
            load_adapter(name)


def test_a_bare_name_takes_the_lite_model_and_says_so(nothing_found: Path) -> None:
    file = _ship(nothing_found)
    choice = choose("aoc")
    assert choice.entry.name == BARE and "\n" not in choice.instead and f"runs {BARE}," in choice.instead
    assert "non-commercial" in choice.instead
    with pytest.warns(UserWarning, match=f"runs {BARE},"):
        adapter = load_adapter("aoc", device="cpu")
    assert adapter.card.name == BARE and adapter.checkpoint == file
    assert choose(BARE).instead == "", "who asks for it needs no telling"
    assert choose("aoc.base").entry.name == "aoc.base", "a full name stands for itself"
    assert choose("cfbi").entry.name == "cfbi", "another family's lite model is no help"


def test_a_given_or_found_checkpoint_is_the_paper_s(nothing_found: Path, tmp_path: Path) -> None:
    _ship(nothing_found)
    assert choose("aoc", "random").entry.name == "aoc"
    assert choose("aoc", "my.pth").entry.name == "aoc"
    official = tmp_path / "weights" / "aoc" / "aoc_resnet101.pth"
    official.parent.mkdir(parents=True)
    official.write_bytes(b"")
    assert choose("aoc").entry.name == "aoc"


def test_unknown_names_are_still_unknown(nothing_found: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean|unknown"):
        choose("aocc")


def _command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return int(done.value.code or 0)


def test_the_command_line_says_it_once_and_rows_carry_the_full_name(
    nothing_found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _ship(nothing_found)
    once = ["--corruption", "mean_blur", "--severity", "1", "--limit", "1", "--output", str(tmp_path / "run")]
    assert _command("run", "--model", "aoc", *once, "--device", "cpu", "--json") == 0
    out, err = capsys.readouterr()
    assert err.count(f"runs {BARE}") == 1
    (row,) = json.loads(out)["models"]
    assert row["model"] == BARE
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    shipped = checkpoint.sha256_of(nothing_found / lite.file_name("aoc", lite.BARE))
    assert [(m["name"], m["weights_sha256"]) for m in manifest["models"]] == [(BARE, shipped)]


def test_check_runs_the_lite_model_under_a_bare_name(nothing_found: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _ship(nothing_found, "aot")
    assert _command("check", "aot", "--device", "cpu") == 0
    out, err = capsys.readouterr()
    assert f"runs aot.lite-{lite.BARE}" in err and f"model 'aot.lite-{lite.BARE}' passed" in out


def test_without_weights_the_command_ends_with_4(
    nothing_found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command("run", "--model", "aoc", "--output", str(tmp_path / "run")) == 4
    assert "aoc_resnet101.pth" in capsys.readouterr().err


def test_the_list_tells_what_is_ready(nothing_found: Path) -> None:
    before = {row["name"]: row for row in describe_models()}
    assert not before[BARE]["ready"] and "runs" not in before["aoc"]["why_not"]
    _ship(nothing_found)
    after = {row["name"]: row for row in describe_models()}
    assert after[BARE]["ready"] and not after["aoc.lite-corrupted"]["ready"]
    assert not after["aoc"]["ready"] and f"--model aoc runs {BARE}" in after["aoc"]["why_not"]


def test_weights_that_are_shipped_are_whole() -> None:
    """Whatever lite weights this checkout holds: small enough, and their card names their sha256."""
    folder = checkpoint.packaged_folder()
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    known = {w.file for e in builtin_entries().values() if ".lite" in e.name for w in e.card.weights}
    assert len(known) >= len(FAMILIES) * len(lite.RECIPES)
    assert {f.name for f in files} <= known
    assert sum(f.stat().st_size for f in files) <= 45e6
    for file in files:
        assert file.stat().st_size <= 4e6
        assert checkpoint.sha256_of(file) in file.with_suffix(".md").read_text(encoding="utf-8")


def test_further_lines_exist_once_their_file_does(tmp_path: Path) -> None:
    names = [e.name for e in lite.lite_entries("aoc", "AOC-Net", "paper", tmp_path)]
    assert names == ["aoc.lite", "aoc.lite-corrupted"]
    (tmp_path / lite.file_name("aoc", "video")).write_bytes(b"")
    entries = {e.name: e for e in lite.lite_entries("aoc", "AOC-Net", "paper", tmp_path)}
    card = entries["aoc.lite-video"].card
    assert "davis2016-train" in card.trained_on and "motocross-bumps / -jump" in card.notes
    assert card.weights[0].non_commercial and card.weights[0].file == "aoc.lite.video.safetensors"
    assert "davis2016-train" not in entries["aoc.lite"].card.trained_on


def test_one_model_of_a_family_stands_for_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def standing() -> list[str]:
        return [e.name for e in lite.lite_entries("aot", "AOT", "paper", tmp_path) if e.stand_in]

    assert standing() == ["aot.lite"], "weights that were left out, for what they may be used for, stand for nothing"
    (tmp_path / lite.file_name("aot", "video")).write_bytes(b"")
    assert standing() == ["aot.lite-video"]
    monkeypatch.setattr(lite, "BARE", "plain")
    assert standing() == ["aot.lite"]
