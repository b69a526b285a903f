"""Bit-identity with davis2017-evaluation on real masks: its published numbers for derived prediction sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.scoring import derived
from helpers.scoring.clips import make_truth
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.scoring import VideoScorer, global_scores
from robust_vos_bench.scoring.folder import FolderScorer

SETS = [
    *(f"gt1_{rule}" for rule in ("osvos", "drop", "dilate", "elastic", "empty", "erode", "noise", "shift")),
    *(f"gt3_{rule}" for rule in ("osvos", "drop", "dilate", "elastic", "empty", "erode", "noise", "shift", "swap")),
]
VAL_INDEX = {"bmx-trees": 1}
STATISTICS = {"JM": "j_mean", "JR": "j_recall", "JD": "j_decay", "FM": "f_mean", "FR": "f_recall", "FD": "f_decay"}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    folder = shared / "scoring" / "golden"
    if not folder.is_dir():
        pytest.skip(f"no golden numbers at {folder}")
    return folder


@pytest.fixture(scope="module")
def clips(shared: Path, davis_root: Path) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
    """Video -> binary truth and OSVOS masks."""

    def load(folder: Path) -> list[np.ndarray]:
        return [(np.array(Image.open(path)) > 0).astype(np.uint8) for path in sorted(folder.glob("*.png"))]

    results = shared / "scoring" / "predictions" / "osvos"
    names = sorted(path.name for path in results.iterdir())
    return {name: (load(davis_root / "Annotations/480p" / name), load(results / name)) for name in names}


def predictions(
    rule: str, kind: str, video: str, truth: list[np.ndarray], osvos: list[np.ndarray]
) -> Iterable[np.ndarray]:
    if rule == "osvos":
        return osvos
    if rule == "drop":
        return derived.drop(osvos if kind == "gt3" else truth)
    if rule == "noise":
        return derived.noise(truth, int(kind[2]), VAL_INDEX[video], int(kind[2]))
    source = osvos if rule == "swap" else truth
    return (getattr(derived, rule)(mask, t) for t, mask in enumerate(source))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "gt1_elastic" else name for name in SETS]
)
def test_every_number_and_count_is_the_official_one(
    name: str, golden: Path, clips: dict[str, tuple[list[np.ndarray], list[np.ndarray]]]
) -> None:
    kind, rule = name.split("_")
    answers = json.loads((golden / f"{name}.json").read_text())
    checked = 0
    for video in answers["sequences"]:
        truth, osvos = clips[video]
        if kind == "gt3":
            truth, osvos = [derived.stripes(m) for m in truth], [derived.stripes(m) for m in osvos]
        scorer = VideoScorer(make_truth(truth, video), backend="numba")
        for t, mask in enumerate(predictions(rule, kind, video, truth, osvos)):
            scorer.add(t, mask)
        for k, score in enumerate(scorer.result()):
            key = f"{video}_{score.object}"
            found = {short: getattr(score, attribute) for short, attribute in STATISTICS.items()}
            assert found == answers["objects"][key]
            counts = np.ascontiguousarray(scorer.counts()[:, k], dtype="<i8")
            assert hashlib.sha256(counts.tobytes()).hexdigest() == answers["counts"]["objects"][key]["sha256"]
            checked += 1
    assert checked == len(answers["objects"])


def test_numpy_equals_the_official_numbers_on_noise(
    golden: Path, clips: dict[str, tuple[list[np.ndarray], list[np.ndarray]]]
) -> None:
    answers = json.loads((golden / "gt3_noise.json").read_text())
    truth = [derived.stripes(m) for m in clips["bmx-trees"][0]]
    scorer = VideoScorer(make_truth(truth, "bmx-trees"), backend="numpy")
    for t, mask in enumerate(derived.noise(truth, 3, 1, 3)):
        scorer.add(t, mask)
    for score in scorer.result():
        found = {short: getattr(score, attribute) for short, attribute in STATISTICS.items()}
        assert found == answers["objects"][f"bmx-trees_{score.object}"]


def test_files_of_a_real_data_set(golden: Path, shared: Path, davis_root: Path, backend: str) -> None:
    """From PNG files, OSVOS masks binarised by the data set's rule; truth files use all row filters."""
    answers = json.loads((golden / "gt1_osvos.json").read_text())["objects"]
    data = open_dataset("davis2016:val", davis_root)
    scorer = FolderScorer(data, backend=backend, budget=1 << 28)
    results = shared / "scoring" / "predictions" / "osvos"
    scores = scorer.score(results)
    assert [f"{s.video}_{s.object}" for s in scores] == [f"{video}_1" for video in data.videos]
    for score in scores:
        found = {short: getattr(score, attribute) for short, attribute in STATISTICS.items()}
        assert found == answers[f"{score.video}_{score.object}"]
    means = {key: float(np.mean([answers[f"{v}_1"][key] for v in data.videos])) for key in ("JM", "FM")}
    assert global_scores(scores)["J&F-Mean"] == (means["JM"] + means["FM"]) / 2.0
    if backend == "numba":
        assert scorer.score(results, workers=2) == scores
