"""What one object's frames tell beyond its mean: whether it was lost, how it recovered, how stable its mask is.

J by frame and saved masks stay in the run directory; these few numbers an object travel with a packed result.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from robust_vos_bench.analysis.measures import Recovery, lost_at, recovery
from robust_vos_bench.analysis.stability import StabilityCache
from robust_vos_bench.conditions import Condition, condition_fingerprint, hit_frames
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import FrameScores, Manifest, UnitRecord
from robust_vos_bench.runs.store import RunStore


class ObjectStats(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object of one video under one condition."""

    condition: str
    video: str
    object: int
    lost: bool = False
    """J stays below 0.1 from some frame to the end."""
    recovery: Recovery | None = None
    """Under a burst that has scored frames before and after it, where the clean run is there to compare with."""
    stability: float | None = None
    """Mean IoU with the clean run's mask, where both runs' masks were saved and pixels did not move."""


def object_stats(
    store: RunStore, manifest: Manifest, model: str, records: Mapping[str, Mapping[str, UnitRecord]] | None = None
) -> tuple[ObjectStats, ...]:
    """Facts of every scored object of one model; saved masks are compared (slow once, then remembered).

    records: condition label -> video -> record, where they have been read already.
    """
    labels = [c["label"] for c in manifest.conditions]
    clean_label = next((c["label"] for c in manifest.conditions if not c["corruption"]), "")
    if records is None:
        records = {label: store.records(label, model) for label in labels}
    clean = scored_tracks(store, clean_label, model, records[clean_label]) if clean_label else {}
    cache = StabilityCache(store, manifest, model)
    found: list[ObjectStats] = []
    for label, fields in zip(labels, manifest.conditions):
        tracks = clean if label == clean_label else scored_tracks(store, label, model, records[label])
        burst = burst_of(fields)
        for video in manifest.videos:
            record = records[label].get(video)
            if record is None or not record.ok:
                continue
            own = {o.object: tracks[video, o.object] for o in record.objects if (video, o.object) in tracks}
            stable = cache.values(label, video, record, records[clean_label].get(video), own) if clean_label else {}
            for i, track in sorted(own.items()):
                if not track.j:  # a video without a scored frame tells nothing
                    continue
                found.append(
                    ObjectStats(
                        condition=label,
                        video=video,
                        object=i,
                        lost=lost_at(track.j) is not None,
                        recovery=_recovery(track, clean.get((video, i)), burst, manifest, record),
                        stability=stable.get(i),
                    )
                )
    cache.save()
    return tuple(found)


def scored_tracks(
    store: RunStore, label: str, model: str, records: Mapping[str, UnitRecord]
) -> dict[tuple[str, int], FrameScores]:
    """(video, object) -> J and F by frame, of the objects that the cell's records score.

    The file is appended to: it also keeps objects that the truth has lost since, and videos that now fail.
    """
    scored = {(r.video, o.object) for r in records.values() if r.ok for o in r.objects if o.frames}
    return {key: track for key, track in store.frame_scores(label, model).items() if key in scored}


def condition_of(fields: Mapping[str, Any]) -> Condition:
    """The condition that a manifest's entry describes."""
    names = Condition.__dataclass_fields__
    return Condition(**{k: v for k, v in fields.items() if k in names})


def burst_of(fields: Mapping[str, Any]) -> Condition | None:
    """The condition where its severity is a burst whose place is known here, else None.

    Another version of the corruption, or one that is not installed, would have put the burst elsewhere.
    """
    if fields.get("profile") != "burst":
        return None
    condition = condition_of(fields)
    try:
        return condition if condition_fingerprint(condition) == fields.get("fingerprint") else None
    except UsageError:
        return None


def burst_frames(condition: Condition, manifest: Manifest, video: str, frames: int) -> range:
    """The frames of a video of so many frames that the burst reaches."""
    hit = hit_frames(condition, manifest.dataset["name"], video, frames)
    return range(int(hit[0]), int(hit[-1]) + 1) if hit.size else range(0)


def _recovery(
    track: FrameScores, clean: FrameScores | None, burst: Condition | None, manifest: Manifest, record: UnitRecord
) -> Recovery | None:
    if burst is None:
        return None
    hit = burst_frames(burst, manifest, track.video, record.frames)
    frames = list(track.frames)
    start, end = bisect_left(frames, hit.start), bisect_left(frames, hit.stop)
    if clean is None or list(clean.frames) != frames:
        return None
    if not hit or not 0 < start < end < len(frames):
        return None
    found = recovery(track.j, clean.j, start, end)
    if found.frames is None:
        return found
    return replace(found, frames=frames[end + found.frames] - hit.stop)  # of the video, not of those that are scored


def verify_object_stats(facts: Sequence[ObjectStats], units: set[tuple[str, str]]) -> str:
    """What is impossible about the facts of a result whose scored units are given, or ""."""
    for fact in facts:
        where = f"{fact.condition} · {fact.video}, object {fact.object}"
        if (fact.condition, fact.video) not in units:
            return f"facts of {where}, which is not scored"
        r = fact.recovery
        values = [fact.stability, *((r.before, r.during, r.after, r.clean) if r else ())]
        if any(v is not None and not (math.isfinite(v) and 0 <= v <= 1) for v in values):
            return f"facts of {where} outside 0..1"
    return ""
