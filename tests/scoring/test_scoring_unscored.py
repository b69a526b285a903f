"""Objects and videos without a scored frame are left out of every mean, and told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from robust_vos_bench.cli.score import command
from robust_vos_bench.datasets.images import write_mask


def lay(root: Path, name: str, masks: list[np.ndarray | None]) -> None:
    """Annotations and grey frames of one video; None is a frame without an annotation."""
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / name).mkdir(parents=True)
    for t, mask in enumerate(masks):
        Image.new("RGB", (40, 30)).save(root / "JPEGImages" / name / f"{t:05d}.png")
        if mask is not None:
            write_mask(root / "Annotations" / name / f"{t:05d}.png", mask)


def ids(*present: int) -> np.ndarray:
    mask = np.zeros((30, 40), np.uint8)
    for i in present:
        mask[3 * i : 3 * i + 3, 5:25] = i
    return mask


def score(root: Path, *words: str) -> tuple[str, str]:
    arguments = ["--dataset", "folder", "--data-root", str(root), "--predictions", str(root / "out"), *words]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


@pytest.mark.parametrize("extra", ["last frame only", "one frame", "two frames", "prompts only"])
def test_left_out_and_told(tmp_path: Path, extra: str) -> None:
    lay(tmp_path, "main", [ids(1), ids(1), ids(1), ids(1)])
    (tmp_path / "out/main").mkdir(parents=True)
    for t, mask in enumerate([ids(1), ids(1), ids(1), ids()]):
        write_mask(tmp_path / "out/main" / f"{t:05d}.png", mask)
    before = json.loads(score(tmp_path, "--json")[0])
    assert before["global"]["J-Mean"] == pytest.approx(2 / 3)
    more: dict[str, list[np.ndarray | None]] = {
        "last frame only": [ids(2), ids(2), ids(2, 4)],
        "one frame": [ids(2)],
        "two frames": [ids(2), ids(2, 3)],
        "prompts only": [ids(2), None, None],
    }
    lay(tmp_path, "more", more[extra])
    (tmp_path / "out/more").mkdir()
    for t, mask in enumerate(more[extra]):
        write_mask(tmp_path / "out/more" / f"{t:05d}.png", ids() if mask is None else mask)
    found = json.loads(score(tmp_path, "--json")[0])
    text, said = score(tmp_path)
    scored = [o for o in found["objects"] if o["J-Mean"] is not None]
    assert not math.isnan(found["global"]["J&F-Mean"])
    assert found["global"]["J-Mean"] == np.mean([o["J-Mean"] for o in scored])
    assert found["global"]["F-Decay"] == np.mean([o["F-Decay"] for o in scored])
    assert f"mean of {len(scored)} " in text
    if extra == "prompts only":
        assert found["global"] == before["global"] and "does not publish the truth of 1 of 2 videos" in said
    else:
        missing = {"last frame only": "more_4", "one frame": "more_2", "two frames": "more_3"}[extra]
        assert found["unscored_objects"] == [missing]
        assert f"1 of {len(found['objects'])} objects have no scored frame and are in no mean: {missing}" in text
    assert "unscored_objects" not in before
