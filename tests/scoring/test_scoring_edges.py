"""The 34 edge cases on which tools disagree, with the official tool's answers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from helpers.scoring import edges, reference
from helpers.scoring.clips import file_truth
from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring import ObjectScore, VideoScorer

CASES = edges.cases()
ANSWERS = json.loads((Path(__file__).parent / "edge_answers.json").read_text())
OURS = {"25_two_frames", "33_dotted_names"}
"""Cases without an official answer that are scored here: nothing to score is NaN, dots in names do not matter."""


def score_files(case: edges.Case, folder: Path, protocol: str, backend: str) -> list[ObjectScore]:
    edges.write_case(case, folder / "truth", folder / "pred")
    scorer = VideoScorer(file_truth(folder / "truth"), protocol, backend)
    for t in scorer.frames:
        scorer.add_file(t, folder / "pred" / f"{case.names[t]}.png")
    return scorer.result()


def values(score: ObjectScore) -> list[float | None]:
    found = [score.j_mean, score.j_recall, score.j_decay, score.f_mean, score.f_recall, score.f_decay]
    return [None if math.isnan(value) else value for value in found]


def test_every_case_has_an_answer() -> None:
    assert set(CASES) == set(ANSWERS)
    assert len(CASES) == 34


@pytest.mark.parametrize("name", [n for n in CASES if "objects" in ANSWERS[n]])
def test_official_answer(name: str, tmp_path: Path, backend: str) -> None:
    scores = score_files(CASES[name], tmp_path, "davis+wrap_decay", backend)
    assert [values(score) for score in scores] == ANSWERS[name]["objects"]


@pytest.mark.parametrize("name", [n for n in CASES if "fails" in ANSWERS[n] and n not in OURS])
def test_an_error_that_says_where(name: str, tmp_path: Path, backend: str) -> None:
    """The official tool aborts here, in eight of eleven cases with exit code 0."""
    with pytest.raises(DataError) as error:
        score_files(CASES[name], tmp_path, "davis", backend)
    message = str(error.value)
    words = {
        "08": "frame 00000 holds no object",
        "09": "00001.png: holds object id 255, but video 'clip' has only 1 (a binary 0 / 255 mask?",
        "10": "frame 00000 holds no object",
        "11": "00001.png: holds object id 2, but video 'clip' has only 1",
        "14": "00004.png: holds object id 2, but video 'clip' has only 1",
        "17": "00004.png: no such mask",
        "20": "00001.png: 82 x 60 pixels (width x height), expected 80 x 60",
        "21": "00001.png: an RGB image",
        "31": "frame 00000 holds no object",
    }[name[:2]]
    assert words in message


def test_two_frames_have_no_score(tmp_path: Path, backend: str) -> None:
    scores = score_files(CASES["25_two_frames"], tmp_path, "davis", backend)
    assert [values(score) for score in scores] == [[None] * 6]


def test_dots_in_names_do_not_matter(tmp_path: Path, backend: str) -> None:
    scores = score_files(CASES["33_dotted_names"], tmp_path, "davis", backend)
    assert [values(score) for score in scores] == ANSWERS["01_plain"]["objects"]


def test_long_video_is_unwrapped_by_default(tmp_path: Path, backend: str) -> None:
    score = score_files(CASES["30_long_300_frames"], tmp_path, "davis", backend)[0]
    assert (score.j_mean, score.j_recall, score.j_decay) == reference.statistics(np.array(score.j), wrap=False)
    assert (score.f_mean, score.f_recall, score.f_decay) == reference.statistics(np.array(score.f), wrap=False)
    assert score.indices == tuple(range(1, 299))
