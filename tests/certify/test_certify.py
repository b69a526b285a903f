"""`certify` on a model whose worst change is known: soundness, resuming, killed runs, bad input, words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.certified import median, pixels
from robust_vos_bench.cli import cli
from robust_vos_bench.conditions import Condition, corrupt_video
from robust_vos_bench.datasets import Video
from robust_vos_bench.errors import DataError, IncompleteError, UsageError

MODELS = Path(__file__).with_name("linear.py")
SIZE = (24, 32)
VALUES = SIZE[0] * SIZE[1] * 3


def write_clip(root: Path, level: int, frames: int = 4, name: str = "grey", truth: bool = True) -> Path:
    """A grey clip with one object of 16 rows."""
    mask = np.zeros(SIZE, np.uint8)
    mask[4:20, 8:24] = 1
    for t in range(frames):
        for kind, array in (("JPEGImages", np.full((*SIZE, 3), level, np.uint8)), ("Annotations", mask)):
            if kind == "JPEGImages" or t == 0 or truth:
                (root / kind / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(root / kind / name / f"{t:05d}.png")
    return root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results land in the test's own folder."""
    monkeypatch.chdir(tmp_path)


def certify(root: Path, model: str = "Linear", **words: object) -> rvos.Certified:
    given = {"draws": 60, "output": root.name + "-run", "pixels": False, **words}
    return rvos.certify(
        f"{MODELS}:{model}", dataset="folder", data_root=root, workers=1, device="cpu", progress=False, **given
    )


def scores(done: rvos.Certified) -> np.ndarray:
    """J&F of the draws."""
    cells = done.run.cells()
    draws = [cell for (_, label), cell in sorted(cells.items()) if label != "clean"]
    return np.array([record.objects[0].jf for cell in draws for record in cell.values()])


def call(*words: object) -> tuple[int, str]:
    """(exit code, everything printed or raised)."""
    done = CliRunner().invoke(cli, [str(word) for word in words])
    code = getattr(done.exception, "exit_code", done.exit_code)
    return code, done.output + (str(done.exception) if done.exception else "")


def test_the_worst_change_is_never_below_the_bound(tmp_path: Path) -> None:
    """One level off every value of the prompted frame: of its norm, the change that hurts a linear model most.

    The median of the changed input is measured with draws of its own: another name, another key.
    """
    norm = float(np.sqrt(VALUES)) / 255.0
    ratio = norm / 0.25
    before = certify(write_clip(tmp_path / "before", 126), draws=150, radius=ratio)
    after = certify(write_clip(tmp_path / "after", 125, name="dark"), draws=150, radius=ratio)
    bound = before.rows[0].bounds[0]
    assert bound.radius == pytest.approx(norm) and bound.value is not None
    attacked, unchanged = float(np.median(scores(after))), float(np.median(scores(before)))
    assert attacked < unchanged - 0.1, "the change does something"
    assert 0.1 < bound.value <= attacked
    # Nor is it far below: by no more than the draws that a confidence of 0.999 costs.
    assert bound.value > float(np.quantile(scores(after), 0.25)) - 0.1
    # A bound for a radius of nothing would have been broken.
    wrong = median.lower_bound(scores(before).tolist(), 0.05, 0.001)
    assert wrong is not None and wrong > attacked


def test_certified_pixels_keep_their_label(tmp_path: Path) -> None:
    """Nearly the longest step that the radius of pixels allows: a certified label is still that of most draws."""
    before = certify(write_clip(tmp_path / "before", 126), draws=110, pixels=True)
    changed = write_clip(tmp_path / "after", 126, name="dark")
    frame = np.full((*SIZE, 3), 126, np.uint8)
    steps = round((pixels.radius(0.25) * 255.0) ** 2 - 0.5)
    frame.reshape(-1)[:steps] = 125
    assert 0.98 * pixels.radius(0.25) < np.sqrt(steps) / 255.0 <= pixels.radius(0.25)
    Image.fromarray(frame).save(changed / "JPEGImages/dark/00000.png")
    certify(changed, draws=110, pixels=True)
    with (
        np.load("before-run/votes/linear/prompt-0.25/grey.npz") as was,
        np.load("after-run/votes/linear/prompt-0.25/dark.npz") as now,
    ):
        counts = np.bincount(was["agree"][1:3].ravel(), minlength=101)
        claimed = was["agree"] >= pixels.holm(counts, pixels.p_values(100), 0.001)
        kept = np.where(was["label"] == now["label"], now["agree"], 100 - now["agree"])
        assert 0.7 < claimed[1:3].mean() < 1.0, "rows that come and go abstain"
        assert kept[1:3][claimed[1:3]].min() > 50
        assert (kept[1:3] < 50).any(), "and some pixels do change"
    pixel = before.rows[0].pixel
    assert pixel is not None and 0.0 < pixel.value < pixel.chosen


