"""Stored splits: made, resumed, scored, audited; and what is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from clips import write_folder
from rich.console import Console

import robust_vos_bench as rvos
from robust_vos_bench import Condition, DataError, UsageError
from robust_vos_bench.api.attack import AttackSettings, attack, planned
from robust_vos_bench.api.attack_report import AttackReport, verify
from robust_vos_bench.api.settings import settings_of
from robust_vos_bench.attacks.audit import Verdict
from robust_vos_bench.attacks.shown import print_board
from robust_vos_bench.attacks.splits import read_manifest, splits_in, stored_condition
from robust_vos_bench.attacks.store import differences, read_video
from robust_vos_bench.attacks.table import Board, board_of
from robust_vos_bench.cli import main
from robust_vos_bench.conditions import condition_fingerprint, corrupt_video
from robust_vos_bench.conditions.stored import pixel_hash
from robust_vos_bench.datasets import Dataset, open_dataset
from robust_vos_bench.datasets.images import read_frame, read_mask, write_frame, write_mask
from robust_vos_bench.errors import IncompleteError
from robust_vos_bench.reports.html import build_report

TOYS = Path(__file__).parent / "toys.py"
TOY, BLIND = f"{TOYS}:Toy", f"{TOYS}:Blind"
THREATS = ["linf-prompt-e4", "linf-prompt-e8", "linf-all-e4"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AttackReport]:
    """The splits of a model without fault, scored on it."""
    output = tmp_path_factory.mktemp("attacks") / "attacked"
    report = attack(
        TOY, output=output, preset="adversarial-quick", threat=THREATS, steps=6, dataset="folder", data_root=root,
        workers=1, device="cpu", progress=False,
    )  # fmt: skip
    return output, report


@pytest.fixture
def copied(made: tuple[Path, AttackReport], tmp_path: Path) -> Path:
    """A copy of the splits, to be spoilt."""
    shutil.copytree(made[0], tmp_path / "attacked", ignore=shutil.ignore_patterns("scores"))
    return tmp_path / "attacked"


@pytest.fixture
def data(root: Path) -> Dataset:
    return open_dataset("folder", root)


def board(report: AttackReport) -> Board:
    assert report.board is not None
    return report.board


def problems(folder: Path, root: Path) -> list[Verdict]:
    return [verdict for verdict in verify(folder, "folder", root) if not verdict.ok]


def spoil(split: Path, video: str = "one", frame: str = "00000", by: int = 1) -> None:
    """Change one pixel of a stored frame and its hash: what a split made elsewhere may hold."""
    path = split / "JPEGImages" / video / f"{frame}.png"
    picture = read_frame(path)
    picture[2, 3, 0] = np.clip(int(picture[2, 3, 0]) + by, 0, 255)
    write_frame(path, picture)
    forge(split, video)


def forge(split: Path, video: str) -> None:
    """Write the record that fits the frames which lie there."""
    path = split / ".rvos-bench" / f"{video}.json"
    record = json.loads(path.read_text())
    frames = sorted((split / "JPEGImages" / video).glob("*.png"))
    record["stored"]["stored"] = [pixel_hash(read_frame(frame)) for frame in frames]
    path.write_text(json.dumps(record))


def test_a_split_is_made_scored_and_sound(made: tuple[Path, AttackReport], root: Path) -> None:
    output, report = made
    assert (report.made, report.kept, report.failed) == (12, 0, [])
    assert set(report.folders) == {
        *(f"{threat}@toy" for threat in THREATS), "noise-prompt-e4", "noise-prompt-e8", "noise-all-e4",
    }  # fmt: skip
    assert problems(output, root) == []
    (row,) = board(report).rows
    assert row.clean > 95
    assert row.own["linf-prompt-e8"] < 80 < row.noise["noise-prompt-e8"]
    assert row.own["linf-prompt-e8"] <= row.own["linf-prompt-e4"]
    assert row.own["linf-all-e4"] <= row.own["linf-prompt-e4"]
    span = row.spans["linf-prompt-e8"]
    assert 0 <= span.low <= span.value <= span.high <= 100
    assert "toy" in str(report) and "95 % CI" in str(report)
    assert board(report).to_dict()["rows"][0]["own"]["linf-prompt-e8"] == pytest.approx(
        row.own["linf-prompt-e8"], abs=1e-3
    )


def test_a_picture_shows_frames_masks_and_what_was_changed(made: tuple[Path, AttackReport]) -> None:
    strip = read_frame(made[0] / "linf-prompt-e8@toy" / "strips" / "one.png")
    height, width = strip.shape[0] // 3, strip.shape[1] // 5
    assert (height, width) == (30, 41)
    changed, untouched = strip[2 * height :, :width], strip[2 * height :, width:]
    assert (untouched == 128).all()
    assert set(np.unique(changed)) <= set(range(0, 256, 16)) | {255}
    assert (changed == 0).any() and (changed == 255).any()


def test_what_the_attack_saw_is_what_the_run_scores(made: tuple[Path, AttackReport]) -> None:
    output, report = made
    for threat in THREATS:
        records = [read_video(output / f"{threat}@toy", name) for name in ("one", "two")]
        scores = [record.attack.score for record in records if record is not None and record.attack.score is not None]
        assert board(report).rows[0].own[threat] == pytest.approx(sum(scores) / 2, abs=1e-3)


def test_the_same_command_makes_nothing_and_a_lost_video_again_alike(
    made: tuple[Path, AttackReport], copied: Path, root: Path
) -> None:
    split = copied / "linf-prompt-e8@toy"
    before = read_video(split, "two")
    (split / ".rvos-bench" / "two.json").unlink()  # killed before the record was written
    (split / "JPEGImages" / "two" / "00000.png").write_bytes(b"half")
    report = attack(
        TOY, output=copied, preset="adversarial-quick", threat=THREATS, steps=6, dataset="folder", data_root=root,
        workers=1, device="cpu", progress=False, score=False,
    )  # fmt: skip
    after = read_video(split, "two")
    assert (report.made, report.kept) == (1, 11)
    assert before is not None and after is not None
    assert before.pixels == after.pixels
    assert read_manifest(split)["store"] == read_manifest(made[0] / split.name)["store"]


def test_what_another_split_is_is_said(copied: Path, root: Path) -> None:
    with pytest.raises(DataError, match=r"another split \(effort.steps is 6, not 7\); choose"):
        attack(
            TOY, output=copied, preset="adversarial-quick", threat=THREATS, steps=7, dataset="folder", data_root=root,
            workers=1, device="cpu", progress=False, score=False,
        )  # fmt: skip
    one = {"effort": {"steps": 6, "losses": ["lost"]}, "source": None, "candidates": []}
    other = {"effort": {"steps": 6, "losses": ["lost", "softj"]}, "source": {"name": "toy"}, "candidates": []}
    assert differences(one, other) == [
        "effort.losses is lost, not lost, softj",
        "source is not said, not {'name': 'toy'}",
    ]
    assert differences(one, one) == []


def test_keys_name_the_threats_that_can_be_candidates(root: Path, data: Dataset, tmp_path: Path) -> None:
    plan = planned(
        AttackSettings(settings_of([TOY], dataset="folder", data_root=root, device="cpu"), tmp_path / "none"),
        quiet=True,
    )
    before = {threat.label: plan.facts(plan.models[0], threat).before for threat in plan.threats(plan.models[0])}
    assert before["linf-prompt-e4"] == ("linf-prompt-e1", "linf-prompt-e2")
    assert before["linf-one-e8"] == before["linf-rest-e1"] == ()
    assert before["linf-rest-e4"] == ("linf-rest-e1",)
    assert before["linf-all-e1"] == ("linf-prompt-e1", "linf-rest-e1")
    assert len(before["linf-all-e8"]) == 9


def test_what_a_model_sets_holds_during_its_turns_only(root: Path, tmp_path: Path) -> None:
    report = attack(
        f"{TOYS}:Setting", output=tmp_path / "out", preset="adversarial-quick", threat="linf-prompt-e4", steps=1,
        dataset="folder", data_root=root, workers=1, device="cpu", progress=False, score=False,
    )  # fmt: skip
    assert report.made == 4 and "RVOS_TOY" not in os.environ


def test_stored_conditions_have_keys_of_their_own_and_change_no_other(
    made: tuple[Path, AttackReport], data: Dataset
) -> None:
    condition = stored_condition(made[0] / "linf-prompt-e8@toy", data)
    assert condition.label == "linf-prompt-e8@toy"
    assert condition.to_dict()["source"] == "toy" and len(condition.to_dict()["store"]) == 32
    assert set(Condition("fog", 3).to_dict()) == {
        "corruption", "severity", "temporal", "profile", "seed", "clean_reference",
    }  # fmt: skip
    assert condition_fingerprint(condition) != condition_fingerprint(
        stored_condition(made[0] / "linf-prompt-e4@toy", data)
    )
    shown = corrupt_video(data.video("one"), condition)
    frames = list(shown.frames)
    assert np.array_equal(shown.frames[0], frames[0])  # type: ignore[index]
    assert not np.array_equal(frames[0], next(iter(data.video("one").frames)))
    assert shown.prompts.keys() == data.video("one").prompts.keys()


def test_another_model_runs_on_the_frames(made: tuple[Path, AttackReport], root: Path, tmp_path: Path) -> None:
    run = rvos.run(
        model=["static", BLIND], attacked=made[0], dataset="folder", data_root=root, output=tmp_path / "run",
        workers=1, device="cpu", progress=False,
    )  # fmt: skip
    assert run.manifest.conditions[0].is_clean
    assert sum(c.is_stored for c in run.manifest.conditions) == 6
    assert run.manifest.conditions[1].family == "adversarial"
    assert "--attacked" in run.manifest.command
    cells = run.matrix.cell_means()[0]
    assert np.ptp(cells) == 0  # it never looks at a frame
    assert all(np.isnan(s.mpc) for s in run.summaries)
    page = build_report([run], strips=0)  # over the budget of the attack, which is no severity
    assert "J&amp;F over budget under linf-prompt" in page and "budget (0: clean)" in page and "budget 8" in page
    assert "(0: clean)" not in page.replace("budget (0: clean)", "")


def test_run_prints_the_tables_of_attacks(
    made: tuple[Path, AttackReport], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "run", "--model", TOY, "--attacked", str(made[0]), "--dataset", "folder", "--data-root", str(root), "--workers",
        "1", "--device", "cpu", "--output", str(tmp_path / "run"), "-q",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 0
    out = capsys.readouterr().out
    assert "linf-prompt-e8" in out and "noise" in out and "mPC" not in out
    with pytest.raises(SystemExit):
        main([*words, "--json"])
    tables = json.loads(capsys.readouterr().out)["attacks"]
    assert tables["rows"] == board(made[1]).to_dict()["rows"]  # what attack printed, repeated


def test_transfer_is_shown_by_source(made: tuple[Path, AttackReport], root: Path, tmp_path: Path) -> None:
    from robust_vos_bench.attacks.table import board_of

    run = rvos.run(
        model=f"other={TOY}", attacked=made[0], dataset="folder", data_root=root, output=tmp_path / "run", workers=1,
        device="cpu", progress=False,
    )  # fmt: skip
    tables = board_of(run, [made[0]])
    (row,) = tables.rows
    assert row.own == {}
    assert row.transfer[0] == pytest.approx(min(board(made[1]).rows[0].own.values()))
    assert row.transfer[1].endswith("@toy")
    assert tables.matrix["linf-prompt-e8", "toy", "other"] == board(made[1]).rows[0].own["linf-prompt-e8"]


def test_a_split_from_anybody_can_only_lower_a_row(root: Path, tmp_path: Path) -> None:
    def call(name: str, steps: int) -> AttackReport:
        return attack(
            {name: TOY}, output=tmp_path / "out", threat="linf-prompt-e8", preset="adversarial-quick", steps=steps,
            dataset="folder", data_root=root, workers=1, device="cpu", score=steps == 1, progress=False,
        )  # fmt: skip

    call("strong", 12)
    tables = board(call("weak", 1))
    (row,) = tables.rows
    alone = tables.matrix["linf-prompt-e8", "weak", "weak"]
    strong = tables.matrix["linf-prompt-e8", "strong", "weak"]
    assert row.own["linf-prompt-e8"] <= min(alone, strong)
    assert strong < alone - 1
    assert ("linf-prompt-e8", "transfer") in {(label, flag.name) for label, flag in row.flags}


def test_one_pixel_beyond_the_budget_is_found(copied: Path, root: Path) -> None:
    split = copied / "linf-prompt-e4@toy"
    spoil(split, by=9 if read_frame(split / "JPEGImages/one/00000.png")[2, 3, 0] < 128 else -9)
    (found,) = problems(split, root)
    assert "instead of 4 at most" in found.problem


def test_a_frame_that_may_not_change_is_found(copied: Path, root: Path) -> None:
    spoil(copied / "linf-prompt-e4@toy", frame="00003")
    (found,) = problems(copied / "linf-prompt-e4@toy", root)
    assert "frame 3 is changed, and linf-prompt may not" in found.problem


def test_a_changed_frame_is_found_by_audit_and_run(copied: Path, root: Path, tmp_path: Path) -> None:
    path = copied / "linf-prompt-e4@toy" / "JPEGImages" / "one" / "00000.png"
    picture = read_frame(path)
    picture[0, 0, 0] ^= 1
    write_frame(path, picture)
    (found,) = problems(copied / "linf-prompt-e4@toy", root)
    assert "other pixels than its record" in found.problem
    with pytest.raises(IncompleteError, match="other pixels than its record"):
        rvos.run(
            "static", attacked=copied / "linf-prompt-e4@toy", dataset="folder", data_root=root,
            output=tmp_path / "run", workers=1, device="cpu", progress=False,
        )  # fmt: skip


def test_a_missing_frame_is_found(copied: Path, root: Path) -> None:
    (copied / "linf-prompt-e4@toy" / "JPEGImages" / "one" / "00002.png").unlink()
    (found,) = problems(copied / "linf-prompt-e4@toy", root)
    assert "00002.png" in found.problem


def test_a_moved_prompt_is_found(copied: Path, root: Path) -> None:
    path = copied / "linf-prompt-e4@toy" / "Annotations" / "one" / "00000.png"
    write_mask(path, np.roll(read_mask(path), 2, 1))
    (found,) = problems(copied / "linf-prompt-e4@toy", root)
    assert "prompts and truth may not be moved" in found.problem


def test_a_frame_that_was_changed_within_the_budget_is_found(copied: Path, root: Path) -> None:
    """With its own hash made to fit, the frame passes as one of the split; the digests say that it is another split."""
    split = copied / "linf-prompt-e4@toy"
    clean = read_frame(root / "JPEGImages" / "one" / "00000.png")
    path = split / "JPEGImages" / "one" / "00000.png"
    picture = read_frame(path)
    picture[2, 3, 0] = clean[2, 3, 0] if picture[2, 3, 0] != clean[2, 3, 0] else clean[2, 3, 0] ^ 1
    write_frame(path, picture)
    forge(split, "one")
    (found,) = problems(split, root)
    assert found.video == "one" and "not those that its record" in found.problem


def test_a_report_of_attacks_alone_calls_nothing_missing(made: tuple[Path, AttackReport]) -> None:
    page = build_report([rvos.load_run(made[0] / "scores")])
    assert "frames that were made by attacks" in page and "not ranked" not in page and 'id="drops"' not in page


def test_flags_that_cannot_be_read_are_not_called_none(
    made: tuple[Path, AttackReport], copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = rvos.load_run(made[0] / "scores")
    assert board_of(run, [copied]).unread == ()
    (copied / "linf-prompt-e4@toy" / ".rvos-bench" / "one.json").write_text("{}")
    path = copied / "linf-prompt-e8@toy" / "rvos-bench.json"
    path.write_text(path.read_text().replace('"store": "', '"store": "f'))
    found = board_of(run, [copied])
    assert set(found.unread) == {"linf-prompt-e4@toy", "linf-prompt-e8@toy"}
    print_board(Console(), found)
    said = capsys.readouterr().out
    assert "flags of linf-prompt-e4@toy are not known" in said and "No flag was raised" not in said


def test_a_manifest_with_another_digest_is_found(copied: Path, root: Path) -> None:
    path = copied / "linf-prompt-e4@toy" / "rvos-bench.json"
    manifest = json.loads(path.read_text())
    manifest["store"] = "0" * 64
    path.write_text(json.dumps(manifest))
    (found,) = problems(copied / "linf-prompt-e4@toy", root)
    assert not found.video and "digest" in found.problem


def test_another_encoding_of_the_data_is_found(copied: Path, root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "data")
    for path in (tmp_path / "data" / "JPEGImages" / "one").glob("*.png"):
        write_frame(path.with_suffix(".jpg"), read_frame(path))
        path.unlink()
    (found,) = problems(copied / "linf-prompt-e4@toy", tmp_path / "data")
    assert found.video == "one" and "another encoding, size or decoder" in found.problem
    condition = stored_condition(copied / "linf-prompt-e4@toy", open_dataset("folder", tmp_path / "data"))
    with pytest.raises(DataError, match="another encoding, size or decoder"):
        list(corrupt_video(open_dataset("folder", tmp_path / "data").video("one"), condition).frames)


def test_a_split_of_another_data_set_is_refused(copied: Path, tmp_path: Path) -> None:
    assert "is a split of folder" in verify(copied / "linf-prompt-e4@toy", "demo", limit=1)[0].problem
    other = write_folder(tmp_path / "other", ("three",))
    with pytest.raises(DataError, match="no frames of 1 of the 1 videos"):
        stored_condition(copied / "linf-prompt-e4@toy", open_dataset("folder", other))
    with pytest.raises(DataError, match="no stored split"):
        splits_in(tmp_path / "other")


def test_a_record_cannot_lead_out_of_the_split(copied: Path, root: Path) -> None:
    path = copied / "linf-prompt-e4@toy" / ".rvos-bench" / "one.json"
    record = json.loads(path.read_text())
    record["stored"]["folder"] = "../linf-prompt-e8@toy/JPEGImages"
    path.write_text(json.dumps(record))
    (found,) = problems(copied / "linf-prompt-e4@toy", root)
    assert "outside" in found.problem


def test_differences_hold_no_frame_and_give_the_same_pixels(root: Path, tmp_path: Path, data: Dataset) -> None:
    for format in ("png", "delta"):
        attack(
            TOY, output=tmp_path / format, threat="linf-prompt-e4", preset="adversarial-quick", steps=3, format=format,
            dataset="folder", data_root=root, workers=1, device="cpu", score=False, progress=False,
        )  # fmt: skip
    one, two = (tmp_path / format / "linf-prompt-e4@toy" for format in ("png", "delta"))
    assert [p.name for p in sorted((two / "Deltas" / "one").iterdir())] == ["00000.png"]
    assert not (two / "Annotations").exists() and not (two / "strips").exists()
    assert np.abs(read_frame(two / "Deltas" / "one" / "00000.png").astype(int) - 128).max() <= 4
    a, b = (list(corrupt_video(data.video("one"), stored_condition(s, data)).frames) for s in (one, two))
    assert all(np.array_equal(x, y) for x, y in zip(a, b))
    assert problems(two, root) == []
    with pytest.raises(UsageError, match="needs png"):
        attack(TOY, output=tmp_path / "wide", threat="linf-prompt-e200", format="delta", progress=False)


def test_a_full_disk_stops_it_and_the_same_command_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robust_vos_bench.corrupted import write
    from robust_vos_bench.system.atomic import write_error

    real, left = write.write_bytes, [9]

    def full(path: Path, data: bytes, durable: bool = True) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise write_error(path, OSError(errno.ENOSPC, "no space"))
        real(path, data, durable)

    def call() -> AttackReport:
        return attack(
            TOY, output=tmp_path / "out", threat="linf-prompt-e4", preset="adversarial-quick", steps=3, workers=1,
            dataset="folder", data_root=root, device="cpu", score=False, progress=False,
        )  # fmt: skip

    monkeypatch.setattr(write, "write_bytes", full)
    with pytest.raises(DataError, match="disk is full"):
        call()
    monkeypatch.setattr(write, "write_bytes", real)
    assert len(call().folders) == 2
    assert problems(tmp_path / "out", root) == []


def test_what_cannot_be_is_refused_before_anything_is_written(root: Path, tmp_path: Path) -> None:
    def call(**words: object) -> None:
        attack(**{"model": TOY, "output": tmp_path / "out", "progress": False, "device": "cpu", **words})  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="budget 0 is not in 1"):
        call(threat="linf-all-e0")
    with pytest.raises(UsageError, match="budget 256 is not in 1"):
        call(threat="linf-all-e256")
    with pytest.raises(UsageError, match="square"):
        call(model=BLIND, threat="linf-all-e2")
    with pytest.raises(UsageError, match="adversarial-quick"):
        call(preset="adversarial-quik")
    with pytest.raises(DataError, match="no preset file"):
        call(preset=str(tmp_path / "none.toml"))
    assert not (tmp_path / "out").exists()


def test_a_video_without_scored_frames_fails_alone(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", ("long",))
    write_folder(tmp_path / "more", ("single",), frames=1)
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(tmp_path / "more" / kind / "single", tmp_path / "data" / kind / "single")
    with pytest.raises(IncompleteError, match="1 attack failed") as caught:
        attack(
            TOY, output=tmp_path / "out", threat="linf-prompt-e4", preset="adversarial-quick", steps=2, workers=1,
            dataset="folder", data_root=tmp_path / "data", device="cpu", progress=False,
        )  # fmt: skip
    report: AttackReport = caught.value.partial
    assert report.failed[0].job.video == "single"
    assert report.board is not None and not np.isnan(report.board.rows[0].own["linf-prompt-e4"])


def test_a_planted_fault_makes_the_command_fail_and_says_why(root: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"no evaluation.*gradient"):
        attack(
            TOY, output=tmp_path / "out", option={"fault": "rounding"}, threat="linf-prompt-e8", workers=1, steps=2,
            preset="adversarial-quick", dataset="folder", data_root=root, device="cpu", progress=False,
        )  # fmt: skip


def test_videos_without_true_masks_are_attacked_by_the_models_own(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "data")
    for path in (tmp_path / "data" / "Annotations").glob("*/*.png"):
        if path.stem != "00000":
            path.unlink()
    words = {
        "threat": "linf-prompt-e8", "preset": "adversarial-quick", "steps": 6, "workers": 1, "dataset": "folder",
        "data_root": tmp_path / "data", "device": "cpu", "progress": False,
    }  # fmt: skip
    with pytest.raises(IncompleteError, match="--target clean"):
        attack(TOY, output=tmp_path / "truth", **words)  # type: ignore[arg-type]
    report = attack(TOY, output=tmp_path / "clean", target="clean", **words)  # type: ignore[arg-type]
    assert report.board is None and report.made == 4
    records = report.records["linf-prompt-e8@toy"]
    assert all(record.clean == 100 and record.score is not None and record.score < 90 for record in records)
    assert "J&F 100.0 -> " in str(report)
    assert problems(tmp_path / "clean", tmp_path / "data") == []


def test_a_preset_file_of_ones_own(root: Path, tmp_path: Path) -> None:
    from robust_vos_bench.attacks.presets import PRESETS, load_attack_preset

    for name in PRESETS:
        assert load_attack_preset(name).name == name
    own = tmp_path / "own.toml"
    own.write_text('[preset]\nname = "own"\nversion = 1\ndescription = "x"\nstep = 3\nthreat = []\n')
    with pytest.raises(DataError, match=r"own\.toml"):
        load_attack_preset(str(own))
    own.write_text(
        '[preset]\nname = "own"\nversion = 1\ndescription = "x"\nsteps = 3\n'
        '[[threat]]\nkind = "linf"\nframes = "all"\nbudgets = [300]\n'
    )
    with pytest.raises(DataError, match="budget 300"):
        load_attack_preset(str(own))
