"""Strength guards meaning: measured again, it must fit the committed table (benchmarks/strength.csv)."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from robust_vos_bench.conditions import CLEAN, Condition, corruptions, load_preset
from robust_vos_bench.conditions.strength import Strength, measure_strength, ssim, strength_clips
from robust_vos_bench.datasets.video import Video

TABLE = Path(__file__).resolve().parents[2] / "benchmarks" / "strength.csv"


def table() -> dict[tuple[str, str, int], Strength]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {
            (row["corruption"], row["temporal"], int(row["severity"])): Strength(
                *(float(row[c]) for c in ("psnr", "ssim", "change", "still", "flicker"))
            )
            for row in csv.DictReader(file)
        }


KEYS = sorted(table())


@pytest.fixture(scope="module")
def clips() -> tuple[Video, Video]:
    """The clips that the table was measured on."""
    from skimage.data import coffee

    return strength_clips(np.ascontiguousarray(coffee()))


def test_table_is_complete() -> None:
    wanted = {
        (name, temporal, severity)
        for name, spec in corruptions().items()
        if spec.scope != "prompt"
        for temporal in spec.temporal or ("",)
        for severity in range(1, spec.levels + 1)
    }
    assert wanted - set(KEYS) == set()


def check(key: tuple[str, str, int], clips: tuple[Video, Video]) -> None:
    name, temporal, severity = key
    measured = measure_strength(Condition(name, severity, temporal, clean_reference=False), clips)
    expected = table()[key]
    if not math.isinf(expected.psnr):
        assert measured.psnr == pytest.approx(expected.psnr, abs=0.25)
    assert measured.ssim == pytest.approx(expected.ssim, abs=0.01)
    assert measured.change == pytest.approx(expected.change, rel=0.03, abs=0.05)
    assert measured.still == pytest.approx(expected.still, rel=0.03, abs=0.05)
    assert measured.flicker == pytest.approx(expected.flicker, rel=0.05, abs=0.05)


def _first_modes() -> list[tuple[str, str, int]]:
    """A middle severity of each frame-wise corruption in its first mode: the rest is marked slow."""
    chosen = []
    for key in KEYS:
        spec = corruptions().get(key[0])
        if spec and spec.scope == "frame" and key[2] == 2 and key[1] == (spec.temporal[0] if spec.temporal else ""):
            chosen.append(key)
    return chosen


@pytest.mark.parametrize("key", _first_modes(), ids=lambda key: "-".join(map(str, key)))
def test_strength(key: tuple[str, str, int], clips: tuple[Video, Video]) -> None:
    check(key, clips)


@pytest.mark.slow
@pytest.mark.parametrize("key", [k for k in KEYS if k not in _first_modes()], ids=lambda key: "-".join(map(str, key)))
def test_strength_of_all(key: tuple[str, str, int], clips: tuple[Video, Video]) -> None:
    check(key, clips)


def test_severity_grows_where_the_source_means_it_to() -> None:
    """PSNR falls with severity; not so in the source itself for the corruptions left out here."""
    rows = table()
    for preset in ("common", "common-extra", "common-bar", "youtube-vos-p"):
        for name in load_preset(preset).corruptions:
            if name in ("glass_blur", "snow", "frost", "saturate", "spatter", "motion_blur", "fog"):
                continue
            for temporal in corruptions()[name].temporal or ("",):
                psnr = [rows[name, temporal, s].psnr for s in range(1, corruptions()[name].levels + 1)]
                assert psnr == sorted(psnr, reverse=True), (name, temporal, psnr)


def test_common_does_not_strobe() -> None:
    """In the modes that the preset chooses, layers and distortions flicker far less than they change the picture."""
    rows = table()
    for entry in [e for preset in ("common", "common-extra", "common-bar") for e in load_preset(preset).entries]:
        if entry.base.temporal != "frame":
            for severity in entry.severities:
                assert rows[entry.corruption, entry.base.temporal, severity].flicker_ratio < 0.4


def test_clean_has_no_strength(clips: tuple[Video, Video]) -> None:
    strength = measure_strength(CLEAN, clips)
    assert math.isinf(strength.psnr) and strength.ssim == pytest.approx(1.0)
    assert strength.change == strength.still == strength.flicker == strength.flicker_ratio == 0.0


def test_ssim_agrees_with_scikit_image(photo: np.ndarray) -> None:
    from skimage.metrics import structural_similarity

    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 20, photo.shape), 0, 255).astype(np.uint8)
    luma = np.array([0.299, 0.587, 0.114])
    theirs = structural_similarity(
        photo @ luma, noisy @ luma, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(photo, noisy) == pytest.approx(theirs, abs=0.003)
