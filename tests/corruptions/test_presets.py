"""Presets and what users may type."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_vos_bench.conditions import CLEAN, Condition, corruptions, families, load_preset, preset_names, select
from robust_vos_bench.errors import DataError, UsageError

COMMON = [
    *(
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "snow",
    ),
    *("frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
]
BLUR = ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"]


def names(conditions: list[Condition]) -> list[str]:
    return list(dict.fromkeys(condition.corruption for condition in conditions))


def test_default_is_common() -> None:
    conditions, info = select()
    assert names(conditions) == COMMON and len(conditions) == 75
    assert (info.name, info.version) == ("common", 1) and info.description and info.source
    assert CLEAN not in conditions


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_describes_itself(name: str) -> None:
    info = load_preset(name)
    assert info.name == name and info.version >= 1 and info.description
    assert len({condition.label for condition in info.conditions()}) == len(info.conditions())


def test_meaning_of_the_presets() -> None:
    assert [c.label for c in select(preset="smoke")[0]] == [
        "gaussian_noise-1-frame",
        "gaussian_noise-5-frame",
        "gaussian_blur-1",
        "gaussian_blur-5",
    ]
    assert load_preset("smoke").videos == 2
    assert names(select(preset="common-extra")[0]) == ["speckle_noise", "gaussian_blur", "spatter", "saturate"]
    study = select(preset="youtube-vos-p")[0]
    assert [corruptions()[c.corruption].values[c.severity - 1] for c in study] == [5, 10, 30, 3, 5, 9, 1000, 3000, 5000]
    modes = {c.corruption: c.temporal for c in select()[0]}
    assert [modes[n] for n in ("gaussian_noise", "glass_blur", "fog", "contrast")] == ["frame", "video", "drift", ""]


def test_family_means_its_members_in_the_preset() -> None:
    conditions, info = select("blur")
    assert names(conditions) == BLUR and len(conditions) == 20 and info.name == "common"
    assert info.corruptions == tuple(BLUR)
    assert names(select(["blur"], preset="youtube-vos-p")[0]) == ["mean_blur"]
    assert set(families()["blur"]) > set(BLUR)


def test_names_severities_and_order() -> None:
    conditions, info = select(["fog", "snow", "fog"], [5, 1], seed=3)
    assert [(c.corruption, c.severity, c.seed) for c in conditions] == [
        ("fog", 5, 3),
        ("fog", 1, 3),
        ("snow", 5, 3),
        ("snow", 1, 3),
    ]
    assert info.name == "common"
    mixed, custom = select(["clean", "fog", "spatter"], [2])
    assert mixed[0] is CLEAN and names(mixed[1:]) == ["fog", "spatter"]
    assert (custom.name, custom.version) == ("custom", 0)
    assert select("youtube-vos-p")[0] == select(preset="youtube-vos-p")[0]


def test_modes_and_profiles_replace_the_choice_of_the_preset() -> None:
    modes = {c.corruption: c.temporal for c in select(temporal="video")[0]}
    assert modes["fog"] == modes["gaussian_noise"] == "video" and modes["contrast"] == ""
    drift = {c.corruption: c.temporal for c in select(temporal="drift")[0]}
    assert drift["motion_blur"] == "drift" and drift["gaussian_noise"] == "frame"
    with pytest.raises(UsageError, match="gaussian_noise does not offer the temporal mode 'drift'"):
        select("gaussian_noise", temporal="drift")
    with pytest.raises(UsageError, match="nothing in the selection offers"):
        select("noise", temporal="drift")
    assert {c.profile for c in select("weather", profile="ramp")[0]} == {"ramp"}
    assert all(c.clean_reference for c in select("fog", clean_reference=True)[0])
    assert select("fog", clean_reference=True)[1].clean_reference


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ({"corruption": "fogg"}, "Did you mean 'fog'"),
        ({"corruption": "fog", "severities": [6]}, r"severity 6 is out of range: fog has severities 1\.\.5"),
        ({"corruption": "fog", "severities": [0]}, r"1\.\.5"),
        ({"preset": "youtube-vos-p", "severities": [5]}, r"additive_noise has severities 1\.\.3"),
        ({"preset": "smoke", "severities": [3]}, "preset smoke has no severity 3"),
        ({"corruption": "smoke", "severities": [3]}, "preset smoke has no severity 3"),
        ({"preset": "comon"}, "Did you mean 'common'"),
        ({"preset": "smoke", "corruption": "fog"}, "preset smoke has no fog; it has gaussian_noise, gaussian_blur"),
        ({"preset": "smoke", "corruption": "weather"}, "nothing of the family weather"),
        ({"temporal": "sequence"}, "Modes are frame, video, drift"),
        ({"profile": "rampp"}, "Did you mean 'ramp'"),
    ),
)
def test_wrong_choices_say_what_to_type(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select(**arguments)  # type: ignore[arg-type]


GOOD = '[preset]\nname = "mine"\nversion = 2\ndescription = "d"\n[[corruption]]\nname = "fog"\nseverities = [1, 3]\n'


def test_a_preset_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD + 'temporal = "video"\nprofile = "burst"\nclean_reference = true\n')
    conditions, info = select(preset=str(file))
    assert [c.label for c in conditions] == ["fog-1-video-burst-cleanref", "fog-3-video-burst-cleanref"]
    assert (info.name, info.version) == ("mine", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("[preset", "not valid TOML"),
        (GOOD.replace("version = 2\n", ""), r"preset\.version: missing"),
        (GOOD.replace("version = 2", 'version = "2"'), r"preset\.version: expected int, got '2'"),
        (GOOD.replace('name = "fog"', 'name = "fogg"'), r"corruption\[0\]\.name: unknown corruption 'fogg'"),
        (GOOD.replace("[1, 3]", "[1, 7]"), r"corruption\[0\]\.severities: 7 is not one of 1\.\.5 of fog"),
        (GOOD.replace("[1, 3]", "[1, 1]"), "distinct levels"),
        (GOOD + "strength = 3\n", r"corruption\[0\]\.strength: unknown key"),
        (GOOD + 'temporal = "never"\n', r"corruption\[0\]\.temporal: fog does not offer 'never'"),
        (GOOD + 'profile = "never"\n', r"corruption\[0\]\.profile"),
        (GOOD + '[[corruption]]\nname = "fog"\n', "listed twice"),
        (GOOD.split("[[")[0], r"no \[\[corruption\]\] entry"),
        (GOOD + "[extra]\n", r"unknown table \[extra\]"),
        (GOOD.replace("version = 2", "version = 2\nvideos = 0"), r"preset\.videos: expected at least 1"),
    ),
)
def test_wrong_presets_name_file_and_key(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        load_preset(str(file))
    assert "bad.toml" in str(error.value)


def test_missing_preset_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no preset file"):
        load_preset(str(tmp_path / "none.toml"))


def test_a_preset_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes(GOOD.replace("[[", "# für\n[[", 1).encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.toml: not UTF-8 text"):
        load_preset(str(file))
