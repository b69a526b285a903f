"""The runs behind docs/lite-study.md: which models under which conditions, and where their packed results are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from robust_vos_bench.analysis.result import Result, read_result
from robust_vos_bench.errors import DataError
from robust_vos_bench.runs.records import Manifest

FAMILIES = ("aoc.lite", "cfbi.lite", "aot.lite")
RECIPES = ("", "-corrupted", "-video")
NETWORKS = tuple(family + recipe for family in FAMILIES for recipe in RECIPES)
BASELINES = ("labelprop", "flow", "static")
SIX = ("mean_blur", "gaussian_noise", "motion_blur", "snow", "contrast", "jpeg_compression")
"""One or two corruptions of every family, the cheapest set on which damage after a sound first frame is studied."""
LEVELLED = "[levelled=True]"
SIZE, DEFAULT_SIZE = 304, 352
"""Short side at which the networks see DAVIS in the study: that of the pictures that they were trained on; and the one
that they take by themselves since version 4 of their adapter (docs/reference-weights.md says why)."""
DEFAULT = f"[size={DEFAULT_SIZE}]"


@dataclass(frozen=True)
class Setting:
    """One data set under one set of conditions."""

    name: str
    dataset: str
    flags: tuple[str, ...]
    """Of `rvos-bench run`, without model and data."""
    preset: str
    severities: tuple[int, ...]
    corruptions: tuple[str, ...] = ()
    """Where they are chosen by hand; otherwise those of the preset."""
    clean_reference: bool = False
    models: tuple[str, ...] = (*NETWORKS, *BASELINES)
    """By the names of the study (`named`)."""

    def holds(self, manifest: Manifest) -> bool:
        """Whether a run was made under these conditions: data, preset or corruptions, severities, first frame."""
        damaged = [c for c in manifest.conditions if not c.is_clean]
        names = {c.corruption for c in damaged}
        return (
            (manifest.dataset.name, manifest.preset.name) == (self.dataset, self.preset)
            and {c.clean_reference for c in damaged} == {self.clean_reference}
            and {c.severity for c in damaged} == set(self.severities)
            and names == (set(self.corruptions) or names)
            and not any(c.is_stored for c in damaged)
        )

    def commands(self, root: str, output: Path, chosen: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Arguments of `rvos-bench`, a run per model, so that the results of each may be kept as soon as it is done.

        root: folder of the data set. output: folder of the runs. chosen: models; others are left out.
        """
        for model in (m for m in self.models if m in chosen):
            plain, given = _parts(model)
            folder = output / "-".join((f"{self.name}--{plain}", *(option.partition("=")[0] for option in given)))
            if plain in NETWORKS and self.dataset != "demo":
                usual = f"size={DEFAULT_SIZE}"
                given = [option for option in given if option != usual] if usual in given else [*given, f"size={SIZE}"]
            options = [word for option in given for word in ("--option", option.replace("True", "true"))]
            data = ("--dataset", self.dataset, "--data-root", root) if self.dataset != "demo" else ()
            yield ("run", "--model", plain, *options, *self.flags, *data, "--output", str(folder))

    def named(self, model: str) -> str:
        """The name in the study of a result's model: the size of the study goes without saying, another one not."""
        plain, given = _parts(model)
        if plain not in NETWORKS or self.dataset == "demo":  # frames of demo are smaller than any of the sizes
            return model
        if f"size={SIZE}" in given:
            given.remove(f"size={SIZE}")
        elif not any(option.startswith("size=") for option in given):
            given.append(f"size={DEFAULT_SIZE}")
        return f"{plain}[{','.join(given)}]" if given else plain


def _parts(model: str) -> tuple[str, list[str]]:
    """`aoc.lite[levelled=True,size=304]`: the name, and the options."""
    plain, _, options = model.rstrip("]").partition("[")
    return plain, [option for option in options.split(",") if option]


SMALL = f"labelprop[size={SIZE}]"
"""At the size of the study."""
VIDEO_AT_DEFAULT = tuple(network + DEFAULT for network in NETWORKS if network.endswith("-video"))
LEVELLED_TOO = (*NETWORKS, *(network + LEVELLED for network in NETWORKS), *BASELINES)
AT_DEFAULT_TOO = (*NETWORKS, *BASELINES, *VIDEO_AT_DEFAULT)
"""What a bare name runs stands on every page of DAVIS, at the size that it takes by itself."""
EVERY = tuple(dict.fromkeys((*LEVELLED_TOO, *AT_DEFAULT_TOO, SMALL)))
BY_HAND = ("--corruption", ",".join(SIX), "--severity", "3")
SHARP = "--clean-reference"
SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "youtube-vos-p",
            "davis2016:val",
            ("--preset", "youtube-vos-p"),
            "youtube-vos-p",
            (1, 2, 3),
            models=(*AT_DEFAULT_TOO, SMALL),
        ),
        Setting(
            "common",
            "davis2016:val",
            ("--preset", "common", "--severity", "3"),
            "common",
            (3,),
            models=AT_DEFAULT_TOO,
        ),
        Setting(
            "sharp", "davis2016:val", (*BY_HAND, SHARP), "custom", (3,), SIX, True, (*LEVELLED_TOO, *VIDEO_AT_DEFAULT)
        ),
        Setting("objects", "davis2017:trainval", BY_HAND, "custom", (3,), SIX, models=AT_DEFAULT_TOO),
        Setting("objects-sharp", "davis2017:trainval", (*BY_HAND, SHARP), "custom", (3,), SIX, True, AT_DEFAULT_TOO),
        Setting("demo", "demo", ("--preset", "common"), "common", (1, 2, 3, 4, 5)),
        Setting(
            "demo-sharp",
            "demo",
            ("--preset", "common", "--severity", "3", SHARP),
            "common",
            (3,),
            (),
            True,
            LEVELLED_TOO,
        ),
    )
}


def kept(folder: Path) -> dict[str, dict[str, Result]]:
    """Packed results of these settings in a folder of leaderboards: setting -> model (`Setting.named`) -> result.

    Raises DataError where two are of one model and setting, which other videos of the same data set would be.
    """
    found: dict[str, dict[str, Result]] = {name: {} for name in SETTINGS}
    for path in sorted(folder.glob("results/*/*.json.gz")):
        result = read_result(path)
        for name, setting in SETTINGS.items():
            if setting.holds(result.manifest):
                model = setting.named(result.model)
                if model in found[name]:
                    raise DataError(f"{path}: a second result of {model} under {name}; remove the one not meant")
                found[name][model] = result
    return found
