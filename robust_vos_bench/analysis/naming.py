"""What a run's grid is called: the file name of its leaderboard page, and words for a reader."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from robust_vos_bench.analysis.result import Result
from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import Manifest
from robust_vos_bench.runs.run import is_whole_preset


def page_name(result: Result) -> str:
    """File stem of the page that a result belongs to; results with other conditions or videos get another page.

    Raises UsageError for a run with several seeds.
    """
    manifest = result.manifest
    seeds = sorted({c.seed for c in manifest.corrupted})
    if len(seeds) > 1:
        raise UsageError(
            f"model {result.model!r}: the run has the seeds {', '.join(map(str, seeds))}; a page holds results of one "
            "seed. Make one run per seed."
        )
    words = [manifest.dataset.name.replace(":", "-"), f"{manifest.preset.name}-v{manifest.preset.version}"]
    if manifest.seed:
        words.append(f"seed{manifest.seed}")
    partial = _partial(manifest)
    if partial:
        words.append(partial)
    return "--".join(re.sub(r"[^A-Za-z0-9._-]", "-", word) for word in words)


def _partial(manifest: Manifest) -> str:
    """ "" for the whole preset on the whole split, else a digest of the conditions and videos that were chosen."""
    if is_whole_preset(manifest) and manifest.dataset.videos == manifest.dataset.videos_in_split:
        return ""
    labels = sorted(c.label for c in manifest.conditions)
    return "part-" + hashlib.sha256(repr((labels, sorted(manifest.videos))).encode()).hexdigest()[:8]


def preset_words(manifest: Manifest) -> str:
    """What a run's conditions are, for a reader: a preset, a part of it, or something made from it."""
    from robust_vos_bench.conditions.presets import load_preset, preset_names

    preset = manifest.preset
    profiles = {c.profile for c in manifest.corrupted}
    bursts = f", severity profile {', '.join(sorted(profiles))}" if profiles - {"constant"} else ""
    if preset.name not in preset_names():
        own = f"{preset.name} v{preset.version}"
        return f"chosen by hand{_chosen(manifest, [])}{bursts}" if preset.name == "custom" else own + bursts
    if is_whole_preset(manifest):
        return f"{preset.name} v{preset.version}"
    whole = load_preset(preset.name).conditions(manifest.seed)
    known = {c.label for c in whole}
    part = all(c.label in known for c in manifest.corrupted)
    words = f"part of {preset.name}" if part else f"altered from {preset.name}"
    return f"{words} v{preset.version}{_chosen(manifest, whole)}{bursts}"


def _chosen(manifest: Manifest, whole: Sequence[Condition]) -> str:
    """What was chosen, where few words say it: severities of all of `whole`, up to three conditions, or a full grid."""
    chosen = manifest.corrupted
    labels = [c.label for c in chosen]
    if not labels:
        return ""
    severities = sorted({c.severity for c in chosen})
    levels = f"severit{'y' if len(severities) == 1 else 'ies'} {', '.join(map(str, severities))}"
    if set(labels) == {c.label for c in whole if c.severity in severities}:
        return f", {levels}"
    if len(labels) <= 3:
        return f": {', '.join(labels)}"
    names = list(dict.fromkeys(c.corruption for c in chosen))
    kept = {c.clean_reference for c in chosen}
    if len(labels) != len(names) * len(severities) or len(kept) > 1:
        return ""
    what = ", ".join(names) if len(names) <= 6 else f"{len(names)} corruptions"
    return f": {what}, {levels}{', clean reference' if kept == {True} else ''}"
