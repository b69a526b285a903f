"""The official size rule."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.adapters.aot.sizes import SizeRule, network_image


def test_the_official_table(shared: Path) -> None:
    rows = json.loads((shared / "models" / "aot" / "golden" / "resize_table.json").read_text())
    assert len(rows) == 75
    for row in rows:
        rule = SizeRule(row["max_short"], row["max_long"])
        for key, corners in (("align", True), ("noalign", False)):
            assert list(rule.size(row["h"], row["w"], row["scale"], corners)) == row[key], row


def test_known_sizes() -> None:
    rule = SizeRule.of(624, (1.0,))
    assert rule.size(480, 854) == (481, 849)
    assert rule.size(480, 854, align_corners=False) == (480, 848)
    assert rule.size(720, 1280) == (577, 1041)
    assert rule.size(720, 1280, align_corners=False) == (592, 1040)
    # the short side is limited with several scales, and falls just below 585 in floating point
    assert SizeRule.of(624, (1.0, 1.3)).size(720, 1280, align_corners=False) == (576, 1040)
    assert rule.size(100, 333) == (97, 337)


@pytest.mark.parametrize("corners", [True, False])
def test_tiny_frames_keep_one_step(corners: bool) -> None:
    assert min(SizeRule().size(3, 5, align_corners=corners)) >= 16


def test_a_mirrored_view_is_the_mirror_of_the_view() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    plain, mirrored = (network_image(frame, (33, 49), "cpu", flip) for flip in (False, True))
    assert (plain.flip(3) == mirrored).all()