def test_more_draws_add_to_those_there(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip", 126)
    few = certify(clip, draws=41, pixels=True, output="grown")
    votes = Path("grown/votes/linear/prompt-0.25/grey.npz")
    more = certify(clip, draws=85, pixels=True, output="grown")
    fresh = certify(clip, draws=85, pixels=True, output=tmp_path / "elsewhere" / "fresh")
    assert more.rows == fresh.rows and more.rows != few.rows
    assert more.rows[0].pixel is not None and more.rows[0].pixel.draws == 85
    with np.load(votes) as grown, np.load(tmp_path / "elsewhere" / "fresh" / Path(*votes.parts[1:])) as other:
        assert sorted(grown.files) == ["agree", "draws", "keys", "label"]
        assert all((grown[name] == other[name]).all() for name in grown.files)
        assert grown["agree"].max() == 75
    assert {p.parent.parent.name for p in Path("grown/masks").rglob("*.png")} == {"clean"}
    invocations = more.run.manifest.invocations
    assert [i.units for i in invocations] == [42, 44]
    words = invocations[1].command
    assert words[:2] == ["rvos-bench", "certify"] and words[words.index("--draws") + 1] == "85"
    code, text = call(*words[1:], "--dry-run", "--no-probe", "--json")  # the recorded words, which repeat the run
    planned = json.loads(text)
    assert code == 0 and (planned["done"], planned["to_do"]) == (86, 0)


def test_the_same_call_computes_nothing_again(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip", 126)
    first = certify(clip, draws=40, pixels=True)
    again = certify(clip, draws=40, pixels=True)
    assert again.rows == first.rows and len(again.run.manifest.invocations) == 1
    fewer = certify(clip, draws=20, radius=0.5, pixels=True, output="clip-run")
    assert fewer.rows[0].bounds[0].order == 1 and len(fewer.run.manifest.invocations) == 1
    pixel = fewer.rows[0].pixel
    assert pixel is not None and pixel.draws == 40, "what was counted counts"


@pytest.mark.slow
def test_killed_in_the_middle(tmp_path: Path) -> None:
    """Killed without a word, at several moments; the same command goes on, and nothing is lost or counted twice."""
    clip = write_clip(tmp_path / "clip", 126)
    words = [
        *("certify", "--model", f"{MODELS}:Slow", "--dataset", "folder", "--data-root", str(clip)),
        *("--draws", "60", "-w", "1", "--device", "cpu", "-o", "killed", "--json"),
    ]
    command = [sys.executable, "-m", "robust_vos_bench.cli", *words]
    seen = []
    for least in (12, 35):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while len(list(Path("killed").glob("cells/smoothing*"))) < least and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        seen.append(len(list(Path("killed").glob("cells/smoothing*"))))
    assert 12 <= seen[0] < 60 and seen[0] <= seen[1] < 60
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    row = json.loads(done.stdout)["rows"][0]
    fresh = certify(clip, "Slow", draws=60, pixels=True, output=tmp_path / "far" / "fresh").rows[0]
    assert row["missing"] == 0 and row["pixels"]["draws"] == 60
    assert [b["value"] for b in row["median"]] == [b.value for b in fresh.bounds]
    assert fresh.pixel is not None and row["pixels"]["value"] == fresh.pixel.value


def test_a_lost_file_of_votes_costs_its_draws_alone(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip", 126)
    first = certify(clip, draws=40, pixels=True)
    Path("clip-run/votes/linear/prompt-0.25/grey.npz").unlink()
    again = certify(clip, draws=40, pixels=True)
    assert again.rows == first.rows
    Path("clip-run/votes/linear/prompt-0.25/grey.npz").write_bytes(b"no votes")
    with pytest.raises(DataError, match="delete it"):
        certify(clip, draws=40, pixels=True)


def test_failed_draws_claim_nothing(tmp_path: Path) -> None:
    """Half of the draws fail; those left over are no sample of all."""
    clip = write_clip(tmp_path / "clip", 126)
    with pytest.raises(IncompleteError, match="too bright"):
        certify(clip, "Broken")
    words = ("--dataset", "folder", "--data-root", clip, "--draws", 60, "-w", 1, "-o", "clip-run", "--device", "cpu")
    code, text = call("certify", "--model", f"{MODELS}:Broken", *words, "--no-pixels")
    assert code == 3 and "nothing is claimed" in text and "n/a" in text


def test_words_that_certify_nothing(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip", 126)
    with pytest.raises(UsageError, match="sigma 0 draws no noise"):
        certify(clip, sigma=0)
    with pytest.raises(UsageError, match=r"multiple of 0\.05"):
        certify(clip, sigma=0.123)
    with pytest.raises(UsageError, match=r"10 draws claim nothing.*R = 1 sigma needs 40"):
        certify(clip, draws=10)
    with pytest.raises(UsageError, match="alpha"):
        certify(clip, alpha=0.0)
    with pytest.raises(UsageError, match="radii"):
        certify(clip, radius=0.0)
    with pytest.raises(UsageError, match="'prompt' or on 'all'"):
        certify(clip, frames="rest")
    with pytest.raises(UsageError, match=r"preset smoke has gaussian_noise-1-frame.*--preset certified"):
        certify(clip, preset="smoke")
    with pytest.raises(DataError, match="single frame"):
        certify(write_clip(tmp_path / "one", 126, frames=1))
    with pytest.raises(DataError, match="has no truth for grey"):
        certify(write_clip(tmp_path / "untold", 126, truth=False))


def test_precomputed_masks_are_refused(tmp_path: Path) -> None:
    code, text = call("certify", "--model", "masks", "--option", f"folder={tmp_path}")
    assert code == 2 and "made beforehand" in text


def test_too_few_draws_for_one_radius(tmp_path: Path) -> None:
    done = certify(write_clip(tmp_path / "clip", 126), draws=30, radius=(0.5, 1.0))
    assert [bound.value is None for bound in done.rows[0].bounds] == [False, True]
    note = next(line for line in done.to_dict()["notes"] if "needs at least" in line)
    assert "R = 0.25 needs at least 40 draws for 1 objects" in note


def test_command_line(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip", 126)
    words: Sequence[object] = ("certify", "--model", f"{MODELS}:Linear", "--dataset", "folder", "--data-root", clip)
    few = ("--draws", 40, "-w", 1, "--device", "cpu", "-o", "run")
    code, text = call(*words, *few, "--dry-run", "--no-probe")
    assert code == 0 and "40 draws of prompt 0.25" in text and "seed3" not in text and not Path("run").exists()
    code, text = call(*words, *few)
    assert code == 0 and "R=0.25σ" in text and "4,064 values" in text and "every pixel abstains" in text
    code, text = call(*words, *few, "--json", "-q")
    data = json.loads(text)
    row = data["rows"][0]
    assert code == 0 and (row["frames"], row["sigma"], data["draws"]) == ("prompt", 0.25, 40)
    assert [bound["radius"] for bound in row["median"]] == [0.0625, 0.125, 0.25]
    code, text = call("certify", "--help")
    assert code == 0 and "Examples:" in text and "draws noise once a track" in text


def video(level: int = 128) -> Video:
    mask = np.zeros((90, 120), np.uint8)
    mask[20:50, 30:80] = 1
    late = np.zeros((90, 120), np.uint8)
    late[60:80, 30:80] = 2
    return Video.from_arrays([np.full((90, 120, 3), level, np.uint8)] * 5, {0: mask, 3: late}, name="law")


def test_law_of_the_noise() -> None:
    """Rounded normal noise: mean, variance (a twelfth more by rounding), tails; seeds are independent draws."""
    made = [
        np.stack(list(corrupt_video(video(), Condition("smoothing_noise", 2, seed=s)).frames)).astype(float) - 128.0
        for s in (0, 1)
    ]
    n = made[0].size
    for noise in made:
        assert abs(noise.mean()) < 4.0 * 25.5 / np.sqrt(n)
        assert noise.std() == pytest.approx(np.sqrt(25.5**2 + 1.0 / 12.0), rel=0.01)
        assert (noise > 51.5).mean() == pytest.approx(0.0217, abs=0.003)
    assert abs(np.corrcoef(made[0].ravel(), made[1].ravel())[0, 1]) < 4.0 / np.sqrt(n)
    assert abs(np.corrcoef(made[0][0].ravel(), made[0][1].ravel())[0, 1]) < 0.03


def test_noise_on_prompted_frames_leaves_the_others() -> None:
    clip = video()
    frames = list(corrupt_video(clip, Condition("smoothing_noise_prompt", 5)).frames)
    assert [(frame != 128).mean() > 0.9 for frame in frames] == [True, False, False, True, False]
    assert (frames[1] == 128).all()
    with pytest.raises(UsageError, match="they cannot stay clean"):
        Condition("smoothing_noise_prompt", 5, clean_reference=True)
