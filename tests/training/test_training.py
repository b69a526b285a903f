"""Training: goes on as if it had never stopped, loses nothing when killed, and its export runs."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.synthetic import standard_clip
from training import export, losses, state, train
from training.images import Stills
from training.state import State
from training.trainer import NETWORKS, Settings, Trainer

SMALL = {"batch": 1, "crop": 65}
ROOT = Path(__file__).resolve().parents[2]


def _flags(ecssd: Path, out: Path, *more: str) -> list[str]:
    given = ["--model", "cfbi.lite", "--out", str(out), "--data", str(ecssd), "--device", "cpu"]
    return [*given, "--batch", "1", "--crop", "65", *more]


@pytest.fixture(autouse=True)
def one_thread_and_signals_kept() -> object:
    """The command sets threads and handlers; tests leave the process as it was."""
    threads, handlers = torch.get_num_threads(), [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    yield
    torch.set_num_threads(threads)
    for which, handler in zip((signal.SIGTERM, signal.SIGINT), handlers):
        signal.signal(which, handler)


@pytest.mark.parametrize(
    ("model", "recipe"), [("aoc.lite", "plain"), ("aot.lite", "corrupted"), ("cfbi.lite", "plain")]
)
@pytest.mark.parametrize("begin", [0, 999])
def test_two_pieces_are_bit_equal_to_one(stills: Stills, tmp_path: Path, model: str, recipe: str, begin: int) -> None:
    """Also where the trunk joins, false regions and damage begin and the truth is no longer fed (step 1,000)."""
    whole = Trainer(Settings(model, recipe, **SMALL), stills)
    whole.step = begin
    found = [whole.advance(), whole.advance(), whole.advance()]
    first = Trainer(Settings(model, recipe, **SMALL), stills)
    first.step = begin
    assert [first.advance(), first.advance()] == found[:2]
    state.save(first.state(), tmp_path / "state.pt")
    second = Trainer(Settings(model, recipe, **SMALL), stills)
    second.restore(state.load(tmp_path / "state.pt", second.state().settings))
    assert second.step == begin + 2
    assert second.advance() == found[2]
    for one, other in ((whole.network.state_dict(), second.network.state_dict()), (whole.average, second.average)):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_learns_one_batch(stills: Stills) -> None:
    trainer = Trainer(Settings("aoc.lite", rate=2e-3, **SMALL), stills)
    values = []
    for _ in range(14):
        trainer.step = 40  # always the same clips
        values.append(trainer.advance())
    assert min(values[-3:]) < 0.7 * values[0]


def test_global_random_state_is_left_alone(stills: Stills) -> None:
    before = torch.get_rng_state()
    Trainer(Settings("aot.lite", **SMALL), stills).advance()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_early_trunk_never_moves_and_the_rest_waits(stills: Stills) -> None:
    trainer = Trainer(Settings("cfbi.lite", **SMALL), stills)
    before = {n: p.clone() for n, p in trainer.network.trunk.named_parameters()}
    trainer.advance()
    after = dict(trainer.network.trunk.named_parameters())
    assert all(torch.equal(before[n], after[n]) for n in before)
    trainer.step = 1000
    trainer.advance()
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    assert moved and not any(n.startswith(("encoder._conv_stem", "encoder._blocks.2.")) for n in moved)


def test_the_command_goes_on_where_it_stopped(ecssd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(_flags(ecssd, tmp_path / "two", "--steps", "1")) == 0
    assert train.main(_flags(ecssd, tmp_path / "two", "--steps", "2")) == 0
    assert train.main(_flags(ecssd, tmp_path / "one", "--steps", "2")) == 0
    assert "step 1," in capsys.readouterr().out
    two, one = (state.load(tmp_path / name / "state.pt") for name in ("two", "one"))
    assert two.step == one.step == 2 and two.devices == {"cpu": 2}
    assert all(torch.equal(two.network[name], one.network[name]) for name in one.network)


def test_other_settings_are_refused_by_name(ecssd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(_flags(ecssd, tmp_path, "--steps", "1")) == 0
    assert train.main(_flags(ecssd, tmp_path, "--steps", "2", "--seed", "5")) == 4
    assert "seed: 0 there, 5 now" in capsys.readouterr().err


def test_a_branch_equals_a_training_of_its_own(ecssd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("training.recipes", "training.train"):
        monkeypatch.setattr(f"{module}.DAMAGED_FROM", 1)
    corrupted = ("--recipe", "corrupted", "--steps", "2")
    assert train.main(_flags(ecssd, tmp_path / "plain", "--steps", "1")) == 0
    branch = ("--branch", str(tmp_path / "plain" / "state.pt"))
    assert train.main(_flags(ecssd, tmp_path / "branched", *corrupted, *branch)) == 0
    assert train.main(_flags(ecssd, tmp_path / "whole", *corrupted)) == 0
    two, one = (state.load(tmp_path / name / "state.pt") for name in ("branched", "whole"))
    assert two.settings == one.settings and two.step == one.step == 2
    assert all(torch.equal(two.network[name], one.network[name]) for name in one.network)


def test_a_branch_from_too_late_or_other_settings_is_refused(
    ecssd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(_flags(ecssd, tmp_path / "plain", "--steps", "1")) == 0
    branch = ("--recipe", "corrupted", "--branch", str(tmp_path / "plain" / "state.pt"))
    assert train.main(_flags(ecssd, tmp_path / "other", "--seed", "5", *branch)) == 4
    assert "seed: 0 there, 5 now" in capsys.readouterr().err
    strong = ("--recipe", "strong", *branch[2:])
    assert train.main(_flags(ecssd, tmp_path / "strong", *strong)) == 4
    assert "strong does not" in capsys.readouterr().err
    monkeypatch.setattr("training.train.DAMAGED_FROM", 0)
    assert train.main(_flags(ecssd, tmp_path / "late", *branch)) == 4
    assert "after 1 steps" in capsys.readouterr().err


def test_a_state_of_another_network_is_an_error(stills: Stills) -> None:
    found = Trainer(Settings("aoc.lite", **SMALL), stills).state()
    with pytest.raises(DataError, match=r"does not fit cfbi\.lite"):
        Trainer(Settings("cfbi.lite", **SMALL), stills).restore(found)


def test_a_time_limit_stops_cleanly(ecssd: Path, tmp_path: Path) -> None:
    assert train.main(_flags(ecssd, tmp_path, "--minutes", "0.001")) == 0
    assert state.load(tmp_path / "state.pt").step <= 2


def test_a_kill_in_the_middle_of_a_save_loses_nothing(tmp_path: Path) -> None:
    """A child saves one state after the other as fast as it can; kill -9 at any time leaves a whole one."""
    code = (
        "import sys, torch; sys.path.append(sys.argv[2])\n"
        "from pathlib import Path\n"
        "from training.state import State, save\n"
        "for step in range(1, 100000):\n"
        "    values = {'w': torch.full((200_000,), float(step))}\n"
        "    save(State({'model': 'x'}, step, values, values), Path(sys.argv[1]))\n"
    )
    file = tmp_path / "state.pt"
    steps = []
    for wait in (0.0, 0.019):
        child = subprocess.Popen([sys.executable, "-c", code, str(file), str(ROOT)])
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(wait)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        found = state.load(file)
        assert (found.network["w"] == float(found.step)).all()
        steps.append(found.step)
        file.unlink()
    assert min(steps) >= 1


def test_a_damaged_state_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    state.save(State({"model": "x"}, 3), file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"state\.pt"):
        state.load(file)


def test_sigterm_saves_and_ends(ecssd: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "training" / "train.py"), *_flags(ecssd, tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert child.stdout is not None
    assert "step 0" in child.stdout.readline()
    child.terminate()
    rest = child.communicate(timeout=60)[0]
    assert child.returncode == 0 and "stopped at step" in rest
    assert state.load(tmp_path / "state.pt").network


def test_an_unknown_model_is_a_usage_error(stills: Stills) -> None:
    with pytest.raises(UsageError, match="Did you mean"):
        Trainer(Settings("aoc.light"), stills)


def test_an_absent_slot_costs_nothing_and_a_perfect_answer_little() -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, :4] = 1
    valid = torch.tensor([[True, True, False]])
    logits = torch.stack([torch.where(labels == slot, 9.0, -9.0) for slot in range(3)], 1)
    good = losses.frame_loss(losses.only_valid(logits, valid), labels, valid)
    bad = losses.frame_loss(losses.only_valid(-logits, valid), labels, valid)
    assert good < 1e-3 and bad > 5


@pytest.mark.parametrize("model", sorted(NETWORKS))
def test_an_export_loads_strictly_and_segments(stills: Stills, tmp_path: Path, model: str) -> None:
    trainer = Trainer(Settings(model, **SMALL), stills)
    trainer.advance()
    trainer.curve = [{"step": 1.0, "loss": 2.5, "seconds": 1.0}]
    state.save(trainer.state(), tmp_path / "run" / "state.pt")
    arguments = [str(tmp_path / "run"), "--to", str(tmp_path / "weights"), "--curves", str(tmp_path / "curves")]
    assert export.main(arguments) == 0
    file = tmp_path / "weights" / f"{model}.plain.safetensors"
    assert file.stat().st_size < 5e6, "six of them fit into 30 MB"
    with safe_open(file, "pt") as opened:
        said = opened.metadata()
        names = set(opened.keys())
        assert all(opened.get_tensor(name).dtype == torch.float16 for name in names)
    assert said["model"] == model and said["steps"] == "1" and stills.digest in said["data"]
    assert "--steps 1" in said["command"]
    first = file.read_bytes()
    assert export.main(arguments) == 0 and file.read_bytes() == first, "the same state gives the same file"
    adapter = load_adapter(model, file, "cpu")
    assert names == set(adapter.network.state_dict())  # type: ignore[attr-defined]
    close = {n: t.half().float() for n, t in trainer.average.items()}
    assert all(torch.equal(t, close[n]) for n, t in adapter.network.state_dict().items())  # type: ignore[attr-defined]
    masks = list(adapter.segment(standard_clip(4)))
    assert len(masks) == 4 and set(np.unique(masks[3])) <= {0, 3, 7, 200}
    card = (tmp_path / "weights" / f"{model}.plain.md").read_text()
    assert export.sha256(file.read_bytes()) in card and "ECSSD" in card
    assert (tmp_path / "curves" / f"{model}.plain.csv").read_text().splitlines()[1].startswith("1,2.5")


def test_validation_is_repeatable_and_knows_the_static_answer(stills: Stills) -> None:
    trainer = Trainer(Settings("aot.lite", **SMALL), stills)
    found = trainer.validate(stills, 1, 65)
    assert trainer.validate(stills, 1, 65) == found
    assert 0 <= found["validation_j"] <= 1 and 0 <= found["damaged_j"] <= 1 and 0.05 < found["static_j"] < 1
    assert found["damaged_j"] != found["validation_j"]


def test_the_parser_knows_what_the_documents_say() -> None:
    given = train.parser().parse_args(["--model", "aoc.lite", "--recipe", "corrupted", "--out", "x", "--minutes", "5"])
    assert isinstance(given, argparse.Namespace) and given.minutes == 5 and given.device == "auto"
