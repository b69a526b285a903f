"""The same words mean the same conditions and the same pixels in Python and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import robust_vos_bench as rvos
from robust_vos_bench.conditions import Condition, corruptions, families, hit_frames, load_preset, preset_names, select
from robust_vos_bench.conditions.condition import CLEAN
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import UsageError


@pytest.mark.parametrize("name", sorted(corruptions()))
def test_python_strings_and_flags_name_one_condition(name: str) -> None:
    for severity in range(1, corruptions()[name].levels + 1):
        made = Condition(name, severity)
        by_flags, _ = select(name, [severity])
        by_label, _ = select(made.label)
        assert by_flags == by_label == [made]
        assert made.temporal == corruptions()[name].default_temporal


def test_labels_read_back() -> None:
    every = [c for preset in preset_names() for c in load_preset(preset).conditions(seed=2)]
    spare = [name for name, spec in corruptions().items() if spec.frames == "all"]  # the others change nothing else
    every += [c for name in spare for c in select(name, clean_reference=True)[0]]
    every += [c for name in corruptions() for c in select(name, clean_reference=False)[0]]
    every += select(preset="common", profile="burst")[0]
    for condition in (CLEAN, *every):
        assert Condition.from_label(condition.label) == condition
    assert len({c.label for c in every}) == len(set(every))


def test_both_doors_give_the_same_pixels(tmp_path: Path) -> None:
    words = {"dataset": "demo", "limit": 1, "workers": 1, "progress": False}
    rvos.corrupt("fog", severity=3, output=tmp_path / "flags", **words)
    rvos.corrupt(Condition("fog", 3), output=tmp_path / "python", **words)
    rvos.corrupt("fog-3", output=tmp_path / "label", **words)
    pictures = [
        {str(path.relative_to(tmp_path / door)): path.read_bytes() for path in (tmp_path / door).rglob("*.png")}
        for door in ("flags", "python", "label")
    ]
    assert pictures[0] == pictures[1] == pictures[2] and len(pictures[0]) > 10


def test_what_is_left_open_may_be_said_by_flags_and_not_contradicted() -> None:
    assert select("fog-3", profile="burst", seed=4)[0] == [Condition("fog", 3, "drift", "burst", 4)]
    assert select(["fog-3-frame", "fog-5"])[0] == [Condition("fog", 3, "frame"), Condition("fog", 5)]
    assert select(["contrast", "fog-3-frame"])[0][-1] == Condition("fog", 3, "frame")
    assert select("fog-3-drift", preset="common")[1].name == "common"
    for words, flags, told in (
        ("fog-3", {"severities": [4]}, "severity of its own"),
        ("fog-3-frame", {"temporal": "drift"}, "contradicts temporal drift"),
        ("fog-3-frame", {"preset": "common"}, "Did you mean 'fog-3-drift'"),
        ("packet_loss-3-corruptref", {"clean_reference": True}, "contradicts clean reference"),
    ):
        with pytest.raises(UsageError, match=told):
            select(words, **flags)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (("fogg", 9), "Did you mean 'fog'"),
        (("fog", 9), r"fog has severities 1\.\.5"),
        (("fog",), "severity 0 is out of range"),
        (("fog", True), "severity True is out of range"),
        (("fog", 3, "drif"), "Did you mean 'drift'"),
        (("contrast", 3, "frame"), "it draws nothing"),
        (("fog", 3, "", "brust"), "Did you mean 'burst'"),
        (("packet_loss", 3, "", "burst"), "cannot vary over time"),
        (("fog", 3, "", "constant", 0.5), "seed 0.5 is not a whole number"),
        (("fog", 3, "", "constant", 0, None, "cuda"), "has no batch implementation"),
        (("fog-3-frame",), "is a whole condition"),
        (("", 3), "clean and has nothing else"),
    ],
)
def test_impossible_conditions_are_refused_when_they_are_made(fields: tuple[object, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Condition(*fields)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a condition is written"):
        Condition.from_label("fog-3-drft")


def test_a_family_is_a_family_and_a_preset_a_preset() -> None:
    assert {c.corruption for c in select("video")[0]} == set(families()["video"])
    assert {c.corruption for c in select(["video", "codec"])[0]} == {*families()["video"], *families()["codec"]}
    assert {c.corruption for c in select(preset="video")[0]} > set(families()["video"])
    assert select("youtube-vos-p")[1].name == "youtube-vos-p"  # no family has that name


def test_a_corruption_has_one_reference_wherever_it_is_named() -> None:
    """Prompts on frames that might never be shown mean nothing, however the corruption was chosen."""
    kept = {name for name, spec in corruptions().items() if spec.clean_reference}
    assert kept == {"packet_loss", "bit_errors", "frozen_frames", "dropped_frames", "repeated_frames"}
    for chosen in (select(["codec", "video"])[0], select(preset="video")[0], select(sorted(kept))[0]):
        assert {c.corruption for c in chosen if c.clean_reference} == kept
    assert not any(c.clean_reference for c in select("codec", clean_reference=False)[0])


@pytest.mark.parametrize("profile", ["burst", "intermittent", "fourier"])
def test_severities_hit_the_same_frames(profile: str) -> None:
    data = open_dataset("demo", limit=1)
    video = data.video(data.videos[0])
    for seed in range(3):
        shares = []
        for severity in range(1, 6):
            made = Condition("contrast", severity, profile=profile, seed=seed)
            from robust_vos_bench.conditions.apply import CorruptedFrames

            shares.append(CorruptedFrames(video, made).severities / severity)
        assert np.ptp(shares, axis=0).max() < 1e-12
        assert np.ptp(shares[0]) > 0 or profile == "intermittent"  # one turn may be as long as the clip


def test_bursts_of_all_severities_reach_the_same_stretch() -> None:
    for seed in range(5):
        hits = [
            hit_frames(Condition("fog", s, "drift", "burst", seed), "davis2016:val", "camel", 70).tolist()
            for s in range(1, 6)
        ]
        assert all(hit == hits[0] for hit in hits) and 20 < len(hits[0]) < 45
    places = {tuple(hit_frames(Condition("fog", 3, "drift", "burst", seed), "d", "v", 70)) for seed in range(5)}
    assert len(places) == 5


def test_a_profile_that_draws_has_a_version_and_others_keep_their_keys() -> None:
    from robust_vos_bench.conditions import condition_fingerprint, profile

    kept = [condition_fingerprint(Condition("fog", 3, profile=p)) for p in profile.PROFILES]
    before, profile.VERSION = profile.VERSION, 99  # type: ignore[misc]
    try:
        now = [condition_fingerprint(Condition("fog", 3, profile=p)) for p in profile.PROFILES]
    finally:
        profile.VERSION = before  # type: ignore[misc]
    assert [a == b for a, b in zip(kept, now)] == [True, True, False, False, False]


def test_severities_may_be_ranges() -> None:
    from robust_vos_bench.api.settings import numbers

    assert numbers("1-3,5") == (1, 2, 3, 5) and numbers("2") == (2,) and numbers([1, 4]) == (1, 4)
    for text in ("3-1", "1-", "a", "1--2", "-3"):
        with pytest.raises(UsageError, match="1,3,5 or 1-3"):
            numbers(text)
