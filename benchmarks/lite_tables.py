"""The tables of docs/lite-study.md and of docs/reference-weights.md: values, and paired differences with intervals.

Everything is a mean over conditions of one result, or a sum of such means with signs, so that values and values
without each video add up: also across two pages of the same videos (`analysis/intervals.py` makes the interval).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from lite_csv import ablation, ceiling, clean_at, gain_text, mean_text, rows_of, table
from lite_runs import BASELINES, DEFAULT, DEFAULT_SIZE, FAMILIES, LEVELLED, NETWORKS, RECIPES, SIX, SIZE
from lite_scores import Sample, Scored
from numpy.typing import NDArray

from robust_vos_bench.analysis.result import Result
from robust_vos_bench.analysis.same import check_same

EVERY = ("demo", "youtube-vos-p", "common", "demo-sharp", "sharp")
"""Compared with intervals; three videos with several objects carry none worth printing."""
HEADINGS = {
    "demo": "demo",
    "youtube-vos-p": "DAVIS, `youtube-vos-p`",
    "common": "DAVIS, `common` 3",
    "demo-sharp": "demo, sound reference",
    "sharp": "DAVIS, sound reference",
}
HEADLINE = ("P", "mPC", "drop")
FAMILY_NAMES = ("noise", "blur", "weather", "digital")


class Study:
    """All results by setting and model, and the tables made from them; a cell without its result stays empty.

    Raises UsageError for results of one setting that are of other data, videos or corruption versions.
    """

    def __init__(self, results: Mapping[str, Mapping[str, Result]]) -> None:
        for found in results.values():
            if found:
                check_same(list(found.values()), "be put in one table")
        self._found = {name: {m: Scored(r) for m, r in models.items()} for name, models in results.items()}

    def tables(self) -> dict[str, str]:
        """Name -> Markdown, in the order of the page."""
        made: dict[str, Callable[[], str]] = {
            "clean": self.clean,
            "clean-videos": self.clean_videos,
            "sizes": self.sizes,
            "sizes-damaged": self.sizes_damaged,
            "objects": self.objects,
            "objects-videos": lambda: self.by_video("objects"),
            "scores": self.scores,
            "architectures": lambda: self.pairs("mPC"),
            "architectures-drop": lambda: self.pairs("drop"),
            "corruptions": self.by_corruption,
            "reference": self.reference,
            "reference-drop": self.reference_drop,
            "ablation": ablation,
            "ceiling": lambda: ceiling(rows_of("ceiling.csv")),
            "levelled": self.levelled,
            "corrupted": lambda: self.recipe("-corrupted", HEADLINE),
            "corrupted-families": lambda: self.recipe("-corrupted", FAMILY_NAMES),
            "video": lambda: self.recipe("-video", HEADLINE),
            "video-families": lambda: self.recipe("-video", FAMILY_NAMES),
            "labelprop": self.labelprop,
            "labelprop-loss": self.labelprop_loss,
        }
        return {name: make() for name, make in made.items()}

    def clean(self) -> str:
        """P on DAVIS at the default size, against `labelprop` at both sizes and against the line before."""
        small = f"labelprop[size={DEFAULT_SIZE}]"
        found = self._clean(DEFAULT_SIZE)
        rows = []
        for model in (*NETWORKS, small, *BASELINES):
            family, _, recipe = model.partition("-")
            bases = ("labelprop", small, family if recipe else "") if model in NETWORKS else ("",) * 3
            minus = [gain_text(found.get(model), found.get(base)) for base in bases]
            rows.append((f"`{model}`", [mean_text(found.get(model)), *minus]))
        return table("", ["P", "minus `labelprop`", f"minus `{small}`", "minus the stills line"], rows)

    def clean_videos(self) -> str:
        """The same by video."""
        found = self._clean(DEFAULT_SIZE)
        rows = [
            (f"`{m}`", [mean_text(found[m]), *(f"{value:.1f}" for value in found[m])])
            for m in (*NETWORKS, *BASELINES)
            if m in found
        ]
        return table("", ["P", *self._videos()], rows)

    def sizes(self) -> str:
        """P on DAVIS with the networks at the size of the study and at their default."""
        smaller, larger = self._clean(SIZE), self._clean(DEFAULT_SIZE)
        rows = []
        for model in (*NETWORKS, "labelprop"):
            names = [f"labelprop[size={n}]" if model == "labelprop" else model for n in (SIZE, DEFAULT_SIZE)]
            small, large = smaller.get(names[0]), larger.get(names[1])
            gain = gain_text(large, small)
            rows.append((f"`{model}`", [f"{mean_text(small)} to {mean_text(large)}" if gain else "", gain]))
        return table(f"{SIZE} to {DEFAULT_SIZE} rows", ["P", "change"], rows)

    def sizes_damaged(self) -> str:
        """The same for the lines of which runs at both sizes are on the leaderboards; few videos without interval."""
        models = [network for network in NETWORKS if network.endswith("-video")]
        rows = []
        for label, setting, statistic in (
            ("mPC, `youtube-vos-p`", "youtube-vos-p", "mPC"),
            ("mPC, `common` 3", "common", "mPC"),
            ("mPC, sound reference", "sharp", "mPC"),
            ("several objects: P", "objects", "P"),
            ("several objects: mPC, all frames damaged", "objects", "mPC"),
            ("several objects: mPC, sound reference", "objects-sharp", "mPC"),
        ):
            cells = []
            for model in models:
                before, after = (self._sample(setting, name, statistic) for name in (model, model + DEFAULT))
                if before is None or after is None:
                    cells += ["", ""]
                else:
                    change = after - before
                    told = change.text if setting in EVERY else f"{change.value:+.1f}"
                    cells += [f"{before.value:.1f} to {after.value:.1f}", told]
            rows.append((label, cells))
        headings = [text for model in models for text in (f"`{model}`", "change")]
        return table(f"{SIZE} to {DEFAULT_SIZE} rows", headings, rows)

    def by_video(self, setting: str) -> str:
        """J&F, clean: of the data set, and of every video."""
        found = {m: s for m in (*NETWORKS, *BASELINES) if (s := self._found[setting].get(m)) is not None}
        videos = next((scored.videos for scored in found.values()), ())
        rows = []
        for model, scored in found.items():
            values = [scored.sample("P").value, *scored.by_video("P")]
            rows.append((f"`{model}`", [f"{value:.1f}" for value in values]))
        return table("", ["P", *videos], rows)

    def scores(self) -> str:
        """P, mPC and what was lost."""
        columns: list[tuple[str, Callable[[str], str]]] = []
        for setting, clean in (("demo", "demo"), ("youtube-vos-p", "DAVIS")):
            columns.append((f"{clean} P", self._value(setting, "P")))
            columns.append((f"mPC, {HEADINGS[setting].split(', ')[-1]}", self._value(setting, "mPC")))
            if setting == "youtube-vos-p":
                columns.append(("mPC, `common` 3", self._value("common", "mPC")))
                columns.append(("lost, `common` 3", self._lost("common")))
        for setting in ("demo-sharp", "sharp"):
            columns.append((f"mPC, {HEADINGS[setting]}", self._value(setting, "mPC")))
        columns.append(("lost, DAVIS, sound reference", self._lost("sharp")))
        rows = [(f"`{model}`", [cell(model) for _, cell in columns]) for model in (*NETWORKS, *BASELINES)]
        return table("", [heading for heading, _ in columns], rows)

    def pairs(self, statistic: str) -> str:
        """Every two families with the same recipe."""
        aoc, cfbi, aot = FAMILIES
        rows = [
            (f"`{a}{recipe}` - `{b}{recipe}`", [self._minus(s, a + recipe, b + recipe, statistic) for s in EVERY])
            for recipe in RECIPES
            for a, b in ((cfbi, aoc), (aoc, aot), (cfbi, aot))
        ]
        return table(statistic, [HEADINGS[s] for s in EVERY], rows)

    def by_corruption(self) -> str:
        """What each corruption of `common` costs on DAVIS."""
        every = self._found["common"]
        names = next((scored.corruptions for scored in every.values()), ())
        models = [m for m in (*NETWORKS, "labelprop") if m in every]
        rows = []
        for name in names:
            losses = [every[m].sample("P") - every[m].sample([name]) for m in models]
            rows.append((f"`{name}`", [f"{loss.value:.1f}" for loss in losses]))
        return table("P minus J&F", [f"`{m}`" for m in models], rows)

    def reference(self) -> str:
        """The mean over six corruptions with all frames damaged, and with all but the first."""
        rows = []
        for model in (*NETWORKS, "labelprop"):
            alike, sound = self._alike(model), self._sample("sharp", model, SIX)
            shown = ["" if s is None else f"{s.value:.1f}" for s in (alike, sound)]
            rows.append((f"`{model}`", [*shown, "" if alike is None or sound is None else (sound - alike).text]))
        return table("", ["all frames damaged", "all but the first", "change"], rows)

    def objects(self) -> str:
        """Videos with several objects: scores, and against plain in how many of the videos a recipe is higher."""
        rows = []
        for model in (*NETWORKS, *BASELINES):
            family, _, recipe = model.partition("-")
            cells = []
            for setting, statistic in (("objects", "P"), ("objects", "mPC"), ("objects-sharp", "mPC")):
                scored, plain = (self._found[setting].get(m) for m in (model, family))
                cells.append("" if scored is None else f"{scored.sample(statistic).value:.1f}")
                if recipe and scored is not None and plain is not None:
                    gains = scored.by_video(statistic) - plain.by_video(statistic)
                    change = scored.sample(statistic) - plain.sample(statistic)
                    cells[-1] += f" ({change.value:+.1f}, {(gains > 0).sum()} of {len(gains)})"
            rows.append((f"`{model}`", cells))
        return table("", ["P", "mPC, all frames damaged", "mPC, sound reference"], rows)

    def reference_drop(self) -> str:
        """What is lost with a sound reference, against `aot.lite` with the same recipe."""
        without = [name for name in SIX if name != "contrast"]
        fifteen = next((s.corruptions for s in self._found["demo-sharp"].values()), ())
        measured: list[tuple[str, str, Sequence[str]]] = [
            ("DAVIS, six corruptions", "sharp", SIX),
            ("DAVIS, without contrast", "sharp", without),
            *((f"DAVIS, `{name}`", "sharp", [name]) for name in SIX),
            ("demo, fifteen corruptions", "demo-sharp", fifteen),
            ("demo, without contrast", "demo-sharp", [name for name in fifteen if name != "contrast"]),
        ]
        pairs = [(family + recipe, FAMILIES[2] + recipe) for recipe in RECIPES for family in FAMILIES[:2]]
        rows = []
        for label, setting, names in measured:
            cells = []
            for model, base in pairs:
                ours, other = self._loss(setting, model, names), self._loss(setting, base, names)
                cells.append("" if ours is None or other is None else (ours - other).text)
            rows.append((label, cells))
        heading = "loss minus that of `aot.lite`, same recipe"
        return table(heading, [f"`{model}`" for model, _ in pairs], rows)

    def levelled(self) -> str:
        """The option `levelled` against the same weights without."""
        rows = []
        for setting in ("sharp", "demo-sharp"):
            for model in NETWORKS:
                cells = [self._minus(setting, model + LEVELLED, model, s) for s in (*HEADLINE, *FAMILY_NAMES)]
                rows.append((f"`{model}`, {HEADINGS[setting].split(',')[0]}", cells))
        return table("levelled minus as it is", [*HEADLINE, *FAMILY_NAMES], rows)

    def recipe(self, recipe: str, measured: Sequence[str]) -> str:
        """A recipe minus the plain one."""
        rows = []
        for statistic in measured:
            for setting in EVERY:
                if statistic == "P" and setting in ("common", "sharp", "demo-sharp"):
                    continue  # the same frames once more
                where = HEADINGS[setting].split(",")[0] if statistic == "P" else HEADINGS[setting]
                cells = [self._minus(setting, family + recipe, family, statistic) for family in FAMILIES]
                rows.append((f"{statistic}, {where}", cells))
        return table(f"`{recipe}` minus plain", [f"`{family}`" for family in FAMILIES], rows)

    def labelprop(self) -> str:
        """The networks minus what needs no training."""
        rows = [(f"`{m}`", [self._minus(s, m, "labelprop", "mPC") for s in EVERY]) for m in NETWORKS]
        return table("mPC minus that of `labelprop`", [HEADINGS[s] for s in EVERY], rows)

    def labelprop_loss(self) -> str:
        """By family, what a network loses to `common` on DAVIS minus what `labelprop` does."""
        rows = []
        for model in NETWORKS:
            cells = [self._loss("common", model, family) for family in FAMILY_NAMES]
            others = [self._loss("common", "labelprop", family) for family in FAMILY_NAMES]
            rows.append((f"`{model}`", ["" if a is None or b is None else (a - b).text for a, b in zip(cells, others)]))
        return table("loss minus that of `labelprop`, `common` 3", FAMILY_NAMES, rows)

    def _videos(self) -> tuple[str, ...]:
        """Those of DAVIS."""
        return next((scored.videos for scored in self._found["youtube-vos-p"].values()), ())

    def _clean(self, size: int) -> dict[str, NDArray[np.float64]]:
        """J&F in points of every DAVIS video, clean, networks at this size: of the leaderboards, or of `sizes.csv`."""
        known, videos = self._found["youtube-vos-p"], self._videos()
        found = {model: scored.by_video("P") for model, scored in known.items() if size == SIZE or model in BASELINES}
        if size == SIZE:
            return found
        read = clean_at(size, {model: scored.weights for model, scored in known.items()})
        read = {name if name in NETWORKS else f"{name}[size={size}]": values for name, values in read.items()}
        whole = {name: values for name, values in read.items() if set(videos) <= set(values)}
        return found | {name: np.array([values[video] for video in videos]) for name, values in whole.items()}

    def _sample(self, setting: str, model: str, what: str | Sequence[str]) -> Sample | None:
        scored = self._found[setting].get(model)
        try:
            return None if scored is None else scored.sample(what)
        except KeyError:
            return None

    def _alike(self, model: str) -> Sample | None:
        """The six corruptions with all frames damaged: the box blur is of `youtube-vos-p`, the others of `common`."""
        blur = self._sample("youtube-vos-p", model, SIX[:1])
        others = self._sample("common", model, SIX[1:])
        if blur is None or others is None:
            return None
        return blur.scaled(1 / len(SIX)) + others.scaled(1 - 1 / len(SIX))

    def _loss(self, setting: str, model: str, names: str | Sequence[str]) -> Sample | None:
        clean, damaged = self._sample(setting, model, "P"), self._sample(setting, model, names)
        return None if clean is None or damaged is None else clean - damaged

    def _minus(self, setting: str, model: str, base: str, statistic: str) -> str:
        ours, other = self._sample(setting, model, statistic), self._sample(setting, base, statistic)
        return "" if ours is None or other is None else (ours - other).text

    def _value(self, setting: str, statistic: str) -> Callable[[str], str]:
        def cell(model: str) -> str:
            found = self._sample(setting, model, statistic)
            return "" if found is None else f"{found.value:.1f}"

        return cell

    def _lost(self, setting: str) -> Callable[[str], str]:
        def cell(model: str) -> str:
            scored = self._found[setting].get(model)
            return "" if scored is None else f"{scored.lost:.1f} %"

        return cell
